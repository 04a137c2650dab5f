# %% [markdown]
# # 4 Convolution is a matrix
#
# **60 minutes** · **Before this:** notebook 3 (a linear layer by hand): $y = A x$ sends back
# $\bar x = A^{\mathsf T}\bar y$
#
# **You will be able to**
#
# - compute a convolution with stride, padding, dilation and groups as one product of matrices
# - write its input gradient, the transposed convolution, and say why it is a transpose
# - test a pair of functions for being each other's transpose, without knowing what they do
#
# You fill in the places that say `todo`. `check` judges what you wrote and says what it is if it is
# not right yet; `hint("4.3")` helps three times. Wrong answers cost nothing.

# %%
import numpy as np

from minwn import nn
from minwn.byhand import conv as reference
from minwn.course import check, draw, given, hint, predict, progress, reveal, student, todo
from minwn.data import digits

np.set_printoptions(precision=3, suppress=True)

# %% [markdown]
# ## 1 A window that slides
#
# A signal $x$ is a row of numbers. A small row of weights $w$, the **kernel**, is laid over the
# start of it. The numbers that lie on one another are multiplied, and the products added up: that
# is $y_0$. Then the kernel slides on, and gives $y_1$, and so on. What it covers each time is a
# **window**. Three numbers say how it slides:
#
# - **stride**: how far from one window to the next
# - **padding**: how many zeros are put before $x$, and as many behind it
# - **dilation**: how far from one entry of the kernel to the next, inside a window
#
# So entry $k$ of window $p$ reads this place of $x$, or a zero where there is no such place:
#
# $$q = \text{stride}\cdot p + \text{dilation}\cdot k - \text{padding}, \qquad
# y_p = \textstyle\sum_k w_k\, x_q.$$
#
# All places are counted from 0.
#
# **Predict.** $x$ has 8 entries and the kernel has 3. Stride 2, padding 1, dilation 1: how many
# windows fit? Choose `"3"`, `"4"`, `"5"` or `"8"`, and put it in place of the three dots.

# %%
choice = "4"  # SOLUTION
predict("4.1", choice, of=("3", "4", "5", "8"))

# %% [markdown]
# **Implement** the rule. A window that would stick out on the right is left out.


# %%
def count(size, kernel, stride, padding, dilation):
    # 4.2: return how many windows fit; size and kernel are numbers of entries
    # BEGIN SOLUTION
    covered = dilation * (kernel - 1) + 1
    return (size + 2 * padding - covered) // stride + 1
    # END SOLUTION


# %%
check("4.2", count)

# %% [markdown]
# ## 2 Every window a column
#
# Write every window as a column, side by side: row $k$ of that array has what entry $k$ of the
# kernel meets. Then all sums are taken at once by one product, `w @ columns`. This trick has the
# name **im2col**, image to columns.
#
# **Implement** it. A loop over the entries of the kernel is fine; one over the windows is slow.


# %%
def windows(x, kernel, stride, padding, dilation):
    out = count(len(x), kernel, stride, padding, dilation)
    # 4.3: return the windows of x as the columns of an array of shape (kernel, out)
    # BEGIN SOLUTION
    wide = np.pad(x, padding)
    rows = []
    for k in range(kernel):
        start = dilation * k
        rows.append(wide[start : start + stride * (out - 1) + 1 : stride])
    return np.stack(rows)
    # END SOLUTION


def conv(x, w, stride=1, padding=0, dilation=1):
    return w @ windows(x, len(w), stride, padding, dilation)  # (k), (k, out) -> (out)


# %%
check("4.3", windows)

# %% [markdown]
# Look at it once. The signal counts from 1 to 8, so that you see who reads what.

# %%
x = np.arange(1.0, 9.0)
print("stride 2, padding 1")
print(windows(x, 3, 2, 1, 1))
print("dilation 2")
print(windows(x, 3, 1, 0, 2))
print("differences of the squares", conv(x**2, np.array([-1.0, 1.0])))

# %% [markdown]
# **Modify.** Print the windows for stride 1, padding 0, dilation 1 and a kernel of 3. How often
# does the number 5 occur? That is how often im2col copies it, and the price of the trick.
#
# ## 3 The matrix
#
# Each $y_p$ is a sum of multiples of entries of $x$, and the multipliers do not depend on $x$. So
# there is a matrix $A$ with $y = A x$. It is never stored, but we want to see it.
#
# **Predict.** $x$ has 1000 entries, the kernel has 3, stride, padding and dilation are 1, so $A$
# has a million places. How many of its numbers, other than 0, can be chosen freely: `"3"`,
# `"1000"`, `"2998"` or `"1000000"`?

# %%
choice = "3"  # SOLUTION
predict("4.4", choice, of=("3", "1000", "2998", "1000000"))


# %% [markdown]
# **Implement** a function that makes $A$. You may use `conv`.


# %%
def matrix(w, size, stride, padding, dilation):
    # 4.5: return the array A, of shape (out, size), with A @ x equal to conv(x, w, ...)
    # BEGIN SOLUTION
    columns = [conv(unit, w, stride, padding, dilation) for unit in np.eye(size)]
    return np.stack(columns, axis=1)
    # END SOLUTION


# %%
check("4.5", matrix)

# %%
w = np.array([3.0, -2.0, 1.0])
settings = {
    "stride 1, padding 1": (1, 1, 1),
    "stride 2, padding 1": (2, 1, 1),
    "stride 1, padding 2, dilation 2": (1, 2, 2),
}
pictures = {title: matrix(w, 9, *how) for title, how in settings.items()}
draw.matrices(pictures, x="place $q$ in $x$", y="output $p$", numbers=True)

# %% [markdown]
# **Figure.** Three matrices with the weights 3, −2, 1: with stride 1 they lie on three diagonals;
# with stride 2 each row begins two places further on and there are about half as many; with
# dilation 2 the diagonals stand two places apart.
#
# **Modify.** Put a stride of 4 in place of the 2. Two columns become empty. What does that mean
# for these entries of $x$?
#
# ## 4 The way back
#
# From notebook 3 you know: what goes forward through $A$ comes back through its transpose. A bar
# marks a cotangent, the derivative of the loss by what is below the bar:
#
# $$y = A x \quad\Rightarrow\quad \bar x = A^{\mathsf T}\,\bar y .$$
#
# So the input gradient of a convolution is a product with $A^{\mathsf T}$. It has a name, the
# **transposed convolution**, and it is a layer of its own: it makes signals longer where the
# convolution makes them shorter.
#
# **Predict.** The kernel has 1 entry and the stride is 2, so that every second entry of $x$ is
# read. What is $\bar x$ at the entries in between: `"zero"`, `"copied"` from a neighbour or
# `"averaged"` over both?

# %%
choice = "zero"  # SOLUTION
predict("4.6", choice, of=("zero", "copied", "averaged"))

# %% [markdown]
# **Implement** it without the matrix. Where `windows` has read, you now have to write: $y_p$ was
# made from $w_k x_q$, so $\bar y_p$ sends $w_k\,\bar y_p$ back to place $q$.


# %%
def back(y_bar, w, size, stride, padding, dilation):
    # 4.7: return x_bar, of `size` entries; what goes into the padding is dropped
    # BEGIN SOLUTION
    wide = np.zeros(size + 2 * padding)
    for k in range(len(w)):
        start = dilation * k
        wide[start : start + stride * (len(y_bar) - 1) + 1 : stride] += w[k] * y_bar
    return wide[padding : padding + size]
    # END SOLUTION


# %%
check("4.7", back)

# %% [markdown]
# What the transposed convolution does as a layer shows in its simplest use: all weights are 1, and
# so is all of $y$. Each output is then the number of windows that have written there. Here is that
# for images, with one kernel along the rows and the same along the columns.

# %%
stride, kernels = 2, (3, 4)

pictures = {}
for kernel in kernels:
    written = back(np.ones(6), np.ones(kernel), stride * 5 + kernel, stride, 0, 1)
    pictures[f"kernel {kernel} × {kernel}, stride {stride}"] = np.outer(written, written)
draw.matrices(pictures, x="column", y="row", every=4, counts="windows")

# %% [markdown]
# **Figure.** How many windows write to each pixel of a transposed convolution of stride 2: with a
# kernel of 3 it is 1, 2 or 4 in turn, a chequerboard; with a kernel of 4 it is 4 everywhere but at
# the edges.
#
# Networks that draw images with a kernel of 3 and a stride of 2 have this pattern in them, and have
# to learn to hide it (A. Odena, V. Dumoulin, C. Olah, *Deconvolution and Checkerboard Artifacts*,
# Distill, 2016).
#
# **Modify.** Set `stride = 3`. Which kernels are smooth now?
#
# ## 5 A test that needs no matrix
#
# Suppose that you have two functions, `forward` and `backward`, and are told that they are
# products with $A$ and $A^{\mathsf T}$. You cannot see $A$. But for all arrays $x$ and $\bar y$
#
# $$\langle A x,\ \bar y\rangle = \langle x,\ A^{\mathsf T}\bar y\rangle,$$
#
# where $\langle a, b\rangle$ is the dot product $\sum_i a_i b_i$. Draw both at random, compute both
# sides, and compare. This is the **adjoint test**. It costs two calls, for an array of any size.
#
# **Implement** the gap between the two sides.


# %%
def gap(forward, backward, x, y_bar):
    # 4.8: return the size of the difference between the two sides, a number that is 0 or more
    # BEGIN SOLUTION
    return abs(np.sum(forward(x) * y_bar) - np.sum(x * backward(y_bar)))
    # END SOLUTION


# %%
check("4.8", gap)

# %% [markdown]
# Now some functions that claim to be the transpose. One of them is right. One has its kernel the
# wrong way round: in a transposed convolution it is easy to turn $w$ once too often.
#
# **Predict.** The one with the kernel the wrong way round is tested with $x$ and $\bar y$ of ones,
# as in many tests. Does it pass? Choose `"passes"` or `"fails"`.

# %%
choice = "passes"  # SOLUTION
predict("4.9", choice, of=("passes", "fails"))

# %%
rng = np.random.default_rng(4)
size, how = 12, (1, 1, 1)


def forward(x):
    return conv(x, w, *how)


claims = {
    "yours": lambda y_bar: back(y_bar, w, size, *how),
    "kernel turned": lambda y_bar: back(y_bar, w[::-1], size, *how),
    "padding lost": lambda y_bar: back(y_bar, w, size + 2, 1, 0, 1)[:size],
    "averaged": lambda y_bar: back(y_bar, w, size, *how) / len(w),
}
points = {
    "ones": (np.ones(size), np.ones(size)),
    "random": (rng.normal(size=size), rng.normal(size=size)),
}
print(" " * 14 + "".join(f"{name:>10}" for name in points))
for name, claim in claims.items():
    gaps = [gap(forward, claim, *point) for point in points.values()]
    print(f"{name:14}" + "".join(f"{g:10.1e}" for g in gaps))
reveal("4.9")

# %% [markdown]
# A gap of $10^{-16}$ to $10^{-14}$ is rounding; the larger ones are mistakes. One mistake is not
# seen with ones, and all are seen with random numbers. A point for a test should have nothing
# special about it: remember that for notebook 5.
#
# ## 6 Channels, groups, and two dimensions
#
# A signal mostly has several **channels**: three colours, or what 64 filters have found. Then $x$
# has the shape (c, size) and $w$ the shape (o, c, kernel), one kernel for each pair of an output
# and an input channel, and the sum runs over the channels, too. For the matrix product that is
# nothing new: put the windows of all channels below one another, and write the weights of each
# output as one long row.
#
# With **groups** the channels are cut into equal parts that do not see each other. With 2 groups
# the first half of the outputs reads the first half of the channels, and the second the second. So
# $w$ has the shape (o, c / groups, kernel).
#
# **Implement** both. `windows` does one channel.


# %%
def conv_channels(x, w, stride, padding, dilation, groups):
    # 4.10: return y of shape (o, out), for x of shape (c, size), w of shape (o, c / groups, kernel)
    # BEGIN SOLUTION
    o, few, kernel = w.shape
    each = o // groups
    found = []
    for i in range(groups):
        own = x[i * few : (i + 1) * few]
        columns = np.concatenate([windows(c, kernel, stride, padding, dilation) for c in own])
        rows = w[i * each : (i + 1) * each].reshape(each, few * kernel)
        found.append(rows @ columns)  # (o, c k), (c k, out) -> (o, out), in each group
    return np.concatenate(found)
    # END SOLUTION


# %%
check("4.10", conv_channels)

# %% [markdown]
# The matrix of this: all entries of $x$ in one long column, and all of $y$ as well.


# %%
def matrix_of(f, shape):
    units = np.eye(np.prod(shape)).reshape(-1, *shape)
    return np.stack([f(unit).ravel() for unit in units], axis=1)


every = np.array([[[3.0, 2.0, 1.0]]])
full = np.tile(every, (4, 4, 1)) * np.array([1.0, -1.0, 1.0, -1.0])[:, None, None]
pictures = {}
for groups in (1, 2, 4):
    weights = full[:, : 4 // groups]
    a = matrix_of(lambda x, w=weights, n=groups: conv_channels(x, w, 1, 1, 1, n), (4, 6))
    pictures[f"groups = {groups}: {weights.size} weights"] = a
draw.matrices(pictures, x="entry of $x$, by channel", y="entry of $y$, by channel", every=6)

# %% [markdown]
# **Figure.** The matrix of a convolution of four channels into four: with one group it is a full
# square of banded blocks; with two groups two of the four quarters are empty; with four groups only
# the blocks on the diagonal are left.
#
# In two dimensions there are two places $q$, one for the rows and one for the columns, and a column
# of im2col is a small patch of the image. The rest stays word for word. minwn has it in any number
# of dimensions, in `minwn/byhand/conv.py`; let us compare, and then look at a digit.

# %%
x, w3 = rng.normal(size=(4, 13)), rng.normal(size=(6, 2, 3))
theirs = reference.forward(x[None], w3, stride=2, padding=1, dilation=2, groups=2)[0]
print("largest difference from minwn:", np.abs(conv_channels(x, w3, 2, 1, 2, 2) - theirs).max())

images, labels = digits()
digit = images[:1].astype("float64")
edge = np.array([[-1.0, 0.0, 1.0]] * 3)[None, None]
small = reference.forward(digit, edge, stride=2, padding=1)
pictures = {
    f"a digit {labels[0]}, 8 × 8": digit,
    "edges, padding 1: 8 × 8": reference.forward(digit, edge, padding=1),
    "stride 2, padding 1: 4 × 4": small,
    "back to 8 × 8": reference.vjp(small, digit, edge, stride=2, padding=1)[0],
}
pictures = {title: picture[0, 0] for title, picture in pictures.items()}
draw.matrices(pictures, x="column", y="row", height=2.6)

# %% [markdown]
# **Figure.** A handwritten digit, its upright edges as one kernel finds them, the same with
# stride 2, and that small image sent back through the transpose to the full size.
#
# **Modify.** Turn `edge` by 90 degrees: `edge.swapaxes(2, 3)`. Which strokes does it find?

# %% [markdown]
# ## Exit ticket
#
# The numbers of the first question are drawn from your name.

# %%
student("my name")
given("4.T1")

# %% [markdown]
# **T1.** How many outputs has a convolution with these numbers? Work it out on paper.

# %%
numbers = given("4.T1")
outputs = count(**numbers)  # SOLUTION
check("4.T1", outputs)

# %% [markdown]
# **T2.** A convolution takes 16 numbers and gives 8, with a kernel of 3. Which shape has the matrix
# of its input gradient: `"(8, 16)"`, `"(16, 8)"`, `"(3, 8)"` or `"(16, 16)"`?

# %%
shape = "(16, 8)"  # SOLUTION
check("4.T2", shape)

# %% [markdown]
# **T3.** `forward` computes $A x$ and `backward` $B\bar y$. At random arrays their adjoint gap is
# $10^{-15}$. What do you know: `"A is right"`, `"B is the transpose of A"`, `"A and B are right"`
# or `"nothing"`?

# %%
answer = "B is the transpose of A"  # SOLUTION
check("4.T3", answer)

# %% [markdown]
# ## Where this goes wrong in real libraries
#
# A convolution and its transpose have the *same* weights: $w$ of shape (o, c, kernel). But the
# convolution gives o channels, and the transpose takes them. So in a layer that is a transposed
# convolution, axis 0 of the weight is its **input**. PyTorch stores it so, and minwn as well. Yet
# `weight_norm` of PyTorch, which gives each output channel of a layer a length of its own, takes
# axis 0 for every layer, unless it is told otherwise. On a transposed convolution it makes one gain
# for each input channel. Nothing is raised; the network is another one. A similar assumption, in
# PyTorch's spectral norm and its initialisers, was reported in 2018 as issue
# [7865](https://github.com/pytorch/pytorch/issues/7865) of `pytorch/pytorch`; PyTorch 2.13 still
# has this default. The page *Who does what* of minwn (`tutorials/site/conventions.md`) lists the
# axis of each library; see its row *PyTorch hook*.

# %%
layer = nn.ConvTranspose1d(4, 6, 3, rng=0)  # 4 channels in, 6 out
print("weight", layer.weight.shape)
for dim in (0, "output"):
    normed = nn.WeightNorm(dim=dim).apply(nn.ConvTranspose1d(4, 6, 3, rng=0))
    print(f"dim={dim!r}: {normed.weight_g.size} gains, of shape {normed.weight_g.shape}")

# %% [markdown]
# The line with `dim=0` is what PyTorch does; six outputs should have six gains. Say `dim=1` there,
# and `dim="output"` in minwn.
#
# ## References
#
# - V. Dumoulin, F. Visin, *A guide to convolution arithmetic for deep learning*, 2016,
#   [arXiv:1603.07285](https://arxiv.org/abs/1603.07285): sizes, strides, transposes, with pictures
# - K. Chellapilla, S. Puri, P. Simard, *High Performance Convolutional Neural Networks for Document
#   Processing*, 2006, [inria-00112631](https://inria.hal.science/inria-00112631): convolution as
#   one product of matrices
# - A. Odena, V. Dumoulin, C. Olah, *Deconvolution and Checkerboard Artifacts*, Distill 2016,
#   [doi:10.23915/distill.00003](https://doi.org/10.23915/distill.00003): the pattern of section 4

# %%
progress()
