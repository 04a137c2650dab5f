# %% [markdown]
# # 6 Why the length of v only grows
#
# **60 minutes** · **Before this:** notebook 5 (weight normalisation by three derivations), of which
# you need the drawing: $\bar v = \tfrac{g}{n} P\,\bar w$ is across $v$
#
# **You will be able to**
#
# - say how long $v$ is after a step, and after a thousand
# - explain why the learning rate that counts is $\text{lr}/n^2$, and why it falls by itself
# - predict what decay of $v$ does, and check it
# - say which of this holds with momentum and with Adam, and which does not
#
# You fill in the places that say `todo`. `check` judges what you wrote and says what it is if it is
# not right yet; `hint("6.2")` helps three times. Wrong answers cost nothing.

# %%
from itertools import pairwise

import numpy as np

from minwn import nn, optim, tensor
from minwn.course import check, draw, finding, given, hint, predict, progress, reveal, student, todo
from minwn.data import digits

np.set_printoptions(precision=4, suppress=True)

# %% [markdown]
# ## 1 A step across
#
# The letters of notebook 5: one neuron has the weights $w = g\,v/n$, where $n = \lVert v\rVert$ is
# the length of $v$. A bar marks the derivative of the loss by what is below the bar. $P$ takes the
# part of a vector across $v$, and $\bar v = \tfrac{g}{n} P \bar w$. A step of **plain SGD** is
#
# $$v' = v - \text{lr}\;\bar v ,$$
#
# with the learning rate $\text{lr}$; there is no momentum, and nothing else is done to $v$.
#
# **Predict.** What does such a step do to the length of $v$: it `"grows"`, `"shrinks"`, `"stays"`
# as it is, or it `"depends"` on the loss?

# %%
choice = "grows"  # SOLUTION
predict("6.1", choice, of=("grows", "shrinks", "stays", "depends"))

# %% [markdown]
# **Implement** the new length. You do not need the vectors for it: three numbers are enough.


# %%
def grown(n, size, lr):
    # 6.2: return the length of v after a step; n is that of v before, size that of v_bar
    # BEGIN SOLUTION
    return np.sqrt(n**2 + (lr * size) ** 2)
    # END SOLUTION


# %%
check("6.2", grown)

# %% [markdown]
# Now a real network. It learns to tell handwritten digits apart: 64 pixels, 16 neurons with weight
# normalisation, 10 outputs. At each step we note $v$ and $\bar v$ of the 16 neurons.

# %%
images, labels = digits()
pixels = images.reshape(len(images), 64).astype("float64")


def train(make_optimiser, steps=200, seed=6):
    """v after each step, (steps + 1, 16, 64), and v_bar before each, (steps, 16, 64)."""
    rng = np.random.default_rng(seed)
    hidden, out = nn.Linear(64, 16, rng=rng), nn.Linear(16, 10, rng=rng)
    net = nn.Sequential(hidden, nn.ReLU(), out).to("float64")
    norm = nn.WeightNorm("weight", dim=0)
    norm.apply(hidden)
    optimiser = make_optimiser(list(net.parameters()))
    vs, v_bars = [hidden.weight_v.data], []
    for _ in range(steps):
        some = rng.choice(len(pixels), 32, replace=False)
        norm.recompute(hidden)
        loss = nn.cross_entropy(net(tensor(pixels[some])), labels[some])
        optimiser.zero_grad()
        loss.backward()
        v_bars.append(np.array(hidden.weight_v.grad.data))
        optimiser.step()
        vs.append(hidden.weight_v.data)
    return np.array(vs), np.array(v_bars)


lr = 1.0
vs, v_bars = train(lambda parameters: optim.SGD(parameters, lr=lr))
lengths = np.linalg.norm(vs, axis=2)  # (steps + 1, 16)
sizes = np.linalg.norm(v_bars, axis=2)  # (steps, 16)
print("steps after which a length was smaller:", (np.diff(lengths, axis=0) < 0).sum())

# %% [markdown]
# Your function knows nothing of digits. Start it at the first length, hand it the sizes of the
# gradients, and see whether it finds its way.


# %%
def path(n, sizes):
    """The lengths by your function: the first, and that after each step."""
    found = [n]
    for size in sizes:
        found.append(grown(found[-1], size, lr))
    return np.array(found)


steps, some = np.arange(len(lengths)), (0, 5, 9)
measured = {f"neuron {k}, measured": (steps, lengths[:, k]) for k in some}
theory = {"by Pythagoras": [(steps, path(lengths[0, k], sizes[:, k])) for k in some]}
draw.show(draw.panel(x="step", y="length $n$ of $v$", lines=measured, theory=theory))

# %% [markdown]
# **Figure.** The lengths of three neurons only grow, now by a leap and now by very little; the
# dotted lines, which were computed with Pythagoras alone, lie on the measured ones.
#
# **Modify.** Train with `lr = 0.1`. How much do the lengths grow now? Set it back to 1 afterwards.
#
# ## 2 The learning rate that counts
#
# The length of $v$ has no part in $w$. So why should you care that it grows? Because it sets how
# far the next step turns $v$, and turning is all that matters.
#
# **Predict.** Every entry of $v$ is doubled; $g$, $\bar w$ and the learning rate stay. By what
# angle does the next small step turn $v$, compared with before: `"the same"`, `"half"`,
# `"a quarter"` or `"twice"`?

# %%
choice = "a quarter"  # SOLUTION
predict("6.3", choice, of=("the same", "half", "a quarter", "twice"))

# %% [markdown]
# **Implement** the cure: $v$ was multiplied by $c$. With which learning rate does training take the
# same turns as before?


# %%
def same_turns(lr, c):
    # 6.4: return the learning rate for c v that turns as lr does for v
    # BEGIN SOLUTION
    return lr * c**2
    # END SOLUTION


# %%
check("6.4", same_turns)

# %% [markdown]
# Try it on 100 steps of a small problem. Here $g$ is kept at 1, so that only the direction learns.

# %%
rng = np.random.default_rng(6)
inputs, targets = rng.normal(size=(30, 5)), rng.normal(size=30)


def descend(v, rates, decay=0.0):
    """The direction of v after a step of plain SGD at each rate, with a loss of squares."""
    for lr in rates:
        n = np.linalg.norm(v)
        w_bar = inputs.T @ (inputs @ (v / n) - targets) / len(targets)
        v_bar = (w_bar - (w_bar @ v) / n**2 * v) / n
        v = v - lr * (v_bar + decay * v)
    return v / np.linalg.norm(v)


start, c = rng.normal(size=5), 8.0
print("direction of v          ", descend(start, [0.1] * 100))
print("of c v, with the same lr", descend(c * start, [0.1] * 100))
print("of c v, with your lr    ", descend(c * start, [same_turns(0.1, c)] * 100))

# %% [markdown]
# The last line is the first, digit by digit, after 100 steps. So $\text{lr}/n^2$ is the **effective
# learning rate** (T. van Laarhoven, 2017): a learning rate of 0.1 says nothing without the length
# of $v$.
#
# **Modify.** Set `c = 1000.0`. And `c = 0.1`?
#
# ## 3 The law of the fourth power
#
# Put the two together: steps make $v$ longer, and a longer $v$ makes shorter steps. Let $G$ be the
# length of $g P \bar w$, so that $\bar v$ has the length $G/n$. Assume that $G$ stays about the
# same, as it does when the gradient is mostly noise. Then Pythagoras says
#
# $$n'^2 = n^2 + \text{lr}^2\,\frac{G^2}{n^2}.$$
#
# **Predict.** Two runs differ in nothing but the learning rate: one has ten times that of the
# other. After very many steps, how does its *effective* learning rate compare: is it `"ten times as
# large"`, `"about the same"` or `"a tenth"`?

# %%
choice = "about the same"  # SOLUTION
predict("6.5", choice, of=("ten times as large", "about the same", "a tenth"))

# %% [markdown]
# **Implement** the length after $t$ steps. Square both sides of the equation above: what does $n^4$
# gain in a step? Leave out the term in which $\text{lr}$ has the power 4; it is small.


# %%
def law(n_0, lr, G, t):
    # 6.6: return the length of v after t steps, when it was n_0 before the first
    # BEGIN SOLUTION
    return (n_0**4 + 2 * lr**2 * G**2 * t) ** 0.25
    # END SOLUTION


# %%
check("6.6", law)


# %%
def wander(n_0, lr, decay=0.0, G=1.0, steps=4000, entries=64, seed=0):
    """n before each step, and the angle of each, where w_bar is noise and G its part across v."""
    rng = np.random.default_rng(seed)
    v = rng.normal(size=entries)
    v *= n_0 / np.linalg.norm(v)
    lengths, angles = [], []
    for _ in range(steps):
        n = np.linalg.norm(v)
        noise = rng.normal(size=entries)
        noise -= (noise @ v) / n**2 * v
        v_bar = G / n * noise / np.linalg.norm(noise)
        lengths.append(n)
        angles.append(np.arctan2(lr * G / n, (1 - lr * decay) * n))
        v = v - lr * (v_bar + decay * v)
    return np.array(lengths), np.array(angles)


n_0, rates = 1.0, (0.1, 0.3, 1.0)

t = np.unique(np.geomspace(1, 3999, 12).astype(int))
measured, effective = {}, {}
for rate in rates:
    n = wander(n_0, rate)[0][t]
    measured[f"lr = {rate:g}"] = t + 1, n
    effective[f"lr = {rate:g}"] = t + 1, rate / n**2
by_law = {"your law": [(t + 1, law(n_0, rate, 1.0, t)) for rate in rates]}
draw.show(
    draw.panel(x="step + 1", y="length $n$ of $v$", log="xy", points=measured, theory=by_law),
    draw.panel(x="step + 1", y="lr / $n^2$, the rate that counts", log="xy", lines=effective),
)
reveal("6.5")

# %% [markdown]
# **Figure.** On the left, lengths from three learning rates grow in the end along parallel lines of
# slope one quarter, as the law says. On the right, the effective learning rates, which began a
# factor of ten apart, have become one.
#
# For large $t$ your law gives $\text{lr}/n^2 \approx 1/(G\sqrt{2t})$, without any lr. Weight
# normalisation lowers its own learning rate, as $1/\sqrt t$, whether you want it or not. That is
# why it forgives a learning rate that is too large; and why a rate that seemed right in the first
# minute may be much too small in the second hour.
#
# **Modify.** Set `n_0 = 3.0`. Which curves does it change, and for how long? Then go back to 1 and
# set `rates = (0.1, 1.0, 10.0)`. At a rate of 10 the points leave your law in the first steps:
# which term did you leave out?
#
# ## 4 Decay of v
#
# **Weight decay** takes a small part off each parameter at every step, so that weights stay small:
# $v' = (1 - \text{lr}\,\lambda)\,v - \text{lr}\;\bar v$ with a small number $\lambda$, in the code
# `decay`. Often it is applied to all parameters, and so to $v$.
#
# **Predict.** What does decay of $v$ (not of $g$) do to the neuron: `"smaller weights"`, `"larger
# steps"` or `"nothing"`?

# %%
choice = "larger steps"  # SOLUTION
predict("6.7", choice, of=("smaller weights", "larger steps", "nothing"))

# %% [markdown]
# Decay makes $v$ shorter, steps make it longer. At one length the two are equal, and it rests
# there.
#
# **Implement** that length. The triangle has the sides $(1 - \text{lr}\,\lambda)\,n$ and
# $\text{lr}\,G/n$; say that its long side is $n$ again, and solve for $n$.


# %%
def at_rest(lr, decay, G):
    # 6.8: return the length n that a step with decay leaves as it is
    # BEGIN SOLUTION
    return (lr**2 * G**2 / (1 - (1 - lr * decay) ** 2)) ** 0.25
    # END SOLUTION


# %%
check("6.8", at_rest)

# %%
rate, decay = 0.1, 0.1
steps, paths, turns = np.arange(400), {}, {}
for first in (0.2, 1.0, 3.0):
    n, angles = wander(first, rate, decay, steps=400)
    paths[f"from {first:g}"] = steps, n
    turns[f"from {first:g}"] = steps, np.degrees(angles)
angle = np.degrees(np.sqrt(2 * rate * decay))
rest_at = {"your answer": (steps, np.full(400, at_rest(rate, decay, 1.0)))}
turn_at = {r"$\sqrt{2\,\mathrm{lr}\,\lambda}$": (steps, np.full(400, angle))}
draw.show(
    draw.panel(x="step", y="length $n$ of $v$", lines=paths, theory=rest_at),
    draw.panel(x="step", y="turn of $v$ in a step, degrees", log="y", lines=turns, theory=turn_at),
)

# %% [markdown]
# **Figure.** From three lengths, short and long, $v$ comes to the same length at rest, and the
# angle by which a step turns it to the same eight degrees.
#
# That angle is nearly $\sqrt{2\,\text{lr}\,\lambda}$ in radians, the dotted line on the right: it
# knows neither the loss nor the size of the gradients. So decay of $v$ does not make weights small.
# It fixes how far each step turns them. To get small weights, decay $g$.
#
# Decay can even be written as a learning rate. Let $a = 1 - \text{lr}\,\lambda$, and look at $u_t =
# v_t/a^t$, which has the direction of $v_t$. As $\bar v$ at $v_t$ is that at $u_t$, divided by
# $a^t$, a step of $u$ is
#
# $$u_{t+1} = u_t - \frac{\text{lr}}{a^{2t+1}}\,\bar v(u_t):$$
#
# no decay, and a learning rate that **rises** exponentially (Z. Li and S. Arora, 2020). Try it on
# the small problem of section 2.

# %%
powers = (1 - 0.1 * 0.5) ** (2.0 * np.arange(40) + 1)
print("decay 0.5, lr 0.1          ", descend(start, [0.1] * 40, decay=0.5))
print("no decay, lr 0.1 / a^(2t+1)", descend(start, 0.1 / powers))

# %% [markdown]
# After 40 steps both have the same direction. So decay of $v$ is a learning rate under another
# name.
#
# **Modify.** Halve `decay` and double `rate`. What happens to the angle at rest, and what to the
# length?
#
# ## 5 Who breaks it: momentum and Adam
#
# Two optimisers that are used more than plain SGD do not step along $-\bar v$.
#
# - **Momentum** steps along a sum of the last gradients. Each was across the $v$ of its own time,
#   and $v$ has turned since.
# - **Adam** divides each entry of such a sum by the usual size of that entry.
#
# **Predict.** Can a step of Adam, without decay, make $v$ shorter: `"yes"` or `"no"`?

# %%
choice = "yes"  # SOLUTION
predict("6.9", choice, of=("yes", "no"))

# %% [markdown]
# **Implement** what is to be measured. Take the growth of the squared length in one step, $n'^2 -
# n^2$, and subtract the squared length of the step. For plain SGD the result is 0: that is
# Pythagoras.


# %%
def rest(v, new):
    # 6.10: return how much more the squared length grew from v to new than Pythagoras says
    # BEGIN SOLUTION
    step = new - v
    return new @ new - v @ v - step @ step
    # END SOLUTION


# %%
check("6.10", rest)

# %%
trainers = {
    "plain SGD": lambda parameters: optim.SGD(parameters, lr=1.0),
    "momentum 0.9": lambda parameters: optim.SGD(parameters, lr=0.1, momentum=0.9),
    "Adam": lambda parameters: optim.Adam(parameters, lr=0.02),
}
ratios = {}
print(f"{'':14}{'shorter after a step':>22}{'largest rest':>14}{'smallest':>10}")
for name, make in trainers.items():
    vs, _ = train(make)
    rests = np.array([list(map(rest, v, new)) for v, new in pairwise(vs)])  # (steps, 16)
    squares = (vs**2).sum(axis=2).mean(axis=1)
    steps = (np.diff(vs, axis=0) ** 2).sum(axis=2).mean(axis=1)
    shorter = (np.diff((vs**2).sum(axis=2), axis=0) < 0).mean()
    print(f"{name:14}{shorter:21.1%} {rests.max():14.1e}{rests.min():10.1e}")
    pythagoras = squares[0] + np.concatenate([[0], np.cumsum(steps)])
    ratios[name] = np.arange(len(vs)), squares / pythagoras
draw.show(draw.panel(x="step", y="$n^2$, measured / by Pythagoras", lines=ratios))
reveal("6.9")

# %% [markdown]
# **Figure.** The mean of $n^2$ over the neurons, divided by what Pythagoras makes of the steps: for
# plain SGD it is 1 throughout, and with momentum and Adam it rises above 1.
#
# So with momentum and with Adam the lengths grow as well, here by more than Pythagoras says. But
# nothing forces them to: under Adam some steps make $v$ shorter. Never *assert* growth in a program
# that may be used with Adam.
#
# **Modify.** Try `momentum=0.5`. Is it nearer to 1?

# %% [markdown]
# ## Exit ticket
#
# The numbers of the first question are drawn from your name.

# %%
student("my name")
given("6.T1")

# %% [markdown]
# **T1.** How long is this $v$ after one step of plain SGD? It can be done in your head.

# %%
numbers = given("6.T1")
length = grown(numbers["length of v"], numbers["length of v_bar"], numbers["lr"])  # SOLUTION
check("6.T1", length)

# %% [markdown]
# **T2.** The gradient is noise, there is no decay, and $v$ was tiny at the start. After 100 steps
# of plain SGD it has the length 2. After how many steps, counted from the start, has it the length
# 4?

# %%
steps = 1600  # SOLUTION
check("6.T2", steps)

# %% [markdown]
# **T3.** What is decay of $v$, under another name: `"a penalty on w"`, `"a limit for g"`,
# `"a learning rate"` or `"no change at all"`?

# %%
answer = "a learning rate"  # SOLUTION
check("6.T3", answer)

# %% [markdown]
# ## Where this goes wrong in real libraries
#
# Everything here rests on $v$ keeping the length that its steps gave it. In Flax 0.12.8,
# `nnx.WeightNorm` does not let it: each call of the layer **overwrites** the kernel, its $v$, with
# $w$, and the next step starts from there. The growth of each step is thrown away. You can do what
# it does in a few lines.


# %%
def lengths_after(calls, lr, overwrite):
    v, g, found = start / np.linalg.norm(start), 1.0, []
    for _ in range(calls):
        n = np.linalg.norm(v)
        w = g * v / n
        w_bar = inputs.T @ (inputs @ w - targets) / len(targets)
        if overwrite:
            v, n = w, abs(g)
        v = v - lr * g / n * (w_bar - (w_bar @ v) / n**2 * v)
        found.append(np.linalg.norm(v))
    return np.array(found)


print("v is kept       ", lengths_after(6, 0.5, overwrite=False))
print("v is overwritten", lengths_after(6, 0.5, overwrite=True))

# %% [markdown]
# In the second line each step starts from the length $|g| = 1$. So the effective learning rate does
# not fall, a learning rate that is too large is not forgiven, and `linen.WeightNorm` of the same
# library, which keeps its $v$ while it trains, learns differently with the same settings. Worse,
# where a $g$ is negative, $w$ changes its sign at each call. The program and its output are printed
# by `finding("nnx: the scales are not trained, and a negative one flips at each call")`.
#
# ## References
#
# - T. Salimans, D. P. Kingma, *Weight Normalization*, NIPS 2016,
#   [arXiv:1602.07868](https://arxiv.org/abs/1602.07868), section 2.1: $\lVert v\rVert$ grows, and
#   why plain SGD then forgives a learning rate that is too large
# - T. van Laarhoven, *L2 Regularization versus Batch and Weight Normalization*, 2017,
#   [arXiv:1706.05350](https://arxiv.org/abs/1706.05350): the effective learning rate of section 2
# - E. Hoffer, R. Banner, I. Golan, D. Soudry, *Norm matters: efficient and accurate normalization
#   schemes in deep networks*, NeurIPS 2018, [arXiv:1803.01814](https://arxiv.org/abs/1803.01814):
#   decay as a control of the step
# - Z. Li, S. Arora, *An Exponential Learning Rate Schedule for Deep Learning*, ICLR 2020,
#   [arXiv:1910.07454](https://arxiv.org/abs/1910.07454): decay is a rate that rises, section 4
# - Z. Li, K. Lyu, S. Arora, *Reconciling Modern Deep Learning with Traditional Optimization
#   Analyses: The Intrinsic Learning Rate*, NeurIPS 2020,
#   [arXiv:2010.02916](https://arxiv.org/abs/2010.02916), and R. Wan, Z. Zhu, X. Zhang, J. Sun,
#   *Spherical Motion Dynamics*, NeurIPS 2021, [arXiv:2006.08419](https://arxiv.org/abs/2006.08419):
#   the length at rest, and the turn $\sqrt{2\,\text{lr}\,\lambda}$ of each step
# - A. Kosson, B. Messmer, M. Jaggi, *Rotational Equilibrium*, 2023,
#   [arXiv:2305.17212](https://arxiv.org/abs/2305.17212): the same with momentum and Adam
# - B. Heo and others, *AdamP: Slowing Down the Slowdown for Momentum Optimizers on Scale-invariant
#   Weights*, ICLR 2021, [arXiv:2006.08217](https://arxiv.org/abs/2006.08217): momentum makes
#   lengths grow faster, section 5

# %%
progress()
