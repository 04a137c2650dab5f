# %% [markdown]
# # 7 Data-dependent initialisation and mean-only batch norm
#
# **60 minutes** · **Before this:** notebook 5 (weight normalisation by three derivations); mean and
# standard deviation
#
# **You will be able to**
#
# - say what twenty layers do to a signal, and why
# - choose gains and biases from one batch, so that every layer starts at mean 0 and variance 1
# - derive mean-only batch normalisation forward and backward
# - say what kind of noise each normalisation adds, and what happens with a batch of one
#
# You fill in the places that say `todo`. `check` judges what you wrote and says what it is if it is
# not right yet; `hint("7.2")` helps three times. Wrong answers cost nothing.

# %%
from itertools import pairwise

import numpy as np

from minwn import vjp
from minwn.course import check, draw, finding, given, hint, predict, progress, reveal, student, todo
from minwn.data import digits

np.set_printoptions(precision=4, suppress=True)

# %% [markdown]
# ## 1 A signal through twenty layers
#
# The weights of a layer are $w = g\,v/n$, a row for each output: $n$ is the length of the row of
# $v$, and $g$ its gain. Drawing $v$ at random gives a random direction. But what should $g$ be? An
# innocent choice is $g = 1$: then every row of $w$ has length 1.
#
# Take a network of 20 such layers of 128 outputs, each followed by a **ReLU**, which puts 0 in
# place of every negative number.
#
# **Predict.** How large is what comes out, compared with what goes in? Choose `"all of it"`,
# `"a half"`, `"a thousandth"` or `"a thousand times"`.

# %%
choice = "a thousandth"  # SOLUTION
predict("7.1", choice, of=("all of it", "a half", "a thousandth", "a thousand times"))


# %%
def unit_rows(v):
    return v / np.linalg.norm(v, axis=1, keepdims=True)


rng = np.random.default_rng(7)
x = rng.normal(size=(200, 128))
size = np.linalg.norm(x)
for layer in range(1, 21):
    w = unit_rows(rng.normal(size=(128, 128)))
    x = np.maximum(x @ w.T, 0)
    if layer % 5 == 0:
        print(f"after {layer:2} layers: {np.linalg.norm(x) / size:.5f} of the size")
reveal("7.1")

# %% [markdown]
# A row of length 1 keeps the size, on average. The ReLU then throws away about half of the sum of
# squares. So each layer multiplies the size by about $\sqrt{1/2}$; twenty times that is $1/1024$.
#
# For one kind of layer a good $g$ can be worked out: with $g = \sqrt 2$ the size would stay. For
# the next kind one has to begin again. There is another way: look at the data.
#
# ## 2 Two numbers for each output
#
# Send one batch of $m$ examples through the layer with $g = 1$ and without a bias. Each output
# gives $m$ numbers
#
# $$t = \Big\langle \frac{v}{n},\, x\Big\rangle , \qquad
# \text{with a mean } \mu \text{ and a standard deviation } \sigma \text{ over the batch.}$$
#
# Now choose a gain $g > 0$ and a bias $b$ such that $y = g\,t + b$ has mean 0 and variance 1 over
# this batch. The variance is that of the batch itself: the sum of squares is divided by $m$.
#
# **Implement** it, for all outputs at once.


# %%
def gain_and_bias(t):
    # 7.2: return g and b, each of shape (o,), for t of shape (m, o)
    # BEGIN SOLUTION
    g = 1 / t.std(axis=0)
    return g, -g * t.mean(axis=0)
    # END SOLUTION


# %%
check("7.2", gain_and_bias)

# %% [markdown]
# ## 3 Layer by layer
#
# A network has several layers. It would be handy to send the batch through the whole network once,
# note the $t$ of each layer, and then set all $g$ and $b$.
#
# **Predict.** Do that, and send the same batch through again. Which layers have mean 0 and variance
# 1: `"all"`, `"only the first"` or `"none"`?

# %%
choice = "only the first"  # SOLUTION
predict("7.3", choice, of=("all", "only the first", "none"))

# %% [markdown]
# **Implement** what does work. `vs` is a list with the $v$ of each layer, and there is a ReLU
# between one layer and the next.


# %%
def initialise(x, vs):
    pairs = []
    for v in vs:
        t = x @ unit_rows(v).T  # (m, i), (o, i) -> (m, o)
        # 7.4: append the pair (g, b) of this layer to pairs, and make x what the next layer gets
        # BEGIN SOLUTION
        g, b = gain_and_bias(t)
        pairs.append((g, b))
        x = np.maximum(g * t + b, 0)
        # END SOLUTION
    return pairs


# %%
check("7.4", initialise)

# %% [markdown]
# Digits, and six layers. For each layer we look at $y$, before its ReLU, in three cases: $g = 1$;
# all layers set from one pass; and your way.

# %%
images, labels = digits()
pixels = images.reshape(len(images), 64).astype("float64")
pixels = pixels[np.random.default_rng(7).permutation(len(pixels))]
batch, others = pixels[:500], pixels[500:1000]

widths = (64, 80, 64, 80, 64, 80, 64)
vs = [0.05 * rng.normal(size=(o, i)) for i, o in pairwise(widths)]


def outputs(x, vs, pairs):
    """y of each layer, before its ReLU."""
    found = []
    for v, (g, b) in zip(vs, pairs, strict=True):
        y = g * (x @ unit_rows(v).T) + b
        found.append(y)
        x = np.maximum(y, 0)
    return found


ones = [(1.0, 0.0)] * len(vs)
cases = {
    "g = 1, b = 0": ones,
    "from one pass": [gain_and_bias(t) for t in outputs(batch, vs, ones)],
    "layer by layer": initialise(batch, vs),
}
print("standard deviation of y in layers 1 to 6")
for name, pairs in cases.items():
    print(f"{name:16}", np.array([y.std() for y in outputs(batch, vs, pairs)]))

# %%
shares = {name: outputs(batch, vs, pairs) for name, pairs in cases.items()}
draw.histograms(shares, x="y", columns="layer")

# %% [markdown]
# **Figure.** The share of each value of $y$, in six layers and three cases, with a normal
# distribution as a dotted line. With $g = 1$ the values shrink to a spike; set from one pass,
# they leave the picture, at whose edges they are drawn; set layer by layer, all six are centred and
# of the same width.
#
# From one pass, each layer makes up for the weak signal that it saw. But the layers before it have
# made up for that already, so every layer adds too much.
#
# That was on the batch from which $g$ and $b$ were taken. It is a start, and not a promise: on
# other digits it holds roughly, and the better the larger the batch was.

# %%
for m in (10, 50, 500):
    found = outputs(others, vs, initialise(pixels[:m], vs))
    print(f"batch of {m:3}: on other digits", np.array([y.std() for y in found]))

# %% [markdown]
# **Modify.** Put 2 and then 1 in place of the 10. Why must it fail with 1? It fails in a larger
# batch, too, for an output whose $t$ is the same for all examples. (minwn has all this as
# `nn.data_dependent_init`; it raises an error in such a case, and names the outputs.)
#
# ## 4 Taking off the mean, at every step
#
# Initialisation acts once. As training goes on, the means move away again. **Mean-only batch
# normalisation** (T. Salimans and D. P. Kingma, 2016) takes them off at each step, and leaves the
# scale to weight normalisation:
#
# $$y_j = t_j - \mu + b, \qquad \mu = \frac1m \sum_k t_k .$$
#
# $j$ and $k$ count the examples of the batch; each output has its own $\mu$ and $b$.
#
# **Predict.** All $t$ of an output rise by 5. What does $y$ do: `"rises by 5"`,
# `"rises by less"` or `"stays"`?

# %%
choice = "stays"  # SOLUTION
predict("7.5", choice, of=("rises by 5", "rises by less", "stays"))


# %% [markdown]
# **Implement** the formula.


# %%
def mean_only(t, b):
    # 7.6: return y of shape (m, o), for t of shape (m, o) and b of shape (o,)
    # BEGIN SOLUTION
    return t - t.mean(axis=0) + b
    # END SOLUTION


# %%
check("7.6", mean_only)

# %% [markdown]
# Now the way back. A bar marks the derivative of the loss by what is below it. You are given
# $\bar y$, of the shape (m, o), and want $\bar t$ and $\bar b$. Watch out: $t_j$ reaches the loss
# through $y_j$, and through the mean, and so through every other $y$ as well.
#
# **Implement** both.


# %%
def mean_only_back(y_bar):
    # 7.7: return t_bar of shape (m, o) and b_bar of shape (o,)
    # BEGIN SOLUTION
    return y_bar - y_bar.mean(axis=0), y_bar.sum(axis=0)
    # END SOLUTION


# %%
check("7.7", mean_only_back)

# %% [markdown]
# A second opinion never hurts. `vjp` takes the definition and walks back by itself.


# %%
def definition(t, b):
    return t - t.mean(axis=0, keepdims=True) + b


t, b, y_bar = rng.normal(size=(7, 3)) + 2, rng.normal(size=3), rng.normal(size=(7, 3)) + 1
y, pull = vjp(definition, t, b)
for name, mine, theirs in zip(("t_bar", "b_bar"), mean_only_back(y_bar), pull(y_bar), strict=True):
    print(f"{name}: largest difference {np.abs(mine - np.asarray(theirs)).max():.1e}")
print("mean of t_bar over the batch", mean_only_back(y_bar)[0].mean(axis=0))

# %% [markdown]
# The gradient is centred, as the output is. To the layer below that is a help: it gets no gradient
# that would only push all examples the same way.
#
# ## 5 Noise
#
# The mean of a batch is not the mean of all data. It is a little different in each batch, and so
# $y$ of the same example is, too: normalising over a batch adds **noise**. Full batch norm also
# divides by the standard deviation $\hat\sigma$ of the batch. How do the two kinds of noise differ?
# Here are the two for many batches of 8 numbers that are normally distributed: $\hat\mu$, the mean
# of the batch, and $\hat\mu/\hat\sigma$, each in units of its own standard deviation. (But for the
# factor $\sqrt{m-1}$ the second follows Student's t distribution with $m - 1$ degrees of freedom.)

# %%
m = 8
t = np.random.default_rng(1).normal(size=(400_000, m))
noises = {"mean only": t.mean(axis=1), "mean and spread": t.mean(axis=1) / t.std(axis=1)}

edges = np.linspace(-6, 6, 41)
middle = (edges[1:] + edges[:-1]) / 2
measured = {}
for name, noise in noises.items():
    z = noise / noise.std()
    share, _ = np.histogram(z, edges, density=True)
    measured[name] = middle[share > 0], share[share > 0]
    far = (np.abs(z) > 4).mean()
    print(f"{name:16} beyond 4 standard deviations: {far * 1e6:5.0f} in a million")
normal = {"normal distribution": (edges, np.exp(-(edges**2) / 2) / np.sqrt(2 * np.pi))}
axes = {"x": "noise, in standard deviations", "y": "density", "log": "y", "ylim": (1e-6, 1)}
draw.show(draw.panel(points=measured, theory=normal, **axes))

# %% [markdown]
# **Figure.** On a logarithmic scale, the noise of mean-only batch norm follows the normal
# distribution; that of full batch norm has far more weight in its tails.
#
# Rare and large jolts come from batches whose $\hat\sigma$ happens to be small. The paper suspects
# that the gentler noise is one reason why mean-only batch norm did well there. That is a guess, and
# the difference depends on the size of the batch:
#
# **Modify.** Set `m = 32`, and `200_000` for `400_000` to save memory. How much of the difference
# is left?
#
# **Predict.** Finally `m = 1`: training with a batch of a single example. What does mean-only batch
# norm give for it: `"t + b"`, `"b"` or `"an error"`?

# %%
choice = "b"  # SOLUTION
predict("7.8", choice, of=("t + b", "b", "an error"))

# %%
print("b =", b)
print("y =", mean_only(np.array([[3.0, -4.0, 100.0]]), b))
reveal("7.8")

# %% [markdown]
# Whatever the example was, it is gone. When a network is used after training, examples often come
# one by one. So a mean is kept up during training, from batch to batch, and taken off then in place
# of the mean of the batch. Forgetting to switch is a classic: `net.eval()` in minwn and in PyTorch.

# %% [markdown]
# ## Exit ticket
#
# The numbers of the first question are drawn from your name.

# %%
student("my name")
given("7.T1")

# %% [markdown]
# **T1.** An output has these numbers over the batch, with $g = 1$. Which $b$ does data-dependent
# initialisation give it?

# %%
numbers = given("7.T1")
bias = -numbers["mean of t"] / numbers["standard deviation of t"]  # SOLUTION
check("7.T1", bias)

# %% [markdown]
# **T2.** A linear layer with a bias of its own is followed by mean-only batch norm. What is the
# gradient of the bias of the linear layer: `"the sum of y_bar"`, `"the mean of y_bar"`, `"zero"` or
# `"one"`?

# %%
answer = "zero"  # SOLUTION
check("7.T2", answer)

# %% [markdown]
# **T3.** In a batch of four, one output has $\bar y = (1, 0, 0, 0)$. What is $\bar t$ of the first
# example?

# %%
number = 0.75  # SOLUTION
check("7.T3", number)

# %% [markdown]
# **One to write.** A normalisation of your own, with two numbers that are drawn from your name:
# $y_j = a\,t_j - c\,\mu + b$, where $\mu$ is the mean of the $t_j$ over the batch, as before.

# %%
given("7.9")


# %%
def own_norm_back(y_bar):
    a, c = given("7.9").values()
    # 7.9: return t_bar of shape (m, o) and b_bar of shape (o,), for y_bar of shape (m, o)
    # BEGIN SOLUTION
    return a * y_bar - c * y_bar.mean(axis=0), y_bar.sum(axis=0)
    # END SOLUTION


# %%
check("7.9", own_norm_back)

# %% [markdown]
# ## Where this goes wrong in real libraries
#
# Where a gain starts is a decision, and libraries do not agree on it. PyTorch, Equinox and
# `WeightNorm` of minwn begin with $g = n$: the layer starts as the function that it was without
# weight normalisation. Flax 0.12.8 begins with $g = 1$ (as does `WeightNormWrapper` of minwn, which
# follows it, unless told `scale_init="norm"`), and its `init` overwrites the kernel, too, by one
# whose columns have length 1. An initialisation that was chosen with care is lost. Take He's, which
# was made to keep a signal alive through ReLUs, and section 1 comes back:

# %%
x = start = rng.normal(size=(200, 128))
x_one = start
for _ in range(20):
    v = np.sqrt(2 / 128) * rng.normal(size=(128, 128))  # He et al. 2015
    x = np.maximum(x @ v.T, 0)  # g = n: w is v
    x_one = np.maximum(x_one @ unit_rows(v).T, 0)  # g = 1
print(f"g = n: {np.linalg.norm(x) / np.linalg.norm(start):.5f} of the size")
print(f"g = 1: {np.linalg.norm(x_one) / np.linalg.norm(start):.5f} of the size")

# %% [markdown]
# No error is raised. `finding("init overwrites the kernel with what it normalised")` prints a
# program that shows it, and its output. The page *Who does what* of minwn
# (`tutorials/site/conventions.md`) has it in the column *first g*. Data-dependent initialisation
# would be a cure: it does not ask where $g$ started.
#
# ## References
#
# - T. Salimans, D. P. Kingma, *Weight Normalization*, NIPS 2016,
#   [arXiv:1602.07868](https://arxiv.org/abs/1602.07868): equations 5 and 6 are data-dependent
#   initialisation, 7 and 8 mean-only batch norm
# - S. Ioffe, C. Szegedy, *Batch Normalization*, ICML 2015,
#   [arXiv:1502.03167](https://arxiv.org/abs/1502.03167): full batch norm, section 5
# - K. He, X. Zhang, S. Ren, J. Sun, *Delving Deep into Rectifiers*, ICCV 2015,
#   [arXiv:1502.01852](https://arxiv.org/abs/1502.01852): the initialisation of the last program
# - D. Arpit, V. Campos, Y. Bengio, *How to Initialize your Network? Robust Initialization for
#   WeightNorm & ResNets*, NeurIPS 2019, [arXiv:1906.02341](https://arxiv.org/abs/1906.02341): good
#   gains that need no data, such as the $\sqrt 2$ of section 1

# %%
progress()
