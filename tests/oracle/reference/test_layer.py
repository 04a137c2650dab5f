"""The reference of layers: loops of integers, sizes as in PyTorch, bounds that hold."""

import numpy as np
import pytest

from minwn.oracle.reference.layer import Layer, read, weigh, write
from minwn.oracle.reference.layer_loops import by_loops

SIZES = [
    # (size of x, kernel, stride, dilation, pads, groups)
    ((), (), (), (), (), 1),
    ((7,), (3,), (2,), (1,), ((1, 1),), 1),
    ((6,), (2,), (1,), (3,), ((0, 2),), 2),
    ((5, 4), (3, 2), (2, 1), (1, 2), ((2, 0), (1, 1)), 1),
    ((4, 6), (2, 3), (3, 2), (2, 1), ((1, 2), (0, 0)), 3),
    ((3, 4, 3), (2, 1, 2), (1, 2, 1), (1, 1, 2), ((1, 0), (0, 1), (1, 1)), 2),
]


def layer_of(size, kernel, stride, dilation, pads, groups, **more):
    options = {"stride": stride, "dilation": dilation, "pads": pads, "groups": groups}
    return Layer.of(size, kernel, **options, **more)


@pytest.mark.parametrize("sizes", SIZES)
def test_products_are_those_of_loops(sizes, rng):
    size, kernel, *_, groups = sizes
    windows = layer_of(*sizes).windows
    n, c, o = 2, 2 * groups, 3 * groups
    x, y, w = (
        rng.integers(-3, 4, shape)
        for shape in ((n, c, *size), (n, o, *windows.out), (o, c // groups, *kernel))
    )
    y_of, x_of, w_of = by_loops(
        x, w, None, y, layout="torch", transposed=False, stride=windows.stride,
        dilation=windows.dilation, before=windows.before, groups=groups,
    ).values()
    for kind in ("int64", "float64"):
        x_, y_, w_ = (a.astype(kind) for a in (x, y, w))
        np.testing.assert_array_equal(read(x_, w_, windows), y_of)
        np.testing.assert_array_equal(write(y_, w_, windows), x_of)
        np.testing.assert_array_equal(weigh(y_, x_, windows), w_of)


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("sizes", SIZES[1:])
def test_sizes_and_answers_are_those_of_torch(sizes, transposed, rng):
    torch = pytest.importorskip("torch")
    functional = pytest.importorskip("torch.nn.functional")
    size, kernel, stride, dilation, pads, groups = sizes
    pads = tuple((min(p), min(p)) for p in pads)
    extra = tuple(s - 1 for s in stride) if transposed else None
    layer = layer_of(
        size, kernel, stride, dilation, pads, groups, extra=extra, transposed=transposed
    )
    n, c, o = 2, 2 * groups, 3 * groups
    w = rng.standard_normal((c, o // groups, *kernel) if transposed else (o, c // groups, *kernel))
    x, b = rng.standard_normal((n, c, *size)), rng.standard_normal(o)
    f = getattr(functional, f"conv{'_transpose' if transposed else ''}{len(size)}d")
    more = {"output_padding": extra} if transposed else {}
    arrays = [torch.tensor(a, requires_grad=True) for a in (x, w, b)]
    y = f(
        *arrays, stride=stride, dilation=dilation, groups=groups, padding=[p for p, _ in pads],
        **more,
    )
    assert tuple(y.shape[2:]) == layer.size
    y_bar = rng.standard_normal(tuple(y.shape))
    y.backward(torch.tensor(y_bar))
    ours = (layer.y(x, w, b), layer.x_bar(y_bar, w), layer.w_bar(y_bar, x), layer.b_bar(y_bar))
    for got, want in zip(ours, (y.detach(), *(a.grad for a in arrays)), strict=True):
        np.testing.assert_allclose(got, want.numpy(), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("sizes", SIZES)
def test_no_rounding_is_beyond_the_bounds(sizes, transposed, rng):
    size, kernel, *_, groups = sizes
    layer = layer_of(*sizes, transposed=transposed)
    n, c, o = 3, 2 * groups, 3 * groups
    shape = (c, o // groups, *kernel) if transposed else (o, c // groups, *kernel)
    x, w, b, y_bar = (
        rng.standard_normal(s).astype("float32")
        for s in ((n, c, *size), shape, (o,), (n, o, *layer.size))
    )
    wide = [a.astype("float64") for a in (x, w, b, y_bar)]
    allowed = layer.bounds(*wide[:3], wide[3], "float32")

    def answers(x, w, b, y_bar):
        return {
            "y": layer.y(x, w, b), "x_bar": layer.x_bar(y_bar, w),
            "w_bar": layer.w_bar(y_bar, x), "b_bar": layer.b_bar(y_bar),
        }

    narrow, true, size = answers(x, w, b, y_bar), answers(*wide), answers(*map(abs, wide))
    K = layer.terms(x, w)
    for name, x in narrow.items():
        assert x.dtype == "float32"
        assert (abs(x - true[name]) <= allowed[name]).all()
        # And not so wide that digits could be lost unseen.
        assert (allowed[name] <= 2**-24 * 1.01 * (K[name] + 6) * size[name] + 1e-30).all()


def test_a_layer_whose_y_is_empty_is_none():
    assert layer_of((2,), (3,), (1,), (1,), ((0, 0),), 1) is None
    assert layer_of((1,), (1,), (1,), (1,), ((1, 1),), 1, transposed=True) is None
