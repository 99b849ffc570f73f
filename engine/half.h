// IEEE 754 half precision as a storage format: exact conversions only, nothing is ever rounded.
#pragma once

#include <cstdint>
#include <cstring>

namespace sln {

// The value of a half, exactly.
inline float half_to_float(uint16_t half) {
  const uint32_t sign = static_cast<uint32_t>(half & 0x8000) << 16;
  uint32_t exponent = (half >> 10) & 31;
  uint32_t mantissa = half & 0x3ff;
  uint32_t bits = sign;
  if (exponent == 31) {
    bits |= 0x7f800000u | mantissa << 13;  // infinity or NaN
  } else if (exponent != 0) {
    bits |= (exponent + 112) << 23 | mantissa << 13;
  } else if (mantissa != 0) {
    // A subnormal half is a normal float: shift its leading one to the hidden place.
    exponent = 113;
    for (; (mantissa & 0x400) == 0; mantissa <<= 1) --exponent;
    bits |= exponent << 23 | (mantissa & 0x3ff) << 13;
  }
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

// Whether a finite value is exactly a half; if so, *half is it.
inline bool float_to_half(float value, uint16_t* half) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  const uint16_t sign = static_cast<uint16_t>(bits >> 16 & 0x8000);
  const int exponent = static_cast<int>(bits >> 23 & 255) - 127;
  const uint32_t mantissa = bits & 0x7fffff;
  *half = sign;
  if (exponent == -127) return mantissa == 0;  // zero; a subnormal float is below every half
  if (exponent > 15 || exponent < -24) return false;
  const int dropped = exponent >= -14 ? 13 : -1 - exponent;  // bits that a half has no room for
  const uint32_t full = mantissa | 0x800000;
  if ((full & ((1u << dropped) - 1)) != 0) return false;
  const uint32_t kept = full >> dropped;  // with the leading one, which a normal half hides
  *half = static_cast<uint16_t>(sign | (exponent >= -14 ? static_cast<uint32_t>(exponent + 14) * 1024 + kept : kept));
  return true;
}

}  // namespace sln
