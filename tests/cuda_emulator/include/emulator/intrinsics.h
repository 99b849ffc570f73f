// Integer intrinsics, reinterpretation, and the integer atomics whose effect does not depend on the order of the
// threads (so no exchange and no compare-and-swap). Fast float intrinsics are left out on purpose: a card's bits
// differ.
#pragma once

#include <cstdint>
#include <cstring>

#include "emulator/vector_types.h"

EMU_INLINE int __popc(unsigned int x) {
  return __builtin_popcount(x);
}
EMU_INLINE int __popcll(unsigned long long x) {
  return __builtin_popcountll(x);
}
EMU_INLINE int __clz(int x) {
  return x == 0 ? 32 : __builtin_clz(static_cast<unsigned int>(x));
}
EMU_INLINE int __clzll(long long x) {
  return x == 0 ? 64 : __builtin_clzll(static_cast<unsigned long long>(x));
}
EMU_INLINE int __ffs(int x) {
  return __builtin_ffs(x);
}
EMU_INLINE int __ffsll(long long x) {
  return __builtin_ffsll(x);
}
EMU_INLINE unsigned int __brev(unsigned int x) {
  x = (x >> 1 & 0x55555555u) | (x & 0x55555555u) << 1;
  x = (x >> 2 & 0x33333333u) | (x & 0x33333333u) << 2;
  x = (x >> 4 & 0x0f0f0f0fu) | (x & 0x0f0f0f0fu) << 4;
  return __builtin_bswap32(x);
}

namespace emulator {
// Sum of four products of bytes, wrapped as the hardware's.
template <class Byte, class Word>
EMU_INLINE Word dot_bytes(Word a, Word b, Word c) {
  unsigned int sum = static_cast<unsigned int>(c);
  for (int i = 0; i < 4; ++i) {
    const int x = static_cast<Byte>(static_cast<unsigned int>(a) >> 8 * i & 0xffu);
    const int y = static_cast<Byte>(static_cast<unsigned int>(b) >> 8 * i & 0xffu);
    sum += static_cast<unsigned int>(x * y);
  }
  return static_cast<Word>(sum);
}

template <class To, class From>
EMU_INLINE To bits_as(From from) {
  static_assert(sizeof(To) == sizeof(From), "same size");
  To to;
  std::memcpy(&to, &from, sizeof to);
  return to;
}
}  // namespace emulator

EMU_INLINE int __dp4a(int a, int b, int c) {
  return emulator::dot_bytes<int8_t>(a, b, c);
}
EMU_INLINE unsigned int __dp4a(unsigned int a, unsigned int b, unsigned int c) {
  return emulator::dot_bytes<uint8_t>(a, b, c);
}

EMU_INLINE int __float_as_int(float x) {
  return emulator::bits_as<int>(x);
}
EMU_INLINE unsigned int __float_as_uint(float x) {
  return emulator::bits_as<unsigned int>(x);
}
EMU_INLINE float __int_as_float(int x) {
  return emulator::bits_as<float>(x);
}
EMU_INLINE float __uint_as_float(unsigned int x) {
  return emulator::bits_as<float>(x);
}

#define EMU_MIN_MAX(type)               \
  EMU_INLINE type min(type a, type b) { \
    return b < a ? b : a;               \
  }                                     \
  EMU_INLINE type max(type a, type b) { \
    return a < b ? b : a;               \
  }
EMU_MIN_MAX(int)
EMU_MIN_MAX(unsigned int)
EMU_MIN_MAX(long)
EMU_MIN_MAX(unsigned long)
EMU_MIN_MAX(long long)
EMU_MIN_MAX(unsigned long long)
#undef EMU_MIN_MAX

namespace emulator {
template <class T>
EMU_INLINE T atomic_min(T* address, T value) {
  T old = __atomic_load_n(address, __ATOMIC_RELAXED);
  while (value < old && !__atomic_compare_exchange_n(address, &old, value, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
  }
  return old;
}
template <class T>
EMU_INLINE T atomic_max(T* address, T value) {
  T old = __atomic_load_n(address, __ATOMIC_RELAXED);
  while (old < value && !__atomic_compare_exchange_n(address, &old, value, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
  }
  return old;
}
}  // namespace emulator

#define EMU_ATOMICS(type)                                        \
  EMU_INLINE type atomicAdd(type* address, type value) {         \
    return __atomic_fetch_add(address, value, __ATOMIC_RELAXED); \
  }                                                              \
  EMU_INLINE type atomicMin(type* address, type value) {         \
    return emulator::atomic_min(address, value);                 \
  }                                                              \
  EMU_INLINE type atomicMax(type* address, type value) {         \
    return emulator::atomic_max(address, value);                 \
  }                                                              \
  EMU_INLINE type atomicAnd(type* address, type value) {         \
    return __atomic_fetch_and(address, value, __ATOMIC_RELAXED); \
  }                                                              \
  EMU_INLINE type atomicOr(type* address, type value) {          \
    return __atomic_fetch_or(address, value, __ATOMIC_RELAXED);  \
  }                                                              \
  EMU_INLINE type atomicXor(type* address, type value) {         \
    return __atomic_fetch_xor(address, value, __ATOMIC_RELAXED); \
  }
EMU_ATOMICS(int)
EMU_ATOMICS(unsigned int)
EMU_ATOMICS(unsigned long long)
#undef EMU_ATOMICS

EMU_INLINE int atomicSub(int* address, int value) {
  return __atomic_fetch_sub(address, value, __ATOMIC_RELAXED);
}
EMU_INLINE unsigned int atomicSub(unsigned int* address, unsigned int value) {
  return __atomic_fetch_sub(address, value, __ATOMIC_RELAXED);
}
