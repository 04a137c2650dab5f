# %% [markdown]
# # 3 Linear by hand
#
# **45 minutes** · **Before this:** notebook 1 (gradients you can trust); matrix products.
# Notebook 2 helps, but is not needed
#
# **You will be able to**
#
# - derive the three gradients of $y = x w^T + b$ with nothing but indices
# - say what happens to the gradient where an array is used many times: for rows, batches and biases
# - test a derivative that you cannot see, with the adjoint test, and say what it cannot find
#
# A linear layer is the most used function of all, and its gradient is three short lines. They are
# also the most mistyped three lines: one transpose too many, one sum too few.

# %%
import numpy as np

from minwn.course import check, draw, finding, given, hint, predict, progress, reveal, student, todo

np.set_printoptions(precision=4, suppress=True)

# %% [markdown]
# ## 1 The layer
#
# $x$ holds some examples, one in each row: its shape is (m, i), m examples of i numbers. The layer
# makes o numbers of each example. It has a row of i weights for each of them, so $w$ has the shape
# (o, i), and a **bias** for each, so $b$ has the shape (o,):
#
# $$y = x\,w^T + b, \qquad y_{mo} = \textstyle\sum_i x_{mi}\, w_{oi} + b_o.$$
#
# The letters stand for the axes here, and as indices for a place on them: $m$ counts examples, $i$
# inputs, $o$ outputs. We take m = 5, i = 3, o = 4, three lengths that cannot be confused.
#
# **Predict.** $x$ is (5, 3), $w$ is (4, 3) and $b$ is (4,). What is the shape of $y$?

# %%
choice = "(5, 4)"  # SOLUTION
predict("3.1", choice, of=("(5, 3)", "(4, 5)", "(5, 4)"))

# %% [markdown]
# **Implement** the layer. `@` is the matrix product: it sums over the last axis of what stands on
# the left and the first axis of what stands on the right.


# %%
def linear(x, w, b):
    # 3.2: return y = x w^T + b, with x (m, i), w (o, i) and b (o,)
    # BEGIN SOLUTION
    return x @ w.T + b  # (m, i), (o, i) -> (m, o)
    # END SOLUTION


# %%
check("3.2", linear)

# %% [markdown]
# ## 2 Three cotangents
#
# A loss $L$ depends on $y$. A bar marks the derivative of $L$ by something, its **cotangent**, of
# the same shape: $\bar y_{mo} = \partial L/\partial y_{mo}$. The next layer hands us $\bar y$,
# and we want $\bar x$, $\bar w$ and $\bar b$.
#
# Let everything move by a little: $x$ by $\dot x$, $w$ by $\dot w$, $b$ by $\dot b$. By the
# product rule $y$ moves by
#
# $$\dot y_{mo} = \textstyle\sum_i \dot x_{mi}\, w_{oi} + \sum_i x_{mi}\, \dot w_{oi} + \dot b_o,$$
#
# and the loss moves by $\sum_{mo} \bar y_{mo}\,\dot y_{mo}$. Now sort this sum by the dotted
# letters. The factor of $\dot x_{mi}$ is $\bar x_{mi}$:
#
# $$\bar x_{mi} = \textstyle\sum_o \bar y_{mo}\, w_{oi}.$$
#
# You find the other two in the same way: take $\dot w_{oi}$ out of the sum, and see which letters
# are left to be summed. Then write each sum as a matrix product. (For checking: the letters of the
# result are those of its shape, and **each letter that is missing in the result is summed**.)
#
# **Implement** all three.


# %%
def linear_bar(y_bar, x, w):
    # 3.3: return x_bar, w_bar, b_bar, for y_bar (m, o), x (m, i) and w (o, i)
    # BEGIN SOLUTION
    x_bar = y_bar @ w  # (m, o), (o, i) -> (m, i)
    w_bar = y_bar.T @ x  # (m, o), (m, i) -> (o, i)
    b_bar = y_bar.sum(axis=0)  # (m, o) -> (o,)
    return x_bar, w_bar, b_bar
    # END SOLUTION


# %%
check("3.3", linear_bar)

# %% [markdown]
# No bias stands in the function: none of the three depends on $b$. And $\bar b$ is a sum, for $b$
# is **broadcast**: the same four numbers are added to each of the five rows, so what comes back
# from the five is added up. The same happens to $w$, which is used in each row. Here are the four
# products, drawn to scale.

# %%
length = {"m": 5, "i": 3, "o": 4}
products = (  # the name of each box, and the letters of its rows and of its columns
    (("$y$", "m", "o"), ("$x$", "m", "i"), ("$w^T$", "i", "o"), "$+\\ b$, each row"),
    (("$\\bar x$", "m", "i"), ("$\\bar y$", "m", "o"), ("$w$", "o", "i"), ""),
    (("$\\bar w$", "o", "i"), ("$\\bar y^T$", "o", "m"), ("$x$", "m", "i"), ""),
    (("$\\bar b$", "", "o"), ("ones", "", "m"), ("$\\bar y$", "m", "o"), ""),
)
draw.boxes(products, length)

# %% [markdown]
# **Figure.** Four matrix products as boxes whose sides are drawn to scale and marked with the
# letters m, i and o: $y = x w^T$, $\bar x = \bar y w$, $\bar w = \bar y^T x$, and $\bar b$ as a
# row of ones times $\bar y$; wherever two boxes meet, the two sides that meet carry the same
# letter, and it is gone from the result.
#
# Shapes alone nearly tell the formulas. Do not rely on it: in a square layer every wrong transpose
# fits.
#
# **Modify.** Make all three lengths 4 and draw again. Which mistakes would now go unseen?
#
# ## 3 More axes in front
#
# Sequences come as (t, m, i): for each of t steps m rows. The layer does the same to each row,
# wherever it stands. `x @ w.T` does that by itself, for any number of axes in front, none
# included.
#
# The way back does not. What is repeated on the way there is summed on the way back, and $w$ and
# $b$ are now used for each step and for each row.
#
# **Implement** it for any axes in front.


# %%
def linear_bar_any(y_bar, x, w):
    # 3.4: return x_bar, w_bar, b_bar, for y_bar (..., o), x (..., i) and w (o, i), where ... may be
    # any number of axes, also none
    # BEGIN SOLUTION
    rows = x.reshape(-1, x.shape[-1])  # (..., i) -> (m, i)
    sent = y_bar.reshape(-1, y_bar.shape[-1])  # (..., o) -> (m, o)
    return y_bar @ w, sent.T @ rows, sent.sum(axis=0)
    # END SOLUTION


# %%
check("3.4", linear_bar_any)

# %%
rng = np.random.default_rng(3)
w, b = rng.normal(size=(4, 3)), rng.normal(size=4)
x, y_bar = rng.normal(size=(2, 5, 3)), rng.normal(size=(2, 5, 4))
whole = linear_bar_any(y_bar, x, w)
parts = [linear_bar_any(y_bar[t], x[t], w) for t in range(2)]
apart = abs(whole[1] - (parts[0][1] + parts[1][1])).max()
print(f"w_bar of both steps, against the sum of the w_bar of each: {apart:.0e}")

# %% [markdown]
# This is why a gradient of a large batch may be computed in pieces: those of the weights are
# added up. (Many losses are a **mean** over the batch. Then $1/m$ is in $\bar y$ already. It has
# no place in the layer.)
#
# **Modify.** Give `x` no rows: `rng.normal(size=(0, 3))`, and `y_bar` none
# either. What is $\bar w$, and why is that right?
#
# ## 4 The adjoint test
#
# There is a test of a pair of derivatives that needs no step $h$, and so has no rounding to speak
# of. The way back leads from $\bar y$ to $\bar x, \bar w, \bar b$; the way there leads from $\dot
# x, \dot w, \dot b$ to $\dot y$. Both say by how much the loss moves, and must agree:
#
# $$\langle \bar y, \dot y\rangle
#   = \langle \bar x, \dot x\rangle + \langle \bar w, \dot w\rangle
#   + \langle \bar b, \dot b\rangle,$$
#
# where $\langle \cdot, \cdot\rangle$ multiplies entry by entry and sums everything. It holds for
# **any** numbers, so draw them at random.
#
# **Implement** the way there. The formula is above; write it with matrix products.


# %%
def linear_dot(x, w, x_dot, w_dot, b_dot):
    # 3.5: return y_dot, by how much y moves when x, w and b move by x_dot, w_dot and b_dot
    # BEGIN SOLUTION
    return x_dot @ w.T + x @ w_dot.T + b_dot
    # END SOLUTION


# %%
check("3.5", linear_dot)


# %%
def adjoint_gap(there, back, rng, m=5, i=3, o=4):
    """How far the two sides are apart, in units of the terms that are added."""
    x, w = rng.normal(size=(m, i)), rng.normal(size=(o, i))
    dots = rng.normal(size=(m, i)), rng.normal(size=(o, i)), rng.normal(size=o)
    y_bar = rng.normal(size=(m, o))
    y_dot, bars = there(x, w, *dots), back(y_bar, x, w)
    left = (y_bar * y_dot).sum()
    right = sum((bar * dot).sum() for bar, dot in zip(bars, dots, strict=True))
    return abs(left - right) / (abs(y_bar) * abs(y_dot)).sum()


print("gap", adjoint_gap(linear_dot, linear_bar, rng))

# %% [markdown]
# That is a rounding error at most. What do mistakes look like? Below are three ways back that are
# wrong, and one pair of which both halves have forgotten the bias.
#
# **Predict.** In that pair `there` leaves out $\dot b$, and `back` returns zeros for $\bar b$.
# Does the adjoint test pass?

# %%
choice = "passes"  # SOLUTION
predict("3.6", choice, of=("passes", "fails"))


# %%
def mean_for_b(y_bar, x, w):
    x_bar, w_bar, _ = linear_bar(y_bar, x, w)
    return x_bar, w_bar, y_bar.mean(axis=0)


def sign_of_w(y_bar, x, w):
    x_bar, w_bar, b_bar = linear_bar(y_bar, x, w)
    return x_bar, -w_bar, b_bar


def five_percent(y_bar, x, w):
    x_bar, w_bar, b_bar = linear_bar(y_bar, x, w)
    return 1.05 * x_bar, w_bar, b_bar


def there_without_b(x, w, x_dot, w_dot, b_dot):
    return x_dot @ w.T + x @ w_dot.T


def back_without_b(y_bar, x, w):
    x_bar, w_bar, b_bar = linear_bar(y_bar, x, w)
    return x_bar, w_bar, 0 * b_bar


pairs = {
    "your pair": (linear_dot, linear_bar),
    "a mean for b": (linear_dot, mean_for_b),
    "- w_bar": (linear_dot, sign_of_w),
    "1.05 x_bar": (linear_dot, five_percent),
    "both without b": (there_without_b, back_without_b),
}
rng = np.random.default_rng(4)
gaps = {
    name: np.maximum([adjoint_gap(*pair, rng) for _ in range(60)], 1e-18)
    for name, pair in pairs.items()
}
draw.swarms(gaps, x="gap between the two sides", y="pair", xlim=(5e-19, 3))
reveal("3.6")

# %% [markdown]
# **Figure.** Sixty random trials for each of five pairs: the gaps of the right pair are those of
# rounding, near $10^{-16}$, those of the three wrong ways back lie between about $10^{-4}$ and 1,
# and those of the pair that has forgotten the bias on both ways look like the right one. (A gap
# of exactly 0 is drawn at $10^{-18}$.)
#
# So one number, and no tolerance to argue about: there is nothing between $10^{-15}$ and
# $10^{-5}$. But what the test says is that **the two halves belong together**. Whether they
# belong to the function, it does not know. For that, `linear` itself must be asked: measure, as
# in notebook 1.


# %%
def against_the_function(there, rng, h=1e-5):
    x, w, b = rng.normal(size=(5, 3)), rng.normal(size=(4, 3)), rng.normal(size=4)
    x_dot, w_dot, b_dot = rng.normal(size=(5, 3)), rng.normal(size=(4, 3)), rng.normal(size=4)
    up = linear(x + h * x_dot, w + h * w_dot, b + h * b_dot)
    down = linear(x - h * x_dot, w - h * w_dot, b - h * b_dot)
    return abs((up - down) / (2 * h) - there(x, w, x_dot, w_dot, b_dot)).max()


print("your y_dot, against differences of linear:", against_the_function(linear_dot, rng))
print("without b_dot:                            ", against_the_function(there_without_b, rng))

# %% [markdown]
# The two tests together cost a few lines, and few mistakes survive them: the way there is
# measured, in one random direction for all arguments at once, and the way back must match it
# exactly. (`minwn.gradcheck` has both: see `minwn.gradcheck.adjoint_test`.)
#
# ## Exit ticket
#
# Put your name in: the numbers of the first question are drawn from it.

# %%
student("my name")
given("3.T1")

# %% [markdown]
# **T1.** A layer has two outputs. This is $\bar y$ for three examples, a list of its rows. What is
# $\bar b_1$, the cotangent of the first bias?

# %%
numbers = given("3.T1")
b_bar_1 = np.sum(numbers["y_bar"], axis=0)[0]  # SOLUTION
check("3.T1", b_bar_1)

# %% [markdown]
# **T2.** $x$ has the shape (9, 4) and $w$ has the shape (7, 4). What is the shape of $\bar w$?
# Write a tuple.

# %%
shape = (7, 4)  # SOLUTION
check("3.T2", shape)

# %% [markdown]
# **T3.** In a layer with 4 inputs and 4 outputs, tried with 4 examples, a colleague writes
# `w_bar = x.T @ y_bar`. What finds it: `"the shapes"`, `"differences"` at random numbers, or
# `"more digits"`?

# %%
answer = "differences"  # SOLUTION
check("3.T3", answer)

# %% [markdown]
# **One to write.** A layer of your own, with a power and a factor that are drawn from your name:
# $y_{mo} = \sum_i x_{mi}^p\, w_{oi} + c\, b_o$. Derive its three cotangents as in section 2.

# %%
given("3.7")


# %%
def own_layer_bar(y_bar, x, w):
    p, c = given("3.7").values()
    # 3.7: return x_bar, w_bar, b_bar, for y_bar (m, o), x (m, i) and w (o, i)
    # BEGIN SOLUTION
    x_bar = p * x ** (p - 1) * (y_bar @ w)
    w_bar = y_bar.T @ x**p
    b_bar = c * y_bar.sum(axis=0)
    return x_bar, w_bar, b_bar
    # END SOLUTION


# %%
check("3.7", own_layer_bar)

# %% [markdown]
# ## Where this goes wrong in real libraries
#
# Is a weight (o, i) or (i, o)? Libraries differ. PyTorch and minwn keep (o, i) and compute $x
# w^T$; Paddle keeps (i, o) and computes $x w$. Both are fine, until an axis is named by its
# number. Weight normalisation, notebook 5, keeps a length for **each output**, and its default in
# PyTorch is `dim=0`, which is o. Paddle 3.3.1 has the same default, and there axis 0 is i. So
# `paddle.nn.utils.weight_norm(paddle.nn.Linear(5, 3))` keeps five lengths, one for each input,
# where three were expected. Nothing complains.

# %%
weight = rng.normal(size=(5, 3))  # (i, o), as in Paddle
print("one length for each entry of axis 0:", np.sqrt((weight**2).sum(axis=1)).shape)
print("one length for each output:         ", np.sqrt((weight**2).sum(axis=0)).shape)

# %% [markdown]
# What to do is to write `dim=1` there. Had the layer been square, not even the number of lengths
# would have given it away. `finding("The default dim of a Linear is its input")` prints the program
# and its output; the tests of minwn run it again.
#
# ## References
#
# - M. B. Giles, *Collected Matrix Derivative Results for Forward and Reverse Mode Algorithmic
#   Differentiation*, 2008,
#   [doi:10.1007/978-3-540-68942-3_4](https://doi.org/10.1007/978-3-540-68942-3_4): dots and bars of
#   products of matrices
# - J. F. Claerbout, *Earth Soundings Analysis: Processing versus Inversion*, Blackwell 1992: the
#   adjoint test, which geophysicists call the dot-product test

# %%
progress()
