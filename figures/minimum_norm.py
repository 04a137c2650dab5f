"""Which of many solutions? Weight normalisation ends no farther from zero than plain descent."""

from __future__ import annotations

import numpy as np

from minwn import figure
from minwn.byhand import weight_norm

TITLE = "Which solution of many: the minimum-norm law of weight normalisation"
DESCRIPTION = (
    "Least squares with three times as many unknowns as equations, by gradient flow. What the "
    "data cannot see of the first weights, plain descent keeps: a factor of one. Weight "
    "normalisation shrinks it by a factor that depends on nothing but rho, the last gain over the "
    "first: rho times e to the power (1 - rho squared) / 2, which is one at rho = 1 and less on "
    "both sides."
)
SEEDS = 10, 3

ROWS, UNKNOWNS = 20, 60
LENGTHS = (0.3, 0.4, 0.5, 0.65, 0.8, 1.0, 1.3, 2.0, 5.0)  # of the first w; the solution's is near 1


def run(*, seeds, quick, progress):
    found = progress.map(one, seeds, 1e-5)
    keys = ("rho", "factor", "plain", "left")
    return {"lengths": LENGTHS} | {key: [run[key] for run in found] for key in keys}


def one(seed, tolerance):
    """rho and the factor of the null component, for w of each first length; `plain`: the same
    factor for descent on w; left: the largest residual that is left, relative to y."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(ROWS, UNKNOWNS)) / np.sqrt(UNKNOWNS)
    y = X @ (rng.normal(size=UNKNOWNS) / np.sqrt(ROWS))
    null = np.linalg.svd(X)[2][ROWS:]
    start = rng.normal(size=UNKNOWNS)
    start /= np.linalg.norm(start)
    v = np.array(LENGTHS)[:, None] * start  # one row for each length
    g = np.linalg.norm(v, axis=1, keepdims=True)
    w, first_g = v.copy(), g.copy()
    nulls = np.linalg.norm(w @ null.T, axis=1)

    def residual(w):
        return w @ X.T - y  # (s, d), (n, d) -> (s, n)

    def velocity(v, g):
        v_bar, g_bar = weight_norm.vjp(residual(weight_norm.forward(v, g)) @ X, v, g)
        return -v_bar, -g_bar

    size = np.linalg.norm(y)
    while np.linalg.norm(residual(weight_norm.forward(v, g)), axis=1).max() > tolerance * size:
        # The flow is faster by (g / ||v||)^2, so the step is shorter by as much.
        h = 0.15 / (1 + (g / np.linalg.norm(v, axis=1, keepdims=True)) ** 2)
        v, g = runge_kutta(velocity, (v, g), h)
    while np.linalg.norm(residual(w), axis=1).max() > tolerance * size:
        w = w - 0.3 * residual(w) @ X
    ends = weight_norm.forward(v, g)
    return {
        "rho": (g / first_g)[:, 0].tolist(),
        "factor": (np.linalg.norm(ends @ null.T, axis=1) / nulls).tolist(),
        "plain": (np.linalg.norm(w @ null.T, axis=1) / nulls).tolist(),
        "left": float(np.linalg.norm(residual(ends), axis=1).max() / size),
    }


def runge_kutta(f, x, h):
    """One step of the classical method, fourth order."""
    a = f(*x)
    b = f(*(p + h / 2 * q for p, q in zip(x, a, strict=True)))
    c = f(*(p + h / 2 * q for p, q in zip(x, b, strict=True)))
    d = f(*(p + h * q for p, q in zip(x, c, strict=True)))
    return tuple(
        p + h / 6 * (k + 2 * m + 2 * n + o) for p, k, m, n, o in zip(x, a, b, c, d, strict=True)
    )


def law(rho):
    rho = np.asarray(rho, dtype=float)
    return rho * np.exp((1 - rho**2) / 2)


def draw(data):
    fig, (left, right) = figure.new(1, 2, height=3.3)
    rho, factor, plain = (np.array(data[key]) for key in ("rho", "factor", "plain"))
    x = np.linspace(min(0.0, rho.min()), 1.05 * rho.max(), 200)
    figure.expected(left, x, law(x), label=r"$\rho\,e^{(1-\rho^2)/2}$")
    look = figure.LOOKS[0] | {"linestyle": "none"}
    left.plot(rho.ravel(), factor.ravel(), label="weight norm", markersize=4, alpha=0.7, **look)
    for k, (y, name) in enumerate(((factor, "weight norm"), (plain, "plain"))):
        figure.band(right, data["lengths"], y, k, marks=9, label=name)
    left.set(xlabel="ρ = last g / first g", ylabel="null part, last / first",
             title="every run on the law", ylim=(-0.05, 1.35))
    left.legend(loc="upper right")
    right.set(xlabel="length of the first w", ylabel="null part, last / first", xscale="log",
              title="against the first length", ylim=(-0.05, 1.35))
    right.set_xticks([0.3, 0.5, 1, 2, 5], ["0.3", "0.5", "1", "2", "5"])
    right.minorticks_off()
    right.legend(loc="lower right")
    return fig


def claims(data):
    rho, factor, plain = (np.array(data[key]) for key in ("rho", "factor", "plain"))
    return [
        ("weight norm: the factor is rho e^((1 − rho^2) / 2) within 0.002, in every run",
         np.abs(factor - law(rho)).max() < 0.002),
        ("plain descent: the factor is 1 to 1e-5", np.abs(plain - 1).max() < 1e-5),
        ("weight norm never ends farther from the minimum-norm solution than plain descent",
         (factor <= plain + 1e-5).all()),
        ("from the shortest w the null part shrinks to less than a tenth, in every run",
         factor[:, 0].max() < 0.1),
    ]


if __name__ == "__main__":
    figure.main(__file__)
