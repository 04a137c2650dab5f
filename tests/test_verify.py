"""`minwn verify` holds, and a single wrong line in any rule makes it fail and say where."""

from __future__ import annotations

import io
import json
import math

import numpy as np
import pytest

from minwn import byhand, cli, ops, oracle, terminal
from minwn.graph import Primitive, raw
from minwn.nn import WeightNorm
from minwn.oracle.reference.truth import second
from minwn.verify import Report, cases, digits, layers, primitives, report, weight_norm
from minwn.verify.weight_norm import AUTODIFF, COMPOSED, HAND, Setting

# ---- the main job -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def quick(tmp_path_factory):
    """One quick run: exit code, folder, what was printed."""
    folder = tmp_path_factory.mktemp("verify")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.stdout", io.StringIO())
        patch.setattr("sys.stderr", io.StringIO())
        code = cli.main(
            ["verify", "--quick", "--json", str(folder / "a.json"), "--out", str(folder)]
        )
        import sys

        return code, folder, sys.stdout.getvalue(), sys.stderr.getvalue()


@pytest.mark.slow
def test_it_holds(quick):
    code, _, out, err = quick
    assert code == 0, out
    assert out.rstrip().splitlines()[-1].startswith("PASS: ")
    assert err == ""  # no terminal, no bar
    assert "\033" not in out  # nor colour


@pytest.mark.slow
def test_its_report(quick):
    _, folder, out, _ = quick
    found = json.loads((folder / "a.json").read_text())
    assert found == json.loads((folder / "verify.json").read_text())
    assert found["schema"] == "minwn-verify/1"
    assert found["ok"] is True
    assert found["seed"] == 0
    assert found["versions"]["numpy"] == np.__version__
    for row in found["rows"]:
        assert row["ok"]
        assert row["ratio"] <= 1
        assert row["what"] in out
        assert row["worst"] <= row["bound"]
    covered = {(row["section"], row["route"]) for row in found["rows"]}
    judged = ("first order", "second order", "forward product")
    measured = ("differences", "complex step", "laws")
    for section, routes in (
        ("g and v by hand", (*judged, *measured)), ("g and v by autodiff", (*judged, *measured)),
        ("real layers", ("autodiff", *measured, "80 digits")),
    ):
        for route in routes:
            assert (section, route) in covered
    assert found["comparisons"] > 100_000
    whats = {row["what"] for row in found["rows"]}
    assert {kind.name for kind in layers.KINDS} <= whats
    assert {f"form {form}" for form in byhand.weight_norm.FORMS} <= whats
    assert {"the oracle itself", "a zero slice", "float16", "float32", "axis None"} <= whats


@pytest.mark.slow
def test_it_learned_to_read(quick):
    _, folder, _, _ = quick
    learned = json.loads((folder / "verify.json").read_text())["digits"]
    assert learned["test_accuracy"] >= learned["required_accuracy"] == 0.96
    assert [e["epoch"] for e in learned["curve"]] == list(range(1, digits.QUICK_EPOCHS + 1))
    assert learned["curve"][-1]["train_loss"] < learned["curve"][0]["train_loss"] / 4
    assert (learned["train_images"], learned["test_images"]) == (1442, 355)


@pytest.mark.slow
def test_its_curve(quick):
    pytest.importorskip("matplotlib", reason="draws the curve")
    assert (quick[1] / "digits.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_a_wrong_line_fails_the_whole_of_it_and_is_named(monkeypatch, tmp_path, capsys):
    def rule(z_bar, z, x):
        return (z_bar * (raw(z) >= 0),)  # relu as if it were the identity

    monkeypatch.setattr(ops.relu, "rule", rule)
    monkeypatch.setattr(digits, "QUICK_EPOCHS", 2)
    code = cli.main(["verify", "--quick", "--json", "--no-plot", "--out", str(tmp_path)])
    assert code == 1
    found = json.loads(capsys.readouterr().out)
    assert found["ok"] is False
    failed = [row for row in found["rows"] if not row["ok"]]
    assert any("op 'relu', input 0 (x)" in row["place"] for row in failed)
    assert {"digits, before training", "digits, after training"} <= {row["what"] for row in failed}
    innocent = {row["section"] for row in failed} - {"rules of the engine", "real data"}
    assert not innocent


# ---- planted faults in rules --------------------------------------------------------------------


VJP = byhand.weight_norm.vjp


def no_projection(w_bar, w, v, g, **how):
    h = byhand.weight_norm.radius(v, shape=g.shape, **{"eps": 0.0, "form": "plain"} | how)
    return w_bar * (g / h), VJP(w_bar, v, g, **how)[1]


def short_bias(y_bar, y, x, w, b=None):
    x_bar, w_bar, b_bar = RULES["linear"](y_bar, y, x, w, b)
    return x_bar, w_bar, None if b is None else lambda: b_bar() * 0.999


def flipped_kernel(y_bar, y, x, w, b=None, **shape):
    x_bar, w_bar, b_bar = RULES["conv"](y_bar, y, x, w, b, **shape)
    return x_bar, lambda: ops.flip(w_bar(), axis=-1), b_bar


def no_target(l_bar, loss, logits, p=None, *, labels=None, reduction):
    entropy = byhand.softmax_cross_entropy
    inputs, target = ((logits, p), p) if labels is None else (
        (logits,), entropy._one_hot(logits, labels))
    bar, *rest = RULES["softmax_cross_entropy"](
        l_bar, loss, *inputs, labels=labels, reduction=reduction
    )
    share = entropy._share(logits, reduction)
    l_bar = l_bar.reshape((-1, 1)) if reduction == "none" else l_bar * share
    return (lambda: (bar() if callable(bar) else bar) + target * l_bar), *rest


def first_order_only(z_bar, z, x):
    return (z_bar / (2.0 * raw(z)),)


def no_unbroadcast(z_bar, z, x, *, shape):
    return (z_bar,)


def winner_takes_all(z_bar, z, x, y):
    return ops.where(raw(x) >= raw(y), z_bar, 0.0), ops.where(raw(x) < raw(y), z_bar, 0.0)


def in_double(z_bar, z, x):
    return (z_bar * np.float64(1.0) * np.cos(raw(x)).astype("float64"),)


RULES = {
    name: Primitive.registry[name].rule
    for name in ("linear", "conv", "softmax_cross_entropy", "weight_norm")
}
FAULTS = {  # primitive: wrong rule, and the column in which it must show
    "weight_norm": (no_projection, "first order"),
    "linear": (short_bias, "first order"),
    "conv": (flipped_kernel, "first order"),
    "relu": (lambda z_bar, z, x: (z_bar,), "first order"),
    "softmax_cross_entropy": (no_target, "first order"),
    "_einsum": (lambda z_bar, z, *xs, **how: tuple(
        1.001 * x for x in EINSUM(z_bar, z, *xs, **how)), "first order"),
    "tanh": (lambda z_bar, z, x: (-z_bar * (1.0 - z * z),), "first order"),
    "matmul": (lambda z_bar, z, x, y: MATMUL(z_bar, z, x, y)[::-1], "first order"),
    "sqrt": (first_order_only, "second order"),
    "broadcast_to": (no_unbroadcast, "first order"),
    "maximum": (winner_takes_all, "at kinks"),
    "sin": (in_double, "float32"),
}
_einsum_rule, MATMUL = Primitive.registry["_einsum"].rule, ops.matmul.rule


def EINSUM(*args, **how):
    return [bar() for bar in _einsum_rule(*args, **how)]


@pytest.mark.slow
@pytest.mark.parametrize("name", FAULTS)
def test_a_wrong_rule_is_found_and_named(name, rng, monkeypatch):
    op, (rule, route) = Primitive.registry[name], FAULTS[name]
    assert all(f.ok for f in primitives.check(op, rng))
    monkeypatch.setattr(op, "rule", rule)
    found: list[report.Finding] = []
    with report.caught(found, primitives.module_of(op), route, f"op '{name}'"):
        found += primitives.check(op, rng)
    failed = [f for f in found if not f.ok]
    assert any(f.route == route and f"'{name}'" in f.place for f in failed)
    assert all(f"'{name}'" in f.place for f in failed)
    if route in ("first order", "second order") and not any(f.note for f in failed):
        text = str(failed[0])  # both numbers, what was allowed, the ratio, argument and index
        for word in ("claimed", "reference", "allowed", "ratio", "input ", "at ("):
            assert word in text


def test_a_primitive_without_a_case_fails(rng, monkeypatch):
    monkeypatch.delitem(cases.CASES, "tanh")
    (found,) = primitives.check(ops.tanh, rng)
    assert not found.ok
    assert "no case" in str(found)


def test_every_primitive_has_a_case_and_every_case_a_primitive():
    assert set(cases.CASES) == set(primitives.registered())
    assert {name for name, *_ in cases.KINKS} <= set(cases.CASES)


# ---- planted faults in what was derived by hand -------------------------------------------------


def scaled_by(function, which, factor):
    """The function with one of its answers a little wrong."""
    right = getattr(byhand.weight_norm, function)

    def wrong(*args, **how):
        answers = right(*args, **how)
        if not isinstance(answers, tuple):
            return answers * factor
        return tuple(x * factor if k == which else x for k, x in enumerate(answers))

    return wrong


MEASURED = {"first order", "differences", "complex step"}
OUTSIDE = Setting("here", HAND, "outside", 0.25)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("function", "which", "name", "routes"),
    [
        ("vjp", 0, "v_bar", {*MEASURED, "laws", "forward product"}),
        ("vjp", 1, "g_bar", {*MEASURED, "laws", "forward product"}),
        ("jvp", 0, "w_dot", {"forward product"}),
        ("double_vjp", 0, "by_w_bar", {"second order"}),
        ("double_vjp", 1, "by_v", {"second order"}),
        ("double_vjp", 2, "by_g", {"second order"}),
        ("forward", 0, "w", MEASURED),
    ],
)
@pytest.mark.parametrize("factor", [1.001, 1 - 1e-11])
def test_a_wrong_formula_is_found_by_every_route(
    function, which, name, routes, factor, monkeypatch
):
    assert all(f.ok for f in weight_norm.check(OUTSIDE))
    monkeypatch.setattr(byhand.weight_norm, function, scaled_by(function, which, factor))
    failed = [f for f in weight_norm.check(OUTSIDE) if not f.ok]
    assert all(f"{name} of minwn.byhand.weight_norm.{function}: " in f.note for f in failed)
    assert routes == {f.route for f in failed}


def test_the_screen_names_the_mistake(monkeypatch):
    def vjp(w_bar, v, g, **how):
        return no_projection(w_bar, None, v, g, **how)

    monkeypatch.setattr(byhand.weight_norm, "vjp", vjp)
    found = list(weight_norm.check(Setting("form plain", HAND)))
    shown = Report(True, 0, {"g and v by hand": found})
    assert not shown.ok
    text = str(shown)
    assert text.count("FAILED  form plain, ") == 1  # one place, where several routes fail
    assert "v_bar of minwn.byhand.weight_norm.vjp: no_projection" in text
    assert "v_bar = (g/n) w_bar" in text
    assert "to mend it: " in text
    assert "got " in text
    assert "more; the JSON report lists them all" in text
    rows = [row for row in shown.to_json()["rows"] if not row["ok"]]
    assert {row["route"] for row in rows} == {*MEASURED, "laws", "forward product"}
    assert all("no_projection" in row["note"] for row in rows)
    assert shown.verdict().startswith(f"FAIL: {len(shown.failed)} of {len(found)} checks, in form")


def test_the_screen_shows_one_failure_of_each_row_first():
    def failing(what, place):
        return report.Finding(what, "first order", place, allowed=1.0, error=2.0)

    many = [failing("ops.shape", f"op {k}") for k in range(20)] + [failing("ops.reduce", "op 20")]
    shown = Report(True, 0, {"rules": many, "by hand": [failing("form plain", "vjp")]})
    assert [f.place for f in shown.first_failures()] == [
        "op 0", "op 20", "vjp", *(f"op {k}" for k in range(1, 10))
    ]
    assert str(shown).endswith("... and 10 more; the JSON report lists them all")


def test_what_raises_is_named(monkeypatch):
    def jvp(v, g, v_dot, g_dot, **how):
        raise ZeroDivisionError("by zero")

    monkeypatch.setattr(byhand.weight_norm, "jvp", jvp)
    failed = [f for f in weight_norm.check(OUTSIDE) if not f.ok]
    assert failed
    assert all("ZeroDivisionError: by zero" in f.note for f in failed)


@pytest.mark.parametrize(
    ("rule", "routes"),
    [
        (no_projection, {*MEASURED - {"complex step"}, "laws", "second order"}),
        # Right to first order, and the walk over the walk finds nothing behind it.
        (lambda w_bar, w, v, g, **how: RULES["weight_norm"](w_bar, raw(w), raw(v), raw(g), **how),
         {"second order"}),
    ],
    ids=["no projection", "first order only"],
)
def test_a_wrong_rule_is_found_through_the_graph(rule, routes, monkeypatch):
    setting = Setting("here", AUTODIFF)
    assert all(f.ok for f in weight_norm.check(setting))
    monkeypatch.setattr(Primitive.registry["weight_norm"], "rule", rule)
    failed = [f for f in weight_norm.check(setting) if not f.ok]
    assert routes == {f.route for f in failed}
    assert all(" of minwn.WeightNorm" in f.note for f in failed)


def test_a_wrong_definition_is_found(monkeypatch):
    def composed(v, g, **how):
        return right(v, g * 1.001, **how)

    right, setting = byhand.weight_norm.composed, Setting("here", COMPOSED)
    assert all(f.ok for f in weight_norm.check(setting))
    monkeypatch.setattr(byhand.weight_norm, "composed", composed)
    failed = [f for f in weight_norm.check(setting) if not f.ok]
    assert {"first order", "second order", "forward product"} <= {f.route for f in failed}


def test_a_zero_slice_that_is_hidden_is_found(rng, monkeypatch):
    assert all(f.ok for f in weight_norm.at_zero(rng))
    right = byhand.weight_norm.vjp
    monkeypatch.setattr(
        byhand.weight_norm, "vjp", lambda *args, **how: tuple(map(np.nan_to_num, right(*args)))
    )
    with np.errstate(all="ignore"):
        failed = [f for f in weight_norm.at_zero(rng) if not f.ok]
    assert {f.place.partition(",")[0] for f in failed} == {"byhand.weight_norm.vjp"}


def test_a_wrong_pullback_is_found_through_a_layer(rng, monkeypatch):
    kind, norm = layers.KINDS[0], WeightNorm(dim="output")
    assert all(f.ok for f in layers.check(kind, norm, rng))
    monkeypatch.setattr(Primitive.registry["weight_norm"], "rule", no_projection)
    failed = [f for f in layers.check(kind, norm, rng) if not f.ok]
    routes = {"autodiff", "differences", "complex step", "laws", "80 digits"}
    assert routes == {f.route for f in failed}
    assert all(f.place.startswith("nn.Linear (weight (4, 5)), WeightNorm(dim=") for f in failed)


def test_a_wrong_axis_is_found_through_a_layer(rng, monkeypatch):
    kind = next(k for k in layers.KINDS if k.name == "ConvTranspose2d")
    norm = WeightNorm(dim="output")
    assert all(f.ok for f in layers.check(kind, norm, rng))
    op = Primitive.registry["conv_input"]
    right = op.rule

    def rule(x_bar, x, y, w, b=None, **how):
        y_bar, w_bar, b_bar = right(x_bar, x, y, w, b, **how)
        return y_bar, lambda: ops.flip(w_bar(), axis=2), b_bar

    monkeypatch.setattr(op, "rule", rule)
    failed = [f for f in layers.check(kind, norm, rng) if not f.ok]
    assert {"autodiff", "differences", "complex step"} <= {f.route for f in failed}
    assert "nn.ConvTranspose2d" in failed[0].place


def test_a_network_that_does_not_learn_fails(rng, monkeypatch):
    monkeypatch.setattr(digits, "QUICK_EPOCHS", 2)
    monkeypatch.setattr(digits, "RATE", 0.0)
    monkeypatch.setattr(digits, "check_gradients", lambda *args: [])
    summary, found = digits.run(True, rng, lambda what: None)
    (errors,) = found
    assert summary["test_accuracy"] < 0.5
    assert not errors.ok
    assert "test accuracy" in errors.place


# ---- the parts ----------------------------------------------------------------------------------


@pytest.mark.parametrize("library", ["decimal", "mpmath"])
def test_eighty_digits(library):
    pytest.importorskip(library, reason="the second arithmetic")
    # w = 10 (3, 4) / 5, along w_bar = (1, 2) and v_dot = (4, -3), g_dot = 5.
    arrays = ([[3.0, 4.0]], [[10.0]], [[1.0, 2.0]], [[4.0, -3.0]], [[5.0]])
    v, g, w_bar, A, B = map(np.array, arrays)
    found = oracle.expected(v, g, w_bar, certify=library)
    assert found.w.tolist() == [[6, 8]]
    assert found.g_bar.tolist() == [[2.2]]
    assert found.v_bar.tolist() == [[-0.64, 0.48]]
    twice = second(v, g, w_bar, A, B, certify=library)
    # x g_dot + (g / h) (v_dot - <x, v_dot> x) = (3, 4) + 2 (4, -3)
    assert twice.w_dot.tolist() == [[11, -2]]
    assert twice.by_g.tolist() == [[-0.4]]  # <w_bar, v_dot> / h


@pytest.mark.parametrize("planted", ["bulk", "certificate"])
def test_an_oracle_at_fault_is_found(planted, monkeypatch):
    assert all(f.ok for f in weight_norm.the_oracle_itself())
    if planted == "bulk":
        right = weight_norm.bulk
        monkeypatch.setattr(
            weight_norm, "bulk", lambda *args, **how: [x * 1.5 for x in right(*args, **how)]
        )
    else:
        monkeypatch.setattr("minwn.oracle.reference.truth.cross_check", refuse)
    found: list[report.Finding] = []
    with report.caught(found, "the oracle itself", "first order", "exact answers"):
        found += weight_norm.the_oracle_itself()
    assert not all(f.ok for f in found)


def refuse(*args):
    raise oracle.OracleFault("two routes disagree")


@pytest.mark.slow
@pytest.mark.parametrize("form", byhand.weight_norm.FORMS)
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_the_bounds_are_kept_and_not_idle(form, dtype, monkeypatch):
    """Right answers keep within them, of those that are rounded at every step some use a fiftieth,
    and 64 roundings too many are found."""
    setting = Setting("", HAND, form, 0.0 if form == "plain" else 0.25, dtype=dtype)
    worst = 0.0
    for f in weight_norm.check(setting):
        assert f.ok, f
        if f.route == "first order":
            worst = max(worst, f.ratio)
    assert worst > (0.0 if dtype == "float16" else 0.02)
    factor = np.dtype(dtype).type(1 + 32 * np.finfo(dtype).eps)
    monkeypatch.setattr(byhand.weight_norm, "vjp", scaled_by("vjp", 1, factor))
    assert not all(f.ok for f in weight_norm.check(setting))


def test_what_is_not_a_number_fails():
    for claimed in (math.nan, math.inf):
        found = report.compare("a", "laws", "here", [1.0, claimed], [1.0, 2.0], 0.5)
        assert not found.ok
        assert found.place == "here[1]"
        json.dumps(found.to_json(), allow_nan=False)
    assert not report.compare("a", "laws", "here", [1.0], [1.0, 2.0], 0.5).ok
    assert not report.compare("a", "laws", "here", [1.0], [3.0], math.nan).ok
    assert report.compare("a", "laws", "here", [1.0], [1.0], 0.0).ok


def test_a_check_that_raises_fails():
    found: list[report.Finding] = []
    with report.caught(found, "a", "laws", "here"):
        raise ZeroDivisionError("by zero")
    assert not found[0].ok
    assert "ZeroDivisionError: by zero" in str(found[0])


def test_the_table_shows_the_worst_and_every_failure():
    def finding(what, route, ratio):
        return report.Finding(what, route, "here", error=ratio, allowed=1.0)

    found = [finding("a", "laws", r) for r in (0.25, 0.5, 2.0, 3.0)]
    found.append(finding("b", "autodiff", 1e-9))
    assert [f.error for f in report.worst_of(found)] == [3.0, 1e-9, 2.0]
    assert report.table("rows", found).splitlines() == [
        "  rows  autodiff          laws",
        "  a            -  FAILED 3e+00",
        "  b        1e-09             -",
    ]


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_colour_and_bar_are_for_terminals(monkeypatch, capsys):
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert terminal.colours(Terminal())
    assert not terminal.colours(io.StringIO())
    monkeypatch.setenv("NO_COLOR", "1")
    assert not terminal.colours(Terminal())
    bar = terminal.Progress(3, on=False)
    bar.step("nothing")
    bar.close()
    assert capsys.readouterr().err == ""


def test_the_bar(capsys):
    bar = terminal.Progress(2, on=True)
    bar.step("half of it")
    bar.close()
    said = capsys.readouterr().err
    assert "half of it" in said
    assert said.endswith("\r")
