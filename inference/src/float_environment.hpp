// The floating-point environment of a run: the IEEE default, whatever the caller's thread is set to.
#pragma once

#include "shared/core/config.hpp"

#if defined(__SSE__)
#include <xmmintrin.h>
#endif

namespace leadline {

/// While one exists, its thread rounds to nearest, keeps subnormals and traps nothing; then everything is as before,
/// sticky flags included. x86 (SSE), ARM and RISC-V; elsewhere nothing is touched.
class FloatEnvironment {
public:
  FloatEnvironment() : saved_(read()) { write(default_state); }
  ~FloatEnvironment() { write(saved_); }
  FloatEnvironment(const FloatEnvironment&) = delete;
  FloatEnvironment& operator=(const FloatEnvironment&) = delete;

private:
  // The "memory" clobbers keep the compiler from moving the guarded loads and stores out of the guard.
#if defined(__SSE__)
  using State = uint32_t;
  static constexpr State default_state = 0x1F80; // all exceptions masked, to nearest, no FTZ, no DAZ
  static State read() { return _mm_getcsr(); }
  static void write(State state) {
    __asm__ volatile("" ::: "memory");
    _mm_setcsr(state);
    __asm__ volatile("" ::: "memory");
  }
#elif defined(__aarch64__)
  using State = uint64_t;
  static constexpr State default_state = 0;
  static State read() {
    State state;
    __asm__ volatile("mrs %0, fpcr" : "=r"(state)::"memory");
    return state;
  }
  static void write(State state) { __asm__ volatile("msr fpcr, %0" ::"r"(state) : "memory"); }
#elif defined(__arm__) && defined(__ARM_FP)
  using State = uint32_t;
  static constexpr State default_state = 0;
  static State read() {
    State state;
    __asm__ volatile("vmrs %0, fpscr" : "=r"(state)::"memory");
    return state;
  }
  static void write(State state) { __asm__ volatile("vmsr fpscr, %0" ::"r"(state) : "memory", "cc"); }
#elif defined(__riscv_flen)
  using State = unsigned long;
  static constexpr State default_state = 0;
  static State read() {
    State state;
    __asm__ volatile("frcsr %0" : "=r"(state)::"memory");
    return state;
  }
  static void write(State state) { __asm__ volatile("fscsr %0" ::"r"(state) : "memory"); }
#else
  using State = int;
  static constexpr State default_state = 0;
  static State read() { return 0; }
  static void write(State) {}
#endif

  State saved_;
};

} // namespace leadline
