# %% [markdown]
# # 1 Gradients you can trust
#
# **60 minutes** · **Before this:** notebook 0; what a derivative and a dot product are
#
# **You will be able to**
#
# - measure a derivative in three ways, and say how many digits each is good for
# - choose a step, instead of guessing one
# - compare two gradients fairly, even where they are tiny or zero
# - tell a wrong gradient from a kink, and from a checker that was fooled
#
# Everybody who derives gradients by hand makes mistakes, and a network with a wrong gradient often
# trains all the same, only worse. So measure a gradient before you believe it. This notebook is
# about the measuring.

# %%
import numpy as np

import minwn
from minwn.course import check, draw, given, hint, predict, progress, reveal, student, todo

np.set_printoptions(precision=5, suppress=True)

# %% [markdown]
# ## 1 Two points and a step
#
# The derivative $f'(x)$ is the slope of $f$ at $x$. The obvious way to measure it is to take a step
# of length $h$ and to divide the rise by the step:
#
# $$f'(x) \approx \frac{f(x+h) - f(x)}{h}.$$
#
# This is the **one-sided** quotient. It is exact only in the limit $h \to 0$.


# %%
def one_sided(f, x, h):
    return (f(x + h) - f(x)) / h


for h in (0.1, 0.01, 0.001):
    print(f"h = {h:5}   slope of sin at 1: {one_sided(np.sin, 1.0, h):.8f}")
print(f"the truth, cos(1):           {np.cos(1.0):.8f}")

# %% [markdown]
# The error becomes ten times smaller with each line, as $h$ does.
#
# **Predict.** Go on, down to $h = 10^{-15}$, on a computer with 16 digits. What will the error do?

# %%
choice = "first falls, then rises"  # SOLUTION
predict("1.1", choice, of=("keeps falling", "stays the same", "first falls, then rises"))

# %% [markdown]
# There is a better quotient at nearly the same price. The **central** one takes a step to both
# sides of $x$, and divides the rise from the left point to the right one by the distance between
# them.
#
# **Implement** it.


# %%
def central(f, x, h):
    # 1.2: return the slope between the points at x - h and at x + h
    # BEGIN SOLUTION
    return (f(x + h) - f(x - h)) / (2 * h)
    # END SOLUTION


# %%
check("1.2", central)

# %% [markdown]
# ## 2 The U
#
# Let us look at all steps at once. The steps are powers of two, so that $x+h$ and $x-h$ are numbers
# that the computer has, and only the values of $f$ are rounded. We measure the slope of the sine at
# 1 in float64 with both quotients, and in float32, which has 7 digits, with the better one.


# %%
def errors(quotient, f, slope, x, steps, dtype):
    """The error of a quotient at each step, relative to the slope."""
    found = [quotient(f, dtype(x), dtype(h)) for h in steps]
    return abs(np.array(found, dtype="float64") - slope(x)) / abs(slope(x))


def draw_u(f, slope, x):
    steps = 2.0 ** -np.arange(1, 51)
    short = steps[:23]
    measured = {
        "one-sided, float64": (steps, errors(one_sided, f, slope, x, steps, np.float64)),
        "central, float64": (steps, errors(central, f, slope, x, steps, np.float64)),
        "central, float32": (short, errors(central, f, slope, x, short, np.float32)),
    }
    roundoffs = (2.0**-53, steps), (2.0**-24, short)
    model = {"$h^2/6 + u/h$": [(near, near**2 / 6 + u / near) for u, near in roundoffs]}
    axes = {"x": "step h", "y": "relative error of the slope", "log": "xy", "ylim": (1e-13, 10)}
    draw.show(draw.panel(lines=measured, theory=model, **axes), height=3.8)


draw_u(np.sin, np.cos, 1.0)

# %% [markdown]
# **Figure.** Each of the three errors is a U: from the right it falls with the step, by one power
# of ten for the one-sided quotient and by two for the central ones, and further to the left it
# rises again as $1/h$; the dotted lines are the model that follows.
#
# (The left arms have steps in them, because a difference of two rounded numbers can have few
# values.)

# %%
reveal("1.1")

# %% [markdown]
# Two things are added up here.
#
# - **The curve is bent.** Taylor's series says that the central quotient is $f'(x) + \tfrac{1}{6}
#   f'''(x) h^2 + \dots$ With $M = |f'''(x)|$ this error is $M h^2/6$: a tenth of
#   $h$ makes it a hundredth, and the one-sided error $\tfrac12 |f''(x)| h$ only a tenth.
# - **Numbers are rounded.** Each value of $f$ is off by up to $u\,|f|$, where $u$ is the unit
#   roundoff: $2^{-53} \approx 10^{-16}$ in float64, $2^{-24} \approx 6 \cdot 10^{-8}$ in float32.
#   With $F = |f(x)|$, two such errors over $2h$ make up to $u F/h$: it grows as $h$ shrinks.
#
# **Implement** the step at which the sum
#
# $$E(h) = \frac{M h^2}{6} + \frac{u F}{h}$$
#
# is smallest. Work it out on paper: where a sum is smallest, its derivative is zero.


# %%
def best_step(u, F, M):
    # 1.3: return the h at which M h^2 / 6 + u F / h is smallest
    # BEGIN SOLUTION
    return (3 * u * F / M) ** (1 / 3)
    # END SOLUTION


# %%
check("1.3", best_step)

for name, u in (("float64", 2.0**-53), ("float32", 2.0**-24)):
    h = best_step(u, np.sin(1.0), np.cos(1.0))
    model = np.cos(1.0) * h**2 / 6 + u * np.sin(1.0) / h
    print(f"{name}: best step {h:.1e}, where the error of the model is {model:.0e}")

# %% [markdown]
# Two rules are worth remembering. The best central step is about $\sqrt[3]{u}$ times the length
# over which $f$ changes, and the best error about $u^{2/3}$: **ten digits out of sixteen, or five
# out of seven**. A derivative that is measured in float32 can confirm very little, so measure in
# float64.
#
# **Modify.** Draw the U of a faster curve, `np.sin(50 * x)` with the slope `50 * np.cos(50 * x)`,
# in the cell below. Which arm leaves its dotted line, and where is the best step now? Why does a
# step of $10^{-4}$ for everything, which some checkers take, suit some functions and not others?

# %%
draw_u(lambda x: np.sin(2 * x), lambda x: 2 * np.cos(2 * x), 1.0)

# %% [markdown]
# **Figure.** The same three curves for a sine that is twice as fast: the right arms have moved
# up, and the best step is a little smaller.
#
# ## 3 A step to the side
#
# Rounding hurts because two nearly equal numbers are subtracted. There is a way without
# subtracting. Take the step in the imaginary direction, $i = \sqrt{-1}$:
#
# $$f(x + ih) = f(x) + i\,f'(x)\,h - \tfrac12 f''(x)\,h^2 - \tfrac{i}{6} f'''(x)\,h^3 + \dots$$
#
# The derivative now stands in the imaginary part, alone but for the tiny term with $h^3$. So $h$
# may be as small as $10^{-20}$.
#
# **Implement** it. In Python, `1j` is $i$, and `z.imag` is the imaginary part of `z`.


# %%
def complex_step(f, x, h=1e-20):
    # 1.4: return the derivative of f at x by one step of length h in the imaginary direction
    # BEGIN SOLUTION
    return f(x + 1j * h).imag / h
    # END SOLUTION


# %%
check("1.4", complex_step)

for h in (1e-2, 1e-5, 1e-10, 1e-20, 1e-200):
    print(f"h = {h:6.0e}   error {abs(complex_step(np.sin, 1.0, h) - np.cos(1.0)):.1e}")

# %% [markdown]
# There is no U: the error falls until it is that of a single rounding, or nothing, and stays there.
# That is too good to have no catch. (The trick is of W. Squire and G. Trapp; J. Martins, P. Sturdza
# and J. Alonso say which functions allow it. The references are at the end.)
#
# **Predict.** Let $f(v) = v_1/\lVert v\rVert$ with $\lVert v\rVert = \sqrt{\sum_i v_i^2}$, and let
# `np.linalg.norm` compute the norm. It accepts complex numbers. What does the complex step give for
# the derivative by $v_1$?

# %%
choice = "another number"  # SOLUTION
predict("1.5", choice, of=("the derivative", "another number", "an error"))


# %%
def by_library(t):
    v = np.array([t, 4.0])
    return v[0] / np.linalg.norm(v)


def by_squares(t):
    v = np.array([t, 4.0])
    return v[0] / (v * v).sum() ** 0.5


print("central, by the library      ", central(by_library, 3.0, 1e-5))
print("complex step, by the library ", complex_step(by_library, 3.0))
print("complex step, by squares     ", complex_step(by_squares, 3.0))
print("1 / norm                     ", 1 / 5)
reveal("1.5")

# %% [markdown]
# The length of a complex vector is a sum of $|z|^2$, not of $z^2$, and $|z|$ has no derivative in
# the complex sense. `abs` does the same. So a complex step is trusted
# only where an ordinary difference says the same, to its ten digits. Remember the number 0.2: it is
# what a gradient looks like that treats the norm as a constant, and you will meet it again.
#
# ## 4 Kinks
#
# `relu(x)` is $x$ for positive $x$ and 0 otherwise. At 0 it has a **kink**: slope 0 on the left,
# 1 on the right, and no derivative between them. A quotient gives a number all the same.


# %%
def relu(x):
    return np.maximum(x, 0.0)


for x in (0.0, 0.0005, 0.002):
    print(f"x = {x:6}   central slope with h = 0.001: {central(relu, x, 0.001):.3f}")

# %% [markdown]
# The first is the mean of the two slopes. The second is worse: at 0.0005 there is a derivative,
# it is 1, and the measurement is wrong, because the kink lies **between the two points**. What
# gives a kink away is that the slopes on the two sides differ.
#
# **Implement** the gap: the slope from $x$ to $x+h$, minus the slope from $x-h$ to $x$.


# %%
def gap(f, x, h):
    # 1.6: return the slope from x to x + h, minus the slope from x - h to x
    # BEGIN SOLUTION
    return (f(x + h) - f(x)) / h - (f(x) - f(x - h)) / h
    # END SOLUTION


# %%
check("1.6", gap)

# %%
steps = 2.0 ** -np.arange(2, 21)
cases = {
    "sin, at 1": (np.sin, 1.0),
    "relu, at its kink": (relu, 0.0),
    "relu, 0.001 from its kink": (relu, 0.001),
}
gaps = {}
for name, (f, x) in cases.items():
    size = np.array([abs(gap(f, x, h)) for h in steps])
    gaps[name] = (steps, np.where(size > 1e-12, size, np.nan))
axes = {"x": "step h", "y": "gap between the slopes", "log": "xy", "ylim": (1e-6, 4)}
draw.show(draw.panel(lines=gaps, at=[0.001], **axes))

# %% [markdown]
# **Figure.** The gap of a smooth curve falls with the step; at a kink it stays, whatever the
# step; and near a kink it stays until the step no longer reaches the kink, here at the dotted
# line, $h = 0.001$, where it drops to zero and its curve ends.
#
# So there are three answers to "is this gradient right?": yes, no, and **do not ask here**. Where
# the gap does not fall when $h$ is halved, move the point.
#
# ## 5 How close is close?
#
# You have two numbers, $a$ from a formula and $b$ from a measurement. Is a difference of
# $10^{-6}$ small? For slopes near 1 it is; where the slopes are $10^{-9}$ it is a thousand times
# too much. What counts is the **relative error**
#
# $$\frac{|a-b|}{\max(|a|,|b|)},$$
#
# which is 0 where the two agree, 1 where one of them is zero, and 2 where they are each other's
# negative. One case is missing: both may be zero, and $0/0$ is no number. Two zeros agree, so the
# error should be 0.
#
# **Implement** it for two arrays, entry by entry.


# %%
def relative_error(a, b):
    # 1.7: return |a - b| over the larger of |a| and |b|, entry by entry, and 0 where both are 0
    # BEGIN SOLUTION
    larger = np.maximum(abs(a), abs(b))
    return abs(a - b) / np.where(larger == 0, 1, larger)
    # END SOLUTION


# %%
check("1.7", relative_error)

# %% [markdown]
# How small must it be? At its best step a central difference in float64 is off by about
# $10^{-11}$ to $10^{-10}$. One step for all entries suits most of them less well: expect $10^{-9}$.
# A wrong factor or a missing term gives $10^{-3}$ to 1. A number between the two has a cause: find
# it. A limit of $10^{-2}$ lets too much pass. (One entry is allowed to be worse: a small one that
# is the sum of large terms carries the rounding errors of the large ones.)
#
# ## 6 A checker, and how it is fooled
#
# Layers have many inputs and many outputs. Let $y = f(x)$, both arrays, and let $L$ be a loss
# that depends on $y$. A bar marks the derivative of $L$ by something: $\bar y = \partial
# L/\partial y$ has the shape of $y$. It is called the **cotangent** of $y$. A gradient function
# is handed $\bar y$ and returns $\bar x$; one says that it pulls $\bar y$ back.
#
# To measure $\bar x$ no loss is needed. The number
#
# $$\langle \bar y, f(x)\rangle = \textstyle\sum_k \bar y_k\, f(x)_k$$
#
# has the gradient $\bar x$. So move one entry of $x$ at a time, and measure the slope of that
# number.
#
# **Implement** it.


# %%
def measured(f, x, y_bar, h):
    # 1.8: return the central slope of the sum of y_bar * f(x) by each entry of x,
    # as an array of the shape of x
    # BEGIN SOLUTION
    x_bar = np.zeros_like(x)
    for index in np.ndindex(*x.shape):
        step = np.zeros_like(x)
        step[index] = h
        x_bar[index] = (y_bar * (f(x + step) - f(x - step))).sum() / (2 * h)
    return x_bar
    # END SOLUTION


# %%
check("1.8", measured)

# %% [markdown]
# Now let us judge. The function is the one that this library is named after, weight normalisation:
# $w = g\,v/n$ with $n = \lVert v\rVert$ for each row of $v$. Notebook 5 derives its gradient,
#
# $$\bar v = \frac{g}{n}\left(\bar w - \frac{d}{n^2}\,v\right),
#   \qquad d = \langle \bar w, v\rangle;$$
#
# here it need only be judged. With it come five wrong ones, each of them a slip that is easily
# made. The first is the 0.2 of above: without the second term, which is called the projection, $n$
# is a constant.


# %%
def weight(v, g):
    return g * v / (v * v).sum(axis=1, keepdims=True) ** 0.5


def dot(a, b):
    return (a * b).sum(axis=1, keepdims=True)


def right(w_bar, v, g):
    n = dot(v, v) ** 0.5
    return g / n * (w_bar - dot(w_bar, v) / n**2 * v)


def no_projection(w_bar, v, g):
    return g / dot(v, v) ** 0.5 * w_bar


def no_factor(w_bar, v, g):
    return w_bar - dot(w_bar, v) / dot(v, v) * v


def not_squared(w_bar, v, g):
    n = dot(v, v) ** 0.5
    return g / n * (w_bar - dot(w_bar, v) / n * v)


def sign_lost(w_bar, v, g):
    return right(w_bar, v, abs(g))


def ones_assumed(w_bar, v, g):
    return right(np.ones_like(w_bar), v, g)


wrong = (no_projection, no_factor, not_squared, sign_lost, ones_assumed)

# %% [markdown]
# **Predict.** A handy point to try them at: rows of $v$ that have length 1, $g = 1$, and a
# cotangent of ones, which is what you get from `w.sum()` as a loss. How many of the five are
# found out there?

# %%
choice = "1"  # SOLUTION
predict("1.9", choice, of=("1", "3", "5"))

# %%
rng = np.random.default_rng(1)
v, w_bar = rng.normal(size=(3, 4)), rng.normal(size=(3, 4))
g = np.array([[1.7], [-0.6], [2.9]])
n = dot(v, v) ** 0.5
points = {
    "handy": (v / n, np.ones((3, 1)), np.ones((3, 4))),
    "g = n": (v, n, w_bar),
    "w_bar = 1": (v, g, np.ones((3, 4))),
    "any": (v, g, w_bar),
}


def table(points, h=1e-5):
    print("largest relative error against the measured gradient; below 1e-6 it passes")
    print(" " * 14 + "".join(f"{name:>12}" for name in points))
    for gradient in (right, *wrong):
        line = ""
        for v, g, w_bar in points.values():
            found = measured(lambda x, g=g: weight(x, g), v, w_bar, h)
            error = relative_error(gradient(w_bar, v, g), found).max()
            line += f"{'passes' if error < 1e-6 else f'{error:.1g}':>12}"
        print(f"{gradient.__name__:14}{line}")


table(points)
reveal("1.9")

# %% [markdown]
# Read the table by columns. A point is a question, and some questions cannot be answered wrongly:
# where $n = 1$ no power of $n$ matters, where $g = n$ the factor $g/n$ is 1, where all $g$ are
# positive a sign cannot be lost, and where $\bar w$ is 1 it does not show that it was not used.
# `g = n` is where PyTorch starts its weight normalisation, and a cotangent of ones is what
# `.sum().backward()` makes. **The tolerance was the same in every column. It is the point that
# decides.** At numbers drawn at random, of both signs, nothing passes that is wrong.
#
# **Modify.** Now fool the checker yourself. Make a point `(v, g, w_bar)`, of the shapes (o, i),
# (o, 1) and (o, i), at which `no_projection` passes although no row of it is zero.

# %%
point = (np.array([[3.0, 4.0]]), np.array([[2.0]]), np.array([[-4.0, 3.0]]))  # SOLUTION

# %%
check("1.10", point)
table({"my point": point})

# %% [markdown]
# Everything that you have built is in `minwn.gradcheck`, and more: it draws the cotangents,
# chooses a step for each entry, uses the complex step where differences confirm it, and says *not
# differentiable* at a kink. It names the entry that is wrong.

# %%
print(minwn.gradcheck(weight, [v, g]))
print(
    minwn.gradcheck(
        lambda v: weight(v, g),
        [v],
        backward=lambda w_bar, v: [no_projection(w_bar, v, g)],
        name="weight",
        raise_on_failure=False,
    )
)

# %% [markdown]
# ## Exit ticket
#
# Put your name in: the numbers of the first question are drawn from it.

# %%
student("my name")
given("1.T1")

# %% [markdown]
# **T1.** What does the central quotient give for $f(x) = x^3$ at this `x` with this `h`, without
# any rounding? All digits, please.

# %%
numbers = given("1.T1")
quotient = 3 * numbers["x"] ** 2 + numbers["h"] ** 2  # SOLUTION
check("1.T1", quotient)

# %% [markdown]
# **T2.** `p` is `softmax(x)`: positive numbers that always sum to 1. A colleague checks its
# gradient with a cotangent of ones. What is the right answer that comes out: `"zeros"`, `"ones"` or
# `"p"`?

# %%
answer = "zeros"  # SOLUTION
check("1.T2", answer)

# %% [markdown]
# **T3.** A network with relu is checked. One entry in 500 has a relative error of 0.3; with a
# step ten times smaller it agrees. What was it: `"a wrong formula"`, `"rounding"` or `"a kink"`?

# %%
answer = "a kink"  # SOLUTION
check("1.T3", answer)

# %% [markdown]
# ## Where this goes wrong in real libraries
#
# `torch.autograd.gradcheck` has a fast mode. It does not look at each entry, but compares one
# number, $\langle \bar y, J\dot x\rangle$: $\bar y$ pulled back and then taken along a random
# direction $\dot x$. ($J\dot x$ is how $y$ changes along $\dot x$.) Both vectors have length 1
# and **no negative entry**, and the tolerance $10^{-5}$ is multiplied by the sum of the one and
# the sum of the other. Those sums grow with the size of the layer. The error that is looked for
# does not. Here is that rule, for the gradient without projection.


# %%
def fast_rule(o, i, rng):
    v, g = rng.normal(size=(o, i)), rng.normal(size=(o, 1))
    x_dot, y_bar = rng.uniform(size=(o, i)), rng.uniform(size=(o, i))
    x_dot, y_bar = x_dot / np.sqrt((x_dot**2).sum()), y_bar / np.sqrt((y_bar**2).sum())
    truth = (right(y_bar, v, g) * x_dot).sum()
    error = abs((no_projection(y_bar, v, g) * x_dot).sum() - truth)
    return error, 1e-5 * x_dot.sum() * y_bar.sum() + 1e-3 * abs(truth)


rng = np.random.default_rng(0)
for o, i in ((4, 5), (32, 64), (128, 256)):
    found = np.array([fast_rule(o, i, rng) for _ in range(50)])
    passed = (found[:, 0] <= found[:, 1]).mean()
    error, allowed = np.median(found, axis=0)
    print(f"({o:3}, {i:3})   error {error:.0e}   allowed {allowed:.0e}   passes {passed:4.0%}")

# %% [markdown]
# PyTorch 2.13 does the same: with `fast_mode=True` it rejects this gradient for (4, 5), and
# accepts it for (32, 64) and for (128, 256). The rule is in `torch/autograd/gradcheck.py`, in
# `_adjusted_atol`. It has let a wrong gradient through before: that of `renorm`, in 2021 (PyTorch
# issue #59584 and pull request #59615). The factor is there on purpose: with it the fast mode
# accepts whatever the slow mode would accept. A change that takes it away, pull request #59650,
# was closed. The default of `gradcheck` is the slow mode, which looks at each entry: for a new
# gradient, be patient and take it.
#
# ## References
#
# - W. Squire, G. Trapp, *Using Complex Variables to Estimate Derivatives of Real Functions*, SIAM
#   Review 40(1), 1998, [doi:10.1137/S003614459631241X](https://doi.org/10.1137/S003614459631241X):
#   the complex step of section 3
# - J. R. R. A. Martins, P. Sturdza, J. J. Alonso, *The Complex-Step Derivative Approximation*, ACM
#   Transactions on Mathematical Software 29(3), 2003,
#   [doi:10.1145/838250.838251](https://doi.org/10.1145/838250.838251): what `abs`, and other
#   functions that are not analytic, do to it
# - T. Salimans, D. P. Kingma, *Weight Normalization*, NIPS 2016,
#   [arXiv:1602.07868](https://arxiv.org/abs/1602.07868), equation 3: the gradient that is judged in
#   section 6

# %%
progress()
