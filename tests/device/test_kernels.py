"""The kernels of weight normalisation: the very source that a GPU compiles, run by the emulator, or
with --device cuda by the GPU. First the judges are judged, by faults planted in the source."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from minwn import oracle
from minwn.backend import compiled, move, to_numpy
from minwn.byhand import weight_norm
from minwn.kernels import weight_norm as kernels
from minwn.kernels import weight_norm_cuda

from ..byhand.radial import ANSWERS
from ..helpers import standin
from ..helpers.cuda import Fault, in_every_order, traffic
from .kernels import DTYPES, EPS, SHAPES, Problem, answers, misses, problem, served, some_kernels

ml_dtypes = pytest.importorskip("ml_dtypes", reason="bfloat16 comes from ml_dtypes")
BFLOAT16 = np.dtype(ml_dtypes.bfloat16)
LARGE = {"rows that no block holds", "a whole that no block holds", "odd runs in parts"}


@pytest.fixture(params=DTYPES)
def dtype(request, device):
    """A dtype, whose kernels are compiled together: in the emulator this is much faster."""
    ahead(device, request.param)
    return request.param


def ahead(device: Any, dtype: str, *which: Any) -> None:
    """Have the kernels for these shapes compiled together, in the emulator."""
    if device is standin.MODULES["cupy"]:
        source, kernels = weight_norm_cuda._source(), tuple(some_kernels(dtype, *which))
        standin.compile_ahead(source, kernels)


def typed(dtype: str) -> Any:
    return BFLOAT16 if dtype == "bfloat16" else np.dtype(dtype)


def put(p: Problem) -> Problem:
    return Problem(*(move(x, "cuda") for x in p))


def got(found: dict[str, Any]) -> dict[str, np.ndarray]:
    return {name: to_numpy(x) for name, x in found.items()}


def in_any_order(run: Any) -> Any:
    """run(), several times: the bits must be the same, whatever the order of threads."""
    return in_every_order(lambda: [to_numpy(x) for x in run()])


def check(p: Problem, dtype: str, eps: float = 0.0, form: str = "plain") -> None:
    """Raise unless the answers are right, and the same in every order."""
    d = put(p)
    found = in_any_order(lambda: answers(d, eps, form).values())
    worst = misses(dict(zip(ANSWERS, found, strict=True)), p, dtype, eps, form)
    assert max(worst.values()) <= 1, (form, worst)


# ---- the judges, and what they must reject ------------------------------------------------------

ROWS, WARP, LINES, RUNS = "rows of a block", "short rows", "columns in parts", "odd runs in parts"
FAULTS = {  # where it is judged, and the source before and after
    "no barrier after the sums of warps": (
        ROWS,
        "kept[d][threadIdx.x / 32] = sums[d];\n    __syncthreads();",
        "kept[d][threadIdx.x / 32] = sums[d];",
    ),
    "no barrier before the columns' sums": (
        LINES,
        "                __syncthreads();\n                kept[threadIdx.y]", "kept[threadIdx.y]",
    ),
    "no barrier after the columns' sums": (
        LINES,
        "= dots[l][d];\n                __syncthreads();", "= dots[l][d];",
    ),
    "half of a warp": (WARP, "lanes = 16; lanes", "lanes = 8; lanes"),
    "a warp too few": (ROWS, "warp < blockDim.x / 32; warp", "warp + 1 < blockDim.x / 32; warp"),
    "a row's last pack": (WARP, "if (j < packs) held", "if (j < packs - 1) held"),
    "a pack too many": (WARP, "if (j >= packs) break;", "if (j > packs) break;"),
    "another row": (WARP, "(in[q] + k * m)[j]", "(in[q] + (k ^ 1) * m)[j]"),
    "a row too many": (WARP, "if (k >= K) return;  ", "if (k > K) return;  "),
    "the end of a part": (LINES, "min(first + part, A);", "min(first + part - 1, A);"),
    "the end of a part of runs": (
        RUNS, "min(first + part, A * run);", "min(first + part + 1, A * run);",
    ),
    "the next run": (RUNS, "(a * K + blockIdx.x) * run", "(a * K + blockIdx.x + a % 2) * run"),
    "the next column": (LINES, "* V + l) / B : blockIdx.x", "* V + l + 1) / B : blockIdx.x"),
    "one part left out": (RUNS, "t < parts * width;", "t < (parts - 1) * width;"),
    "a sign": (WARP, "to.c[1] = -(ratio * s * y)", "to.c[1] = ratio * s * y"),
    "no projection": (WARP, "to.c[1] = -(ratio * s * y)", "to.c[1] = 0"),
    "g n^3 in place of g n": (WARP, "= -(ratio * s * y);", "= -(g * dots[WV] / (n * n * n));"),
    "the gain's cotangent by v, not v / n": (WARP, "by_g = s;", "by_g = dots[WV];"),
    "B left out": (WARP, "d = b - ratio * a;", "d = -ratio * a;"),
    "a term of the second order": (WARP, "a - t) - d * s)", "a - t))"),
    "a bend of the second order": (WARP, "to.c[2] = -(ratio * s * bend)", "to.c[2] = -(ratio * s)"),
    "the count of a slice": (WARP, "turn = length.root * length.root;", "turn = length.root;"),
    "the floor": (WARP, "h = n < floor ? floor : n;", "h = n;"),
    "slices are not scaled": (WARP, "q >= S(0x1p-20) && q <= S(0x1p20)", "true || q > 0"),
    "parts are not scaled": (LINES, "e[l] = exponents[slice", "wanted = exponents[slice"),
    "w_bar is scaled as v is": (WARP, "if (to.e) z[0]", "if (false) z[0]"),
    "the scale of the second order": (WARP, "one = ldexp(1 / h, -e)", "one = 1 / h"),
}


def judge(rng: np.random.Generator, name: str) -> None:
    for form in ("plain", "rms", "max_n"):
        check(problem(rng, name, "float32"), "float32", EPS[form], form)
    check(problem(rng, name, "float32", (-60, 60)), "float32")


@pytest.mark.slow
def test_the_source_itself_passes(emulated, rng):
    ahead(emulated, "float32", (ROWS, WARP, LINES, RUNS))
    for name in (ROWS, WARP, LINES, RUNS):
        judge(rng, name)


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_found(fault, emulated, rng, monkeypatch):
    name, before, after = FAULTS[fault]
    source = weight_norm_cuda._source()
    assert before in source
    planted = source.replace(before, after)
    monkeypatch.setattr(weight_norm_cuda, "_source", lambda: planted)
    ahead(emulated, "float32", (name,))
    weight_norm_cuda._kernel.cache_clear()
    try:
        with pytest.raises((Fault, AssertionError)):
            judge(rng, name)
    finally:
        weight_norm_cuda._kernel.cache_clear()


@pytest.mark.slow
def test_one_sum_after_another(emulated, rng):
    """No kernel needs the barrier before a sum: between two of a kind stands one of the other."""
    twice = """
        template <class S> __global__ void twice(S* x) {
            S s[1] = {x[threadIdx.x]};
            reduce<1, false>(s);
            s[0] *= threadIdx.x;
            reduce<1, false>(s);
            x[threadIdx.x] = s[0];
        }
    """
    barrier = "    __syncthreads();                                            // kept may be"

    def run(source: str) -> Any:
        kernel = compiled(source + twice, "twice<double>")
        x = move(np.arange(128.0), "cuda")
        kernel((1,), (128,), (x,))
        return to_numpy(x)

    source = weight_norm_cuda._source()
    assert barrier in source
    assert set(in_every_order(lambda: run(source))) == {128 * 127 / 2 * 128 * 127 / 2}
    with pytest.raises(Fault, match="the order of threads changes the results"):
        in_every_order(lambda: run(source.replace(barrier, "//")))


# ---- answers ------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("name", SHAPES)
def test_answers_are_right_and_the_same_in_every_order(name, dtype, rng):
    for form in ("plain", "rms") if name in LARGE else EPS:
        check(problem(rng, name, typed(dtype)), dtype, EPS[form], form)


@pytest.mark.slow
@pytest.mark.parametrize("contracted", DTYPES)
def test_bounds_hold_where_products_and_sums_are_one_operation(
    contracted, emulated, rng, monkeypatch
):
    """As nvcc may compile them, and g++ for a processor that has it."""
    if " fma " not in Path("/proc/cpuinfo").read_text():
        pytest.skip("this processor has no such operation")
    monkeypatch.setattr(standin, "OPTIONS", (*standin.OPTIONS, "-fmad=true"))
    names = (WARP, "a middle axis")
    ahead(emulated, contracted, names)
    weight_norm_cuda._kernel.cache_clear()
    try:
        for name, form in itertools.product(names, EPS):
            p = problem(rng, name, typed(contracted))
            found = got(answers(put(p), EPS[form], form))
            assert max(misses(found, p, contracted, EPS[form], form).values()) <= 1
    finally:
        weight_norm_cuda._kernel.cache_clear()


@pytest.mark.slow
def test_forms_below_their_floor(dtype, rng):
    for form, name in itertools.product(EPS, ("short rows", "a middle axis")):
        if form != "plain":
            check(problem(rng, name, typed(dtype), (-9, -5)), dtype, EPS[form], form)


RANGES = {  # exponents of v, towards both ends of the range
    "float16": (-12, 11), "bfloat16": (-100, 100), "float32": (-100, 100), "float64": (-960, 960),
}


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["short rows", "odd rows", "columns in parts", "odd runs in parts"]
)
def test_slices_of_every_size(name, dtype, rng):
    """Small ones and large ones side by side; by_v, a curvature, leaves the range with n^-2."""
    check(problem(rng, name, typed(dtype), RANGES[dtype]), dtype)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["short rows", "columns in parts", "odd runs in parts"])
def test_subnormal_slices_where_nothing_is_flushed(name, emulated, rng, monkeypatch):
    """Not what CuPy compiles, but what the source says."""
    monkeypatch.setattr(standin, "OPTIONS", ())
    weight_norm_cuda._kernel.cache_clear()
    try:
        for dtype, low in (("float32", -140), ("bfloat16", -125), ("float16", -17)):
            v, g, w_bar, A, B = problem(rng, name, "float64", (low, low + 3))
            ahead(emulated, dtype, (name,))
            small = 2.0**low  # in g too, so that v_bar is of order 1
            p = Problem(*(x.astype(typed(dtype)) for x in (v, g * small, w_bar, A, B)))
            worst = misses(got(answers(put(p))), p, dtype, flush=False)
            assert max(worst.values()) <= 1, (dtype, worst)
    finally:
        weight_norm_cuda._kernel.cache_clear()


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["short rows", "columns in parts", "odd runs in parts", "the whole"]
)
def test_a_zero_slice_is_undefined_alone(name, dtype, rng):
    p = problem(rng, name, typed(dtype))
    where = np.broadcast_to(np.arange(p.g.size).reshape(p.g.shape) == 0, p.v.shape)
    p = p._replace(v=np.where(where, 0, p.v).astype(p.v.dtype))
    for form in EPS:
        found = got(answers(put(p), EPS[form], form))
        wanted = weight_norm.double_vjp(p.A, p.B, p.w_bar, p.v, p.g, eps=EPS[form], form=form)
        wanted = (
            weight_norm.forward(p.v, p.g, eps=EPS[form], form=form),
            *weight_norm.vjp(p.w_bar, p.v, p.g, eps=EPS[form], form=form), *wanted,
        )
        for x, y in zip(found.values(), wanted, strict=True):
            np.testing.assert_array_equal(np.isnan(x), np.isnan(y))
        assert np.isnan(found["w"]).any() == (form == "plain")
        rest = {k: x[~where] if x.shape == p.v.shape else x.ravel()[1:] for k, x in found.items()}
        assert all(np.isfinite(x.astype("f8")).all() for x in rest.values())


@pytest.mark.slow
@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("name", ["short rows", "columns in parts", "odd runs in parts"])
def test_what_is_not_finite_stays_in_its_slice(name, bad, dtype, rng):
    p = problem(rng, name, typed(dtype))
    right = got(answers(put(p)))
    p.v.reshape(-1)[0] = bad
    where = np.broadcast_to(np.arange(p.g.size).reshape(p.g.shape) == 0, p.v.shape)
    for key, x in got(answers(put(p))).items():
        own = where if x.shape == p.v.shape else where.reshape(-1)[:1]
        rest = ~own if x.shape == p.v.shape else np.arange(x.size).reshape(x.shape) > 0
        assert np.array_equal(x[rest], right[key][rest])
        assert np.isnan(x.astype("f8")[~rest]).any()


# Shapes whose plan holds a slice, and reads its inputs once; shapes that are taken in parts, twice.
HELD = ("short rows", "rows of a filter", "rows of a block", "odd rows", "two kept axes in front")
PARTS = (
    "columns in parts",
    "a middle axis",
    "runs",
    "odd runs in parts",
    "a whole that no block holds",
)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "times"), [*((n, 1) for n in HELD), *((n, 2) for n in PARTS)])
def test_every_number_is_read_once_where_a_block_can_hold_it_and_written_once(
    name, times, dtype, emulated, rng
):
    d = put(problem(rng, name, typed(dtype)))
    with traffic() as moved:
        found = answers(d)
        size = d.v.nbytes
        # v is read by forward, vjp and double_vjp, w_bar by the last two, A by the last.
        assert moved(d.v) == (3 * times * size, 0)
        assert moved(d.w_bar) == (2 * times * size, 0)
        assert moved(d.A) == (times * size, 0)
        for key in ("w", "v_bar", "by_w_bar", "by_v"):
            assert moved(found[key]) == (0, size)
        for key in ("g_bar", "by_g"):
            assert moved(found[key]) == (0, d.g.nbytes)


# ---- how arrays lie in memory -------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("name", ["rows of a filter", "columns in parts", "runs"])
def test_arrays_of_every_layout_give_the_same_bits(name, device, rng):
    p = problem(rng, name, "float32")
    d = put(p)
    right = got(answers(d))

    def strided(x: Any) -> Any:
        wide = device.zeros((*x.shape, 2), dtype=x.dtype)
        wide[..., 1] = x
        return wide[..., 1]

    def reversed_in_memory(x: Any) -> Any:
        return device.ascontiguousarray(x.transpose()).transpose()

    for layout in (strided, reversed_in_memory):
        given = Problem(*map(layout, d))
        before = got(given._asdict())
        for key, x in got(answers(given)).items():
            assert np.array_equal(x, right[key])
        assert all(np.array_equal(x, before[k]) for k, x in got(given._asdict()).items())


@pytest.mark.slow
def test_addresses_that_no_vector_can_be_read_from(dtype, device, rng):
    names = ("short rows", "columns in parts", "runs")
    ahead(device, dtype, names, typed(dtype).itemsize)
    for name in names:
        p = problem(rng, name, typed(dtype))

        def off(x: Any) -> Any:
            memory = device.zeros(x.size + 1, dtype=x.dtype)
            memory[1:] = x.reshape(-1)
            return memory[1:].reshape(x.shape)

        found = got(answers(Problem(*map(off, put(p)))))
        assert max(misses(found, p, dtype).values()) <= 1


def test_a_gradient_of_nothing_goes_by_the_formula(device, rng):
    v, g = (move(rng.normal(size=s), "cuda") for s in ((0, 3), (1, 3)))
    assert not served((v,), (g,))
    assert weight_norm.forward(v, g).shape == (0, 3)


# ---- the rule, and the plans --------------------------------------------------------------------


def test_the_rule(device, rng, monkeypatch):
    v, g = (move(rng.normal(size=s), "cuda") for s in ((4, 3, 2), (4, 1, 1)))
    assert served((v,), (g,))
    assert served((v, v, v), (g, g))
    assert not served((to_numpy(v),), (to_numpy(g),))
    assert not served((v, to_numpy(v)), (g,))
    assert not served((v, v.astype("float32")), (g,))
    assert not served((v, v[:2]), (g,))
    assert not served((v, v), (g, 1.0))
    with pytest.raises(TypeError, match="floating dtype"):
        served((v.astype("int64"),), (g.astype("int64"),))
    apart = move(rng.normal(size=(4, 1, 2)), "cuda")
    assert not served((v,), (apart,))  # the kept axes lie apart
    w = weight_norm.forward(v, apart)
    host = weight_norm.forward(to_numpy(v), to_numpy(apart))
    np.testing.assert_allclose(to_numpy(w), host, rtol=1e-14)


@pytest.mark.parametrize("method", ["forward", "vjp", "double_vjp"])
def test_what_is_served_goes_to_the_kernels(method, device, rng, monkeypatch, request):
    p, called = put(problem(rng, "short rows", "float32")), []
    arguments = {"forward": p[:2], "vjp": (p.w_bar, *p[:2]), "double_vjp": (*p[3:], p[2], *p[:2])}
    cuda, *others = kernels.WAYS
    cuda = cuda._replace(**{method: lambda *xs: called.append(xs)})
    monkeypatch.setattr(kernels, "WAYS", (cuda, *others))
    kernels._first.cache_clear()
    request.addfinalizer(kernels._first.cache_clear)
    getattr(weight_norm, method)(*arguments[method], eps=0.5, form="outside")
    assert [xs[-2:] for xs in called] == [(0.5, "outside")]
    assert all(x is y for x, y in zip(called[0], arguments[method], strict=False))


def test_every_plan_covers_its_slices_within_the_limits_of_cuda(rng):
    axes = [1, 2, 3, 5, 8, 31, 32, 33, 127, 128, 129, 1000, 4096, 65537, 10**6 + 3]
    for op, A, K, B in itertools.product(range(3), axes, axes, axes):
        if A * K * B >= 2**32:
            continue
        for size, aligned in ((2, 16), (4, 16), (8, 8), (2, 2)):
            plan = weight_norm_cuda._plan(op, A, K, B, size, aligned)
            grid, block = (*plan.grid, 1)[:2], plan.block
            assert 1 <= grid[0] < 2**31
            assert 1 <= grid[1] <= 65535
            assert plan.width * size <= max(aligned, size)
            assert B % plan.width == 0 or (plan.columns and (K * B) % plan.width == 0)
            if plan.rows:
                assert A == 1
                assert block[0] * block[1] <= 512
                assert block[0] * plan.held * plan.width >= B
                assert plan.held <= weight_norm_cuda.HELD[op]
                assert plan.held * plan.width <= weight_norm_cuda.NUMBERS[op]
                assert grid[0] * block[1] >= K
            elif plan.columns:
                assert grid[0] * 32 * plan.width >= K * B
                assert grid[1] * plan.part >= A
            else:
                assert grid[0] == K
                assert grid[1] * plan.part * plan.width >= A * B


# ---- the oracle ---------------------------------------------------------------------------------


def on_the_device(f: Any) -> Any:
    """f of NumPy arrays, computed on the device."""

    def call(*xs: Any) -> Any:
        z = f(*(move(np.asarray(x), "cuda") for x in xs))
        return tuple(map(to_numpy, z)) if isinstance(z, tuple) else to_numpy(z)

    return call


@pytest.mark.slow
@pytest.mark.parametrize("axis", [0, 1, None])
def test_the_oracle_passes_the_kernels(axis, dtype):
    functions = (weight_norm.forward, weight_norm.vjp, weight_norm.jvp, weight_norm.double_vjp)
    forward, backward, jvp, double_backward = map(on_the_device, functions)
    report = oracle.check(
        forward, backward, jvp=jvp, double_backward=double_backward, axis=axis, dtype=dtype,
        accumulate="float32" if typed(dtype).itemsize == 2 else None,
    )
    assert report.verdict == "PASS", str(report)
