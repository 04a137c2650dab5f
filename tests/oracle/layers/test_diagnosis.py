"""Every row of the catalogue of layers' mistakes, planted as an implementation, is named."""

import itertools

import numpy as np
import pytest

from minwn.oracle import CATALOGUE, check_layer
from minwn.oracle.layer_spec import make_layer_spec
from minwn.oracle.layers.diagnosis import LAYER_NAMES
from minwn.oracle.mistakes.layer_terms import LayerTerms, Norm
from minwn.oracle.mistakes.layers import LAYER_MISTAKES

SETTINGS = [
    {"kind": "conv2d", "stride": 2, "padding": 1},
    {"kind": "conv2d", "stride": 2},
    {"kind": "conv2d", "dilation": 3, "padding": 2, "groups": 2},
    {"kind": "conv2d", "padding": "same"},
    {"kind": "conv2d", "stride": (2, 1), "padding": (1, 0), "dilation": (1, 2)},
    {"kind": "conv_transpose2d", "stride": 3, "padding": 2, "output_padding": 1},
    {"kind": "conv_transpose2d", "stride": 2, "groups": 2},
    {"kind": "conv3d", "padding": 1},
    {"kind": "linear"},
]


class Planted:
    """A layer whose answers are those of rules, and right where there is none."""

    def __init__(self, options, rules):
        self.spec, self.rules = make_layer_spec(**options), rules

    def terms(self, x, v, g, b, y_bar=None):
        spec = self.spec
        view = spec.view(spec.ours("w", v))
        norm = Norm(
            view, g.reshape(spec.gain_shape(view.shape)), spec.axes, "plain", 0.0, spec.weight,
            spec.view,
        )
        w = spec.weight(norm.terms(spec.ours("w", v)).w())
        layer = spec.layer(x.shape[2:], w.shape[2:])
        if y_bar is None:
            y_bar = np.zeros((len(x), len(b), *layer.size))
        return LayerTerms(layer, x, w, b, y_bar, norm)

    def answer(self, t, output):
        try:
            found = self.rules[output](t) if output in self.rules else None
        except (ValueError, IndexError):
            found = None
        return np.array(getattr(t, output)() if found is None else found)

    def forward(self, x, v, g, b):
        return self.answer(self.terms(x, v, g, b), "y")

    def backward(self, y_bar, x, v, g, b):
        t = self.terms(x, v, g, b, y_bar)
        w_bar = self.answer(t, "w_bar")
        n = t.norm.terms(w_bar if w_bar.shape == t.w.shape else t.w_bar())
        weights = np.array(self.spec.handed(n.v_bar())), n.g_bar().reshape(g.shape)
        return self.answer(t, "x_bar"), *weights, self.answer(t, "b_bar")


def reports(rules):
    """Of the settings in which the mistake shows."""
    for options in SETTINGS:
        planted = Planted(options, rules)
        report = check_layer(planted.forward, planted.backward, **options)
        if report.verdict != "PASS":
            yield options, report


def named(report, id):
    ids = [d.id for d in report.diagnosis]
    assert report.verdict == "FAIL"
    assert ids == [id] or (report.ambiguous and id in ids) or {*ids} <= {
        id, "aliases_input", "wrong_shape"
    }, (ids, str(report))


@pytest.mark.slow
@pytest.mark.parametrize("mistake", LAYER_MISTAKES, ids=lambda m: m.id)
def test_a_mistake_in_one_answer_is_named(mistake):
    for output, rules in mistake.rules.items():
        seen = 0
        for rule in rules[:: 1 if len(rules) < 4 else 4]:
            for _, report in itertools.islice(reports({output: rule}), 2):
                named(report, mistake.id)
                seen += 1
        assert seen, output


@pytest.mark.slow
@pytest.mark.parametrize("mistake", LAYER_MISTAKES, ids=lambda m: m.id)
def test_a_mistake_in_all_answers_has_one_name(mistake):
    most = max(map(len, mistake.rules.values()))
    for i in range(most):
        rules = {output: f[min(i, len(f) - 1)] for output, f in mistake.rules.items()}
        for _, report in itertools.islice(reports(rules), 3):
            named(report, mistake.id)


def test_the_catalogue():
    ids = [m.id for m in LAYER_MISTAKES]
    assert len(ids) == len(set(ids)) >= 25
    assert not {*ids} & {m.id for m in CATALOGUE}
    assert {*ids} <= {*LAYER_NAMES}
    for m in LAYER_MISTAKES:
        assert m.formula
        assert m.fix
        assert m.sentence
        assert not m.sentence.endswith((".", "?"))
        assert set(m.where) <= {"y", "x_bar", "w_bar", "b_bar"}


# ---- weight norm behind a right layer -----------------------------------------------------------


def behind(mistake, options):
    """A layer whose w, v_bar and g_bar are those of a mistake in weight norm."""
    planted = Planted(options, {})

    def weight(t):
        w = mistake.output("w", t.norm.terms(t.w))
        return t.w if w is None else t.norm.to_weight(w)

    def forward(x, v, g, b):
        t = planted.terms(x, v, g, b)
        return t.y(w=weight(t))

    def backward(y_bar, x, v, g, b):
        t = planted.terms(x, v, g, b, y_bar)
        n = t.norm.terms(t.w_bar())
        bars = [mistake.output(name, n) for name in ("v_bar", "g_bar")]
        v_bar = np.array(n.v_bar() if bars[0] is None else bars[0])
        g_bar = np.array(n.g_bar() if bars[1] is None else bars[1])
        v_bar = planted.spec.handed(v_bar)
        return t.x_bar(w=weight(t)), v_bar, g_bar.reshape(g.shape), t.b_bar()

    return check_layer(forward, backward, **options)


@pytest.mark.slow
@pytest.mark.parametrize("options", [{"kind": "linear"}, SETTINGS[0], SETTINGS[6]], ids=str)
def test_a_mistake_in_weight_norm_is_named_behind_a_right_w_bar(options):
    for mistake in CATALOGUE[::4]:
        report = behind(mistake, options)
        ids = {d.id for d in report.diagnosis}
        same = {mistake.id} if mistake.id != "w_is_v" else {"v_for_w"}
        if mistake.family:
            same |= {m.id for m in CATALOGUE if m.family == mistake.family}
        if report.verdict != "PASS":
            assert ids <= same or (report.ambiguous and ids & same), (mistake.id, ids)


def test_nothing_right_is_named():
    assert not list(reports({}))
