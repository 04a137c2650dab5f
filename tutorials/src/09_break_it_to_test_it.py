# %% [markdown]
# # 9 Break it to test it
#
# **55 minutes** · **Before this:** notebook 5 (weight normalisation), and the complex step of
# notebook 1
#
# **You will be able to**
#
# - test a test: plant faults, and count how many it sees
# - write a check that lets rounding pass, and NaN not
# - find a point at which no fault can hide, and the smallest such point
# - say which mutants no check can kill, and what a check of numbers never sees

# %%
import numpy as np

from minwn.course import check, draw, given, hint, predict, progress, reveal, student, todo
from minwn.course.exercises.n09 import MUTANTS, WHAT, another_way, overwriting

np.seterr(all="ignore")
np.set_printoptions(precision=4, suppress=True)

# %% [markdown]
# ## 1 A check that has never failed
#
# You wrote a gradient, and a check of it. The check passes. That can mean two things: the gradient
# is right, or the check sees nothing. There is one way to tell. Put in a gradient that you **know**
# to be wrong, and look whether the check notices.
#
# Such a gradient, with one fault planted on purpose, is a **mutant**. A check that rejects it has
# **killed** it; a mutant that passes has **survived**. Here are sixteen for the gradient of
# $w = g\,v/n$. As in notebook 5, $v$ has rows of length $n = \lVert v\rVert$, $\bar w$ is the
# cotangent of $w$, and $d = \langle \bar w, v\rangle$ for each row. The right answers are
#
# $$\bar v = \frac{g}{n}\Bigl(\bar w - \frac{d}{n^2}\,v\Bigr), \qquad \bar g = \frac{d}{n}.$$
#
# The mutants are from `minwn.mutation`, which holds some hundreds of them.

# %%
for name, what in WHAT.items():
    print(f"{name:18} {what}")

# %% [markdown]
# Each is a function `(w_bar, v, g) -> (v_bar, g_bar)`, as a right gradient would be.
#
# **Predict.** A handy point to try them at: each row of $v$ has length 1, every $g$ is 1, and every
# entry of $\bar w$ is 1. How many of the sixteen will a check kill that looks there?

# %%
choice = "11 or fewer"  # SOLUTION
predict("9.1", choice, of=("all 16", "12 to 15", "11 or fewer"))

# %% [markdown]
# ## 2 Your own check
#
# A check needs the truth. The complex step of notebook 1 gives it to the last digits, from the
# definition of $w$ alone: no derivation by hand is in it.


# %%
def weight(v, g):
    return g * v / np.sqrt((v * v).sum(axis=1, keepdims=True))


def truth(v, g, w_bar, step=1e-30):
    """v_bar and g_bar: the slope of L = sum(w_bar * w) by each entry of v and of g."""
    v_bar, g_bar = np.zeros_like(v), np.zeros_like(g)
    for place in np.ndindex(v.shape):
        moved = v.astype(complex)
        moved[place] += 1j * step
        v_bar[place] = (w_bar * weight(moved, g)).sum().imag / step
    for place in np.ndindex(g.shape):
        moved = g.astype(complex)
        moved[place] += 1j * step
        g_bar[place] = (w_bar * weight(v, moved)).sum().imag / step
    return v_bar, g_bar


# %% [markdown]
# **Implement.** `agrees` is given a gradient and a point. It returns `True` where both answers of
# the gradient are those of `truth`, but for rounding, and `False` otherwise. It will be given wrong
# gradients of many kinds: with one wrong entry, with NaN, very large and very small ones.


# %%
def agrees(backward, v, g, w_bar):
    # 9.2: return whether both answers of backward(w_bar, v, g) are the true ones, but for rounding
    # BEGIN SOLUTION
    pairs = zip(backward(w_bar, v, g), truth(v, g, w_bar), strict=True)
    return all(np.abs(x - y).max() <= 1e-10 * np.abs(y).max() for x, y in pairs)
    # END SOLUTION


# %%
check("9.2", agrees)

# %% [markdown]
# How much room is right? Rounding in float64 makes errors of about $10^{-16}$ of the largest
# number, and a few more for long sums. A fault makes errors of any size. Your room must lie in
# between.
#
# ## 3 The kill matrix
#
# A check is not only a comparison. It is also the **point** at which it compares. Here are four
# points that people use.

# %%
rng = np.random.default_rng(9)
v = rng.normal(size=(3, 4))
g = np.array([[1.7], [-0.6], [2.9]])
w_bar = rng.normal(size=(3, 4))
n = np.linalg.norm(v, axis=1, keepdims=True)

points = {
    "handy:\nn = g = 1,\nw_bar = 1": (v / n, np.ones((3, 1)), np.ones((3, 4))),
    "start:\ng = n": (v, n, w_bar),
    "one row": (v[:1], g[:1], w_bar[:1]),
    "all\npositive": (abs(v), abs(g), abs(w_bar)),
}


def survivors(point, mutants=MUTANTS):
    return [name for name, mutant in mutants.items() if agrees(mutant, *point)]


alive = {name: survivors(point) for name, point in points.items()}
draw.kills(alive, MUTANTS, x="where the check looks", y="mutant")

# %% [markdown]
# **Figure.** Each column is a point and each row a mutant: the handy point leaves seven mutants
# alive, one row leaves four, and the other two points leave two each; `|g| for g` survives in every
# column.

# %%
reveal("9.1")

# %% [markdown]
# Follow a row of discs to its reason. Where $g = n$, the factor $g/n$ is 1, and to leave it out is
# no fault. Where no $g$ is negative, $|g|$ is $g$. With one row there is no other row to mix it up
# with. A mutant that survives is not a small fault: at that point it is no fault at all.
#
# ## 4 A point that kills them all
#
# **Implement** a point: three arrays `(v, g, w_bar)` of the shapes (o, i), (o, 1) and (o, i), at
# which all sixteen are wrong.

# %%
my_point = (v, g, w_bar)  # SOLUTION

# %%
check("9.3", my_point)

# %% [markdown]
# A test that anybody can follow on paper is worth more than a large one. How far can you shrink
# your point? Count the entries of `v`. Take away rows and columns, try simpler numbers, and run the
# mutants again each time: `survivors((small_v, small_g, small_w_bar))` lists who is alive.

# %%
small_v = np.array([[0.3, 0.7], [1.1, -0.4]])  # SOLUTION
small_g = np.array([[1.3], [-2.1]])  # SOLUTION
small_w_bar = np.array([[0.9, 0.2], [-1.7, 0.6]])  # SOLUTION

# %%
check("9.4", (small_v, small_g, small_w_bar))

# %% [markdown]
# **Modify.** In `agrees`, leave as much room as $10^{-7}$, and look at `survivors(my_point)` again.
# Then $10^{-5}$. Who comes back to life, and why do these two come first?
#
# ## 5 What no point shows
#
# One more mutant, written in a hurry. It uses $w$ in place of $v$, and $\bar g$ where
# you would expect $d$:
#
# $$\bar v = \frac{g\,\bar w - \bar g\,w}{n}.$$
#
# **Predict.** What kills it?

# %%
choice = "nothing"  # SOLUTION
predict("9.5", choice, of=("a better point", "less room", "nothing"))

# %%
survived = 0
for seed in range(200):
    rng = np.random.default_rng(seed)
    draw = rng.normal(size=(3, 4)), rng.normal(size=(3, 1)), rng.normal(size=(3, 4))
    survived += agrees(another_way, *draw)
print("survived at", survived, "of 200 random points")
reveal("9.5")

# %% [markdown]
# Such a mutant is called **equivalent**: it looks different and is the same function. No check can
# kill it, and none should. So before you blame your check for a survivor, ask whether it is a fault
# at all. When you count how many mutants your tests kill, leave the equivalent ones out.
#
# The next one is the opposite. Its answers are right to the last digit, at every point, and it is
# wrong all the same: it uses `w_bar` as scratch paper.

# %%
arrays = [x.copy() for x in (w_bar, v, g)]
overwriting(*arrays)
print("w_bar before", w_bar[0])
print("w_bar after ", arrays[0][0])

# %% [markdown]
# The layer above, which still needs `w_bar`, finds other numbers in it. So look not only at what
# comes back, but also at what is left behind.
#
# **Implement.** `leaves_alone` calls a gradient at a point, and returns `True` if `w_bar`, `v` and
# `g` are afterwards exactly what they were.


# %%
def leaves_alone(backward, v, g, w_bar):
    # 9.6: call backward(w_bar, v, g), and return whether its three arguments are unchanged
    # BEGIN SOLUTION
    arrays = (w_bar, v, g)
    before = [x.copy() for x in arrays]
    backward(*arrays)
    return all(np.array_equal(x, y) for x, y in zip(arrays, before, strict=True))
    # END SOLUTION


# %%
check("9.6", leaves_alone)

# %% [markdown]
# ## Exit ticket
#
# The numbers of the first question come from your name.

# %%
student("my name")
given("9.T1")

# %% [markdown]
# **T1.** A test suite was run against so many planted mutants. It killed some; a few turned out to
# be equal to the truth. Which part of the faults does the suite find, as a number between 0 and 1?

# %%
numbers = given("9.T1")
score = numbers["killed"] / (numbers["planted"] - numbers["equal"])  # SOLUTION
check("9.T1", score)

# %% [markdown]
# **T2.** A check accepts your gradient, and every mutant as well. What has it shown:
# `"the gradient is right"`, `"the mutants are right"`, `"there are too few mutants"` or
# `"nothing"`?

# %%
answer = "nothing"  # SOLUTION
check("9.T2", answer)

# %% [markdown]
# **T3.** Your check looks at a network that has just been initialised, where $g = n$. The mutant
# `no g/n` survives. What do you change: `"the room"`, `"the point"`, `"the mutant"` or
# `"the truth"`?

# %%
answer = "the point"  # SOLUTION
check("9.T3", answer)

# %% [markdown]
# ## Where this goes wrong in real libraries
#
# PyTorch brings a check of gradients, `torch.autograd.gradcheck`. It has a fast mode, which does
# not look at each entry: it takes one sum of all of them, each with a random weight, and allows
# that sum an error that grows with the number of entries. So give it a mutant. Here is `no
# projection`, the first of the list above, in PyTorch 2.13:
#
# ```python
# import torch
#
#
# class NoProjection(torch.autograd.Function):
#     @staticmethod
#     def forward(context, v, g):
#         n = v.norm(dim=1, keepdim=True)
#         context.save_for_backward(v, g, n)
#         return g * v / n
#
#     @staticmethod
#     def backward(context, w_bar):
#         v, g, n = context.saved_tensors
#         return g / n * w_bar, (w_bar * v / n).sum(dim=1, keepdim=True)
#
#
# torch.manual_seed(0)
# for rows, columns in ((4, 5), (32, 64)):
#     v = torch.randn(rows, columns, dtype=torch.float64, requires_grad=True)
#     g = torch.randn(rows, 1, dtype=torch.float64, requires_grad=True)
#     how = {"fast_mode": True, "raise_exception": False}
#     print(rows, columns, torch.autograd.gradcheck(NoProjection.apply, (v, g), **how))
# ```
#
# ```text
# 4 5 False
# 32 64 True
# ```
#
# At 4 by 5 the mutant is killed. At 32 by 64, `True`: a gradient without its projection passes. The
# slow mode, which is the default, kills it at both sizes. That the fast mode lets wrong gradients
# pass was reported as issue [#59584](https://github.com/pytorch/pytorch/issues/59584) of PyTorch.
# The lesson is that of exercise 9.4: check at small points, where nothing drowns, and try your
# check on a mutant before you trust it.
#
# ## References
#
# - R. A. DeMillo, R. J. Lipton, F. G. Sayward, *Hints on Test Data Selection: Help for the
#   Practicing Programmer*, Computer 11(4), 1978,
#   [doi:10.1109/C-M.1978.218136](https://doi.org/10.1109/C-M.1978.218136): the idea of mutants
# - Y. Jia, M. Harman, *An Analysis and Survey of the Development of Mutation Testing*, IEEE
#   Transactions on Software Engineering 37(5), 2011,
#   [doi:10.1109/TSE.2010.62](https://doi.org/10.1109/TSE.2010.62): equivalent mutants, and what has
#   been tried against them

# %%
progress()
