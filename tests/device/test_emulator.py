"""The emulator computes as CUDA does, and notices the faults that a GPU would hide or die of."""

from __future__ import annotations

import shutil
import subprocess
import types
from pathlib import Path

import numpy as np
import pytest

from ..helpers.cuda import (
    COMPILER,
    ORDERS,
    CompileError,
    Fault,
    Kernel,
    RawModule,
    in_every_order,
    schedule,
    traffic,
)

ml_dtypes = pytest.importorskip("ml_dtypes")
pytestmark = pytest.mark.skipif(COMPILER is None, reason="the emulator needs g++ on Linux, x86-64")

BFLOAT16 = np.dtype(ml_dtypes.bfloat16)
WIDE = {"float": "f4", "double": "f8"}
NARROW = {"__half": "f2", "__nv_bfloat16": BFLOAT16}
TYPES = WIDE | NARROW

SOURCE = r"""
#include <cuda_fp16.h>
#include <cuda_bf16.h>

template <class T>
__global__ void add(const T* __restrict__ x, const T* __restrict__ y, T* z, long long n) {
    long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) z[i] = T(static_cast<float>(x[i]) + static_cast<float>(y[i]));
}

template <class To, class From>
__global__ void convert(const From* x, To* y, long long n) {
    for (long long i = threadIdx.x; i < n; i += blockDim.x) y[i] = static_cast<To>(x[i]);
}

__global__ void by_name(const float* x, const double* d, __half* h, __nv_bfloat16* b, float* y) {
    int i = threadIdx.x;
    h[3 * i] = __float2half(x[i]), h[3 * i + 1] = __float2half_rn(x[i]);
    h[3 * i + 2] = __double2half(d[i]);
    b[3 * i] = __float2bfloat16(x[i]), b[3 * i + 1] = __float2bfloat16_rn(x[i]);
    b[3 * i + 2] = __double2bfloat16(d[i]);
    y[2 * i] = __half2float(h[3 * i]), y[2 * i + 1] = __bfloat162float(b[3 * i]);
}

template <class T>
__device__ __forceinline__ T block_sum(T x) {
    __shared__ T partial[32];
    const int lane = threadIdx.x % warpSize, warps = blockDim.x / warpSize;
#pragma unroll
    for (int d = 16; d > 0; d >>= 1) x += __shfl_down_sync(0xffffffffu, x, d);
    if (lane == 0) partial[threadIdx.x / warpSize] = x;
    __syncthreads();
    x = lane < warps ? partial[lane] : T(0);
#pragma unroll
    for (int d = 16; d > 0; d >>= 1) x += __shfl_xor_sync(0xffffffffu, x, d);
    __syncthreads();
    return x;
}

template <class T, int N>
__global__ void __launch_bounds__(N) sums(const T* x, T* sum, T* square, long long n) {
    T s = 0, q = 0;
    for (long long i = threadIdx.x; i < n; i += N) {
        const T here = __ldg(x + blockIdx.x * n + i);
        s += here;
        q += here * here;
    }
    s = block_sum(s);
    q = block_sum(q);
    if (threadIdx.x == 0) sum[blockIdx.x] = s, square[blockIdx.x] = q;
}

__global__ void where(int* index, float* shape) {
    unsigned block = blockIdx.x + gridDim.x * (blockIdx.y + gridDim.y * blockIdx.z);
    unsigned thread = threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z);
    unsigned i = block * blockDim.x * blockDim.y * blockDim.z + thread;
    index[i] = i;
    shape[i] = gridDim.x * 1e5f + gridDim.y * 1e4f + gridDim.z * 1e3f + blockDim.x * 100 +
               blockDim.y * 10 + blockDim.z;
}

__constant__ float weights[4] = {1, 10, 100, 1000};

__global__ void vectors(const float* x, float* y) {
    const float4 v = reinterpret_cast<const float4*>(x)[threadIdx.x];
    const float2 w = make_float2(v.x * weights[0] + v.y * weights[1], v.z * weights[2]);
    y[threadIdx.x] = w.x + w.y + v.w * weights[3];
}

__global__ void warps(int* lanes, double* up, long long* odd) {
    const int i = threadIdx.x;
    const unsigned ballot = __ballot_sync(0xffffffffu, i % 3 == 0);
    lanes[i] = __shfl_sync(0xffffffffu, i, i + 1, 8);
    up[i] = __shfl_up_sync(0xffffffffu, 0.5 * i, 2);
    if (i % 2) {  // half of a warp by itself
        odd[i] = __shfl_xor_sync(0xaaaaaaaau, (1LL << 40) + i, 2);
        odd[i] += __any_sync(0xaaaaaaaau, i == 1) + __all_sync(0xaaaaaaaau, i > 0);
    } else {
        odd[i] = ballot;
    }
    __syncwarp();
}

template <class T>
__global__ void reverse(T* x) {
    extern __shared__ __align__(16) unsigned char memory[];
    T* all = reinterpret_cast<T*>(memory);
    all[threadIdx.x] = x[threadIdx.x];
    __syncthreads();
    x[threadIdx.x] = all[blockDim.x - 1 - threadIdx.x];
}

__global__ void functions(double* y, float* z, int* k, float tiny, double pi, int five, bool yes) {
    int e;
    y[0] = frexp(pi, &e), y[1] = ldexp(pi, five), y[2] = scalbn(pi, -five), y[3] = hypot(3.0, 4.0);
    y[4] = fmax(nan(""), fabs(-pi)), y[5] = rsqrt(4.0), y[6] = sqrt(2.0), y[7] = fma(pi, pi, -1.0);
    y[8] = fmin(pi, double(INFINITY)), y[9] = __longlong_as_double(__double_as_longlong(pi) + 1);
    z[0] = frexpf(tiny, &e), z[1] = ldexpf(tiny, five), z[2] = scalbnf(tiny, -five);
    z[3] = hypotf(3.0f, 4.0f), z[4] = fmaxf(NAN, fabsf(-tiny)), z[5] = rsqrtf(4.0f);
    z[6] = sqrtf(2.0f), z[7] = fmaf(3.0f, 4.0f, tiny), z[8] = fminf(tiny, 1.0f);
    z[9] = __int_as_float(__float_as_int(tiny) + 1);
    k[0] = ilogb(pi), k[1] = ilogbf(tiny), k[2] = isfinite(pi) + 2 * isnan(pi), k[3] = e;
    k[4] = max(five, 7), k[5] = min(five, 7), k[6] = warpSize, k[7] = yes;
}
"""

NAMES = (
    *(f"add<{t}>" for t in TYPES),
    *(f"convert<{a}, {b}>" for a in WIDE for b in NARROW),
    *(f"convert<{b}, {a}>" for a in WIDE for b in NARROW),
    *(f"sums<{t}, {n}>" for t in ("float", "double") for n in (64, 256)),
    *("by_name", "where", "vectors", "warps", "reverse<float>", "reverse<double>", "functions"),
)


def kernel(name: str, code: str = SOURCE, names: tuple[str, ...] = NAMES) -> Kernel:
    module = RawModule(code=code, options=("-std=c++17",), name_expressions=names)
    return module.get_function(name)


def single(parameters: str, code: str) -> Kernel:
    """A kernel of this body, which knows its thread as i."""
    start = f"__global__ void f({parameters}) {{ const int i = threadIdx.x;"
    return kernel("f", f"{start}\n{code}\n}}", ("f",))


# What a kernel computes ...


@pytest.mark.slow
@pytest.mark.parametrize("name", TYPES)
@pytest.mark.parametrize("n", [0, 1, 1000])
def test_vectors_are_added_in_every_type(name, n, rng):
    x, y = rng.normal(size=(2, n)).astype(TYPES[name])
    z = np.full(n, np.nan, TYPES[name])
    kernel(f"add<{name}>")(((n + 255) // 256 or 1,), (256,), (x, y, z, n))
    assert z.tobytes() == (x.astype("f4") + y.astype("f4")).astype(z.dtype).tobytes()


def test_an_object_with_a_host_array_is_passed_as_that_array():
    x = types.SimpleNamespace(host=np.ones(8, "f4"))
    z = np.zeros((4, 8), "f4")
    kernel("add<float>")((1,), (32,), (x, x, z[2], 8))
    assert z.sum(axis=1).tolist() == [0, 0, 16, 0]


@pytest.mark.parametrize("threads", [64, 256])
@pytest.mark.parametrize("name", WIDE)
def test_sums_of_blocks(name, threads, rng):
    x = rng.normal(size=(40, 1000)).astype(TYPES[name])

    def run():
        out = np.empty((2, 40), x.dtype)
        kernel(f"sums<{name}, {threads}>")((40,), (threads,), (x, out[0], out[1], 1000))
        return out

    wide = x.astype("f8")
    tolerance = 1000 * np.finfo(x.dtype).eps * np.abs(wide).sum(axis=1).max()
    for got, wanted in zip(in_every_order(run), (wide.sum(1), (wide**2).sum(1)), strict=True):
        np.testing.assert_allclose(got, wanted, rtol=0, atol=tolerance)


def test_three_dimensions():
    index, shape = np.zeros(3 * 4 * 5 * 6 * 7 * 2, "i4"), np.zeros(3 * 4 * 5 * 6 * 7 * 2, "f4")
    for order in ORDERS:
        with schedule(order):
            index[...] = -1
            kernel("where")((3, 4, 5), (6, 7, 2), (index, shape))
        assert (index == np.arange(index.size)).all()
        assert (shape == 345672).all()


def test_vector_types_and_constants():
    x, y = np.arange(128, dtype="f4"), np.zeros(32, "f4")
    kernel("vectors")((1,), (32,), (x, y))
    assert (y == x.reshape(32, 4) @ np.array([1, 10, 100, 1000], "f4")).all()


def test_exchanges_within_warps():
    lanes, up, odd = np.zeros(32, "i4"), np.zeros(32), np.zeros(32, "i8")
    kernel("warps")((1,), (32,), (lanes, up, odd))
    i = np.arange(32)
    assert (lanes == i // 8 * 8 + (i + 1) % 8).all()
    assert (up == np.where(i < 2, i, i - 2) * 0.5).all()
    assert (odd[1::2] == (1 << 40) + (i[1::2] ^ 2) + 2).all()
    assert (odd[::2] == sum(1 << j for j in range(0, 32, 3))).all()


@pytest.mark.parametrize("name", WIDE)
def test_dynamic_shared_memory(name):
    x = np.arange(100, dtype=TYPES[name])
    kernel(f"reverse<{name}>")((1,), (100,), (x,), shared_mem=x.nbytes)
    assert (x == np.arange(100)[::-1]).all()
    with pytest.raises(Fault, match="dynamic __shared__ memory of 392 bytes"):
        kernel(f"reverse<{name}>")((1,), (100,), (x,), shared_mem=392)


def test_functions_and_scalars():
    y, z, k = np.zeros(10), np.zeros(10, "f4"), np.zeros(8, "i4")
    tiny, pi = np.float32(1e-3), np.pi
    kernel("functions")((1,), (1,), (y, z, k, tiny, pi, np.int32(5), True))
    fused = float(int(pi * 2**51) ** 2 / 2**102 - 1)
    wanted = (pi / 4, pi * 32, pi / 32, 5, pi, 0.5, 2**0.5, y[7], pi, np.nextafter(pi, 4))
    assert y.tolist() == list(wanted)
    assert abs(y[7] - fused) < 1e-14
    root = np.sqrt(np.float32(2))
    near = [np.frexp(tiny)[0], tiny * 32, tiny / 32, 5, tiny, 0.5, root, 12 + tiny, tiny]
    assert z.tolist() == np.array([*near, np.nextafter(tiny, np.float32(1))], "f4").tolist()
    assert k.tolist() == [1, -10, 1, np.frexp(tiny)[1], 7, 5, 32, 1]


@pytest.mark.slow
@pytest.mark.parametrize(("dtype", "kept"), [("f4", False), ("f8", True)])
def test_subnormal_numbers_are_flushed_where_nvcc_is_told_to(dtype, kept):
    tiny = np.finfo(dtype).smallest_subnormal
    x = np.array([tiny, 1, np.finfo(dtype).smallest_normal], dtype)
    code = "template <class T> __global__ void f(const T* x, T* y) "
    code += "{ y[threadIdx.x] = x[threadIdx.x] / T(2) * T(4); }"
    name = {"f4": "f<float>", "f8": "f<double>"}[dtype]
    found = []
    for options in (("-std=c++17",), ("-std=c++17", "-ftz=true")):
        y = np.zeros_like(x)
        module = RawModule(code=code, options=options, name_expressions=(name,))
        module.get_function(name)((1,), (3,), (x[::1] * 2, y))
        found.append(y.tolist())
    assert found[0] == (4 * x).tolist()
    assert found[1] == (found[0] if kept else [0, 4, 4 * x[2]])
    assert tiny * 2 > 0  # the mode is left again


@pytest.mark.slow
def test_products_and_sums_are_one_operation_where_nvcc_may_make_them_so():
    if " fma " not in Path("/proc/cpuinfo").read_text():
        pytest.skip("this processor has no such operation")
    x, found = np.array([1 + 2.0**-30]), []
    code = "__global__ void f(const double* x, double* y) { *y = *x * *x - 1; }"
    for options in ((), ("-fmad=true",)):
        y = np.zeros(1)
        module = RawModule(code=code, options=("-std=c++17", *options), name_expressions=("f",))
        module.get_function("f")((1,), (1,), (x, y))
        found.append(y[0])
    assert found == [2.0**-29, 2.0**-29 + 2.0**-60]


def test_what_is_read_and_written_is_counted():
    x, y = np.ones(64, "f4"), np.ones(64, "f4")
    code = "if (i < 16) reinterpret_cast<float4*>(y)[i] = reinterpret_cast<const float4*>(x)[i];"
    f = single("const float* x, float* y", code + " if (i == 40) y[1] = x[2] + x[3];")
    with traffic() as moved:
        f((1,), (64,), (x, y))
        assert (moved(x), moved(y)) == ((256 + 8, 0), (0, 256 + 4))
        f((1,), (64,), (x, y))
        assert moved(x) == (2 * 264, 0)
    with traffic() as moved:
        assert moved(x) == (0, 0)


# ... in 16 bits ...


@pytest.mark.parametrize("name", NARROW)
@pytest.mark.parametrize("wide", WIDE)
def test_every_16_bit_number_and_back(name, wide):
    x = np.arange(1 << 16, dtype="u2").view(TYPES[name])
    y, back = np.zeros(x.size, TYPES[wide]), np.zeros_like(x)
    kernel(f"convert<{wide}, {name}>")((1,), (256,), (x, y, x.size))
    with np.errstate(invalid="ignore"):  # signalling NaNs
        np.testing.assert_array_equal(y, x.astype(y.dtype))
    assert (np.signbit(y) == np.signbit(x))[~np.isnan(y)].all()
    kernel(f"convert<{name}, {wide}>")((1,), (256,), (y, back, x.size))
    finite = ~np.isnan(y)
    assert (back.view("u2") == x.view("u2"))[finite].all()
    assert np.isnan(back[~finite].astype("f4")).all()


@pytest.mark.parametrize("name", NARROW)
@pytest.mark.parametrize("wide", WIDE)
def test_rounding_to_16_bits(name, wide, rng):
    """Random bits; and every tie between neighbours, with the numbers beside it."""
    dtype, narrow = np.dtype(TYPES[wide]), np.dtype(TYPES[name])
    infinity = np.array(np.inf, narrow).view("u2")
    grid = np.arange(infinity, dtype="u2").view(narrow).astype("f8")  # all finite, and increasing
    ties = np.append((grid[1:] + grid[:-1]) / 2, grid[-1] + (grid[-1] - grid[-2]) / 2)
    ties = ties.astype(dtype)  # exact: a tie has one bit more
    scaled = rng.normal(size=40000) * 2.0 ** rng.integers(-30, 18, size=40000)
    bits = rng.integers(0, 1 << 32, size=40000, dtype="u4").view("f4")
    special = [0, np.inf, np.nan, 2.0**-25, 2.0**-134, np.finfo(dtype).tiny, np.finfo(dtype).max]
    with np.errstate(all="ignore"):
        near = [np.nextafter(ties, dtype.type(end)) for end in (0, np.inf)]
        x = np.concatenate([ties, *near, scaled, bits, special]).astype(dtype)
        x = np.concatenate([x, -x])
        if wide == "float" or name == "__half":
            wanted = x.astype(narrow)
        else:  # ml_dtypes rounds doubles twice; between two floats the odd one keeps the way open
            f = x.astype("f4")
            inexact = (f != x) & np.isfinite(x) & np.isfinite(f)
            toward = np.where(np.abs(f) > np.abs(x), f.view("u4") - 1, f.view("u4"))
            f = np.where(inexact, toward | 1, f.view("u4")).astype("u4").view("f4")
            wanted = f.astype(narrow)
    y = np.zeros(x.size, narrow)
    kernel(f"convert<{name}, {wide}>")((1,), (256,), (x, y, x.size))
    number = ~np.isnan(x)
    np.testing.assert_array_equal(y.view("u2")[number], wanted.view("u2")[number])
    assert np.isnan(y[~number].astype("f4")).all()


def test_conversions_by_name(rng):
    d = rng.normal(size=64)
    x, y = d.astype("f4"), np.zeros((64, 2), "f4")
    h, b = np.zeros((64, 3), "f2"), np.zeros((64, 3), BFLOAT16)
    kernel("by_name")((1,), (64,), (x, d, h, b, y))
    assert (h[:, 0] == x.astype("f2")).all()
    assert (h[:, 1] == h[:, 0]).all()
    assert (h[:, 2] == d.astype("f2")).all()
    assert (b == x.astype(BFLOAT16)[:, None]).all()
    assert (y[:, 0] == h[:, 0]).all()
    assert (y[:, 1] == b[:, 0].astype("f4")).all()


# ... and what it must not do. The bodies stand in line 2 of their source.


def changed(before: str, after: str) -> Kernel:
    assert before in SOURCE
    return kernel("sums<float, 256>", SOURCE.replace(before, after, 1), ("sums<float, 256>",))


FIRST = "= x;\n    __syncthreads();"
SECOND = "    __syncthreads();\n    return x;"


@pytest.mark.slow
@pytest.mark.parametrize(("barrier", "without"), [(FIRST, "= x;"), (SECOND, "    return x;")])
def test_a_missing_barrier_changes_results(barrier, without, rng):
    x = rng.normal(size=(4, 1000)).astype("f4")

    def run(sums):
        out = np.empty((2, 4), "f4")
        sums((4,), (256,), (x, out[0], out[1], 1000))
        return out[0], out[1]

    in_every_order(lambda: run(kernel("sums<float, 256>")))
    with pytest.raises(Fault, match="the order of threads changes the results"):
        in_every_order(lambda: run(changed(barrier, without)))


@pytest.mark.parametrize("threads", [32, 64])
def test_a_missing_barrier_within_a_warp(threads):
    code = "__shared__ int s[64]; s[i] = i; {} x[i] = s[i ^ 1];"

    def run(barrier):
        x = np.zeros(threads, "i4")
        single("int* x", code.format(barrier))((1,), (threads,), (x,))
        return x

    assert (in_every_order(lambda: run("__syncwarp();")) == np.arange(threads) ^ 1).all()
    with pytest.raises(Fault, match="the order of threads"):
        in_every_order(lambda: run(""))


def test_a_race_between_blocks():
    def run():
        x = np.zeros(1, "i4")
        single("int* x", "*x = blockIdx.x;")((8,), (1,), (x,))
        return x

    with pytest.raises(Fault, match="the order of threads"):
        in_every_order(run)


DIVERGENT = {
    "a barrier that some have left behind": (
        "if (i > 40) return; __syncthreads();",
        r"waits at a divergent __syncthreads \(line 2.*thread \(41, 0, 0\) has left by exit",
    ),
    "two barriers": (
        "if (i > 40) __syncthreads();\nelse __syncthreads();",
        r"divergent __syncthreads \(line 3.*thread \(41, 0, 0\) waits at __syncthreads \(line 2",
    ),
    "a barrier and a shuffle": (
        "if (i > 40) __syncthreads(); else x[i] = __shfl_xor_sync(~0u, i, 1);",
        r"divergent __shfl_xor_sync .*thread \(41, 0, 0\) waits at __syncthreads",
    ),
    "a shuffle that a lane has left behind": (
        "if (i == 7) return; x[i] = __shfl_xor_sync(0xffffffff, i, 8);",
        r"divergent __shfl_xor_sync .*mask 0xffffffff.*thread \(7, 0, 0\) has left",
    ),
    "a lane in another shuffle": (
        "x[i] = i == 7 ? __shfl_down_sync(~0u, i, 1) : __shfl_xor_sync(~0u, i, 1);",
        r"divergent __shfl_xor_sync .*thread \(7, 0, 0\) waits at __shfl_down_sync",
    ),
    "different masks": (
        "x[i] = __shfl_xor_sync(i == 7 ? 0xff : ~0u, i, 1);",
        r"divergent __shfl_xor_sync .*thread \(7, 0, 0\) waits at .*mask 0xff\)",
    ),
    "a mask without oneself": ("x[i] = __shfl_sync(1u, i, 0);", "which leaves itself out"),
    "a source outside of the mask": (
        "if (i < 8) x[i] = __shfl_xor_sync(0xff, i, 8);",
        "line 2 to read lane 8, which takes no part",
    ),
    "a source outside of the block": (
        "if (i >= 32) x[i] = __shfl_down_sync(~0u, i, 16);",
        "line 2 to read lane 16, which takes no part",
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize(("code", "message"), DIVERGENT.values(), ids=DIVERGENT)
def test_divergence(code, message, order):
    with schedule(order), pytest.raises(Fault, match=r"divergent|leaves itself|takes no part"):
        single("int* x", code)((2,), (48,), (np.zeros(48, "i4"),))
    with pytest.raises(Fault, match=message):
        single("int* x", code)((2,), (48,), (np.zeros(48, "i4"),))


def test_a_partial_warp_meets_in_what_it_has():
    x = np.zeros(48, "i4")
    single("int* x", "__syncwarp(); x[i] = __shfl_xor_sync(~0u, i, 8);")((1,), (48,), (x,))
    assert (x == np.arange(48) ^ 8).all()


ACCESSES = {
    "a write past the end": ("x[i + 1] = 0;", "writes 4 bytes at offset 192 of argument 0"),
    "a write before the start": ("x[i - 1] = 0;", "writes 4 bytes at offset -4 of argument 0"),
    "a read past the end": ("x[0] = y[i + 1];", "reads 4 bytes at offset 192 of argument 1"),
    "a write to a read-only array": (
        "const_cast<float*>(y)[i] = 0;",
        "writes 4 bytes at offset 0 of argument 1, .*, which is read-only",
    ),
    "a vector that reaches over the end": (
        "*reinterpret_cast<float4*>(x + 4 * i) = float4{};",
        "writes 16 bytes at offset 192 of argument 0",
    ),
    "a null pointer": (
        "z[i] = 0;",
        "writes 4 bytes at offset 0 of a null pointer .*at kernel.cu:2",
    ),
    "a misaligned vector": (
        "x[i] = reinterpret_cast<const float4*>(y + i)->x;",
        "thread .1, 0, 0. .* misaligned address.* kernel.cu:2: .*float4.* multiples of 16",
    ),
    "a misaligned vector, copied": (
        "float4 v = *reinterpret_cast<const float4*>(y + 2); x[i] = v.w;",
        "misaligned address.* kernel.cu:2: .*float4.* multiples of 16",
    ),
    "a misaligned vector, by __ldg": (
        "x[i] = __ldg(reinterpret_cast<const float2*>(y + 3)).y;",
        "misaligned address.*float2.* multiples of 8",
    ),
    "an index into shared memory": (
        "__shared__ float s[47]; s[i] = 0; x[i] = s[0];",
        "uses an index outside of its array, at kernel.cu:2",
    ),
    "a pointer out of shared memory": (
        "__shared__ float s[48]; float* p = s + threadIdx.y; p[i + 4000] = 0; x[i] = s[0];",
        "writes 4 bytes",
    ),
    "an overflow": ("x[i] = (i + 1) * 2147483647;", "overflows a signed product, at kernel.cu:2"),
    "a division": ("x[i] = 7 / i;", "divides an integer by zero, at kernel.cu:2"),
    "a shift": ("x[i] = 1 << (i + 1);", "shifts an integer by too much, at kernel.cu:2"),
}


@pytest.mark.slow
@pytest.mark.parametrize(("code", "message"), ACCESSES.values(), ids=ACCESSES)
def test_accesses(code, message):
    whole = np.ones(512, "f4")
    start = -whole.ctypes.data // 4 % 4  # where a vector can begin
    x, y = whole[start + 64 :][:48], whole[start + 192 :][:48]
    y.flags.writeable = False
    f = single("float* x, const float* y, float* z", code)
    with pytest.raises(Fault, match=message):
        f((1,), (48,), (x, y, None))
    assert (whole[: start + 64] == 1).all()
    assert (whole[start + 112 :] == 1).all()
    good = single("float* x, const float* y, float* z", "x[i] = 2 * y[i];")
    good((1,), (48,), (x, y, None))  # a fault leaves nothing behind
    assert (x == 2).all()


def test_shared_memory_starts_as_nan():
    x = np.zeros((3, 64), "f4")
    code = "__shared__ float s[64]; x[64 * blockIdx.x + i] = s[63 - i]; s[i] = 1;"
    single("float* x", code)((3,), (64,), (x,))
    assert np.isnan(x[:, :32]).all()


def test_modules_share_nothing():
    code = "__shared__ T s[64]; s[threadIdx.x] = {}; __syncthreads(); x[threadIdx.x] = s[0];"
    source = "template <class T> __global__ void f(T* x) {{ " + code + " }}"
    one, two = (kernel("f<int>", source.format(k), ("f<int>",)) for k in (1, 2))
    for f, wanted in ((one, 1), (two, 2), (one, 1)):
        x = np.zeros(64, "i4")
        f((1,), (64,), (x,))
        assert (x == wanted).all()


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ((), "takes 4 arguments, and 0 were given"),
        ((1, 2, 3, 4, 5), "takes 4 arguments, and 5 were given"),
        ((np.ones(8), 1, 1.0, None), "argument 0 is a float64 array, .* to a float of 4 bytes"),
        ((np.ones(8, "i4"), 1, 1.0, None), "argument 0 is a int32 array"),
        ((1, 1, 1.0, None), "argument 0 is of type int64, the kernel takes a pointer"),
        ((None, 1.0, 1.0, None), "argument 1 is of type float64, .* an integer of 8 bytes"),
        ((None, np.int32(1), 1.0, None), "argument 1 is of type int32, .* an integer of 8 bytes"),
        ((None, 1, 1, None), "argument 2 is of type int64, the kernel takes a float of 8 bytes"),
        ((None, 1, None, None), "argument 2 is None, the kernel takes a float of 8 bytes"),
        ((None, 1, 1.0, np.ones(8)), "argument 3 is a float64 array, .* a structure of 2 bytes"),
    ],
)
def test_wrong_arguments(args, message):
    code = (
        "#include <cuda_fp16.h>\n__global__ void f(float* x, long long n, double a, __half* h) {}"
    )
    f = kernel("f", code, ("f",))
    f((1,), (1,), (np.ones(8, "f4"), 1, 1.0, np.ones(8, "f2")))
    with pytest.raises(TypeError, match=message):
        f((1,), (1,), args)


@pytest.mark.parametrize(
    ("grid", "block", "shared"),
    [
        ((0,), (32,), 0),
        ((1,), (0,), 0),
        ((1,), (1025,), 0),
        ((1,), (32, 64), 0),
        ((1,), (1, 1, 65), 0),
        ((1, 65536), (1,), 0),
        ((1,), (1,), 49153),
        ((1,), (1,), -1),
    ],
)
def test_launches_that_no_gpu_makes(grid, block, shared):
    with pytest.raises(ValueError, match="no GPU launches grid="):
        single("", "")(grid, block, (), shared_mem=shared)


def test_what_does_not_compile():
    with pytest.raises(CompileError, match=r"kernel.cu:2:.*nonsense"):
        single("", "nonsense();")
    with pytest.raises(CompileError, match="deleted function"):
        kernel(
            "f", "#include <cuda_fp16.h>\n__global__ void f(__half* x) { *x = *x + *x; }", ("f",)
        )
    with pytest.raises(ValueError, match="'g' is not among the name_expressions"):
        kernel("g", "__global__ void f() {}", ("f",))


@pytest.mark.slow
def test_nvcc_accepts_the_source(tmp_path):
    """That the emulator's dialect is CUDA's."""
    if shutil.which("nvcc") is None:
        pytest.skip("needs nvcc")
    uses = (f"auto use_{i} = &{name};" for i, name in enumerate(NAMES))
    source = tmp_path / "kernels.cu"
    source.write_text("\n".join([SOURCE, *uses]))
    command = ["nvcc", "-std=c++17", "-arch=sm_80", "-cubin", "-o", tmp_path / "kernels.cubin"]
    done = subprocess.run([*command, source], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
