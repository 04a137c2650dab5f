"""Modules of frameworks as they are: right ones pass or are refused, and wrong ones have a name."""

from types import SimpleNamespace

import numpy as np
import pytest

from minwn import oracle
from minwn.oracle.targets.reading import Unreadable
from minwn.oracle.targets.reading.layout import Layout
from minwn.oracle.targets.reading.options import Beyond, held, options_of
from minwn.oracle.targets.target import TargetError

KINDS = [f"Conv{t}{d}d" for d in (1, 2, 3) for t in ("", "Transpose")]


# ---- options ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kept", "read"), [
    (((1, 1),), 1), (((1, 1), (2, 2)), ((1, 1), (2, 2))), (((1, 2), (1, 2)), ((1, 2), (1, 2))),
    ([1, 2], (1, 2)), ([2, 2], 2), ([(1, 2)], ((1, 2),)), ([[1, 2], [0, 3]], ((1, 2), (0, 3))),
    ("SAME", "SAME"), ("same", "same"), (3, 3), (np.int64(3), 3),
])
def test_a_padding_is_read_in_every_form(kept, read):
    assert options_of(SimpleNamespace(padding=kept)) == {"padding": read}


def transposed(library, size, **options):
    """The size of y of a transposed layer with the options as they are held, and the padding."""
    found, fixed = held(SimpleNamespace(**options), library, transposed=True)
    assert fixed
    s, k = options.get("strides", options.get("stride", 1)), options["kernel_size"][0]
    [cut] = found["padding"]
    return (size - 1) * s + k - sum(cut) + found["output_padding"], cut


@pytest.mark.parametrize("k", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("s", [1, 2, 3])
def test_a_padding_is_what_is_cut_off_y(k, s):
    for lo, hi in [(0, 0), (0, k - 1), (k - 1, k)]:  # Flax pads the spread x
        y, cut = transposed("flax", 5, strides=s, padding=((lo, hi),), kernel_size=(k,))
        assert (y, cut[0]) == (4 * s + 1 + lo + hi - (k - 1), k - 1 - lo)
    for word in ("SAME", "SAME_LOWER"):
        y, cut = transposed("equinox", 5, stride=s, padding=word, kernel_size=(k,))
        assert y == 5 * s
        assert (cut[0] >= cut[1]) if word == "SAME_LOWER" else (cut[0] <= cut[1])
    for a in range(s):
        y, _ = transposed(
            "keras", 5, strides=s, padding="same", kernel_size=(k,), output_padding=a)
        assert y == 4 * s + k % 2 + a


def test_what_no_check_has_a_word_for_is_named():
    for name, value in (("padding_mode", "circular"), ("input_dilation", (2, 2))):
        with pytest.raises(Beyond, match=name):
            held(SimpleNamespace(**{name: value}), "flax", transposed=False)
    for word, more in (("CIRCULAR", {}), ("SAME_LOWER", {"stride": 2})):
        layer = SimpleNamespace(padding=word, kernel_size=3, **more)
        with pytest.raises(Beyond, match=word):
            held(layer, "equinox", transposed=False)
    layer = SimpleNamespace(padding=4, kernel_size=3)
    with pytest.raises(Beyond, match="wider than the kernel"):
        held(layer, "flax", transposed=True)


def test_a_grouped_transposed_weight_with_its_outputs_together():
    layout = Layout("conv_transpose1d", "channels first", "(o, i, -k)", groups=2)
    w = np.arange(60.0).reshape(4, 3, 5)
    theirs = layout.give("w", w)
    assert theirs.shape == (6, 2, 5)
    assert (theirs[3, 1] == w[3, 0, ::-1]).all()  # output 3 is the first of the second group
    assert (layout.take("w", theirs, theirs, w.shape) == w).all()
    assert layout.torch_shape(theirs.shape) == w.shape


@pytest.mark.parametrize(("g", "axis"), [
    ((6, 1, 1), "output"), ((6,), "output"), ((1, 4, 1), 1), ((4,), 1), ((1, 1, 3), 2), ((), None),
    ((1, 1, 1), None), ((6, 4, 1), (0, 1)),
])
def test_the_shape_of_g_tells_the_axis(g, axis):
    layout = Layout("conv1d", "channels first", "(o, i, k)").with_gain((6, 4, 3), g)
    assert layout.axis == axis
    ours = np.empty([n if a in (axis if isinstance(axis, tuple) else (axis,)) else 1
                     for a, n in enumerate((6, 4, 3))] if axis != "output" else (6, 1, 1))
    assert layout.give("g", ours).shape == g


# ---- PyTorch ------------------------------------------------------------------------------------


def verdict(module, **hints):
    return oracle.read(module, **hints).check()


@pytest.mark.filterwarnings("ignore:`torch.nn.utils.weight_norm` is deprecated:FutureWarning")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dim", [0, 1, 2, None])
def test_torchs_weight_norm_along_any_axis(kind, dim):
    nn = pytest.importorskip("torch").nn
    for norm in (nn.utils.weight_norm, nn.utils.parametrizations.weight_norm):
        for groups in (1, 2):
            module = norm(getattr(nn, kind)(4, 6, 4, stride=2, padding=1, groups=groups), dim=dim)
            report = verdict(module)
            assert report.verdict == "PASS", report
            said = "a norm for each index of axis 0, the inputs"
            assert (said in report.notes[0]) == (dim == 0 and "Transpose" in kind)


def test_torchs_bfloat16(tmp_path):
    nn = pytest.importorskip("torch").nn
    norm = nn.utils.parametrizations.weight_norm(nn.Conv1d(4, 6, 3))
    assert verdict(norm, dtype="bfloat16").verdict == "PASS"
    path = tmp_path / "theirs.py"
    text = "import torch\n\ndef norm(v, g):\n    return g * v / v.norm(dim=1, keepdim=True)\n"
    path.write_text(text)
    report = verdict(str(path), dtype="bfloat16")
    assert (report.verdict, report.dtype) == ("PASS", "bfloat16")
    path.write_text(text.replace("dim=1", "p=1, dim=1"))
    assert verdict(str(path), dtype="bfloat16").verdict == "FAIL"


@pytest.mark.parametrize("mode", ["reflect", "circular", "replicate"])
def test_a_padding_that_is_not_zeros_is_refused(mode):
    nn = pytest.importorskip("torch").nn
    with pytest.raises(Unreadable, match=f"padding_mode={mode}"):
        oracle.read(nn.Conv1d(4, 6, 3, padding=1, padding_mode=mode))


def test_what_is_wrong_in_a_torch_module_has_a_name():
    torch = pytest.importorskip("torch")
    nn, F = torch.nn, torch.nn.functional

    class Flipped(nn.ConvTranspose1d):
        def forward(self, x):
            return F.conv_transpose1d(x, self.weight.flip(2), self.bias, self.stride, self.padding)

    class Deaf(nn.Conv2d):
        def forward(self, x):
            return F.conv2d(x, self.weight, self.bias, self.stride, self.padding)

    class Twice(nn.Linear):
        def forward(self, x):
            return super().forward(x) + self.bias

    names = {
        "kernel_flipped": Flipped(4, 6, 4, stride=2, padding=1),
        "dilation_forgotten": Deaf(4, 6, 3, dilation=2), "constant_factor": Twice(4, 6),
    }
    for name, module in names.items():
        report = verdict(module)
        assert name in [d.id for d in report.diagnosis], report
    normalised = nn.utils.parametrizations.weight_norm
    report = verdict(normalised(Flipped(4, 6, 4, stride=2), dim=0))
    assert report.verdict == "FAIL", report
    assert "kernel_flipped" in [d.id for d in report.diagnosis]


def refusal(module):
    with pytest.raises(Unreadable) as error:
        oracle.read(module)
    return "; ".join(error.value.hints)


def test_a_module_with_more_than_its_layer_is_refused_and_the_layer_is_named():
    torch = pytest.importorskip("torch")
    nn = torch.nn
    norm = nn.utils.parametrizations.weight_norm

    class Wrapped(nn.Module):
        def __init__(self, then, before=torch.clone):
            super().__init__()
            self.conv, self.then, self.before = norm(nn.Conv1d(4, 6, 3)), then, before

        def forward(self, x):
            return self.then(self.conv(self.before(x)))

    activations = (nn.ReLU, nn.Tanh, nn.GELU, nn.SiLU, nn.Softplus)
    for activation in activations:
        assert refusal(nn.Sequential(norm(nn.Conv1d(4, 6, 3, padding=1)), activation())) == (
            "it applies an activation to what its layer answers; "
            "bring the layer alone: model[0]")
        assert "model.conv" in refusal(Wrapped(activation()))
        assert refusal(nn.Sequential(activation(), nn.Linear(4, 6))) == (
            "it applies an activation to what its layer is given; "
            "bring the layer alone: model[1]")
        assert "model.conv" in refusal(Wrapped(torch.negative, torch.sinh))
    pooled = nn.Sequential(nn.Sequential(nn.Conv1d(4, 6, 3)), nn.MaxPool1d(2))
    assert refusal(pooled) == (
        "it has more parts than its layer: MaxPool1d; bring the layer alone: model[0][0]")
    two = refusal(nn.Sequential(nn.Conv1d(4, 6, 3), nn.BatchNorm1d(6)))
    assert two.endswith("as FILE:name, or bring a part alone, as model[0]")
    assert verdict(pooled[0]).verdict == "PASS"
    for then, name in ((lambda y: 2 * y, "constant_factor"), (lambda y: y * 1, None)):
        report = verdict(Wrapped(then))
        assert (report.verdict, [d.id for d in report.diagnosis][:1]) == (
            ("FAIL", [name]) if name else ("PASS", []))

    class Active(nn.Linear):
        def forward(self, x):
            return super().forward(x).relu()

    assert [d.id for d in verdict(Active(4, 6)).diagnosis] == ["activation_inside"]


def test_a_part_of_an_object_is_named_on_the_command_line(tmp_path):
    pytest.importorskip("torch")
    path = tmp_path / "theirs.py"
    path.write_text("""from torch import nn

model = nn.Sequential(nn.Sequential(nn.Linear(4, 6), nn.ReLU()), nn.Linear(6, 5))
""")
    assert verdict(f"{path}:model[0][0]").name == "theirs.py:model[0][0]"
    with pytest.raises(Unreadable, match=r"bring the layer alone: model\[0\]\[0\]"):
        oracle.read(f"{path}:model[0]")
    with pytest.raises(TargetError, match="no '2'"):
        oracle.read(f"{path}:model[2]")


UP = """import torch
from torch import nn

class Up(nn.Module):
    def __init__(self, channels, kernel_size, stride):
        super().__init__()
        pad = (kernel_size - stride) // 2
        self.up = nn.utils.parametrizations.weight_norm(
            nn.ConvTranspose1d(channels, channels // 2, kernel_size, stride, padding=pad))

    def forward(self, x):
        return self.up(x)
"""


@pytest.mark.filterwarnings("ignore:Initializing zero-element tensors")
def test_a_padding_that_a_constructor_computes_is_that_of_the_layer_that_is_made(tmp_path):
    pytest.importorskip("torch")
    path = tmp_path / "theirs.py"
    path.write_text(UP)
    report = verdict(str(path))
    assert report.verdict == "PASS", report
    assert any("judged as well with stride 1, padding 1" in note for note in report.notes)
    path.write_text(UP.replace("return self.up(x)", "return self.up(x) + self.up.bias[:, None]"))
    assert verdict(str(path)).verdict == "FAIL"
    path.write_text(UP.replace("        super", "        assert channels % 2 == 0\n        super"))
    assert verdict(str(path)).verdict == "PASS"


CAUSAL = """from torch import nn
from torch.nn.functional import pad

class Causal(nn.Module):
    def __init__(self, in_channels, out_channels, kernel_size, dilation=1):
        super().__init__()
        self.padding = (kernel_size - 1) * dilation
        self.conv = nn.Conv1d(in_channels, out_channels, kernel_size, padding=OWN,
                              dilation=dilation)

    def forward(self, x):
        return RESULT
"""


@pytest.mark.parametrize(("own", "result"), [
    ("self.padding", "self.conv(x)[..., :-self.padding]"), ("0", "self.conv(pad(x, (2, 0)))"),
])
def test_the_options_are_those_of_the_layer_inside_and_not_of_what_is_around_it(
    tmp_path, own, result
):
    pytest.importorskip("torch")
    path = tmp_path / "theirs.py"
    path.write_text(CAUSAL.replace("OWN", own).replace("RESULT", result))
    with pytest.raises(Unreadable) as error:
        oracle.read(str(path))
    assert error.value.hints == [
        "y has another size than its layer's; bring the layer alone: Causal(...).conv"]


OWN = """import torch
from torch import nn
from torch.nn import functional as F

class Conv(nn.Module):
    def __init__(self, in_channels, out_channels, kernel_size):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(out_channels, in_channels, kernel_size))

    def forward(self, x):
        return F.conv1d(x, self.weight)

class Causal(nn.Module):
    def __init__(self, channels, kernel_size=3):
        super().__init__()
        self.before, self.conv = kernel_size - 1, Conv(channels, channels, kernel_size)

    def forward(self, x):
        return self.conv(F.pad(x, SIDES))
"""


@pytest.mark.parametrize("sides", ["(self.before, 0)", "(0, self.before)"])
def test_a_module_that_pads_one_side_names_the_layer_in_it(tmp_path, sides):
    pytest.importorskip("torch")
    path = tmp_path / "theirs.py"
    path.write_text(OWN.replace("SIDES", sides))
    with pytest.raises(Unreadable) as error:
        oracle.read(f"{path}:Causal")
    assert error.value.hints == [
        "it applies padding, or a cut, on one side alone; bring the layer alone: Causal(...).conv"]


# ---- JAX ----------------------------------------------------------------------------------------


@pytest.mark.slow
def test_instances_of_linen():
    nn = pytest.importorskip("flax.linen")
    assert verdict(nn.Dense(3)).verdict == "PASS"
    layer = nn.ConvTranspose(6, (3,), strides=(2,), padding=((1, 2),))
    assert verdict(layer).verdict == "PASS"
    assert verdict(nn.WeightNorm(nn.Dense(4), feature_axes=0)).verdict == "PASS"  # 4 inputs too

    class Dense(nn.Dense):
        def __call__(self, x):
            return 2 * super().__call__(x)

    assert verdict(Dense(3)).verdict == "FAIL"


@pytest.mark.slow
@pytest.mark.parametrize("padding", ["CAUSAL", "SAME"])
def test_the_options_of_a_layer_that_a_module_of_linen_makes_as_it_is_called(tmp_path, padding):
    pytest.importorskip("flax")
    path = tmp_path / "theirs.py"
    path.write_text(f"""import flax.linen as nn

class Causal(nn.Module):
    features: int
    dilation: int = 2

    @nn.compact
    def __call__(self, x):
        return nn.Conv(self.features, (3,), kernel_dilation=self.dilation, padding="{padding}")(x)
""")
    report = verdict(str(path))
    assert report.verdict == "PASS", report
    padded = "padding ((4, 0),)" if padding == "CAUSAL" else "padding SAME"
    assert any(f"{padded}, dilation 2" in note for note in report.notes)


@pytest.mark.slow
def test_instances_of_nnx():
    nnx = pytest.importorskip("flax.nnx")
    rngs = nnx.Rngs(0)
    for layer in (
        nnx.Linear(4, 6, rngs=rngs), nnx.Conv(4, 6, (3,), strides=2, padding=1, rngs=rngs),
        nnx.ConvTranspose(4, 6, (4,), strides=2, rngs=rngs),
        nnx.WeightNorm(nnx.Linear(4, 6, rngs=rngs), rngs=rngs),
    ):
        before = nnx.state(layer)
        assert verdict(layer).verdict == "PASS"
        after = nnx.state(layer)
        assert all((x == y).all() for x, y in zip(*map(nnx.to_flat_state, (before, after)),
                                                  strict=True) for x, y in [(x[1], y[1])])

    class Linear(nnx.Linear):
        def __call__(self, x):
            return x @ self.kernel[...]

    assert verdict(Linear(4, 6, rngs=rngs)).verdict == "FAIL"


@pytest.mark.slow
def test_instances_of_equinox():
    eqx, jax = pytest.importorskip("equinox"), pytest.importorskip("jax")
    key, nn = jax.random.key(0), eqx.nn
    assert verdict(nn.Conv1d(4, 6, 3, padding=1, key=key)).verdict == "PASS"
    report = verdict(nn.ConvTranspose2d(4, 6, 3, stride=2, padding="SAME", groups=2, key=key))
    assert report.verdict == "PASS", report
    assert "its taps reversed, as Equinox has them" in report.notes[0]

    class Flipped(nn.ConvTranspose1d):
        def __call__(self, x):
            other = eqx.tree_at(lambda m: m.weight, self, self.weight[..., ::-1])
            return nn.ConvTranspose1d.__call__(other, x)

    report = verdict(Flipped(4, 6, 3, stride=2, key=key))
    assert "kernel_flipped" in [d.id for d in report.diagnosis], report


@pytest.mark.slow
def test_modules_of_jax_with_an_activation_name_their_layer():
    eqx, jax = pytest.importorskip("equinox"), pytest.importorskip("jax")
    nn, nnx = pytest.importorskip("flax.linen"), pytest.importorskip("flax.nnx")
    layer = eqx.nn.WeightNorm(eqx.nn.Conv1d(4, 6, 3, key=jax.random.key(0)))
    assert "model.layers[0]" in refusal(eqx.nn.Sequential([layer, eqx.nn.Lambda(jax.nn.relu)]))
    assert verdict(eqx.nn.Sequential([layer])).verdict == "PASS"

    class Compact(nn.Module):
        @nn.compact
        def __call__(self, x):
            return nn.tanh(nn.WeightNorm(nn.Dense(6))(x))

    assert "model.Dense_0" in refusal(Compact())
    assert "model.layers[0]" in refusal(nn.Sequential([nn.WeightNorm(nn.Dense(6)), nn.relu]))
    rngs = nnx.Rngs(0)
    norm = nnx.WeightNorm(nnx.Linear(4, 6, rngs=rngs), rngs=rngs)
    assert "model.layers[0]" in refusal(nnx.Sequential(norm, nnx.silu))

    class Up(eqx.Module):
        up: eqx.nn.WeightNorm

        def __init__(self, channels, kernel_size, stride, key):
            pad = (kernel_size - stride) // 2
            self.up = eqx.nn.WeightNorm(eqx.nn.ConvTranspose1d(
                channels, channels // 2, kernel_size, stride, padding=pad, key=key))

        def __call__(self, x):
            return self.up(x)

    assert verdict(Up).verdict == "PASS"

    class Causal(eqx.Module):
        conv: eqx.nn.WeightNorm

        def __init__(self, in_channels, out_channels, kernel_size, dilation=1, *, key):
            pad = (kernel_size - 1) * dilation
            self.conv = eqx.nn.WeightNorm(eqx.nn.Conv1d(
                in_channels, out_channels, kernel_size, padding=((pad, 0),), dilation=dilation,
                key=key))

        def __call__(self, x):
            return self.conv(x)

    assert verdict(Causal).verdict == "PASS"


@pytest.mark.slow
def test_instances_of_keras(monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    layers = pytest.importorskip("keras").layers
    built = layers.Dense(6)
    built.build((None, 5))
    assert verdict(built).verdict == "PASS"
    layer = layers.Conv1DTranspose(6, 3, strides=2, padding="same", output_padding=1)
    assert verdict(layer).verdict == "PASS"
    assert verdict(layers.Conv1D(6, 3, data_format="channels_first")).verdict == "PASS"
    with pytest.raises(Unreadable, match="activation=relu"):
        oracle.read(layers.Dense(6, activation="relu"))
