// CUDA's header of this name, as far as kernels need it: float16.
#pragma once

EMULATOR_SIXTEEN_BITS(__half, 10, -14)
using half = __half;
inline float __half2float(__half x) { return x; }
inline __half __float2half(float x) { return x; }
inline __half __float2half_rn(float x) { return x; }
inline __half __double2half(double x) { return x; }
inline unsigned short __half_as_ushort(__half x) { return x.bits; }
inline __half __ushort_as_half(unsigned short x) { return emulator::bits<__half>(x); }
