// The part of CUDA's language that kernels use, for g++: included before a kernel's source.
#pragma once

#include <math.h>  // in C++ it brings every overload, as CUDA does
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <type_traits>
#include <utility>

#define __global__
#define __device__
#define __host__
#define __constant__ static
#define __shared__ static  // one block runs at a time; shared.ld gathers these variables
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)
#define __align__(bytes) alignas(bytes)

// Vectors of 2 and 4 entries are aligned to their size, at most to 16 bytes; those of 3 are not.
#define VECTORS(T, name)                                                          \
    struct alignas(2 * sizeof(T)) name##2 { T x, y; };                            \
    struct name##3 { T x, y, z; };                                                \
    struct alignas(sizeof(T) < 4 ? 4 * sizeof(T) : 16) name##4 { T x, y, z, w; }; \
    inline name##2 make_##name##2(T x, T y) { return {x, y}; }                    \
    inline name##3 make_##name##3(T x, T y, T z) { return {x, y, z}; }            \
    inline name##4 make_##name##4(T x, T y, T z, T w) { return {x, y, z, w}; }
VECTORS(unsigned char, uchar)
VECTORS(short, short)
VECTORS(unsigned short, ushort)
VECTORS(int, int)
VECTORS(unsigned, uint)
VECTORS(long long, longlong)
VECTORS(float, float)
VECTORS(double, double)
#undef VECTORS

struct dim3 {
    unsigned x = 1, y = 1, z = 1;
};
extern uint3 threadIdx, blockIdx;
extern dim3 blockDim, gridDim;
constexpr int warpSize = 32;

namespace emulator {  // the functions are runtime.cpp's

// The calling thread waits until it has met the others, and gets what they bring: the value of the
// lane `source`, or of each lane one bit for -1. A mask of 0 stands for the whole block.
uint64_t meet(const char* what, int line, unsigned mask = 0, uint64_t value = 0, int source = -1);
int lane();
void* dynamic_shared();
uint16_t narrow(double x, int digits, int lowest);   // the nearest 16-bit float, ties to even:
float widen(uint16_t bits, int digits, int lowest);  // stored digits, lowest exponent

template <class To, class From>
To bits(From x) {
    To y{};
    static_assert(sizeof y >= sizeof x);
    memcpy(&y, &x, sizeof x);
    return y;
}

template <class T>
T shuffle(const char* what, int line, unsigned mask, T value, int source) {
    static_assert(sizeof(T) <= 8, "a shuffle moves at most 8 bytes");
    uint64_t got = meet(what, line, mask, bits<uint64_t>(value), source);
    memcpy(&value, &got, sizeof value);
    return value;
}

}  // namespace emulator

// Barriers and exchanges. `line`, which messages name, is that of the call.
#define LINE int line = __builtin_LINE()
inline void __syncthreads(LINE) { emulator::meet("__syncthreads", line); }
inline void __syncwarp(unsigned mask = ~0u, LINE) { emulator::meet("__syncwarp", line, mask); }
inline unsigned __ballot_sync(unsigned mask, int yes, LINE) {
    return emulator::meet("__ballot_sync", line, mask, yes != 0);
}
inline int __any_sync(unsigned mask, int yes, LINE) {
    return emulator::meet("__any_sync", line, mask, yes != 0) != 0;
}
inline int __all_sync(unsigned mask, int yes, LINE) {
    return emulator::meet("__all_sync", line, mask, yes == 0) == 0;
}

// A lane whose source lies outside its segment of `width` lanes keeps its own value.
#define SHUFFLE(name, argument, formula, inside)                                    \
    template <class T>                                                              \
    T name(unsigned mask, T value, argument, int width = warpSize, LINE) {          \
        int lane = emulator::lane(), first = lane & ~(width - 1);                   \
        int last = first + width - 1, source = formula;                             \
        return emulator::shuffle(#name, line, mask, value, inside ? source : lane); \
    }
SHUFFLE(__shfl_sync, int from, first + (from & (width - 1)), source <= last)
SHUFFLE(__shfl_up_sync, unsigned delta, lane - int(delta), source >= first)
SHUFFLE(__shfl_down_sync, unsigned delta, lane + int(delta), source <= last)
SHUFFLE(__shfl_xor_sync, int flip, lane ^ flip, source <= last)
#undef SHUFFLE
#undef LINE

template <class T>
T __ldg(const T* p) { return *p; }
inline int __float_as_int(float x) { return emulator::bits<int>(x); }
inline unsigned __float_as_uint(float x) { return emulator::bits<unsigned>(x); }
inline float __int_as_float(int x) { return emulator::bits<float>(x); }
inline float __uint_as_float(unsigned x) { return emulator::bits<float>(x); }
inline long long __double_as_longlong(double x) { return emulator::bits<long long>(x); }
inline double __longlong_as_double(long long x) { return emulator::bits<double>(x); }

inline float rsqrtf(float x) { return 1 / sqrtf(x); }  // a GPU's errs by up to 2 ulp
inline float rsqrt(float x) { return rsqrtf(x); }
inline double rsqrt(double x) { return 1 / sqrt(x); }

#define EXTREME(name, of_floats, relation)                                       \
    template <class A, class B, class T = std::common_type_t<A, B>>              \
    T name(A a, B b) {                                                           \
        if constexpr (std::is_floating_point_v<T>) return of_floats(T(a), T(b)); \
        else return T(b) relation T(a) ? T(b) : T(a);                            \
    }
EXTREME(max, fmax, >)
EXTREME(min, fmin, <)
#undef EXTREME

// A 16-bit float: converted to float and from numbers, never computed with. (CUDA does so, rounding
// each operation; here a sum of two of them is refused, where it would silently be a float.)
#define EMULATOR_SIXTEEN_BITS(name, digits, lowest)                              \
    struct name {                                                                \
        uint16_t bits;                                                           \
        name() = default;                                                        \
        template <class T, class = std::enable_if_t<std::is_arithmetic_v<T>>>    \
        name(T x) : bits(emulator::narrow(double(x), digits, lowest)) {}         \
        operator float() const { return emulator::widen(bits, digits, lowest); } \
    };                                                                           \
    name operator+(name, name) = delete;                                         \
    name operator-(name, name) = delete;                                         \
    name operator*(name, name) = delete;                                         \
    name operator/(name, name) = delete;

// The launcher: what the shared library of a kernel offers to Python, which knows these structures.
namespace emulator {

struct Region {
    uintptr_t low, high;  // addresses from low up to high, without it
    int writable;
    const char* name;
    uint64_t read, written;  // bytes, by a launch
};
struct Launch {
    dim3 grid, block;
    size_t dynamic;  // bytes of dynamic shared memory
    uint64_t order;  // 0: forward, 1: reversed, else a seed
    Region* regions;
    int count;
    int flush;  // whether subnormal numbers count as 0
};
const char* run(const Launch& launch, void (*body)(void**), void** args);  // the error, or null

struct Parameter {
    char kind, pointee;  // 'f' floating, 'i' integer, 'p' pointer, 's' structure
    short size, pointee_size;
};
template <class T>
constexpr char kind() {
    if (std::is_pointer_v<T>) return 'p';
    return std::is_floating_point_v<T> ? 'f' : std::is_integral_v<T> ? 'i' : 's';
}
template <class T, class Pointee = std::remove_pointer_t<T>>
constexpr Parameter parameter() {
    using Whole = std::conditional_t<std::is_void_v<Pointee>, char, Pointee>;
    return {kind<T>(), kind<Whole>(), sizeof(T), sizeof(Whole)};
}

template <auto kernel>
struct Entry;
template <class... P, void (*kernel)(P...)>
struct Entry<kernel> {
    static constexpr Parameter parameters[] = {parameter<P>()..., {}};
    template <size_t... I>
    __attribute__((no_sanitize_address)) static void call(void** args, std::index_sequence<I...>) {
        kernel(*static_cast<P*>(args[I])...);
    }
    static void body(void** args) { call(args, std::index_sequence_for<P...>{}); }
};
#define EMULATOR_EXPORT extern "C" __attribute__((visibility("default")))
#define EMULATOR_ENTRY(i, ...)                                                            \
    using entry_##i = emulator::Entry<&__VA_ARGS__>;                                      \
    EMULATOR_EXPORT const char* launch_##i(const emulator::Launch& launch, void** args) { \
        return emulator::run(launch, entry_##i::body, args);                              \
    }                                                                                     \
    EMULATOR_EXPORT const emulator::Parameter* parameters_##i() { return entry_##i::parameters; }

}  // namespace emulator
