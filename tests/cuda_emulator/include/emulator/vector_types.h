// CUDA's vector types with CUDA's alignment: 2 and 4 components are aligned as a whole, 3 like one component.
#pragma once

// Always inlined, so that no copy compiled with a kernel's flags reaches code that has none of them.
#define EMU_INLINE inline __attribute__((always_inline))

#define EMU_VECTOR_TYPES(type, name)                                  \
  struct name##1 {                                                    \
    type x;                                                           \
  };                                                                  \
  struct alignas(2 * sizeof(type)) name##2 {                          \
    type x, y;                                                        \
  };                                                                  \
  struct name##3 {                                                    \
    type x, y, z;                                                     \
  };                                                                  \
  struct alignas(emulator::quad_alignment(sizeof(type))) name##4 {    \
    type x, y, z, w;                                                  \
  };                                                                  \
  EMU_INLINE name##1 make_##name##1(type x) {                         \
    return {x};                                                       \
  }                                                                   \
  EMU_INLINE name##2 make_##name##2(type x, type y) {                 \
    return {x, y};                                                    \
  }                                                                   \
  EMU_INLINE name##3 make_##name##3(type x, type y, type z) {         \
    return {x, y, z};                                                 \
  }                                                                   \
  EMU_INLINE name##4 make_##name##4(type x, type y, type z, type w) { \
    return {x, y, z, w};                                              \
  }

namespace emulator {
constexpr unsigned long quad_alignment(unsigned long component) {
  return 4 * component > 16 ? 16 : 4 * component;
}
}  // namespace emulator

EMU_VECTOR_TYPES(signed char, char)
EMU_VECTOR_TYPES(unsigned char, uchar)
EMU_VECTOR_TYPES(short, short)
EMU_VECTOR_TYPES(unsigned short, ushort)
EMU_VECTOR_TYPES(int, int)
EMU_VECTOR_TYPES(unsigned int, uint)
EMU_VECTOR_TYPES(long long, longlong)
EMU_VECTOR_TYPES(unsigned long long, ulonglong)
EMU_VECTOR_TYPES(float, float)
EMU_VECTOR_TYPES(double, double)
#undef EMU_VECTOR_TYPES

struct dim3 {
  unsigned int x, y, z;
  constexpr dim3(unsigned int x_ = 1, unsigned int y_ = 1, unsigned int z_ = 1) : x(x_), y(y_), z(z_) {}
  constexpr dim3(uint3 v) : x(v.x), y(v.y), z(v.z) {}
};
