"""Someone's own tests, measured: what they do not see, and what they would have to do."""

from __future__ import annotations

import textwrap

import numpy as np
import pytest

from minwn.mutation.mutant import correct, forward
from minwn.mutation.points import Point, missing
from minwn.mutation.suite import SuiteError, find, fitted, measured, relevant, touched
from minwn.oracle.targets.target import TargetError

LAYER = """
import numpy as np

def forward(v, g):
    return g * v / np.sqrt((v * v).sum(axis=1, keepdims=True))

def backward(w_bar, v, g):
    n = np.sqrt((v * v).sum(axis=1, keepdims=True))
    d = (w_bar * v).sum(axis=1, keepdims=True)
    return g / n * (w_bar - d / n**2 * v), d / n
"""
# What many do: ones, the first g, only v_bar, and names of one's own.
WEAK = """
import layer
import numpy as np
from layer import backward as pull

def test_differences():
    v = np.random.default_rng(0).normal(size=(3, 4))
    g = np.linalg.norm(v, axis=1, keepdims=True)
    v_bar, g_bar = pull(np.ones((3, 4)), v, g)
    for i in np.ndindex(v.shape):
        up, down = v.copy(), v.copy()
        up[i] += 1e-6
        down[i] -= 1e-6
        slope = (layer.forward(up, g) - layer.forward(down, g)).sum() / 2e-6
        assert abs(slope - v_bar[i]) < 1e-5
"""
ASKED = {
    "formula.no_projection": "killed",
    "formula.missing_g_over_n": "a g that is not ||v||",
    "formula.factor_abs_g": "a negative g",
    "formula.proj_uses_sum_not_dot": "killed",
    "formula.g_bar_n2": "a close comparison of g_bar",
    "formula.norm_l1": "a close comparison of v_bar and g_bar and w",
    "index.w_bar_rows_reversed": "a cotangent whose entries differ",
    "axis.rank_dot": "a weight with more than two axes",
    "aliasing.writes_g.2": "killed",
    "aliasing.buffer.v_bar": "keep an answer",
    "layout.memory_order.v": "transposed",
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with a layer and its tests, in which to be."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # which takes longer than the tests

    def write(**files):
        for name, text in files.items():
            (tmp_path / f"{name}.py").write_text(textwrap.dedent(text))

    write(layer=LAYER, test_layer=WEAK)
    return write


@pytest.mark.slow
def test_survivors_and_the_checks_that_are_missing(folder):
    heard = []
    survey = measured("test_layer.py", "layer.py", [find(x) for x in ASKED], step=heard.append)
    found = {t.mutant.id: t.why if t.outcome == "survived" else t.outcome for t in survey.tested}
    for name, words in ASKED.items():
        assert words in found[name], found
    assert len(survey.survivors) == sum(words != "killed" for words in ASKED.values())
    assert sum(map(len, survey.holes.values())) == len(survey.survivors)
    assert set(ASKED) <= set(heard)


SOME = ["formula.no_projection", "formula.g_bar_n2", "formula.w_no_g"]


def outcomes(tests, target, **how):
    survey = measured(tests, target, [find(x) for x in SOME], **how)
    return {t.mutant.id: t.outcome for t in survey.tested}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("layer", "tests", "target"),
    [
        pytest.param(
            """
            import numpy as np
            AXIS = 1
            def forward(v, g, eps=0.0):
                return g * v / np.sqrt((v * v).sum(axis=0))
            def backward(w_bar, v, g, *, eps=0.0):
                n, d = np.sqrt((v * v).sum(axis=0)), (w_bar * v).sum(axis=0)
                return g / n * (w_bar - d / n**2 * v), d / n
            """,
            """
            import layer
            FUNCTIONS = [(layer.forward, layer.backward)]
            def parts(v, g, w_bar):
                f, b = FUNCTIONS[0]
                return f(v, g, eps=0.0), *b(w_bar, v=v, g=g, eps=0.0)
            """,
            "layer.py",
            id="flat g, axis 1, functions in a list",
        ),
        pytest.param(
            """
            import numpy as np
            class Norm:
                AXIS = 1
                def forward(self, v, g):
                    return g * v / np.sqrt((v * v).sum(axis=0))
                @staticmethod
                def backward(w_bar, v, g):
                    n, d = np.sqrt((v * v).sum(axis=0)), (w_bar * v).sum(axis=0)
                    return g / n * (w_bar - d / n**2 * v), d / n
            """,
            """
            from layer import Norm
            def parts(v, g, w_bar):
                return Norm().forward(v, g), *Norm.backward(w_bar, v, g)
            """,
            "layer.py:Norm",
            id="methods of a class",
        ),
        pytest.param(
            """
            import functools, numpy as np
            def made(axis):
                def forward(v, g):
                    return g * v / np.sqrt((v * v).sum(axis=axis))
                def backward(w_bar, v, g):
                    n, d = np.sqrt((v * v).sum(axis=axis)), (w_bar * v).sum(axis=axis)
                    return g / n * (w_bar - d / n**2 * v), d / n
                return forward, backward
            AXIS = 1
            forward, backward = made(0)
            """,
            """
            from layer import backward as b, forward as f
            def parts(v, g, w_bar):
                return f(v, g), *b(w_bar, v, g)
            """,
            "layer",
            id="closures",
        ),
    ],
)
def test_functions_of_every_kind_are_replaced(folder, layer, tests, target):
    strict = """
    import numpy as np
    def test_all():
        rng = np.random.default_rng(1)
        v, g, w_bar = rng.normal(size=(4, 3)), rng.normal(size=3), rng.normal(size=(4, 3))
        w, v_bar, g_bar = parts(v, g, w_bar)
        n = np.linalg.norm(v, axis=0)
        assert v_bar.shape == v.shape and g_bar.shape == g.shape
        np.testing.assert_allclose(w, g * v / n)
        np.testing.assert_allclose(g_bar, (w_bar * v).sum(0) / n)
        np.testing.assert_allclose(v_bar, (g * w_bar - w * g_bar) / n)
    """
    folder(layer=layer, test_layer=textwrap.dedent(tests) + textwrap.dedent(strict))
    assert set(outcomes("test_layer.py", target).values()) == {"killed"}


@pytest.mark.slow
def test_a_suite_without_end_runs_out_of_time(folder):
    endless = "while abs(slope - v_bar[i]) > 1e-5: pass"
    folder(test_layer=WEAK.replace("assert abs(slope - v_bar[i]) < 1e-5", endless))
    found = outcomes("test_layer.py", "layer.py", timeout=2.0)
    assert found["formula.no_projection"] == "timeout"
    assert found["formula.g_bar_n2"] == "survived"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"test_layer": WEAK + "\ndef test_red():\n    assert 1 == 2\n"}, "not green as it is"),
        (
            {"test_layer": WEAK + "\ndef test_own():\n    assert layer.forward.__name__ == 'x'\n"},
            "not green",
        ),
        (
            {"test_layer": "import layer\n\ndef test_eps():\n    import numpy as np\n"
             "    assert not layer.forward(np.zeros((1, 2)), np.ones((1, 1))).any()\n",
             "layer": LAYER.replace("np.sqrt(", "np.sqrt(1e-12 + ")},
            "fails for a right implementation",
        ),
        ({"test_layer": "def test_nothing():\n    pass\n"}, "imports layer.py"),
        ({"test_layer": "import nowhere\n"}, "does not run"),
        ({"layer": LAYER + "FORM = 'inside'\n"}, "plain form"),
    ],
)
def test_what_cannot_be_measured_is_said(folder, files, words):
    folder(**files)
    with pytest.raises(SuiteError, match=words):
        outcomes("test_layer.py", "layer.py")


def test_a_target_that_is_not_there(folder):
    with pytest.raises(TargetError):
        outcomes("test_layer.py", "nothing.py")


# ---- parts --------------------------------------------------------------------------------------


def test_what_is_relevant():
    assert touched(find("formula.no_projection")) == ("backward",)
    assert touched(find("formula.w_no_g")) == ("forward",)
    assert touched(find("order2.jvp.sign")) == ("jvp",)
    assert relevant(find("order2.jvp.sign"), ("forward", "jvp"))
    assert not relevant(find("order2.jvp.sign"), ("forward", "backward"))
    assert not relevant(find("formula.w_no_g"), ("backward",))
    assert not relevant(find("equal.unit_vectors"), ("forward", "backward"))


@pytest.mark.parametrize(
    ("shape", "axis", "g_shape"),
    [
        ((3, 4), 0, (3, 1)), ((3, 4), 0, (3,)), ((3, 4), 1, (1, 4)), ((3, 4), -1, (4,)),
        ((3, 4), None, ()), ((2, 3, 4), 1, (1, 3, 1)), ((2, 3, 4), (0, 2), (2, 1, 4)),
    ],
)
def test_other_axes_and_other_shapes_of_g(shape, axis, g_shape, rng):
    v, w_bar, g = (rng.standard_normal(s) for s in (shape, shape, g_shape))
    kept = () if axis is None else np.atleast_1d(axis) % len(shape)
    axes = tuple(a for a in range(len(shape)) if a not in kept)
    full = g.reshape([n if a in kept else 1 for a, n in enumerate(shape)])
    n = np.sqrt((v * v).sum(axes, keepdims=True))
    d = (w_bar * v).sum(axes, keepdims=True)
    v_bar, g_bar = fitted("backward", correct, axis)(w_bar, v, g)
    assert (v_bar.shape, g_bar.shape) == (shape, g_shape)
    # two float64 evaluations of sums of at most 24 terms
    np.testing.assert_allclose(fitted("forward", forward, axis)(v, g), full * v / n, rtol=1e-13)
    np.testing.assert_allclose(g_bar, (d / n).reshape(g_shape), rtol=1e-12)
    np.testing.assert_allclose(v_bar, full / n * (w_bar - d / n**2 * v), rtol=1e-11, atol=1e-13)


def unit(v):
    return v / np.linalg.norm(v, axis=1, keepdims=True)


V, G = np.array([[1.0, -2, 3], [0.5, 1, -4]]), np.array([[1.5], [2.0]])
W_BAR = np.array([[1.0, 2, -1], [0, -3, 1]])


@pytest.mark.parametrize(
    ("id", "arrays", "words"),
    [
        ("formula.missing_1_over_n", (W_BAR, unit(V), G), "not of unit length"),
        ("formula.missing_g", (W_BAR, V, np.ones((2, 1))), "not 1"),
        ("strange.abs_v", (W_BAR, abs(V), G), "of both signs"),
        ("formula.g_bar_rolled", (W_BAR[:1], V[:1], G[:1]), "more than one slice"),
        ("formula.first_norm_for_all", (W_BAR, unit(V) * 3, G), "different lengths"),
        ("formula.first_g_for_all", (W_BAR, V, 3 + 0 * G), "from slice to slice"),
        ("eps.max.backward.0.25", (W_BAR, V, G), "shorter than 1/10"),
        ("accumulation.float32.qd", tuple(x.astype("f4") for x in (W_BAR, V, G)), "float64"),
        ("formula.no_projection", (W_BAR, V, G), "close comparison of v_bar"),
    ],
)
def test_why_nobody_saw_it(id, arrays, words):
    assert words in missing(find(id), [Point("backward", arrays)], ("backward",))


def test_what_is_never_called_is_seen_by_nobody():
    assert "a test that calls backward" in missing(find("formula.no_projection"), [], ("backward",))
