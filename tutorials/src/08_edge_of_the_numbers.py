# %% [markdown]
# # 8 Edge of the numbers
#
# **60 minutes** · **Before this:** notebook 5 (weight normalisation); what float32 and float64 are
#
# **You will be able to**
#
# - say at which sizes of $v$ the formula $g\,v/\lVert v\rVert$ breaks down, and mend it
# - compute in half precision without losing the answer
# - say what a row of zeros gives, and why no choice of it is right
# - tell three places for an $\varepsilon$ apart, and what each of them bends
#
# As before, $v$ has the shape (o, i): one row for each output. $n = \lVert v\rVert$ is the length
# of a row, $g$ of the shape (o, 1) holds a gain for each row, and $w = g\,v/n$.

# %%
import numpy as np

from minwn.byhand import weight_norm
from minwn.course import check, draw, finding, given, hint, predict, progress, reveal, student, todo

np.seterr(all="ignore")  # NumPy would warn below; most other libraries do not

# %% [markdown]
# ## 1 Numbers have an end
#
# A floating-point number has a size that it cannot exceed: what would be larger becomes infinity,
# `inf`. It has a smallest positive size as well: what would be smaller becomes 0. Here are both,
# for the three common formats. The last two columns are their roots: a number beyond them has a
# **square** that is infinite, or 0.

# %%
print(f"{'':10}{'largest':>10}{'smallest':>10}{'root of largest':>18}{'root of smallest':>18}")
for kind in ("float16", "float32", "float64"):
    largest, smallest = np.finfo(kind).max, np.finfo(kind).smallest_subnormal
    ends = [float(x) for x in (largest, smallest)]
    roots = [x**0.5 for x in ends]
    print(f"{kind:10}{ends[0]:10.1e}{ends[1]:10.1e}{roots[0]:18.1e}{roots[1]:18.1e}")

# %% [markdown]
# The length $n$ is the root of a sum of squares. Take the row $v = (3, 4)\cdot 10^{20}$ in float32,
# with $g = 5$. Its length is $5\cdot 10^{20}$, which float32 can hold, and $w$ is $(3, 4)$.
#
# **Predict.** What does the formula give, computed as it is written?

# %%
choice = "zeros"  # SOLUTION
predict("8.1", choice, of=("(3, 4)", "zeros", "infinity", "an error"))


# %%
def as_written(v, g):
    n = np.sqrt((v * v).sum(axis=1, keepdims=True))
    return g * v / n


print(as_written(np.array([[3e20, 4e20]], dtype="float32"), np.float32(5)))
reveal("8.1")

# %% [markdown]
# A layer of zeros, and nothing has complained. At the other end, with $10^{-25}$ in place of
# $10^{20}$, the squares are 0, so is the length, and $w$ is infinite.
#
# It need not be so. In notebook 5 you saw that $w$ stays when $v$ is multiplied by a positive
# number. So multiply each row by a handy one **first**.
#
# **Implement.** Compute $w$ for rows of any size. Rows may differ in size from each other.


# %%
def safe_weight(v, g):
    # 8.2: return g v / n for rows of any size; scale each row before you square it
    # BEGIN SOLUTION
    scaled = v / np.abs(v).max(axis=1, keepdims=True)  # the largest entry is now 1 or -1
    n = np.sqrt((scaled * scaled).sum(axis=1, keepdims=True))  # (o, i) -> (o, 1)
    return g * scaled / n
    # END SOLUTION


# %%
check("8.2", safe_weight)

# %% [markdown]
# Both, for rows from very small to very large. $w$ should have the length $|g|$ throughout.

# %%
rng = np.random.default_rng(8)
direction = rng.normal(size=(1, 6))
ways = {"as written": as_written, "scaled first": safe_weight}


def lengths_of_w(way, kind, sizes):
    v = (direction * sizes[:, None]).astype(kind)  # one row for each size
    w = way(v, np.ones((len(v), 1), dtype=kind)).astype("float64")
    return np.minimum(np.linalg.norm(w, axis=1), 2)  # infinity is drawn at 2


ranges = {"float32": np.arange(-36.0, 37.0, 3.0), "float64": np.arange(-300.0, 301.0, 25.0)}
axes = {"x": "size of v, as a power of ten", "y": "length of w / |g|"}
axes["ticks"] = {0: "0", 1: "1", 2: "infinite"}
panels = []
for kind, powers in ranges.items():
    lines = {name: (powers, lengths_of_w(way, kind, 10**powers)) for name, way in ways.items()}
    panels.append(draw.panel(lines=lines, title=kind, **axes))
draw.show(*panels)

# %% [markdown]
# **Figure.** As written, the formula gives the length 1 only in the middle half of what each format
# can hold: for smaller rows $w$ is infinite, and for larger ones it is 0. Scaled first, it gives 1
# everywhere.
#
# **Modify.** Give `direction` 600 entries in place of 6, and look whether the curves move. Why so
# little?

# %% [markdown]
# ## 2 Half precision
#
# float16 is short of room: its largest number is 65504. Half the memory, and on many machines twice
# the speed, are the reasons why networks use it all the same.
#
# **Predict.** A row of two equal entries gets larger and larger. From about which entry on does the
# formula as written lose $w$?

# %%
choice = "181"  # SOLUTION
predict("8.3", choice, of=("16", "181", "256", "65504"))

# %%
for entry in (10, 100, 180, 181, 256):
    v = np.full((1, 2), entry, dtype="float16")
    print(f"{entry:5}", as_written(v, np.float16(1)))
reveal("8.3")

# %% [markdown]
# The true $w$ is $(0.7071, 0.7071)$ in every line. And look at 181: its square is 32761, for which
# there is plenty of room, but $w$ is lost all the same. The **sum** of two such squares is too
# large. With more entries it happens earlier.
#
# You could scale again. But there is something simpler, which also costs fewer digits: leave
# float16 for the time of the computation.
#
# **Implement.** float16 comes in and goes out. What may be in between?


# %%
def half_weight(v, g):
    # 8.4: return w in float16 for v and g in float16, rounded to float16 only once
    # BEGIN SOLUTION
    wide_v, wide_g = v.astype("float32"), g.astype("float32")
    n = np.sqrt((wide_v * wide_v).sum(axis=1, keepdims=True))  # (o, i) -> (o, 1)
    return (wide_g * wide_v / n).astype("float16")
    # END SOLUTION


# %%
check("8.4", half_weight)

# %% [markdown]
# The largest float16 has a square of about $4\cdot 10^9$, and the smallest one of about
# $4\cdot 10^{-15}$. For float32, whose ends you saw above, both are far from any edge.

# %% [markdown]
# ## 3 Rows of zeros
#
# A row of zeros has no direction. Its length is 0, and $w$ is $0/0$. That happens: an embedding may
# have a row for padding, and some layers start at zero.
#
# **Predict.** Such a row has the gain $g = 0$ as well. After all, $w$ has the length $|g|$. What
# does the formula give?

# %%
choice = "NaN"  # SOLUTION
predict("8.5", choice, of=("zeros", "NaN", "infinity"))

# %%
print(as_written(np.array([[0.0, 0.0], [3.0, 4.0]]), np.array([[0.0], [5.0]])))
reveal("8.5")

# %% [markdown]
# NaN, *not a number*, spreads to all that is computed from it. The other row is not touched.
#
# Could one define what $w$ is at $v = 0$? Go towards 0 along any direction: $w$ is $g$ times
# that direction, all the way. Along another direction it is something else. So no choice makes $w$
# continuous there, and no gradient exists. All that a library can do is to change the function near
# 0, and to say so. The usual means is a small positive number $\varepsilon$, written `eps`.
#
# ## 4 Three places for eps
#
# Divide by a length $h$ that is never 0, in place of $n$. Three forms are in use:
#
# | place | length | at $n = 0$ |
# |---|---|---|
# | inside | $h = \sqrt{n^2 + \varepsilon}$ | $\sqrt{\varepsilon}$ |
# | outside | $h = n + \varepsilon$ | $\varepsilon$ |
# | max | $h = \max(n, \varepsilon)$ | $\varepsilon$ |
#
# **Implement** all three.


# %%
def length(v, eps, place):
    # 8.6: return h for each row of v; place is "inside", "outside" or "max"
    # BEGIN SOLUTION
    q = (v * v).sum(axis=1, keepdims=True)  # (o, i) -> (o, 1)
    if place == "inside":
        return np.sqrt(q + eps)
    if place == "outside":
        return np.sqrt(q) + eps
    return np.maximum(np.sqrt(q), eps)
    # END SOLUTION


# %%
check("8.6", length)

# %% [markdown]
# **Predict.** `eps = 1e-12` stands inside the root. For rows of about which length, or shorter, is
# $w$ visibly too short?

# %%
choice = "1e-6"  # SOLUTION
predict("8.7", choice, of=("1e-24", "1e-12", "1e-6"))

# %% [markdown]
# The gradient must follow the function. With $h = \sqrt{n^2 + \varepsilon}$ the function is
# $w = g\,v/h$, and $h$ moves with $v$. Let $\bar w$ be the cotangent of $w$, as in notebook 5, and
# $d = \langle \bar w, v\rangle$ for each row.
#
# **Implement** $\bar v$ for eps inside the root. Start from the closed form of notebook 5,
# $\bar v = \frac{g}{n}\,(\bar w - \frac{d}{n^2}\,v)$, and find out which of its $n$ become $h$.


# %%
def inside_v_bar(w_bar, v, g, eps):
    # 8.8: return v_bar for w = g v / h with h = sqrt(n^2 + eps)
    # BEGIN SOLUTION
    h = np.sqrt((v * v).sum(axis=1, keepdims=True) + eps)
    d = (w_bar * v).sum(axis=1, keepdims=True)
    return g / h * (w_bar - d / h**2 * v)
    # END SOLUTION


# %%
check("8.8", inside_v_bar)

# %% [markdown]
# The right angle of notebook 5 is gone: $\langle \bar v, v\rangle = \frac{g d}{h}\,(1 - n^2/h^2)$,
# and that is 0 only where $\varepsilon$ is. How much is bent, and how far from 0? Below, each eps
# is chosen to take effect at the same length, $\delta = 10^{-6}$.

# %%
delta = 1e-6
places = {"inside": delta**2, "outside": delta, "max": delta}
forms = {"inside": "inside", "outside": "outside", "max": "max_n"}  # what minwn calls them


def bent(places):
    n = delta * 10.0 ** np.arange(-3.1, 7, 0.4)
    v = n[:, None] * direction / np.linalg.norm(direction)
    w_bar, g = np.ones_like(v), np.ones((len(v), 1))
    d = np.abs((w_bar * v).sum(axis=1))
    short, along = {}, {}
    for name, eps in places.items():
        h = length(v, eps, name)[:, 0]
        v_bar, _ = weight_norm.vjp(w_bar, v, g, eps=eps, form=forms[name])
        short[name] = n, np.maximum((h - n) / h, 1e-17)
        along[name] = n, np.maximum(np.abs((v_bar * v).sum(axis=1)) / (d / n), 1e-17)
    axes = {"x": "$n$, the length of the row", "log": "xy", "at": [delta]}
    draw.show(
        draw.panel(y="part by which $w$ is too short", lines=short, **axes),
        draw.panel(y=r"part of $\bar v$ along $v$", lines=along, **axes),
    )


bent(places)

# %% [markdown]
# **Figure.** To the right of the dotted line, where rows are longer than $\delta$, *outside*
# shortens $w$ the most, by $\delta/n$; *inside* by half the square of that; *max* leaves $w$ and
# the right angle exactly alone. Points at the bottom are 0 but for rounding.
#
# **Modify.** Run `bent({"inside": 1e-6, "outside": 1e-6, "max": 1e-6})`: the same eps in each
# place, which is how settings are copied from one library to another. Which curve moves, and how
# far?

# %% [markdown]
# ## Exit ticket
#
# The numbers of the first question come from your name.

# %%
student("my name")
given("8.T1")

# %% [markdown]
# **T1.** A row has these `v` and `g`. What is the first entry of the true `w`, to three digits?

# %%
numbers = given("8.T1")
first = safe_weight(np.array([numbers["v"]]), numbers["g"])[0, 0]  # SOLUTION
check("8.T1", first)

# %% [markdown]
# **T2.** One row of $v$ is zero, and there is no eps. What in $w$ is NaN: `"nothing"`, `"one row"`,
# `"one column"` or `"everything"`?

# %%
answer = "one row"  # SOLUTION
check("8.T2", answer)

# %% [markdown]
# **T3.** In your network no row should feel eps unless it is shorter than about $10^{-4}$. The eps
# stands inside the root. Which eps makes $n^2$ and eps equal at that length?

# %%
eps = 1e-8  # SOLUTION
check("8.T3", eps)

# %% [markdown]
# ## Where this goes wrong in real libraries
#
# Flax 0.12.8 puts its `epsilon=1e-12` inside the root. That looks like nothing, but it is a length
# of $10^{-6}$: a column with two entries of $10^{-6}$ comes out as 0.5774 in place of 0.7071. In
# float16, which ends before $10^{-12}$, the eps is 0, and a column of zeros is NaN after all. Your
# own `length` does the same.

# %%
tiny = np.full((1, 2), 1e-6)
print("two entries of 1e-6: ", (tiny / length(tiny, 1e-12, "inside"))[0, 0].round(4))
zeros = np.zeros((1, 2), dtype="float16")
print("zeros in float16:    ", (zeros / length(zeros, np.float16(1e-12), "inside"))[0, 0])

# %% [markdown]
# `finding("eps is added to the square of the norm")` prints the program with Flax itself. PyTorch
# 2.13 has no eps, and answers exercise 8.1 with zeros: `finding("Large norms give 0, small ones
# infinity")`.
#
# ## References
#
# - J. L. Blue, *A Portable Fortran Program to Find the Euclidean Norm of a Vector*, ACM
#   Transactions on Mathematical Software 4(1), 1978,
#   [doi:10.1145/355769.355771](https://doi.org/10.1145/355769.355771): norms that neither overflow
#   nor vanish
# - N. J. Higham, *Accuracy and Stability of Numerical Algorithms*, second edition, SIAM 2002,
#   [doi:10.1137/1.9780898718027](https://doi.org/10.1137/1.9780898718027)
# - P. Micikevicius and others, *Mixed Precision Training*, ICLR 2018,
#   [arXiv:1710.03740](https://arxiv.org/abs/1710.03740): why and how networks use float16

# %%
progress()
