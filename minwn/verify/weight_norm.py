"""The hand-derived derivatives of w = g v / h(v), by five routes that share no formula.

    autodiff       `composed`, differentiated by the engine
    differences    extrapolated central differences of `forward` (see `minwn.gradcheck.differences`)
    complex step   of `composed`
    laws           what must hold whatever the numbers are (below)
    50 digits      the definition, differenced with 50 digits (see `truth`)

How far a route and the derivation may be apart is worked out in `bounds`. A measurement adds its
own floor, and 100 times its own estimate of its error.

The laws. With delta = 1 - <v, y> / h, which is 0 in the plain form: <v, v_bar> = g g_bar delta
(v_bar is orthogonal to v), g g_bar = <w_bar, w>, <w_bar, w_dot> = <v_bar, v_dot> + g_bar g_dot, and
for c = -1/8, eps scaled along with v: w(c v) = -w(v), v_bar(c v) = v_bar(v) / |c|,
g_bar(c v) = -g_bar(v), v_bar(c g) = c v_bar(g), g_bar(c g) = g_bar(g).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy

from .. import byhand
from ..backend import quiet
from ..byhand.weight_norm import FORMS, kept_shape
from ..gradcheck.differences import DISTRUST, Contraction, Entries, Line, complex_step, ladder
from ..tensor import Tensor, grad, jvp
from .bounds import U64, Bounds, Problem, gamma, length_and_slope, sizes
from .report import AUTODIFF, COMPLEX, DIFFERENCES, DIGITS, LAWS, Finding, compare
from .truth import DIGITS as KEPT
from .truth import truth

MEASURED = 12  # entries of v that are measured by differences, at most
NAMES = ("w", "v_bar", "g_bar", "w_dot", "by_w_bar", "by_v", "by_g")


# ---- the routes ---------------------------------------------------------------------------------


def answers(p: Problem) -> dict[str, numpy.ndarray]:
    """Everything that `byhand.weight_norm` says about a Problem."""
    wn = byhand.weight_norm
    v_bar, g_bar = wn.vjp(p.w_bar, p.v, p.g, **p.how)
    by_w_bar, by_v, by_g = wn.double_vjp(p.A, p.B, p.w_bar, p.v, p.g, **p.how)
    found = {
        "w": wn.forward(p.v, p.g, **p.how), "v_bar": v_bar, "g_bar": g_bar,
        "w_dot": wn.jvp(p.v, p.g, p.A, p.B, **p.how),
        "by_w_bar": by_w_bar, "by_v": by_v, "by_g": by_g,
    }  # fmt: skip
    for name, x in found.items():
        if x.dtype != p.v.dtype:
            raise TypeError(f"{name} is {x.dtype} for inputs of {p.v.dtype}")
    return found


FUNCTION = {
    "w": "forward", "v_bar": "vjp", "g_bar": "vjp", "w_dot": "jvp", "by_w_bar": "double_vjp",
    "by_v": "double_vjp", "by_g": "double_vjp",
}  # fmt: skip


def place(name: str, p: Problem) -> str:
    return f"byhand.weight_norm.{FUNCTION[name]} ({p}): {name}"


def check(what: str, p: Problem, rng: numpy.random.Generator) -> list[Finding]:
    """All routes at one point."""
    bounds = Bounds(p)
    with quiet():
        found = answers(p)
        return [
            *by_autodiff(what, p, found, bounds),
            *by_differences(what, p, found, bounds, rng),
            *by_complex_step(what, p, found, bounds, rng),
            *by_laws(what, p, found, bounds),
            *by_digits(what, p, found, bounds),
        ]


def by_autodiff(what: str, p: Problem, found: dict[str, Any], bounds: Bounds) -> Iterator[Finding]:
    wide = p.wide()
    v, g, w_bar = (Tensor(x, True) for x in (wide.v, wide.g, wide.w_bar))
    w = byhand.weight_norm.composed(v, g, **p.how)
    v_bar, g_bar = grad(w, [v, g], w_bar, create_graph=True)
    twin = {"w": w.data, "v_bar": v_bar.data, "g_bar": g_bar.data}
    # q^2 appears in the second pullback of the composed twin: in range for norms of 1e+-70 only.
    n = numpy.sqrt(wide.total(wide.v * wide.v))
    if n.min() > 1e-70 and n.max() < 1e70:
        pulled = (v_bar * Tensor(wide.A)).sum() + (g_bar * Tensor(wide.B)).sum()
        by_w_bar, by_v, by_g = grad(pulled, [w_bar, v, g])
        twin |= {"by_w_bar": by_w_bar.data, "by_v": by_v.data, "by_g": by_g.data}
        composed = byhand.weight_norm.composed
        along = jvp(lambda v, g: composed(v, g, **p.how), [wide.v, wide.g], [wide.A, wide.B])
        twin["w_dot"] = along[1].data
    for name, reference in twin.items():
        if bounds.judged(name):
            allowed = bounds[name] + bounds.composed(name)
            yield compare(what, AUTODIFF, place(name, p), found[name], reference, allowed)


def by_digits(
    what: str, p: Problem, found: dict[str, Any], bounds: Bounds, library: str = "decimal"
) -> Iterator[Finding]:
    reference = true_answers(p, library)
    for name in NAMES:
        if bounds.judged(name):
            given = found[name].astype("float64")
            exact = numpy.frompyfunc(lambda x, t: float(abs(type(t)(float(x)) - t)), 2, 1)
            error = numpy.asarray(exact(given, reference[name]), dtype="float64")
            closest = numpy.asarray(reference[name]).astype("float64")
            where = place(name, p)
            yield compare(what, DIGITS, where, given, closest, bounds[name], error=error)


def true_answers(p: Problem, library: str = "decimal") -> dict[str, numpy.ndarray]:
    """The answers as arrays of numbers of 50 digits."""
    wide = p.wide()
    slices = [_rows(x, p) for x in (wide.v, wide.w_bar, wide.A)]
    gains = wide.g.reshape(-1), wide.B.reshape(-1)
    truths = [
        truth(v.tolist(), g, w_bar.tolist(), A.tolist(), B, **p.how, library=library)
        for v, w_bar, A, g, B in zip(*slices, *gains, strict=True)
    ]
    whole = {
        "w": "w", "v_bar": "v_bar", "w_dot": "w_dot", "by_w_bar": "w_dot", "by_v": "by_v",
    }  # fmt: skip
    answer = {
        name: _unrows([getattr(t, field) for t in truths], p) for name, field in whole.items()
    }
    for name in ("g_bar", "by_g"):
        answer[name] = _objects([getattr(t, name) for t in truths]).reshape(p.g.shape)
    return answer


def certify(rng: numpy.random.Generator) -> Iterator[Finding]:
    """Two arithmetics of 50 digits, by different authors, must agree to 20; where mpmath is."""
    try:
        import mpmath
    except ImportError:
        return
    for form in FORMS:
        eps = 0.0 if form == "plain" else 0.25
        p = draw(rng, (2, 6), 0, form=form, eps=eps, v_scale=1e-150, g_scale=1e150)
        S, ours, theirs = sizes(p), true_answers(p), true_answers(p, "mpmath")
        for name in NAMES:
            with mpmath.workdps(KEPT):
                apart = numpy.frompyfunc(lambda x, y: float(abs(mpmath.mpf(str(x)) - y)), 2, 1)
                error = numpy.asarray(apart(ours[name], theirs[name]), dtype="float64")
            left, right = (x[name].astype("float64") for x in (ours, theirs))
            where = f"{name} of {p}"
            yield compare(
                "decimal and mpmath", DIGITS, where, left, right, 1e-20 * S[name], error=error
            )


def _order(p: Problem) -> tuple[int, ...]:
    """The axes of v, those that g keeps first."""
    if p.g.shape == ():
        return tuple(range(p.v.ndim))
    kept = [a for a in range(p.v.ndim) if p.g.shape[a] == p.v.shape[a]]
    return (*kept, *(a for a in range(p.v.ndim) if a not in kept))


def _rows(x: numpy.ndarray, p: Problem) -> numpy.ndarray:
    """(slices, m), in the order of the entries of g"""
    return x.transpose(_order(p)).reshape(p.g.size, p.m)


def _unrows(rows: list[list[Any]], p: Problem) -> numpy.ndarray:
    order = _order(p)
    flat = _objects([x for row in rows for x in row])
    return flat.reshape([p.v.shape[a] for a in order]).transpose(numpy.argsort(order))


def _objects(items: list[Any]) -> numpy.ndarray:
    array = numpy.empty(len(items), dtype=object)
    array[:] = items
    return array


# ---- measurements -------------------------------------------------------------------------------


def batched(f: Callable[..., Any], p: Problem) -> Callable[..., numpy.ndarray]:
    """f(v, g) for a batch of v, or of g: -> (b, everything f returns)"""

    def at(v: numpy.ndarray, g: numpy.ndarray) -> numpy.ndarray:
        b = max(len(v) if v.ndim > p.v.ndim else 1, len(g) if g.ndim > p.g.ndim else 1)
        v = numpy.broadcast_to(v, (b, *p.v.shape))
        g = numpy.broadcast_to(g, (b, *p.g.shape)).reshape((b, *(p.g.shape or (1,) * p.v.ndim)))
        return numpy.concatenate([y.reshape(b, -1) for y in f(v, g)], axis=1)

    return at


def line(at: Callable[..., numpy.ndarray], p: Problem, entries: Entries) -> Line:
    """at, along entries of v or of g"""

    def along(rows: numpy.ndarray, h: numpy.ndarray) -> numpy.ndarray:
        x = entries.shifted(rows, h)
        if entries.x is p.v:
            return at(x, p.g.astype(x.dtype))
        return at(p.v.astype(x.dtype), x)

    return along


def places(p: Problem, rng: numpy.random.Generator) -> list[Any]:
    """What is measured of v and of g: the entries, their numbers, the lengths for the steps."""
    rows, gains = sample(p, rng), numpy.arange(p.g.size)[:MEASURED]
    return [
        (Entries(p.v), rows, norms_at(p, rows)),
        (Entries(p.g), gains, abs(p.g).reshape(-1)[gains]),
    ]


def sample(p: Problem, rng: numpy.random.Generator) -> numpy.ndarray:
    """Some entries of v, among them those of the least and the largest size."""
    flat = abs(p.v).reshape(-1)
    drawn = rng.permutation(flat.size)[:MEASURED]
    return numpy.unique([flat.argmin(), flat.argmax(), *drawn])


def norms_at(p: Problem, rows: numpy.ndarray) -> numpy.ndarray:
    """||slice|| for entries of v: the length over which everything changes."""
    n = numpy.sqrt(p.total(p.v * p.v))
    return numpy.broadcast_to(n, p.v.shape).reshape(-1)[rows]


def by_differences(
    what: str, p: Problem, found: dict[str, Any], bounds: Bounds, rng: numpy.random.Generator
) -> Iterator[Finding]:
    wide, wn = p.wide(), byhand.weight_norm

    def forward(v: Any, g: Any) -> Any:
        return (wn.forward(v, g, **p.how),)

    def backward(v: Any, g: Any) -> Any:
        return wn.vjp(numpy.broadcast_to(wide.w_bar, v.shape), v, g, **p.how)

    both = numpy.concatenate([wide.A.reshape(-1), wide.B.reshape(-1)])
    for f, u, names in (
        (forward, wide.w_bar, ("v_bar", "g_bar")),
        (backward, both, ("by_v", "by_g")),
    ):
        at, contract = batched(f, wide), Contraction(u.reshape(1, -1))
        centre = at(wide.v, wide.g)[0]
        for name, (entries, rows, lengths) in zip(names, places(wide, rng), strict=True):
            if bounds.judged(name) and numpy.isfinite(centre).all():
                m = ladder(line(at, wide, entries), rows, lengths / 8, centre, contract, U64)
                own = bounds[name].reshape(-1)[rows]
                allowed = own + DISTRUST * m.estimate[:, 0] + m.floor[:, 0]
                claimed, where = found[name].reshape(-1)[rows], place(name, p)
                named = rows, entries.x.shape
                yield compare(
                    what, DIFFERENCES, where, claimed, m.value[:, 0], allowed, entries=named
                )

    if bounds.judged("w_dot"):
        at = batched(forward, wide)

        def along(rows: numpy.ndarray, h: numpy.ndarray) -> numpy.ndarray:
            return at(wide.v + h[0] * wide.A, wide.g + h[0] * wide.B)

        squares = wide.total(wide.v * wide.v) / wide.total(wide.A * wide.A)
        length = numpy.sqrt(squares.min()).reshape(1)  # of h, for which h A is as long as v
        centre = at(wide.v, wide.g)[0]
        m = ladder(along, numpy.arange(1), length / 8, centre, Contraction(None), U64)
        allowed = bounds["w_dot"].reshape(-1) + DISTRUST * m.estimate[0] + m.floor[0]
        claimed, where = found["w_dot"].reshape(-1), place("w_dot", p)
        yield compare(what, DIFFERENCES, where, claimed, m.value[0], allowed)


def by_complex_step(
    what: str, p: Problem, found: dict[str, Any], bounds: Bounds, rng: numpy.random.Generator
) -> Iterator[Finding]:
    """A complex operation is at most four real ones: 4 times the count of the composed twin."""
    wide = p.wide()
    # The step's 2^-66 of q must not underflow.
    if (wide.total(wide.v * wide.v) < 1e-260).any():
        return
    at = batched(lambda v, g: (byhand.weight_norm.composed(v, g, **p.how),), wide)
    contract, centre = Contraction(wide.w_bar.reshape(1, -1)), at(wide.v, wide.g)[0]
    for name, (entries, rows, lengths) in zip(("v_bar", "g_bar"), places(wide, rng), strict=True):
        if bounds.judged(name):
            m = complex_step(line(at, wide, entries), rows, lengths, centre, contract, U64)
            allowed = (bounds[name] + 4 * bounds.composed(name)).reshape(-1)[rows]
            claimed, where = found[name].reshape(-1)[rows], place(name, p)
            allowed, named = allowed + m.floor[:, 0], (rows, entries.x.shape)
            yield compare(what, COMPLEX, where, claimed, m.value[:, 0], allowed, entries=named)


# ---- laws ---------------------------------------------------------------------------------------


def by_laws(what: str, p: Problem, found: dict[str, Any], bounds: Bounds) -> Iterator[Finding]:
    wide, wn = p.wide(), byhand.weight_norm
    own = {name: x.astype("float64") for name, x in found.items()}
    h, y = length_and_slope(wide)
    total, g, m = wide.total, wide.g, p.m
    judged = bounds.judged

    def law(text: str, left: Any, right: Any, allowed: Any) -> Finding:
        return compare(what, LAWS, f"byhand.weight_norm ({p}): {text}", left, right, allowed)

    def sum_of(*terms: numpy.ndarray) -> Any:
        """What adding up m such terms in float64 can do: every partial sum is below this."""
        return gamma(m + 4, U64) * sum(abs(t) for t in terms)

    if judged("v_bar") and judged("g_bar"):
        delta = 1 - total(abs(wide.v) * y) / h
        delta = numpy.zeros_like(delta) if p.form == "plain" else delta
        spread = gamma(m + 8, U64) * abs(g) * bounds.S["g_bar"]  # of delta, which is below 1
        left, right = total(wide.v * own["v_bar"]), g * own["g_bar"] * delta
        allowed = total(abs(wide.v) * bounds["v_bar"]) + abs(g * delta) * bounds["g_bar"] + spread
        yield law("<v, v_bar> = g g_bar delta", left, right,
                  allowed + sum_of(total(abs(wide.v * own["v_bar"])), right))  # fmt: skip
    if judged("w") and judged("g_bar"):
        left, right = total(wide.w_bar * own["w"]), g * own["g_bar"]
        allowed = total(abs(wide.w_bar) * bounds["w"]) + abs(g) * bounds["g_bar"]
        yield law("<w_bar, w> = g g_bar", left, right,
                  allowed + sum_of(total(abs(wide.w_bar * own["w"])), right))  # fmt: skip
    if judged("w_dot") and judged("v_bar") and judged("g_bar"):
        left = total(wide.w_bar * own["w_dot"])
        right = total(wide.A * own["v_bar"]) + wide.B * own["g_bar"]
        allowed = total(abs(wide.w_bar) * bounds["w_dot"] + abs(wide.A) * bounds["v_bar"])
        allowed = allowed + abs(wide.B) * bounds["g_bar"]
        terms = total(abs(wide.w_bar * own["w_dot"])), total(abs(wide.A * own["v_bar"]))
        yield law("<w_bar, w_dot> = <v_bar, v_dot> + g_bar g_dot", left, right,
                  allowed + sum_of(*terms, wide.B * own["g_bar"]))  # fmt: skip

    c = p.v.dtype.type(-0.125)
    eps = p.eps * float(c) ** 2 if p.form in ("inside", "max_q") else p.eps * abs(float(c))
    scaled = replace(p, v=c * p.v, eps=eps)
    limits = Bounds(scaled)
    w = wn.forward(scaled.v, p.g, **scaled.how)
    v_bar, g_bar = wn.vjp(p.w_bar, scaled.v, p.g, **scaled.how)
    for name, text, x, power in (
        ("w", "w(c v) = -w(v)", w, -1.0),
        ("v_bar", "v_bar(c v) = v_bar(v) / |c| (degree -1)", v_bar, 8.0),
        ("g_bar", "g_bar(c v) = -g_bar(v) (degree 0)", g_bar, -1.0),
    ):
        if judged(name) and limits.judged(name):
            left, right = x.astype("float64"), power * own[name]
            yield law(text, left, right, limits[name] + abs(power) * bounds[name])
    louder = replace(p, g=c * p.g)
    limits = Bounds(louder)
    v_bar, g_bar = wn.vjp(p.w_bar, p.v, louder.g, **p.how)
    for name, text, x, power in (
        ("v_bar", "v_bar(c g) = c v_bar(g) (degree 1)", v_bar, float(c)),
        ("g_bar", "g_bar(c g) = g_bar(g) (degree 0)", g_bar, 1.0),
    ):
        if judged(name) and limits.judged(name):
            left, right = x.astype("float64"), power * own[name]
            yield law(text, left, right, limits[name] + abs(power) * bounds[name])


def at_zero(rng: numpy.random.Generator) -> Iterator[Finding]:
    """Where v is zero the plain form is undefined: NaN in that slice, and in no other.

    The count of entries that are NaN where they should not be, or not NaN where they should.
    """
    for axes, zero in ((0, numpy.s_[1]), (1, numpy.s_[:, 2]), ((0, 1), numpy.s_[2, 0])):
        for scale in (1.0, 1e-120):
            p = draw(rng, (3, 4, 2), axes, v_scale=scale)
            p.v[zero] = 0.0
            undefined = p.total(abs(p.v)) == 0
            with quiet():
                for name, x in answers(p).items():
                    wrong = (numpy.isnan(x) != undefined).sum()
                    text = f"{place(name, p)}, slices that are not NaN exactly where v = 0"
                    yield compare("a zero slice", LAWS, text, wrong, 0.0, 0.0)


# ---- the points ---------------------------------------------------------------------------------


def draw(
    rng: numpy.random.Generator,
    shape: tuple[int, ...],
    axes: Any,
    *,
    dtype: str = "float64",
    form: str = "plain",
    eps: float = 0.0,
    v_scale: float = 1.0,
    g_scale: float = 1.0,
) -> Problem:
    """A generic point: signed, no slice of unit length, g unrelated to ||v||."""

    def signed(shape: tuple[int, ...], scale: float) -> numpy.ndarray:
        x = scale * rng.uniform(0.5, 2.0, shape) * rng.choice([-1.0, 1.0], shape)
        return numpy.asarray(x, dtype=dtype)

    kept = kept_shape(shape, axes)
    return Problem(
        signed(shape, v_scale), signed(kept, g_scale), signed(shape, 1.0), signed(shape, v_scale),
        signed(kept, g_scale), form, eps,
    )  # fmt: skip


def points(quick: bool) -> Iterator[tuple[str, dict[str, Any]]]:
    """(row of the table, options of `draw`)"""

    def point(what: str, shape: tuple[int, ...], axes: Any, **options: Any) -> Any:
        return what, {"shape": shape, "axes": axes, **options}

    for shape in ((5,), (4, 3), (3, 4, 2), (2, 3, 2, 3), (2, 2, 3, 1, 2)):
        rank = len(shape)
        choices: list[Any] = [*range(rank), -1, None, tuple(range(rank)), (0, -1)]
        for axes in choices[-4:] if quick else choices:
            yield point(f"rank {rank}", shape, axes)
            yield point(f"rank {rank}", shape, axes, form="outside", eps=0.5)
    eps_of = {"plain": [0.0], "rms": [1e-4, 0.5]}
    for form in FORMS:
        for eps in eps_of.get(form, [1e-12, 1e-3, 0.25, 900.0]):
            yield point(f"form {form}", (4, 6), 0, form=form, eps=eps)
            yield point(f"form {form}", (3, 2, 5), -1, form=form, eps=eps)
            yield point(f"form {form}", (3, 7), None, form=form, eps=eps)
    for dtype in ("float16", "float32", "float64"):
        for form in FORMS[:2] if quick else FORMS:
            options = {"form": form, "eps": 0.0 if form == "plain" else 1e-3, "dtype": dtype}
            yield point(dtype, (5, 6), 0, **options)
            yield point(dtype, (3, 2, 3, 3), 1, **options)
            yield point(dtype, (4, 9), None, **options)
    for m in (1, 2, 16, 128, 1024) if quick else (1, 2, 16, 128, 1024, 4096):
        yield point(f"{m} per slice", (2, m), 0)
        yield point(f"{m} per slice", (2, m), 0, dtype="float32")
        yield point("float16", (m,), None, dtype="float16")
    scales = {"float64": (-150, -75, 75, 150), "float32": (-30, -15, 15, 30)}
    for dtype, exponents in scales.items():
        for exponent in exponents[::3] if quick else exponents:
            scale = 10.0**exponent
            for g_scale in (1.0, scale):
                what = f"{dtype} at 1e{exponent:+d}"
                same = {"dtype": dtype, "v_scale": scale, "g_scale": g_scale}
                yield point(what, (3, 5), 0, **same)
                yield point(what, (3, 5), 0, form="inside", eps=scale * scale / 4, **same)
                yield point(what, (3, 5), 0, form="outside", eps=scale, **same)
