// CUDA's header of this name, as far as kernels need it: bfloat16.
#pragma once

EMULATOR_SIXTEEN_BITS(__nv_bfloat16, 7, -126)
using nv_bfloat16 = __nv_bfloat16;
inline float __bfloat162float(__nv_bfloat16 x) { return x; }
inline __nv_bfloat16 __float2bfloat16(float x) { return x; }
inline __nv_bfloat16 __float2bfloat16_rn(float x) { return x; }
inline __nv_bfloat16 __double2bfloat16(double x) { return x; }
inline unsigned short __bfloat16_as_ushort(__nv_bfloat16 x) { return x.bits; }
inline __nv_bfloat16 __ushort_as_bfloat16(unsigned short x) {
    return emulator::bits<__nv_bfloat16>(x);
}
