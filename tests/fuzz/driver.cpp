// A fuzzer's main() for compilers without libFuzzer: mutates a corpus and keeps what reaches new code, as libFuzzer
// does.
//
//     fuzz_pairs CORPUS... [-max_total_time=60] [-seed=1] [-max_len=4096]
//
// Targets are compiled with -fsanitize=address,undefined -fsanitize-coverage=trace-pc (g++ has it): the compiler calls
// the hook below at every branch, and the pair of places before and after is an edge (M. Zalewski's AFL counts them
// so). An input that a sanitizer or a trap stops is in crash-input, in the current folder.
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);
extern "C" void __sanitizer_set_death_callback(void (*callback)());

namespace {

constexpr size_t map_size = size_t{1} << 16;
uint8_t edges[map_size]; // how often each was taken by the present input
uintptr_t previous;

using Bytes = std::vector<uint8_t>;

const Bytes* present; // what runs now

/// Keeps the input that a sanitizer, a trap or abort() stopped.
void save_present() {
  std::FILE* file = present ? std::fopen("crash-input", "wb") : nullptr;
  if (!file) return;
  if (!present->empty()) (void)!std::fwrite(present->data(), 1, present->size(), file);
  std::fclose(file);
  present = nullptr;
}
void save_on_signal(int number) {
  save_present();
  std::signal(number, SIG_DFL);
  std::raise(number);
}

/// 1, 2, 3, 4-7, 8-15, ...: another order of magnitude is something new.
uint8_t bucket(uint8_t count) {
  uint8_t b = 0;
  while (count > 3) count = static_cast<uint8_t>(count / 2), b = static_cast<uint8_t>(b + 1);
  return static_cast<uint8_t>(1u << (b > 5 ? 7 : count + b - 1));
}

class Fuzzer {
public:
  Fuzzer(uint64_t seed, size_t max_length) : random_(seed), max_length_(max_length) {}

  /// Runs an input, and keeps it if it reaches something new.
  void run(const Bytes& input) {
    present = &input;
    std::memset(edges, 0, sizeof edges);
    previous = 0;
    const Bytes exact(input); // no slack behind the end for the address sanitizer to miss
    LLVMFuzzerTestOneInput(exact.data(), exact.size());
    ++runs_;
    bool fresh = false;
    for (size_t i = 0; i < map_size; ++i) {
      if (edges[i] == 0) continue;
      const uint8_t b = bucket(edges[i]);
      if ((seen_[i] & b) != 0) continue;
      reached_ += seen_[i] == 0;
      seen_[i] |= b;
      fresh = true;
    }
    if (fresh) corpus_.push_back(input);
  }

  Bytes mutate() {
    Bytes bytes = corpus_.empty() ? Bytes() : corpus_[below(corpus_.size())];
    for (uint64_t rounds = 1 + below(5); rounds > 0; --rounds) mutate_once(bytes);
    if (bytes.size() > max_length_) bytes.resize(max_length_);
    return bytes;
  }

  size_t kept() const { return corpus_.size(); }
  size_t reached() const { return reached_; }
  uint64_t runs() const { return runs_; }

private:
  uint64_t below(uint64_t limit) { return limit == 0 ? 0 : random_() % limit; }

  void mutate_once(Bytes& bytes) {
    static const char* const words[] = {"0",  "-1", "1e999", "nan",  "inf", "4294967296", "9223372036854775807",
                                        "\"", "#",  "\n",    "\r\n", " ",   "\t",         "=",
                                        "[",  "]",  ",",     "(",    ")",   ":"};
    const size_t at = below(bytes.size() + 1), rest = bytes.size() - at;
    const auto here = bytes.begin() + static_cast<std::ptrdiff_t>(at);
    switch (below(8)) {
    case 0:
      if (rest > 0) bytes[at] ^= static_cast<uint8_t>(1u << below(8));
      break;
    case 1:
      if (rest > 0) bytes[at] = static_cast<uint8_t>(below(256));
      break;
    case 2: { // a number of 1, 2, 4 or 8 bytes, of those that break things
      const int64_t values[] = {0, 1, -1, INT8_MAX, INT16_MAX, INT32_MAX, INT64_MAX, INT32_MIN, INT64_MIN, 256, 65536};
      const int64_t value = values[below(std::size(values))];
      const size_t width = size_t{1} << below(4);
      if (rest >= width) std::memcpy(&bytes[at], &value, width);
      break;
    }
    case 3: bytes.insert(here, 1 + below(8), static_cast<uint8_t>(below(256))); break;
    case 4: bytes.erase(here, here + static_cast<std::ptrdiff_t>(below(std::min<size_t>(rest, 16) + 1))); break;
    case 5: { // a piece of its own, again
      const Bytes piece(here, here + static_cast<std::ptrdiff_t>(below(std::min<size_t>(rest, 64) + 1)));
      const size_t to = below(bytes.size() + 1);
      bytes.insert(bytes.begin() + static_cast<std::ptrdiff_t>(to), piece.begin(), piece.end());
      break;
    }
    case 6: { // the end of another input
      const Bytes& other = corpus_[below(corpus_.size())];
      const size_t from = below(other.size() + 1);
      bytes.resize(at);
      bytes.insert(bytes.end(), other.begin() + static_cast<std::ptrdiff_t>(from), other.end());
      break;
    }
    default: {
      const char* word = words[below(std::size(words))];
      bytes.insert(here, word, word + std::strlen(word));
    }
    }
  }

  std::mt19937_64 random_;
  size_t max_length_;
  std::vector<Bytes> corpus_;
  uint8_t seen_[map_size] = {};
  size_t reached_ = 0;
  uint64_t runs_ = 0;
};

} // namespace

extern "C" __attribute__((no_sanitize("address", "undefined"))) void __sanitizer_cov_trace_pc() {
  const uintptr_t here = reinterpret_cast<uintptr_t>(__builtin_return_address(0));
  const uintptr_t mixed = here * 0x9E3779B97F4A7C15u >> 32;
  uint8_t& count = edges[(mixed ^ previous) % map_size];
  if (count < 255) ++count;
  previous = mixed >> 1;
}

int main(int argc, char** argv) {
  namespace fs = std::filesystem;
  double seconds = 60;
  uint64_t seed = 1;
  size_t max_length = 4096;
  std::vector<std::string> folders;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    const auto value = [&](const char* name) {
      return argument.rfind(name, 0) == 0 ? argument.c_str() + std::strlen(name) : nullptr;
    };
    if (const char* limit = value("-max_total_time="))
      seconds = std::atof(limit);
    else if (const char* number = value("-seed="))
      seed = std::strtoull(number, nullptr, 10);
    else if (const char* bytes = value("-max_len="))
      max_length = std::strtoull(bytes, nullptr, 10);
    else
      folders.push_back(argument);
  }
  __sanitizer_set_death_callback(save_present);
  for (const int number : {SIGABRT, SIGILL, SIGTRAP}) std::signal(number, save_on_signal);
  Fuzzer fuzzer(seed, max_length);
  fuzzer.run({});
  for (const std::string& folder : folders)
    for (const auto& entry : fs::directory_iterator(folder)) {
      if (!entry.is_regular_file()) continue;
      std::ifstream stream(entry.path(), std::ios::binary);
      fuzzer.run({std::istreambuf_iterator<char>(stream), {}});
    }
  const size_t seeds = fuzzer.kept();
  const auto start = std::chrono::steady_clock::now();
  const auto elapsed = [&] { return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count(); };
  while (elapsed() < seconds)
    for (int i = 0; i < 100; ++i) fuzzer.run(fuzzer.mutate());
  std::printf("%llu runs in %.0f s, %zu edges, %zu inputs kept (%zu of the corpus)\n",
              static_cast<unsigned long long>(fuzzer.runs()), elapsed(), fuzzer.reached(), fuzzer.kept(), seeds);
}
