"""The table of forms is what is computed and printed, and every door asks it the same question."""

from __future__ import annotations

import importlib
import inspect
import itertools
import json
import math
import pkgutil
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType, SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import pytest

import minwn
from minwn import cli, course, forms, interop, kernels, nn, oracle
from minwn.byhand import exponential_scale, weight_norm
from minwn.graph import Primitive
from minwn.mutation.suite import measured
from minwn.oracle import cases, mistakes, properties, spec, vectors
from minwn.oracle.cases import of_shape
from minwn.oracle.check_adapter import check_adapter
from minwn.oracle.reference import double_double, error_bounds, slices, truth
from minwn.oracle.report import glossary
from minwn.oracle.targets import adapters
from minwn.oracle.targets.pipe import Pipe, PipeError
from minwn.oracle.targets.target import TargetError
from minwn.oracle.verdict import IDS

V, G, W_BAR = np.array([[3.0, 4.0], [1.0, 0.5]]), np.array([[2.0], [-3.0]]), np.ones((2, 2))
EPS = {"plain": 0.0, "inside": 0.7, "outside": 0.3, "rms": 0.4, "max_q": 3.0, "max_n": 2.0}

# ---- the table ----------------------------------------------------------------------------------


def value(text: str, **symbols: Any) -> Any:
    """A printed formula, as a number."""
    python = text.replace("^", "**").replace("(n sqrt", "(n*sqrt")
    names = {"sqrt": np.sqrt, "max": np.maximum}
    return eval(python, names, symbols)


@pytest.mark.parametrize("form", forms.NAMES)
def test_the_printed_formulas_are_those_that_are_computed(form):
    eps, n = EPS[form], np.sqrt((V * V).sum(axis=1, keepdims=True))
    known = forms.form_of(form, eps)
    h = value(known.h, n=n, m=2, eps=eps)
    np.testing.assert_allclose(weight_norm.radius(V, shape=(2, 1), eps=eps, form=form), h)
    np.testing.assert_allclose(oracle.expected(V, G, W_BAR, form=form, eps=eps).w, G * V / h)
    y = value(known.y.removesuffix(" or 0"), n=n, m=2, h=h, v=V)
    y = np.where(n >= h, y, 0.0) if known.y.endswith(" or 0") else y
    np.testing.assert_allclose(mistakes.Terms(V, G, W_BAR, (0,), form, eps).y, y)
    v_bar = G / h * (W_BAR - (W_BAR * V).sum(axis=1, keepdims=True) / h * y)
    np.testing.assert_allclose(weight_norm.vjp(W_BAR, V, G, form=form, eps=eps)[0], v_bar)
    assert {"max_q", "max_n"} != {form} or (n < h).any()


@pytest.mark.parametrize("form", forms.NAMES)
def test_at_zero_there_is_a_weight_only_with_an_eps(form):
    zero = np.zeros((1, 2))
    for eps in {0.0, EPS[form]}:
        with np.errstate(all="ignore"):
            w = weight_norm.forward(zero, np.ones((1, 1)), form=form, eps=eps)
        assert np.isfinite(w).all() == forms.FORMS[form].at_zero(eps), (form, eps)
        assert np.isnan(oracle.expected(zero, G[:1], zero, form=form, eps=eps).w).any() == (
            not forms.FORMS[form].at_zero(eps)
        )


def test_one_order_of_names_everywhere():
    assert weight_norm.FORMS == truth.FORMS == forms.NAMES == tuple(forms.FORMS)
    schema = Path(vectors.__file__).with_name("schema.json").read_text()
    assert json.dumps(list(forms.NAMES)) in schema
    cuda = Path(kernels.__file__).with_name("weight_norm.cu").read_text()
    assert f"enum {{ {', '.join(forms.NAMES).upper()} }};" in cuda


def rows(text: str, split: str) -> dict[str, list[str]]:
    """The lines that begin with the name of a form, in columns."""
    lines = ([*filter(None, re.split(split, line.strip()))] for line in text.splitlines())
    return {first: rest for first, *rest in filter(None, lines) if first in forms.FORMS}


def test_the_derivation_has_the_table():
    found = rows(weight_norm.__doc__, r"  +")
    assert list(found) == list(forms.NAMES)
    for name, form in forms.FORMS.items():
        assert found[name] == [form.h, form.y, form.used_by]


def test_the_page_on_vectors_has_the_same_lengths_of_q():
    found = rows(Path(vectors.__file__).with_name("FORMAT.md").read_text(), r" *\| *")
    assert list(found) == list(forms.NAMES)
    for name, (text,) in found.items():
        for q, eps in ((0.25, 0.5), (9.0, 0.5), (9.0, 16.0)):
            there = value(text.partition(";")[0], q=q, m=3, eps=eps)
            assert there == pytest.approx(value(forms.FORMS[name].h, n=q**0.5, m=3, eps=eps))
        assert ("φ' = 0" in text) == forms.FORMS[name].y.endswith("or 0")


def test_reports_and_help_print_the_table(capsys):
    mistake = oracle.Diagnosis("eps_inside", "h = ...", "", "", ("w",))
    for name, form in forms.FORMS.items():
        assert glossary.correct_formulas(mistake, name) == [f"h = {form.h}"]
        if form.takes_eps:
            symbols = glossary.symbols(0, mistake, name)
            assert symbols.startswith(f"h = {form.h}, y = {form.y}; ")
    assert cli.main(["check", "--help"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert ", ".join(f"{name} {form.h}" for name, form in forms.FORMS.items()) in shown


# ---- what is none -------------------------------------------------------------------------------


class Bad(NamedTuple):
    """A setting that is none: by its parameter, with others if need be; the error, and its text."""

    parameter: str
    value: Any
    error: type[Exception]
    text: str
    others: Mapping[str, Any] = MappingProxyType({})


NO_FORM = "form={}; choose from plain, inside, outside, rms, max_q, max_n"
NO_EPS = "eps={}; choose a finite number >= 0"
NO_AXIS = "{}={}; give an axis, a tuple of axes, or None for one norm of the whole"
BAD = [
    Bad("form", "insid", ValueError, NO_FORM.format("'insid'") + "; did you mean 'inside'?"),
    Bad("form", "", ValueError, NO_FORM.format("''")),
    Bad("form", None, ValueError, NO_FORM.format("None")),
    Bad("form", ["plain"], ValueError, NO_FORM.format("['plain']")),
    Bad("eps", 0.5, ValueError, "form='plain' has no eps, got eps=0.5; choose form='inside', or"),
    *(
        Bad("eps", x, ValueError, NO_EPS.format(shown), {"form": "inside"})
        for x, shown in (
            (-1, "-1"), (math.nan, "nan"), (math.inf, "inf"), ("x", "'x'"), (None, "None"),
            (True, "True"), (np.float32(-0.5), "-0.5"), (1j, "1j"), ([0.1], "[0.1]"),
        )
    ),
    *(
        Bad("epsilon", x, ValueError, "epsilon: " + NO_EPS.format(shown))
        for x, shown in ((-1, "-1"), (math.nan, "nan"), (math.inf, "inf"), ("x", "'x'"))
    ),
    Bad("axis", 7, IndexError, " 7 of a weight "),
    Bad("axis", -8, IndexError, " -8 of a weight "),
    Bad("axis", (0, 7), IndexError, " 7 of a weight "),
    Bad("axis", 0.0, ValueError, NO_AXIS.format("", "0.0")),
    Bad("axis", True, ValueError, NO_AXIS.format("", "True")),
    Bad("axis", "0", ValueError, NO_AXIS.format("", "'0'")),
    Bad("axis", ((0,), 1), ValueError, NO_AXIS.format("", "((0,), 1)")),
    Bad("axis", (0, 0), ValueError, "=(0, 0) names an axis twice; name each axis once"),
    Bad("ranks", (), ValueError, "ranks is empty; give some, such as (2,) or range(1, 6)"),
    Bad("ranks", (0,), ValueError, "ranks=0; give a whole number >= 1"),
    Bad("ranks", (2.5,), ValueError, "ranks=2.5; give a whole number >= 1"),
    Bad("ranks", (9,), ValueError, "ranks=9; give ranks from 1 to 5"),
    Bad("ranks", 3, ValueError, "ranks=3; give several, such as (2,) or range(1, 6)"),
    Bad("groups", (), ValueError, "groups=() is empty; choose from dyadic, generic"),
    Bad("groups", ["generc"], ValueError, "no group 'generc'; choose from dyadic, generic, angle"),
    Bad("groups", "generic", ValueError, "groups='generic'; give a list of names"),
    Bad("accept", ["eps_insid"], ValueError, "did you mean 'eps_inside'?"),
    Bad("accept", "eps_inside", ValueError, "accept='eps_inside'; give a list of names"),
    Bad("accept", [3], ValueError, "accept: no id 3; choose from "),
]


def answers(*arrays: Any) -> Any:
    raise AssertionError("called, though the settings are none")


def layer() -> Any:
    return nn.Linear(3, 2, rng=0)


STATE = {"fc.weight_g": np.ones((2, 1)), "fc.weight_v": np.ones((2, 3))}
PLAIN = {"fc.weight": np.ones((2, 3))}
A, B = V[::-1].copy(), G[::-1].copy()
wn, es = weight_norm, exponential_scale
numpy_fused = adapters.ADAPTERS["numpy.fused"]
minwn_byhand = adapters.ADAPTERS["minwn.byhand"]


def wanted(v: Any, g: Any, w_bar: Any) -> Any:
    return V, G


def of_laws(**s: Any) -> Any:
    return type("Laws", (properties.WeightNormLaws,), s)


def renamed(function: Callable[..., Any], **names: str) -> Callable[..., Any]:
    """A function whose parameter of another name is called as it is here."""
    return lambda **s: function(**{names.get(key, key): x for key, x in s.items()})


# {module and name: (a call with a setting, the parameters that it has)}
DOORS: dict[str, tuple[Callable[..., Any], str]] = {
    **{
        f"byhand.{of}.{name}": (lambda f=f, a=a, **s: f(*a, **s), "form eps")
        for of, module in (("weight_norm", wn), ("exponential_scale", es))
        for name, f, a in (
            ("composed", module.composed, (V, G)), ("forward", module.forward, (V, G)),
            ("vjp", module.vjp, (W_BAR, V, G)), ("jvp", module.jvp, (V, G, A, B)),
            ("double_vjp", module.double_vjp, (A, B, W_BAR, V, G)),
        )
    },
    "byhand.weight_norm.check": (lambda **s: wn.check(V, G, **s), "form eps"),
    "byhand.weight_norm.check_form": (
        lambda form="plain", eps=0.0: wn.check_form(eps, form), "form eps"
    ),
    "byhand.weight_norm.radius": (
        lambda form="plain", eps=0.0: wn.radius(V, shape=(2, 1), form=form, eps=eps), "form eps"
    ),
    "byhand.weight_norm.split": (lambda axis: wn.split(V, axis), "axis"),
    "byhand.weight_norm.kept_shape": (lambda axis: wn.kept_shape((2, 2), axis), "axis"),
    "nn.WeightNorm.__init__": (lambda **s: nn.WeightNorm(**s), "form eps"),
    "nn.ExponentialWeightNorm": (lambda **s: nn.ExponentialWeightNorm(**s), "form eps"),
    "nn.WeightNormWrapper.__init__": (lambda **s: nn.WeightNormWrapper(layer(), **s), "epsilon"),
    "nn.normalise_": (lambda **s: nn.normalise_(layer().weight, **s), "form eps"),
    "oracle.check": (lambda **s: oracle.check(answers, answers, **s),
                     "form eps axis ranks groups accept"),
    "oracle.check_layer": (lambda **s: oracle.check_layer(answers, answers, kind="linear", **s),
                           "form eps axis accept"),
    "oracle.expected": (lambda **s: oracle.expected(V, G, W_BAR, **s), "form eps"),
    "oracle.reference.truth.second": (lambda **s: truth.second(V, G, W_BAR, A, B, **s), "form eps"),
    "oracle.laws": (
        renamed(lambda **s: oracle.laws(answers, V, G, W_BAR, allowed=wanted, **s), axis="axes"),
        "form eps axis",
    ),
    "oracle.Mistake.compute": (
        renamed(lambda **s: mistakes.CATALOGUE[0].compute(V, G, W_BAR, **s), axis="axes"),
        "form eps axis",
    ),
    "oracle.reference.error_bounds.bounds": (
        lambda **s: error_bounds.bounds(V, G, W_BAR, **s), "form eps"
    ),
    "oracle.reference.error_bounds.second_bounds": (
        lambda **s: error_bounds.second_bounds(V, G, W_BAR, A, B, **s), "form eps"
    ),
    "oracle.reference.error_bounds.sizes": (
        lambda **s: error_bounds.sizes(V, G, W_BAR, **s), "form eps"
    ),
    "oracle.reference.error_bounds.counts": (lambda form: error_bounds.counts(3, form), "form"),
    "oracle.reference.double_double.bulk": (
        lambda **s: double_double.bulk(V, G, W_BAR, **s), "form eps"
    ),
    "oracle.reference.double_double.truths": (
        lambda **s: double_double.truths([*cases.cases(groups=["generic"], quick=True)], **s),
        "form eps",
    ),
    "oracle.cases.cases": (lambda **s: cases.cases(**s), "groups"),
    "oracle.cases.of_shape": (lambda axis: next(of_shape((2, 3), axis=axis)), "axis"),
    "oracle.spec.make_spec": (lambda **s: spec.make_spec(**s), "form eps axis ranks groups"),
    "oracle.spec.ranks_of": (lambda ranks: spec.ranks_of(ranks), "ranks"),
    "oracle.mistakes.Terms.__init__": (
        lambda **s: mistakes.Terms(V, G, W_BAR, (0,), **s), "form eps"
    ),
    "oracle.reference.slices.kept_axes": (lambda axis: slices.kept_axes(axis, 2), "axis"),
    "oracle.properties.law_test": (
        lambda **s: properties.law_test("I6", answers, **s), "form eps axis"
    ),
    "oracle.properties.problems": (lambda axis: properties.problems(axis=axis), "axis"),
    "oracle.properties.WeightNormLaws": (of_laws, "form eps axis"),
    "oracle.check_adapter.check_adapter": (
        lambda **s: check_adapter(minwn_byhand, **{"form": "plain", "eps": 0.0} | s), "ranks groups"
    ),
    "oracle.vectors.texts": (lambda **s: vectors.texts(**s), "form eps axis groups"),
    "interop.convert": (
        renamed(lambda **s: interop.convert(STATE, "torch", "minwn", **s), axis="dim"),
        "form eps axis epsilon",
    ),
    "interop.fold": (
        renamed(lambda **s: interop.fold(STATE, source="minwn", **s), axis="dim"),
        "form eps epsilon axis",
    ),
    "interop.split": (
        renamed(lambda **s: interop.split(PLAIN, target="minwn", **s), axis="dim"),
        "form eps epsilon axis",
    ),
    "course.weight_norm": (lambda axis: course.weight_norm(axis=axis), "axis"),
    "course.weight_norm_at": (
        lambda axis: course.weight_norm_at("w", V, G, W_BAR, axis=axis), "axis"
    ),
}

# Their sentences are of another kind, or what they are given has been looked at before.
ELSEWHERE = {
    "byhand.conv": "groups of a convolution",
    "byhand.lengths": "inside byhand.weight_norm",
    "nn.Softmax": "an axis of numbers", "nn.BatchNorm": "eps of a variance",
    "nn.LayerNorm": "eps of a variance", "nn.data_dependent_init": "eps of a variance",
    "nn.WeightNorm.apply": "dim=None is not given, and 'output' is a dim: see test_dims",
    "nn.WeightNorm.compute_weight": "see test_dims",
    "nn.DoRALinear": "no axis", "oracle.Report": "made by the judge",
    "oracle.report.data.Findings": "made by the judge",
    "oracle.targets.adapters.Adapter": "what a library claims",
    "oracle.targets.adapters.torch_kernel": "",
    "oracle.cases.Case": "made by the judge", "oracle.cases.arrange": "below cases",
    "oracle.cases.fits": "below cases", "oracle.cases.case.laid_in": "below cases",
    "oracle.cases.layouts": "below cases", "oracle.reference.cross_check": "below truth",
    "oracle.spec.Spec": "made by make_spec", "oracle.diagnosis": "made by the judge",
    "oracle.reference.exact": "below truth", "oracle.report.glossary": "words",
    "oracle.mistakes.Terms.": "letters",
    "oracle.reference.slices.gain_shape": "below kept_axes",
    "oracle.reference.slices.reduced_axes": "below kept_axes",
    "mutation": "faults that are planted", "oracle.checks.point": "made by laws",
    "oracle.vectors.Vector": "read from files", "oracle.vectors.content": "below texts",
    "oracle.check_layer groups": "of a convolution", "oracle.layer": "below check_layer",
    "oracle.cases.layers": "below check_layer", "oracle.reference.layer": "below check_layer",
    "oracle.mistakes.layer_terms": "below check_layer", "oracle.targets.reading": "below read",
    "oracle.verdict": "below check", "interop.dim": "numbered as in R and PyTorch",
    "interop.load": "see test_files", "interop.save": "see test_files",
    "interop.stored": "below convert", "interop.layout": "below convert",
    "interop.metadata": "below convert", "course.formats": "the form of a notebook",
    "course.draw": "groups of points",
    "interop.convert groups": "of a transposed convolution",
    "interop.fold groups": "of a transposed convolution",
    "interop.split groups": "of a transposed convolution",
    "interop.convert.translate": "below convert", "interop.convert.Settings": "below convert",
    "interop.convert.Options": "below convert",
    "interop.fold.folding": "below fold", "interop.fold.splitting": "below split",
}


def parameters() -> Iterator[tuple[str, str]]:
    """(module and name, parameter) of everything public that takes such a setting."""
    wanted = {"form", "eps", "epsilon", "axis", "axes", "dim", "ranks", "accept", "groups"}
    seen = set()
    for package in ("byhand", "nn", "oracle", "mutation", "interop", "course"):
        root = importlib.import_module(f"minwn.{package}")
        found = pkgutil.walk_packages(root.__path__, f"{root.__name__}.")
        names = [root.__name__, *(m.name for m in found if not m.name.endswith("__main__"))]
        for module in map(importlib.import_module, names):
            for name in getattr(module, "__all__", ()):
                x = getattr(module, name)
                inside = vars(x).items() if inspect.isclass(x) else ()
                methods = ((f"{name}.{k}", f) for k, f in inside if inspect.isfunction(f))
                for where, f in [(name, x), *methods]:
                    if not inspect.isroutine(f) and not isinstance(f, Primitive):
                        continue
                    home = (getattr(f, "__module__", ""), where)
                    if ("._" in where and "__init__" not in where) or home in seen:
                        continue
                    seen.add(home)
                    short = f"{module.__name__.removeprefix('minwn.')}.{where}"
                    for parameter in wanted & {*inspect.signature(f).parameters}:
                        yield short, "axis" if parameter in ("axes", "dim") else parameter


def test_every_public_function_with_such_a_setting_has_a_row():
    missing = []
    for where, parameter in parameters():
        listed = DOORS.get(where, (None, ""))[1].split()
        if parameter not in listed and not any(
            f"{where} {parameter}".startswith(known) for known in ELSEWHERE
        ):
            missing.append(f"{where}({parameter}=)")
    # Asked by the tests below.
    own = {
        "nn.WeightNorm.__init__(axis=)", "nn.normalise_(axis=)", "oracle.cases.cases(axis=)",
        "oracle.check_adapter.check_adapter(eps=)", "oracle.check_adapter.check_adapter(form=)",
        "oracle.check_adapter.check_adapter(axis=)",
    }
    assert {*missing} == own, missing


@pytest.mark.parametrize(
    ("door", "bad"),
    [
        pytest.param(door, bad, id=f"{door}-{bad.parameter}={bad.value!r}".replace("::", ":"))
        for door, (_, known) in DOORS.items()
        for bad in BAD
        if bad.parameter in known.split() and {*bad.others} <= {*known.split()}
    ],
)
def test_what_is_none_gets_the_same_sentence_at_every_door(door, bad):
    with pytest.raises(bad.error, match=re.escape(bad.text)):
        DOORS[door][0](**{bad.parameter: bad.value} | {**bad.others})


def test_what_a_library_does_not_claim():
    for form in ("insid", ["inside"]):
        with pytest.raises(ValueError, match=r"form=.*; choose from plain, inside"):
            check_adapter(minwn_byhand, form=form, eps=0.5)
    with pytest.raises(ValueError, match="eps=-1; choose a finite number >= 0"):
        check_adapter(minwn_byhand, form="inside", eps=-1)
    with pytest.raises(ValueError, match="axis 7; it is checked for"):
        check_adapter(minwn_byhand, axis=7)


def test_dims():
    doors = (
        lambda d: nn.WeightNorm(dim=d).apply(layer()),
        lambda d: nn.WeightNorm().apply(layer(), dim=d),
        lambda d: nn.normalise_(layer().weight, d),
    )
    for dim, door in itertools.product((7, (0, 7)), doors):
        with pytest.raises(IndexError, match=r"dim 7 of a weight of shape \(.*\); choose from -2"):
            door(dim)
    for dim, door in itertools.product((True, 0.5, "x", ((0,), 1)), doors):
        with pytest.raises(ValueError, match=r"dim=.*; give an axis, a tuple of axes, None or"):
            door(dim)


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64, np.int8, Fraction])
def test_any_real_number_is_an_eps(kind):
    eps = forms.check("inside", kind(2))
    assert (eps, type(eps)) == (2.0, float)
    assert nn.WeightNorm(form="outside", eps=kind(2)) == nn.WeightNorm(form="outside", eps=2.0)
    assert type(forms.check("plain", kind(0))) is float
    with pytest.raises(ValueError, match="choose a finite number >= 0"):
        forms.check("inside", 10**400)


def test_numpy_scalars_are_as_weak_as_pythons():
    v, g = V.astype("float32"), G.astype("float32")
    for module in (weight_norm, exponential_scale):
        for form in forms.NAMES[1:]:
            how = {"form": form, "eps": np.float64(0.5)}
            same = {"form": form, "eps": 0.5}
            for call in (
                lambda h, m=module: (m.forward(v, g, **h),),
                lambda h, m=module: m.vjp(v, v, g, **h),
                lambda h, m=module: (m.jvp(v, g, v, g, **h),),
                lambda h, m=module: m.double_vjp(v, g, v, v, g, **h),
                lambda h, m=module: (m.composed(v, g, **h),),
            ):
                for x, y in zip(call(how), call(same), strict=True):
                    assert x.dtype == np.float32
                    np.testing.assert_array_equal(np.asarray(x), np.asarray(y))
    assert oracle.check(weight_norm.forward, axis=np.int64(0), ranks=np.array([2])).axis == 0


# ---- branches that took an unknown name for some form --------------------------------------------


@pytest.mark.parametrize(
    "ask",
    [
        lambda: truth.answers(("w",), [V[0]] * 3, [1.0, 1.0], "insid", 0.5, truth.Format.of("f8")),
        lambda: double_double._truths([(V, G, W_BAR)], "insid", 0.5),
        lambda: error_bounds._allowed(("w",), V, G, W_BAR, None, None, "insid", 0.5, None, True),
        lambda: mistakes.Terms.radius(SimpleNamespace(form="insid", eps=0.5, v=V), G),
        lambda: weight_norm.slope(V, V, (2, 1), 0.5, "insid"),
        lambda: weight_norm.curvature(V, G, V, G, G, V, 0.5, "insid"),
    ],
)
def test_no_branch_takes_an_unknown_name_for_some_form(ask):
    with pytest.raises(ValueError, match="form='insid'; choose from plain"):
        ask()


def test_nor_does_the_certificate():
    from minwn.oracle.reference.cross_check import definition, numbers

    with pytest.raises(ValueError, match="form='insid'"):
        definition(numbers("decimal"), ("w",), [V[0]] * 3, [1.0, 1.0], "insid", 0.5)


# ---- files, pipes, commands ----------------------------------------------------------------------

FILE = """
def forward(v, g):
    raise SystemExit("called, though the settings are none")
"""
CONSTANTS = {
    "FORM = 'insid'": "form='insid'; choose from plain",
    "FORM = None": "form=None; choose from plain",
    "FORM = ['inside']": "form=['inside']; choose from plain",
    "EPS = 0.5": "form='plain' has no eps, got eps=0.5",
    "FORM, EPS = 'inside', -1": "eps=-1; choose a finite number >= 0",
    "FORM, EPS = 'inside', 'x'": "eps='x'; choose a finite number >= 0",
    "FORM, EPS = 'inside', None": "eps=None; choose a finite number >= 0",
    "FORM, EPS = 'inside', float('nan')": "eps=nan; choose a finite number >= 0",
    "FORM, EPS = 'inside', float('inf')": "eps=inf; choose a finite number >= 0",
    "AXIS = 7": "axis 7 of a weight with 5 axes; choose from -5 to 4",
    "AXIS = 'rows'": "axis='rows'; give an axis, a tuple of axes",
    "AXIS = 0.0": "axis=0.0; give an axis, a tuple of axes",
    "AXIS = True": "axis=True; give an axis, a tuple of axes",
    "AXIS = [0, 1]": "axis=[0, 1]; give an axis, a tuple of axes",
    "AXIS = (0, 0)": "axis=(0, 0) names an axis twice",
    "DTYPE = 'flot32'": "dtype 'flot32'; choose float16",
    "DTYPE = int": "dtype int64; choose float16",
    "DTYPE = None": "dtype None; choose float16",
    "DTYPE = 'f4,f8'": "choose float16",
    "DTYPE = []": "DTYPE=[] is empty",
}


def command(capsys: Any, *words: str) -> tuple[int, str]:
    """(exit code, stderr) of `minwn ...`, which prints nothing else."""
    try:
        code = cli.main([*words])
    except SystemExit as stop:
        code = int(stop.code or 0)
    out, err = capsys.readouterr()
    assert "Traceback" not in err
    assert out == ""
    return code, " ".join(err.split())


@pytest.mark.parametrize("constant", CONSTANTS)
def test_the_constants_of_a_file(constant, capsys, tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(FILE + constant)
    code, said = command(capsys, "check", str(path))
    assert (code, CONSTANTS[constant] in said) == (2, True), said
    tests = tmp_path / "test_mine.py"
    tests.write_text("")
    if "DTYPE" not in constant:
        with pytest.raises(TargetError, match=re.escape(CONSTANTS[constant])):
            measured(str(tests), str(path), ())
        code, said = command(capsys, "mutate", "--tests", str(tests), "--target", str(path))
        assert (code, CONSTANTS[constant] in said) == (2, True), said


def test_an_option_is_heard_before_a_constant(capsys, tmp_path):
    path = tmp_path / "mine.py"
    path.write_text("from minwn.byhand.weight_norm import forward\nFORM, EPS, AXIS = 'x', -1, 9\n")
    words = ["check", str(path), "--form", "plain", "--eps", "0", "--axis", "-1"]
    assert cli.main(words) == 0


HELLOS = {
    "form='insid'": "form='insid'; choose from plain",
    "form=None": "form=None; choose from plain",
    "eps=0.5": "form='plain' has no eps, got eps=0.5",
    "form='inside', eps=-1": "eps=-1; choose a finite number >= 0",
    "form='inside', eps='nan'": "eps=nan; choose a finite number >= 0",
    "form='inside', eps='x'": "'x' is no number",
    "form='inside', eps=None": "eps=None; choose a finite number >= 0",
    "axis=7": "axis 7 of a weight with 5 axes",
    "axis=[0, 7]": "axis 7 of a weight with 5 axes",
    "axis='rows'": "axis='rows'; give an axis",
    "axis=[0.5]": "axis=0.5; give an axis",
    "axis=True": "axis=True; give an axis",
    "axis=[0, 0]": "axis=(0, 0) names an axis twice",
    "dtypes=['float128x']": "dtype 'float128x'; choose float16",
    "dtypes='float64'": "dtypes='float64'; give a list",
}


@pytest.mark.parametrize("said", HELLOS)
def test_the_hello_of_a_pipe(said, tmp_path, capsys):
    path = tmp_path / "program.py"
    path.write_text(
        "import json\ninput()\n"
        f"print(json.dumps(dict(ops=['forward'], {said})), flush=True)\nopen(0).read()\n"
    )
    with pytest.raises(PipeError, match=re.escape(HELLOS[said])), Pipe([sys.executable, str(path)]):
        pass
    code, err = command(capsys, "check", "--pipe", f"{sys.executable} {path}")
    assert (code, HELLOS[said] in err) == (2, True), err


RIGHT = "from minwn.byhand.weight_norm import forward\n"
OPTIONS = {
    "check MINE --form insid": "form='insid'; choose from plain",
    "check MINE --eps 0.5": "form='plain' has no eps, got eps=0.5",
    "check MINE --form inside --eps -1": "eps=-1.0; choose a finite number >= 0",
    "check MINE --form inside --eps nan": "eps=nan; choose a finite number >= 0",
    "check MINE --form inside --eps inf": "eps=inf; choose a finite number >= 0",
    "check MINE --form inside --eps x": "eps='x'; choose a finite number >= 0",
    "check MINE --axis 7": "axis 7 of a weight with 5 axes",
    "check MINE --axis 2 --ranks 2": "axis 2 of a weight with 2 axes; choose from -2 to 1",
    "check MINE --axis 0,0": "axis=(0, 0) names an axis twice",
    "check MINE --axis x": "write 0, -1, 0,1 or none",
    "check MINE --ranks 3-2": "ranks is empty; give some",
    "check MINE --ranks 0": "ranks=0; give a whole number >= 1",
    "check MINE --ranks 9": "ranks=9; give ranks from 1 to 5",
    "check MINE --ranks 1 --groups generic": "no case is left",
    "check MINE --groups generc": "no group 'generc'; choose from dyadic",
    "check MINE --accept eps_insid": "did you mean 'eps_inside'?",
    "check numpy.fused --form insid": "form='insid'; choose from plain",
    "check minwn.byhand --form inside --eps -1": "eps=-1.0; choose a finite number >= 0",
    "check minwn.byhand --eps 0.5": "form='plain' has no eps, got eps=0.5",
    "check minwn.byhand --ranks 9": "ranks=9; give ranks from 1 to 5",
    "check minwn.byhand --ranks 1 --groups generic": "no case is left",
    "vectors export --out OUT --form insid": "form='insid'; choose from plain",
    "vectors export --out OUT --eps 0.5": "form='plain' has no eps, got eps=0.5",
    "vectors export --out OUT --form inside --eps -1": "eps=-1.0; choose a finite number >= 0",
    "vectors export --out OUT --form inside --eps x": "eps='x'; choose a finite number >= 0",
    "vectors export --out OUT --axis 7": "axis 7 of a weight with 5 axes",
    "vectors export --out OUT --axis 0,0": "axis=(0, 0) names an axis twice",
    "convert IN OUT --from torch --to minwn --eps -1": "eps=-1.0; choose a finite number >= 0",
    "convert IN OUT --from torch --to minwn --eps x": "eps='x'; choose a finite number >= 0",
    "convert IN OUT --from torch --to flax --epsilon nan": "epsilon: eps=nan; choose a finite",
}


@pytest.mark.parametrize("words", OPTIONS)
def test_the_options_of_commands(words, capsys, tmp_path):
    (tmp_path / "mine.py").write_text(RIGHT)
    np.savez(tmp_path / "in.npz", **STATE)
    places = {"MINE": "mine.py", "OUT": "out.npz", "IN": "in.npz"}
    typed = [str(tmp_path / places[x]) if x in places else x for x in words.split()]
    code, said = command(capsys, *typed)
    assert (code, OPTIONS[words] in said) == (2, True), said
    assert not (tmp_path / "out.npz").exists()


def test_the_files_of_interop(tmp_path):
    for epsilon in (-1, math.nan, "x"):
        for door in (interop.save, interop.load):
            with pytest.raises(ValueError, match=f"epsilon: eps={epsilon!r}; choose a finite"):
                door(layer(), tmp_path / "x.npz", epsilon=epsilon)


def test_every_name_that_a_diagnosis_may_have_can_be_accepted():
    report = oracle.check(weight_norm.forward, lambda *x: weight_norm.vjp(*x), accept=IDS)
    assert (report.verdict, len(set(IDS))) == ("PASS", len(IDS))
    assert {m.id for m in oracle.CATALOGUE} | {m.id for m in mistakes.SECOND} < {*IDS}


def test_names_are_not_written_where_a_diagnosis_is_made():
    """Each is a constant of its module, or of a row: then the list of all names has it."""
    root = Path(minwn.__file__).parent / "oracle"
    for path in root.rglob("*.py"):
        for found in re.findall(r"\bDiagnosis\(\s*\"([^\"]+)\"", path.read_text()):
            assert found in (*IDS, "eps"), f"{path.name}: {found}"
