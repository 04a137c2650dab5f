"""The golden vectors of whole layers: right in two frameworks and here, exact, and telling."""

from __future__ import annotations

import functools
import itertools
import json
import re
import shutil

import numpy as np
import pytest

import minwn
from minwn import ops
from minwn.byhand import conv, linear
from minwn.oracle.layer_spec import KINDS, LAYOUTS
from minwn.oracle.mistakes.layers import LAYER_MISTAKES
from minwn.oracle.reference.cross_check import OracleFault
from minwn.oracle.vectors import DATA, export, layers, load, load_layers, texts, verify
from minwn.oracle.vectors.files import read
from minwn.oracle.vectors.layers import FLAGS, PROBLEMS, make_layer, names_of_layers

from .test_vectors import rewrite

NAMES = list(names_of_layers("float64"))
ALL = load_layers()
prepared = functools.cache(layers.prepared)


def outputs(v):
    """The axis of the outputs, and the shape of g that keeps it."""
    x = v.inputs["v"]
    axis = x.ndim - 1 if v.options["layout"] == "flax" else int("transpose" in v.kind)
    return axis, [n if a == axis else 1 for a, n in enumerate(x.shape)]


def wrapped(v, leaf):
    return {name: leaf(x) for name, x in v.inputs.items() if name != "y_bar"}


def asked(v, leaves, layer, root):
    """(w, y) of a framework's layer, of its own arrays."""
    w = leaves.get("w")
    if w is None:
        axis, kept = outputs(v)
        x, G = leaves["v"], v.options["groups"]
        if G > 1 and "transpose" in v.kind:  # the outputs of a group share an axis
            shape = v.inputs["v"].shape
            x = x.reshape(G, shape[0] // G, *shape[1:])
            q = (x * x).sum(tuple(a for a in range(x.ndim) if a not in (0, 2)), keepdims=True)
            w = (leaves["g"].reshape(*q.shape) * x / root(q)).reshape(*shape)
        else:
            q = (x * x).sum(tuple(a for a in range(x.ndim) if a != axis), keepdims=True)
            w = leaves["g"].reshape(*kept) * x / root(q)
    return w, layer(v.kind, leaves["x"], w, leaves.get("b"), **v.options)


def agrees(v, got):
    judged = got.keys() & v.expected.keys()
    assert judged >= v.expected.keys() - {"w_bar"}
    for output in judged:
        assert v.right(output, got[output]), (v.id, output)


# ---- others are right ---------------------------------------------------------------------------


def test_minwn_itself_is_right():
    """In torch's layout, whatever the padding."""
    judged = 0
    for v in ALL:
        options = dict(v.options)
        extra = {"output_padding": options.pop("output_padding")}
        if options.pop("layout") == "flax":
            continue

        def layer(kind, x, w, b, *, extra=extra, options=options, **_):
            if kind == "linear":
                return linear.forward(x, w, b)
            if "transpose" in kind:
                return conv.transpose(x, w, b, **options, **extra)
            return conv.forward(x, w, b, **options)

        def leaf(x):
            return minwn.Tensor(x.copy(), requires_grad=True)

        leaves = wrapped(v, leaf)
        w, y = asked(v, leaves, layer, ops.sqrt)
        y.backward(v.inputs["y_bar"])
        got = {f"{name}_bar": x.grad for name, x in leaves.items()}
        got |= {"y": y.numpy()} | ({} if "w" in leaves else {"w": w.numpy()})
        agrees(v, got)
        judged += 1
    assert judged == 2 * sum(options.get("layout") != "flax" for *_, options in PROBLEMS) > 60


def test_torch_is_right():
    torch = pytest.importorskip("torch")
    functional = torch.nn.functional
    judged = 0
    for v in ALL:
        if v.options["layout"] == "flax":
            continue

        def layer(kind, x, w, b, *, padding, stride, dilation, groups, output_padding, **_):
            if kind == "linear":
                return functional.linear(x, w, b)
            how = {"stride": stride, "dilation": dilation, "groups": groups}
            if "transpose" in kind:
                before = [p for p, _ in padding]
                how |= {"padding": before, "output_padding": output_padding}
            else:
                x = functional.pad(x, [n for pair in padding[::-1] for n in pair])
            return getattr(functional, kind)(x, w, b, **how)

        def leaf(x):
            return torch.tensor(x, requires_grad=True)

        leaves = wrapped(v, leaf)
        w, y = asked(v, leaves, layer, torch.sqrt)
        y.backward(torch.tensor(v.inputs["y_bar"]))
        got = {f"{name}_bar": x.grad.numpy() for name, x in leaves.items()}
        got |= {"y": y.detach().numpy()} | ({} if "w" in leaves else {"w": w.detach().numpy()})
        agrees(v, got)
        judged += 1
    assert judged > 60


@pytest.mark.slow
def test_xla_is_right_in_the_layout_of_flax():
    jax = pytest.importorskip("jax")
    judged = 0
    for v in (v for v in ALL if v.options["layout"] == "flax" and v.dtype == "float32"):
        d = KINDS[v.kind]

        def layer(kind, x, w, b, *, padding, stride, dilation, groups, d=d, **_):
            more = {"window_strides": stride, "padding": padding}
            if "transpose" in kind:
                spans = [e * (k - 1) for e, k in zip(dilation, w.shape, strict=False)]
                more = {
                    "window_strides": (1,) * d, "lhs_dilation": stride,
                    "padding": [
                        (span - p, span - q)
                        for span, (p, q) in zip(spans, padding, strict=True)
                    ],
                }
            letters = "DHW"[3 - d:]
            y = x @ w if not d else jax.lax.conv_general_dilated(
                x, w, rhs_dilation=dilation, feature_group_count=groups,
                dimension_numbers=(f"N{letters}C", f"{letters}IO", f"N{letters}C"), **more,
            )
            return y if b is None else y + b

        def loss(leaves, v=v, layer=layer):
            w, y = asked(v, leaves, layer, jax.numpy.sqrt)
            return (y * v.inputs["y_bar"]).sum(), (w, y)

        bars, (w, y) = jax.grad(loss, has_aux=True)(wrapped(v, jax.numpy.asarray))
        got = {f"{name}_bar": x for name, x in bars.items()} | {"y": y, "w": w}
        agrees(v, got)
        judged += 1
    assert judged == sum(options.get("layout") == "flax" for *_, options in PROBLEMS) > 6


# ---- what they are ------------------------------------------------------------------------------


def lowest_bit(x):
    """The largest power of two of which every entry is a multiple."""
    found = [float(y).as_integer_ratio() for y in np.ravel(x) if y]
    return min((n & -n) / d for n, d in found)


@pytest.mark.parametrize("name", NAMES)
def test_no_order_of_summation_rounds(name):
    """Every partial sum is a multiple of a quantum, and below 2^24 of them."""
    _, _, _, p = prepared(name)
    t, case = p.terms, p.case
    x, w, b, y_bar = (np.abs(a) for a in (case.x, t.w, case.b, case.y_bar))
    bits = {"x": case.x, "w": t.w, "y_bar": case.y_bar}
    bits = {k: lowest_bit(a) for k, a in bits.items()}
    sums = {
        "y": (case.layer.y(x, w, b), min(bits["x"] * bits["w"], 1.0)),
        "x_bar": (case.layer.x_bar(y_bar, w), bits["w"]),
        "w_bar": (case.layer.w_bar(y_bar, x), 1.0),
        "b_bar": (case.layer.b_bar(y_bar), 1.0),
    }
    if t.norm is not None:
        v, g, W = np.abs(t.norm.v), np.abs(t.norm.g), t.norm.to_view(sums["w_bar"][0])
        axes = tuple(a for a in range(v.ndim) if a not in t.norm.axes)
        n = np.sqrt((v * v).sum(axis=axes, keepdims=True))
        assert {float(np.log2(a)) % 1 for a in n.ravel()} == {0.0}
        s = (W * v).sum(axis=axes, keepdims=True)
        low = np.array([lowest_bit(row) for row in np.moveaxis(v, t.norm.axes, range(
            len(t.norm.axes))).reshape(n.size, -1)]).reshape(n.shape)
        for total, quantum in (
            (s, low), (s / n, low / n), (g * s * v, low * low), (W * n * n + s * v, low * low),
            (g / n * (W + s * v / n**2), low * low / n**3),
        ):
            assert (total / quantum < 2**24).all()
    for total, quantum in sums.values():
        assert (total / quantum < 2**24).all()


def test_every_kind_flag_and_layout_is_there():
    assert {v.kind for v in ALL} == {*KINDS}
    assert {flag for v in ALL for flag in v.flags} == {*FLAGS}
    for kind, normalised in itertools.product(KINDS, (True, False)):
        assert any(v.kind == kind and ("v" in v.inputs) == normalised for v in ALL)
    for kind, layout in itertools.product(KINDS, LAYOUTS):
        assert any(v.kind == kind and v.options["layout"] == layout for v in ALL)


@pytest.mark.parametrize(
    "mistake", [m for m in LAYER_MISTAKES if m.id != "clipped"], ids=lambda m: m.id
)
def test_every_catalogued_mistake_is_seen(mistake):
    """By a test that has a different answer for it; a limit beyond these small numbers by none."""
    unseen = {(o, i) for o in mistake.where for i in range(len(mistake.rules[o]))}
    for name in NAMES:
        p = prepared(name)[-1]
        for output, i in list(unseen):
            with np.errstate(all="ignore"):
                found = mistake.rules[output][i](p.terms)
            want = p.expected.get(output)
            if found is not None and want is not None and not np.array_equal(found, want):
                unseen.discard((output, i))
    assert not unseen


def test_two_routes_that_disagree_are_a_fault_of_the_oracle(monkeypatch):
    right = layers.by_loops

    def wrong(*arrays, **options):
        return right(*arrays, **options | {"before": tuple(p + 1 for p in options["before"])})

    monkeypatch.setattr(layers, "by_loops", wrong)
    with pytest.raises(OracleFault, match="K-0007/conv1d/float64: two routes to y disagree"):
        make_layer(NAMES[7])
    assert make_layer(NAMES[7], certify="")["id"] == NAMES[7]


# ---- reading and proving ------------------------------------------------------------------------


def test_loading():
    (v,) = load_layers(dtype="float32")[6:7]
    assert (v.id, v.kind, v.dtype) == ("K-0006/conv1d/float32", "conv1d", "float32")
    assert v.options == {
        "layout": "torch", "stride": (2,), "padding": ((0, 0),), "dilation": (1,), "groups": 1,
        "output_padding": (0,),
    }
    assert v.inputs.keys() == {"x", "v", "g", "b", "y_bar"}
    assert v.inputs["v"].shape == v.expected["v_bar"].shape == (3, 2, 2)
    assert all(x.dtype == np.float32 and not x.flags.writeable for x in v.inputs.values())
    g_bar = v.expected["g_bar"].reshape(3, 1, 1)
    assert v.right("g_bar", g_bar)
    assert not v.right("g_bar", g_bar * (1 + 2.0**-20))
    with pytest.raises(ValueError, match=r"y has shape \(3,\); it must be \(2, 3, 3\)"):
        v.right("y", np.ones(3))
    assert len(load_layers(dtype="float64")) == len(PROBLEMS) == len(ALL) / 2
    with pytest.raises(ValueError, match=r"dtype='float16'.*float32/layers\.json"):
        load_layers(dtype="float16")
    with pytest.raises(ValueError, match="load_layers has those of layers"):
        load(group="layers")


@pytest.mark.parametrize("name", ["K-0046/conv3d/float64", "K-0000/conv1d/float64", "K-0000",
                                  "K-0000/linear/float16"])
def test_what_is_no_name(name):
    with pytest.raises(ValueError, match="is no name of a layer's test"):
        make_layer(name)


def change(test, part, key, value):
    def edit(data):
        data["tests"][test][part] |= {key: value}

    return edit


def put(test, key, value):
    return lambda data: data["tests"][test].update({key: value})


FAULTS = {
    "answer": (change(0, "expected", "y", ["0x1p+0"] * 6), r"K-0000.*expected\.y\[1\] is"),
    "input": (change(0, "inputs", "b", ["0x1p+3"] * 3), "the generator gives"),
    "stride": (put(6, "stride", [3]), r"stride\[0\] is 3; it must be 2"),
    "kind": (put(6, "kind", "conv4d"), r"\(K-0006.*\)\.kind: 'conv4d' is not one of"),
    "layout": (put(6, "layout", "flax"), "layout is 'flax'"),
    "no padding": (lambda data: data["tests"][6].pop("padding"), "'padding' is a required"),
    "axis": (put(6, "axis", [0]), "'axis' was unexpected"),
    "name": (put(6, "id", "K-0099/conv1d/float32"), "is no name of a layer's test"),
    "weight norm": (
        lambda data: data.update(schema="minwn-vectors-1"), "'minwn-layer-vectors-1' was expected",
    ),
    "allowed": (put(0, "allowed", {}), "'allowed' was unexpected"),
}


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_found(tmp_path, fault):
    shutil.copytree(DATA / "float32", tmp_path / "float32")
    index = read(DATA / "index.json")
    index["files"] = [f for f in index["files"] if f["path"] == "float32/layers.json"]
    (tmp_path / "index.json").write_text(json.dumps(index))
    assert verify(tmp_path).complaints == []
    edit, words = FAULTS[fault]
    rewrite(tmp_path, "float32/layers.json", edit)
    said = verify(tmp_path).complaints
    assert any(re.search(words, text) for text in said), said


def test_a_rebuild_gives_the_same_bytes(tmp_path):
    made = dict(texts(("float32", "float64", "float16"), ("layers",)))
    assert sorted(made) == ["float32/layers.json", "float64/layers.json", "index.json"]
    assert all((DATA / p).read_bytes() == made[p].encode() for p in made if "layers" in p)
    export(tmp_path, made.items())
    found = verify(tmp_path)
    assert (found.ok, found.files, found.tests) == (True, 2, 2 * len(PROBLEMS))
    assert next(texts(("float32",), ("layers",), form="inside", eps=1.0))[0] == "index.json"


def test_what_is_withdrawn_is_not_loaded(tmp_path):
    export(tmp_path, texts(("float32",), ("layers",)))
    index = read(tmp_path / "index.json")
    gone = "K-0003/linear/float32"
    index["errata"] = [{"id": gone, "withdrawn": "2030-12-31", "reason": "a test of this"}]
    (tmp_path / "index.json").write_text(json.dumps(index))
    rewrite(tmp_path, "float32/layers.json", change(3, "expected", "y", ["0x1p+0"] * 6))
    assert verify(tmp_path).complaints == []
    assert gone not in {v.id for v in load_layers(tmp_path)}
