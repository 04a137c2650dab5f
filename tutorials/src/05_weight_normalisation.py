# %% [markdown]
# # 5 Weight normalisation by three derivations
#
# **60 minutes** · **Before this:** notebook 1 (gradients you can trust) and notebook 3 (a linear
# layer by hand); the chain rule and dot products
#
# **You will be able to**
#
# - compute $w = g\,v/\lVert v\rVert$, and say what each of the two parameters does
# - derive its gradients in three ways that share no step, and compare them line by line
# - explain with a drawing why the gradient of $v$ has no part along $v$
# - choose a point at which a wrong gradient cannot hide
#
# You fill in the places that say `todo`. `check` judges what you wrote and says what it is if it is
# not right yet; `hint("5.2")` helps three times. Wrong answers cost nothing.

# %%
import numpy as np

from minwn import vjp
from minwn.course import check, draw, finding, given, hint, predict, progress, reveal, student, todo
from minwn.course.exercises.n05 import BLIND
from minwn.oracle.mistakes import by_id

np.set_printoptions(precision=4, suppress=True)

# %% [markdown]
# ## 1 Length and direction, apart
#
# One neuron of a layer has a vector of weights $w$. Training changes its direction, which says what
# the neuron responds to, and its length, which says how strongly, both at once. Weight
# normalisation (T. Salimans and D. P. Kingma, 2016) takes them apart. It does not train $w$. It
# trains a vector $v$ and a number $g$, and computes
#
# $$w = g\,\frac{v}{n}, \qquad n = \lVert v\rVert = \sqrt{\textstyle\sum_i v_i^2}.$$
#
# $v/n$ has length 1 and gives the direction. $g$ is the **gain**: $w$ has length $|g|$. The length
# of $v$ itself may be anything but 0. Networks that synthesise speech, such as HiFi-GAN, are
# trained in this form, and their files hold $g$ and $v$.
#
# **Predict.** Every entry of $v$ is doubled, and $g$ is left alone. What happens to $w$? Put your
# choice in place of the three dots. A prediction is never wrong: it is there to be compared.

# %%
choice = "stays"  # SOLUTION
predict("5.1", choice, of=("doubles", "halves", "stays"))

# %% [markdown]
# **Implement.** A layer has several neurons. Here `v` has the shape (o, i), one row of `i` numbers
# for each of `o` outputs, and `g` has the shape (o, 1), one gain for each row. Each row has a
# length of its own.


# %%
def weight(v, g):
    # 5.2: return g v / n, with one length n for each row of v
    # BEGIN SOLUTION
    n = np.sqrt((v * v).sum(axis=1, keepdims=True))  # (o, i) -> (o, 1)
    return g * v / n
    # END SOLUTION


# %%
check("5.2", weight)

# %% [markdown]
# From here on, these are our numbers. They are drawn at random, the gains have both signs, and no
# length is 1. Section 6 shows why we insist on that.

# %%
rng = np.random.default_rng(5)
v = rng.normal(size=(3, 4))
g = np.array([[1.7], [-0.6], [2.9]])
w_bar = rng.normal(size=(3, 4))

print("lengths of v", np.linalg.norm(v, axis=1))
print("gains       ", g[:, 0])
print("lengths of w", np.linalg.norm(weight(v, g), axis=1))

# %% [markdown]
# **Modify.** Put `weight(-2 * v, g)` into the last line, and print its difference from
# `weight(v, g)` as well. What does doubling do, and what does the sign do?

# %% [markdown]
# ## 2 First derivation: the chain rule, node by node
#
# Let $L$ be a loss that depends on $w$. A bar marks the derivative of $L$ by something, its
# **cotangent**: $\bar w = \partial L/\partial w$ has the shape of $w$, and $\bar v$ the shape of
# $v$. The layer above hands us $\bar w$. We want $\bar v$ and $\bar g$.
#
# A computer would split the formula into small steps, one row at a time:
#
# | node | formula | what it sends back |
# |---|---|---|
# | $s$ | $\sum_i v_i^2$ | to each $v_i$: $\bar s$ times $\partial s/\partial v_i$ |
# | $n$ | $\sqrt{s}$ | to $s$: $\bar n$ times $\partial n/\partial s$ |
# | $r$ | $g/n$ | to $g$ and to $n$: $\bar r$ times each derivative |
# | $w_i$ | $r\,v_i$ | to $r$, from all $i$; to each $v_i$: $\bar w_i$ times each derivative |
#
# Walk the table from the bottom to the top. Two things to watch: $r$ reaches every entry of the
# row, so what comes back to it is a **sum**; and $v$ is used twice, so what comes back to it is
# **added**.
#
# **Implement.** Work out the four derivatives on paper first.


# %%
def by_nodes(w_bar, v, g):
    s = (v * v).sum(axis=1, keepdims=True)
    n = np.sqrt(s)
    r = g / n
    # 5.3: set r_bar, then g_bar and n_bar, then s_bar, then v_bar, which has two parts
    # BEGIN SOLUTION
    r_bar = (w_bar * v).sum(axis=1, keepdims=True)  # (o, i) -> (o, 1)
    g_bar = r_bar / n
    n_bar = -r_bar * g / n**2
    s_bar = n_bar / (2 * n)
    v_bar = w_bar * r + s_bar * 2 * v
    # END SOLUTION
    return {"r_bar": r_bar, "g_bar": g_bar, "n_bar": n_bar, "s_bar": s_bar, "v_bar": v_bar}


# %%
check("5.3", by_nodes)

# %% [markdown]
# ## 3 Second derivation: the closed form
#
# Substitute the nodes into one another until only $\bar w$, $v$, $g$ and $n$ are left. It is worth
# a letter that one sum occurs again and again:
#
# $$d = \langle \bar w, v\rangle = \textstyle\sum_i \bar w_i v_i, \qquad
# \text{one number for each row.}$$
#
# **Predict.** Before you do: what will $\langle \bar v, v\rangle$ be, the dot product of a row of
# $\bar v$ with the same row of $v$? Think of exercise 5.1, and of what a gradient says.

# %%
choice = "zero"  # SOLUTION
predict("5.4", choice, of=("zero", "g_bar", "depends on w_bar"))


# %% [markdown]
# **Implement.** Two lines of NumPy are enough, but take as many as you like.


# %%
def closed_form(w_bar, v, g):
    n = np.sqrt((v * v).sum(axis=1, keepdims=True))
    d = (w_bar * v).sum(axis=1, keepdims=True)
    # 5.5: return v_bar and g_bar, written with w_bar, v, g, n and d alone
    # BEGIN SOLUTION
    v_bar = g / n * (w_bar - d / n**2 * v)
    g_bar = d / n
    return v_bar, g_bar
    # END SOLUTION


# %%
check("5.5", closed_form)

# %% [markdown]
# ## 4 Third derivation: a drawing
#
# This one needs no chain rule. Let $u = v/n$ be the unit vector along $v$, so that $w = g\,u$. Move
# $v$ by a small step and ask how $w$ moves.
#
# - A step **along** $v$ makes it longer or shorter. $u$ does not move, and neither does $w$.
# - A step **across** $v$ turns it. A step of length $\varepsilon$ turns a vector of length $n$ by
#   the angle $\varepsilon/n$, and $w$, which has length $|g|$, moves by $g\,\varepsilon/n$ the same
#   way.
#
# So $w$ moves by $(g/n)$ times the part of the step that is across $v$. Taking that part is a
# **projection**, written $P$. A step $\dot v$ of $v$ changes the loss by
# $\langle \bar w, \tfrac{g}{n} P \dot v\rangle$.
#
# $P$ may move to the other side of a dot product. To see why, write $P a = a - \langle a, u\rangle
# u$. Then $\langle a, P b\rangle = \langle a, b\rangle - \langle a, u\rangle\langle b, u\rangle$,
# and so is $\langle P a, b\rangle$: the right side stays the same when $a$ and $b$ change places.
# So the loss changes by $\langle \tfrac{g}{n} P \bar w, \dot v\rangle$, and the factor of the step
# is the gradient:
#
# $$\bar v = \frac{g}{n}\,P\,\bar w, \qquad \bar g = \langle \bar w, u\rangle.$$
#
# The second equation is for a step of $g$, which moves $w$ along $u$. The two gradients divide
# $\bar w$ between them: $\bar v$ takes the part across $v$, and $\bar g$ the part along it.
#
# **Implement** $P$: the part of each row of `x` that is across the same row of `v`.


# %%
def across(x, v):
    # 5.6: return each row of x without its part along the same row of v
    # BEGIN SOLUTION
    u = v / np.sqrt((v * v).sum(axis=1, keepdims=True))
    return x - (x * u).sum(axis=1, keepdims=True) * u
    # END SOLUTION


def by_projection(w_bar, v, g):
    n = np.sqrt((v * v).sum(axis=1, keepdims=True))
    return g / n * across(w_bar, v), (w_bar * v / n).sum(axis=1, keepdims=True)


# %%
check("5.6", across)

# %% [markdown]
# Here is the drawing, for one row of two numbers.

# %%
row, gain, cotangent = np.array([[2.0, 1.0]]), np.array([[1.5]]), np.array([[0.3, 1.3]])


def picture(row, gain, cotangent, step=1.0):
    w, part = weight(row, gain)[0], across(cotangent, row)[0]
    v, v_bar = row[0], by_projection(cotangent, row, gain)[0][0]
    new = v - step * v_bar
    draw.arrows(
        w=(w, {r"$P\bar w$": part, r"$\bar w$": cotangent[0], "along $w$": cotangent[0] - part}),
        v=(v, {r"$\bar v$": v_bar, "step": new - v}),
    )
    print(f"length of v: {np.linalg.norm(v):.4f} before the step, {np.linalg.norm(new):.4f} after")


picture(row, gain, cotangent)

# %% [markdown]
# **Figure.** On the left, the cotangent of $w$ is split at the tip of $w$ into a part along $w$ and
# a part across it, $P\bar w$, which touches the circle of all vectors as long as $w$. On the right,
# $\bar v$ touches the circle through $v$ in the same way, so that a step against it ends outside
# the circle.
#
# **Modify.** Run `picture(row / 2, gain, cotangent)`. Which arrows change, and which do not? Then
# try a `cotangent` along `row`.

# %% [markdown]
# ## 5 Line by line
#
# Three derivations, and nothing in common between them but the question. Now the computer gives a
# fourth answer: `vjp` takes the definition, records what is computed, and walks back by itself.


# %%
def definition(v, g):
    return g * v / (v * v).sum(axis=1, keepdims=True) ** 0.5


nodes = by_nodes(w_bar, v, g)
answers = {
    "by nodes": (nodes["v_bar"], nodes["g_bar"]),
    "closed form": closed_form(w_bar, v, g),
    "projection": by_projection(w_bar, v, g),
    "minwn.vjp": vjp(definition, v, g)[1](w_bar),
}
first_v_bar, first_g_bar = answers["by nodes"]

print("largest difference from the first line, and largest |<v_bar, v>|")
print(f"{'':12}{'v_bar':>10}{'g_bar':>10}{'<v_bar, v>':>12}")
for name, (v_bar, g_bar) in answers.items():
    v_bar, g_bar = np.asarray(v_bar), np.asarray(g_bar)
    apart = [np.abs(v_bar - first_v_bar).max(), np.abs(g_bar - first_g_bar).max()]
    along = np.abs((v_bar * v).sum(axis=1)).max()
    print(f"{name:12}{apart[0]:10.1e}{apart[1]:10.1e}{along:12.1e}")

# %% [markdown]
# The differences are of the size of one rounding in float64, about $10^{-16}$, and some are exactly
# zero. If a line stood out, you would know which derivation to look at. That is the use of deriving
# a thing twice.

# %% [markdown]
# ## 6 A point at which nothing can hide
#
# Most people try out a gradient at a handy point: $v$ of length 1, a $\bar w$ of ones, or $g = n$,
# which is where PyTorch starts. Here are six wrong gradients, each with one slip. Each
# is tried at a handy point and compared with the truth.
#
# **Predict.** One of them, `missing_g_over_n`, leaves out the factor $g/n$. It is tried at a point
# where $g = n$ in every row. Does it pass?

# %%
choice = "passes"  # SOLUTION
predict("5.7", choice, of=("passes", "fails"))

# %%
unit = v / np.linalg.norm(v, axis=1, keepdims=True)
points = {
    "unit v, ones": (unit, np.ones((3, 1)), np.ones((3, 4))),
    "g = n": (v, np.linalg.norm(v, axis=1, keepdims=True), w_bar),
    "g > 0": (v, abs(g), w_bar),
}


def table(points):
    print("largest error of v_bar; 0 means that it would pass")
    print(" " * 23 + "".join(f"{name:>14}" for name in points))
    for name in BLIND:
        wrong = [by_id(name).compute(*point)[0] for point in points.values()]
        right = [by_projection(point[2], *point[:2])[0] for point in points.values()]
        errors = [np.abs(x - y).max() for x, y in zip(wrong, right, strict=True)]
        print(f"{name:23}" + "".join(f"{0 if e < 1e-12 else e:14.2g}" for e in errors))


table(points)
for name in BLIND:
    print(f"{name:23} {by_id(name).formula}")

# %% [markdown]
# **Modify.** No column of the table catches all six. Make a point that does: three arrays
# `(v, g, w_bar)` of the shapes (o, i), (o, 1) and (o, i).

# %%
my_point = (v, g, w_bar)  # SOLUTION

# %%
check("5.8", my_point)
table({"my point": my_point})

# %% [markdown]
# ## Exit ticket
#
# Three questions, for paper or for your head. The numbers of the first are drawn from your name, so
# that your neighbour has others.

# %%
student("my name")
given("5.T1")

# %% [markdown]
# **T1.** A row has these `v`, `g` and `w_bar`. What is `g_bar`, to three digits?

# %%
numbers = given("5.T1")
g_bar = np.dot(numbers["w_bar"], numbers["v"]) / np.linalg.norm(numbers["v"])  # SOLUTION
check("5.T1", g_bar)

# %% [markdown]
# **T2.** In another row $\bar w$ lies exactly along $v$. What is $\bar v$: `"zero"`, `"w_bar"`,
# `"(g/n) w_bar"` or `"infinite"`?

# %%
answer = "zero"  # SOLUTION
check("5.T2", answer)

# %% [markdown]
# **T3.** $v$ is made ten times as long; $g$ and $\bar w$ stay. By what factor does $\bar v$ change?

# %%
factor = 0.1  # SOLUTION
check("5.T3", factor)

# %% [markdown]
# **One to write.** A length of your own, with a power and a number that are drawn from your name:
# $n = (k + \sum_i v_i^p)^{1/p}$. As before, $w = g\,v/n$. Which of the three derivations still
# works?

# %%
given("5.9")


# %%
def own_length_bar(w_bar, v, g):
    p, k = given("5.9").values()
    # 5.9: return v_bar and g_bar, for w_bar and v (o, i) and g (o, 1), with this n for each row
    # BEGIN SOLUTION
    n = (k + (v**p).sum(axis=1, keepdims=True)) ** (1 / p)
    d = (w_bar * v).sum(axis=1, keepdims=True)
    return g / n * (w_bar - d * v ** (p - 1) / n**p), d / n
    # END SOLUTION


# %%
check("5.9", own_length_bar)

# %% [markdown]
# ## Where this goes wrong in real libraries
#
# PyTorch has its weight norm and the gradient of it as hand-written kernels, and the gradient is
# right. Some methods differentiate once more: they ask how $\bar v$ changes when $v$ does. In
# PyTorch 2.13 that second derivative is taken with the norm $n$ **held constant**: a node of your
# table, left out. You can do what it does with your own closed form, at $v = (3, 4)$, $g = 10$,
# $\bar w = (5, 10)$.


# %%
def first_entry(v, n):
    w_bar, g = np.array([5.0, 10.0]), 10.0
    return (g / n * (w_bar - w_bar @ v / n**2 * v))[0]


def differences(f, v, step=1e-5):
    return np.array([(f(v + e) - f(v - e)) / (2 * step) for e in step * np.eye(2)])


at = np.array([3.0, 4.0])
print("n held constant", differences(lambda v: first_entry(v, 5.0), at))
print("n moves with v ", differences(lambda v: first_entry(v, np.linalg.norm(v)), at))

# %% [markdown]
# The first line, $(-5.6, -2.4)$, is what `torch.autograd` answers to the last digit; the second is
# the truth. `finding("The second derivative holds the norm constant")` prints the program and its
# output; the tests of minwn run it again. The lesson is that of exercise 5.3: with a constant $n$
# the projection is lost.
#
# ## References
#
# - T. Salimans, D. P. Kingma, *Weight Normalization: A Simple Reparameterization to Accelerate
#   Training of Deep Neural Networks*, NIPS 2016,
#   [arXiv:1602.07868](https://arxiv.org/abs/1602.07868): equation 2 is the definition, 3 the closed
#   form of section 3, 4 the projection of section 4
# - J. Kong, J. Kim, J. Bae, *HiFi-GAN*, NeurIPS 2020,
#   [arXiv:2010.05646](https://arxiv.org/abs/2010.05646): a network whose weights are stored so

# %%
progress()
