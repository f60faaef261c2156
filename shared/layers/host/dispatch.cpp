// Chooses the ISA level at run time, from what the CPU has and the operating system saves.
#include "shared/layers/host/bf16.hpp"
#include "shared/layers/host/host_kernels.hpp"
#include "shared/layers/host/int8.hpp"

#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>
#elif defined(__aarch64__) && defined(__linux__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

namespace leadline::host {

#if LEADLINE_HOST_KERNELS

extern const HostKernels host_kernels_baseline, host_kernels_v3, host_kernels_v4;
extern const Bf16Kernels bf16_kernels_baseline, bf16_kernels_v3, bf16_kernels_v4, bf16_kernels_v4_bf16,
    bf16_kernels_v4_amx;
extern const Int8Kernels int8_kernels_baseline, int8_kernels_v3, int8_kernels_v4, int8_kernels_v4_vnni,
    int8_kernels_dotprod;

namespace {

#if defined(LEADLINE_HAVE_BASELINE)
bool always() { return true; }
#endif

#if defined(LEADLINE_HAVE_V3) || defined(LEADLINE_HAVE_V4)

// What this CPU has and the operating system saves, from CPUID by hand: libgcc's __builtin_cpu_supports would add a
// symbol that is neither libc's nor libm's.
struct Features {
  bool v3 = false, v4 = false, vnni = false, bf16 = false, amx = false;
};
Features features() {
  Features f;
  unsigned a, b, c, d;
  if (!__get_cpuid(1, &a, &b, &c, &d)) return f;
  const bool fma = c >> 12 & 1, osxsave = c >> 27 & 1, avx = c >> 28 & 1;
  if (!fma || !osxsave || !avx) return f;
  unsigned saved, high;
  __asm__ volatile("xgetbv" : "=a"(saved), "=d"(high) : "c"(0));
  if ((saved & 0x06) != 0x06) return f; // the system doesn't save the vector registers
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return f;
  f.v3 = (b >> 5 & 1) && (b >> 8 & 1); // AVX2, BMI2
  f.v4 = f.v3 && (b >> 16 & 1) && (b >> 17 & 1) && (b >> 28 & 1) && (b >> 30 & 1) && (b >> 31 & 1) &&
         (saved & 0xE6) == 0xE6;
  f.vnni = f.v4 && (c >> 11 & 1);
  f.amx = f.v4 && (d >> 22 & 1) && (d >> 24 & 1) && (saved & 0x60000) == 0x60000; // AMX-BF16, AMX-TILE, XTILE state
  unsigned e;
  if (a >= 1 && __get_cpuid_count(7, 1, &e, &b, &c, &d)) f.bf16 = f.v4 && (e >> 5 & 1);
  return f;
}

[[maybe_unused]] bool has_v3() { return features().v3; }
[[maybe_unused]] bool has_v4() { return features().v4; }
[[maybe_unused]] bool has_vnni() { return features().vnni; }
[[maybe_unused]] bool has_bf16() { return features().bf16; }
[[maybe_unused]] bool has_amx() { return features().amx; }

// Linux gives the 8 KiB of matrix registers only to processes that ask. For all threads, those to come included; fails
// where a thread's signal stack is too small for them. Asked once, and only from here.
[[maybe_unused]] bool ask_for_amx() {
#if defined(__linux__)
  static int answer; // 0: not asked yet, 1: granted, 2: refused. Racing threads get and write the same one.
  int known = __atomic_load_n(&answer, __ATOMIC_RELAXED);
  if (known == 0) {
    constexpr long arch_prctl = 158, req_xcomp_perm = 0x1023, xtile_data = 18;
    long result;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "0"(arch_prctl), "D"(req_xcomp_perm), "S"(xtile_data)
                     : "rcx", "r11", "memory");
    known = result == 0 ? 1 : 2;
    __atomic_store_n(&answer, known, __ATOMIC_RELAXED);
  }
  return known == 1;
#else
  return false;
#endif
}

#endif

#if defined(LEADLINE_HAVE_DOTPROD)
[[maybe_unused]] bool has_dotprod() {
#if defined(__ARM_FEATURE_DOTPROD) // by the compiler's own flags
  return true;
#elif defined(__linux__)
  return getauxval(AT_HWCAP) & HWCAP_ASIMDDP;
#else
  return false;
#endif
}
#endif

// Best first. `present` looks at the CPU alone; `ask`, where there is one, asks the operating system too, so it is
// called only when the kernels are wanted.
template <class Kernels> struct Level {
  const Kernels* kernels;
  bool (*present)();
  bool (*ask)() = nullptr;

  bool available() const { return present() && (!ask || ask()); }
};
constexpr Level<HostKernels> levels[] = {
#ifdef LEADLINE_HAVE_V4
    {&host_kernels_v4, has_v4},
#endif
#ifdef LEADLINE_HAVE_V3
    {&host_kernels_v3, has_v3},
#endif
#ifdef LEADLINE_HAVE_BASELINE
    {&host_kernels_baseline, always},
#endif
};
#if LEADLINE_BF16
constexpr Level<Bf16Kernels> bf16_levels[] = {
#ifdef LEADLINE_HAVE_V4_AMX
    {&bf16_kernels_v4_amx, has_amx, ask_for_amx},
#endif
#ifdef LEADLINE_HAVE_V4_BF16
    {&bf16_kernels_v4_bf16, has_bf16},
#endif
#ifdef LEADLINE_HAVE_V4
    {&bf16_kernels_v4, has_v4},
#endif
#ifdef LEADLINE_HAVE_V3
    {&bf16_kernels_v3, has_v3},
#endif
#ifdef LEADLINE_HAVE_BASELINE
    {&bf16_kernels_baseline, always},
#endif
};
constexpr const auto& named_levels = bf16_levels; // what people can ask for
#else
constexpr const auto& named_levels = levels;
#endif

#if LEADLINE_INT8
constexpr Level<Int8Kernels> int8_levels[] = {
#ifdef LEADLINE_HAVE_V4_VNNI
    {&int8_kernels_v4_vnni, has_vnni},
#endif
#ifdef LEADLINE_HAVE_V4
    {&int8_kernels_v4, has_v4},
#endif
#ifdef LEADLINE_HAVE_V3
    {&int8_kernels_v3, has_v3},
#endif
#ifdef LEADLINE_HAVE_DOTPROD
    {&int8_kernels_dotprod, has_dotprod},
#endif
#ifdef LEADLINE_HAVE_BASELINE
    {&int8_kernels_baseline, always},
#endif
};
#endif

template <class Kernels, size_t count> const Kernels* best(const Level<Kernels> (&table)[count]) {
  for (const Level<Kernels>& level : table)
    if (level.available()) return level.kernels;
  return table[count - 1].kernels;
}
/// The level of that name; null where it isn't there.
template <class Kernels, size_t count> const Kernels* find(const Level<Kernels> (&table)[count], const char* isa) {
  for (const Level<Kernels>& level : table)
    if (strcmp(isa, level.kernels->isa) == 0) return level.available() ? level.kernels : nullptr;
  return nullptr;
}

// Null: not looked for yet. Racing threads find and write the same ones.
const HostKernels* current;
uint32_t changes;

// Chooses kernels, null: the best. Whether others ran until now; where none did, nothing was planned for them either.
template <class Kernels, size_t count>
bool change(const Kernels** current_kernels, const Kernels* kernels, const Level<Kernels> (&table)[count]) {
  const Kernels* before = __atomic_exchange_n(current_kernels, kernels, __ATOMIC_RELAXED);
  return before && before != (kernels ? kernels : best(table));
}

} // namespace

const HostKernels& host_kernels() {
  const HostKernels* kernels = __atomic_load_n(&current, __ATOMIC_RELAXED);
  if (!kernels) {
    kernels = best(levels);
    __atomic_store_n(&current, kernels, __ATOMIC_RELAXED);
  }
  return *kernels;
}

#if LEADLINE_BF16

static const Bf16Kernels* current_bf16;

const Bf16Kernels& bf16_kernels() {
  const Bf16Kernels* kernels = __atomic_load_n(&current_bf16, __ATOMIC_RELAXED);
  if (!kernels) {
    kernels = best(bf16_levels);
    __atomic_store_n(&current_bf16, kernels, __ATOMIC_RELAXED);
  }
  return *kernels;
}

void use_bf16_kernels(const Bf16Kernels* kernels) { __atomic_store_n(&current_bf16, kernels, __ATOMIC_RELAXED); }

Bf16Speed bf16_speed() {
  const char* extra = strchr(bf16_kernels().isa, '+');
  return !extra ? Bf16Speed::imitated : strcmp(extra, "+amx") == 0 ? Bf16Speed::matrix : Bf16Speed::vector;
}

#endif

#if LEADLINE_INT8

static const Int8Kernels* current_int8;

const Int8Kernels& int8_kernels() {
  const Int8Kernels* kernels = __atomic_load_n(&current_int8, __ATOMIC_RELAXED);
  if (!kernels) {
    kernels = best(int8_levels);
    __atomic_store_n(&current_int8, kernels, __ATOMIC_RELAXED);
  }
  return *kernels;
}

#endif

bool force_host_kernels(const char* isa) {
  const HostKernels* kernels = nullptr;
  if (isa) {
    // "x86-64-v4+bf16" is x86-64-v4 but for bf16, and for bytes, where it takes all that the CPU has.
    char base[32];
    size_t length = 0;
    while (isa[length] != '\0' && isa[length] != '+') ++length;
    if (length >= sizeof base) return false;
    memcpy(base, isa, length);
    base[length] = '\0';
    kernels = find(levels, base);
    if (!kernels || !find(named_levels, isa)) return false;
  }
  bool changed = change(&current, kernels, levels);
#if LEADLINE_BF16
  changed |= change(&current_bf16, isa ? find(bf16_levels, isa) : nullptr, bf16_levels);
#endif
#if LEADLINE_INT8
  changed |= change(&current_int8, isa ? find(int8_levels, isa) : nullptr, int8_levels);
#endif
  if (changed) __atomic_fetch_add(&changes, 1, __ATOMIC_RELAXED);
  return true;
}
uint32_t level_changes() { return __atomic_load_n(&changes, __ATOMIC_RELAXED); }

const char* isa_level(int index) {
  for (const auto& level : named_levels)
    if (level.present() && index-- == 0) return level.kernels->isa;
  return nullptr;
}

bool isa_supported() { return isa_level(0) != nullptr; }
const char* isa_name() { return host_kernels().isa; }

#else // no SIMD kernels: one level, without a CPU's name

bool force_host_kernels(const char* isa) { return !isa || strcmp(isa, isa_name()) == 0; }
const char* isa_level(int index) { return index == 0 ? isa_name() : nullptr; }
bool isa_supported() { return true; }
uint32_t level_changes() { return 0; }
const char* isa_name() { return "portable"; }
const Int8Kernels& int8_kernels() {
  static constexpr Int8Kernels none{}; // all that is asked of it is that it has no panels
  return none;
}

#endif

void cpu_name(char* name) {
  name[0] = '\0';
#if defined(__x86_64__)
  unsigned words[12];
  for (unsigned i = 0; i < 3; ++i)
    if (!__get_cpuid(0x80000002u + i, words + 4 * i, words + 4 * i + 1, words + 4 * i + 2, words + 4 * i + 3)) return;
  const char* from = reinterpret_cast<const char*>(words);
  size_t first = 0, last = strnlen(from, sizeof words);
  while (first < last && from[first] == ' ') ++first;
  while (last > first && from[last - 1] == ' ') --last;
  memcpy(name, from + first, last - first);
  name[last - first] = '\0';
#endif
}

} // namespace leadline::host
