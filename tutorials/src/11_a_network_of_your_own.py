# %% [markdown]
# # 11 A network of your own
#
# **60 minutes** · **Before this:** notebooks 2, 3, 4, 5 and 7, in this folder; where an answer of
# yours is missing, the reference takes its place, and you can start all the same
#
# **You will be able to**
#
# - compute the loss of a classifier and its gradient, for logits of any size
# - teach your tape new operations, and compare each with a second opinion before you rely on it
# - train a network in which every derivative is your own
#
# You fill in the places that say `todo`. `check` judges what you wrote and says what it is if it is
# not right yet; `hint("11.2")` helps three times. Wrong answers cost nothing.

# %%
import numpy as np

from minwn import byhand as reference
from minwn import ops, optim, tensor, vjp
from minwn.course import check, draw, given, hint, keep, mine, predict, progress, student, todo
from minwn.data import digits, split

np.set_printoptions(precision=4, suppress=True)

# %% [markdown]
# ## 1 What you have
#
# In the other notebooks you wrote a tape, a linear layer, a convolution, weight normalisation and
# mean-only batch norm, each with its way back. When `check` found an answer right, its code was
# kept in the folder `minwn-progress`, next to the notebooks. You can open the files there: they are
# text.
#
# `mine("5.2")` takes that code and runs it here. It is judged once more. If there is none, or if it
# is not right, the reference takes its place. Each line below says whose function it is.

# %%
gradient, backward, apply, Node, tape, FORWARD, RULES = mine(
    "2.3", "backward", "apply", "Node", "tape", "FORWARD", "RULES"
)
linear, linear_bar = mine("3.2"), mine("3.3")
windows, back = mine("4.3"), mine("4.7")
weight, closed_form = mine("5.2"), mine("5.5")
gain_and_bias, mean_only, mean_only_back = mine("7.2"), mine("7.6"), mine("7.7")

# %% [markdown]
# To get your own function in place of a reference, do its exercise in its notebook, and run this
# one again from the top. (If the other notebooks are in another folder, call `keep("that folder")`
# first.)
#
# ## 2 A loss
#
# One thing is missing: a loss. A network that tells ten digits apart ends with ten numbers for each
# image, the **logits** $a_k$. **Softmax** makes probabilities of them, and the loss is small where
# the right digit, the **label** $c$, has a large one:
#
# $$p_k = \frac{e^{a_k}}{\sum_j e^{a_j}}, \qquad
# \ell = -\log p_c = \log\Big(\sum_j e^{a_j}\Big) - a_c .$$
#
# This is **cross entropy**. The loss of a batch is the mean of $\ell$ over its $m$ images.
#
# **Predict.** Before training all logits are about equal. How large is the loss then, for ten
# digits: `"0"`, `"about 0.1"`, `"about 2.3"` or `"about 10"`?

# %%
choice = "about 2.3"  # SOLUTION
predict("11.1", choice, of=("0", "about 0.1", "about 2.3", "about 10"))

# %% [markdown]
# **Implement** the loss. It has to work for any logits, and $e^{1000}$ is more than float64 can
# hold. There is a way round it: with the largest logit of the row called $\hat a$,
#
# $$\log\Big(\sum_j e^{a_j}\Big) = \hat a + \log\Big(\sum_j e^{a_j - \hat a}\Big).$$
#
# No exponent is larger than 0 now, and one of them is 0, so that the sum is at least 1.


# %%
def cross_entropy(logits, labels):
    # 11.2: return the mean loss, one number, for logits (m, k) and labels (m,), numbers from 0 to
    # k - 1
    # BEGIN SOLUTION
    top = logits.max(axis=1)
    log_sum = top + np.log(np.exp(logits - top[:, None]).sum(axis=1))
    return (log_sum - logits[np.arange(len(logits)), labels]).mean()
    # END SOLUTION


# %%
check("11.2", cross_entropy)

# %% [markdown]
# Now the way back. Take the derivative of $\ell$ by one logit $a_k$. The log of the sum gives
# $e^{a_k}$ over the sum, and that is $p_k$. The second term counts for the label alone. So
#
# $$\frac{\partial \ell}{\partial a_k} = p_k - [k = c],$$
#
# where the bracket is 1 for $k = c$ and 0 for all others. As the loss is a mean, each row of
# $\bar a$ is this divided by $m$.
#
# **Predict.** What is the sum of a row of $\bar a$: `"zero"`, `"one"`, or does it depend on the
# label (`"it depends"`)?

# %%
choice = "zero"  # SOLUTION
predict("11.3", choice, of=("zero", "one", "it depends"))


# %% [markdown]
# **Implement** it.


# %%
def cross_entropy_bar(logits, labels):
    # 11.4: return logits_bar (m, k), the gradient of the mean loss by each logit
    # BEGIN SOLUTION
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    p[np.arange(len(p)), labels] -= 1
    return p / len(p)
    # END SOLUTION


# %%
check("11.4", cross_entropy_bar)

# %% [markdown]
# ## 3 Your tape learns
#
# The tape of notebook 2 knows sums, products, powers and exponentials. From these it could build
# the network, one number at a time. It is better to teach it your layers as whole operations: what
# they compute, and their rule for the way back, which you have derived on paper. In the tape, the
# rules work with Nodes; yours work with arrays, and `teach` stands in between.
#
# First a small one. Between two layers there is a ReLU, $y = \max(t, 0)$, entry by entry.
#
# **Implement** its rule.


# %%
def relu_rule(y_bar, t):
    # 11.5: return t_bar, what y = max(t, 0) sends back; y_bar and t have the same shape
    # BEGIN SOLUTION
    return y_bar * (t > 0)
    # END SOLUTION


# %%
check("11.5", relu_rule)


# %% [markdown]
# Your convolution works on one signal at a time. A batch needs it for all, and notebook 4 says how:
# what `windows` does is a product with a matrix. To get the matrix, send the unit vectors through.
# The same goes for `back`. Each is asked once, and from then on a matrix stands for it.


# %%
def matrices(size, stride):
    """What windows and back do, for a kernel of 3 and a padding of 1, as two matrices."""
    there = [windows(unit, 3, stride, 1, 1).ravel() for unit in np.eye(size)]
    out = len(there[0]) // 3
    home = [
        back(y_bar, kernel, size, stride, 1, 1) for kernel in np.eye(3) for y_bar in np.eye(out)
    ]
    return np.array(there), np.array(home)


SIZE = 8  # a digit has 8 columns
CONV = {stride: matrices(SIZE, stride) for stride in (1, 2)}
there, home = CONV[2]
print("windows:", there.shape, "  back:", home.shape)
print("each is the transpose of the other:", np.array_equal(there, home.T))


# %% [markdown]
# With them, here are all the operations. Each line of `teach` has a name, a function of arrays, and
# its rule. Where the functions above have done the work, they are named.


# %%
def teach(name, function, rule):
    """A new operation for the tape. rule(y_bar, *inputs, *extra) returns a tuple of arrays."""
    FORWARD[name] = function
    RULES[name] = lambda y_bar, y, *inputs: tuple(
        Node(bar) for bar in rule(y_bar.value, *(getattr(x, "value", x) for x in inputs))
    )


def columns(x, stride):
    """The windows of all channels of all signals, as rows: (m, c, size) -> (m out, c 3)."""
    parts = (x @ CONV[stride][0]).reshape(*x.shape[:2], 3, -1)  # (m, c, 3, out)
    return parts.transpose(0, 3, 1, 2).reshape(-1, 3 * x.shape[1])


def columns_rule(y_bar, x, stride):
    parts = y_bar.reshape(len(x), -1, x.shape[1], 3).transpose(0, 2, 3, 1)  # (m, c, 3, out)
    return (parts.reshape(*x.shape[:2], -1) @ CONV[stride][1],)


def signals(y, out):
    """The rows of a convolution, as signals: (m out, o) -> (m, o, out)."""
    return y.reshape(-1, out, y.shape[1]).swapaxes(1, 2)


teach("columns", columns, columns_rule)
teach("weight", weight, closed_form)
teach("product", lambda x, w: linear(x, w, np.zeros(len(w))), lambda y_bar, x, w: (
    linear_bar(y_bar, x, w)[:2]
))
teach("linear", linear, lambda y_bar, x, w, b: linear_bar(y_bar, x, w))
teach("mean_only", mean_only, lambda y_bar, t, b: mean_only_back(y_bar))
teach("relu", lambda t: np.maximum(t, 0), lambda y_bar, t: (relu_rule(y_bar, t),))
teach("signals", signals, lambda y_bar, y, out: (y_bar.swapaxes(1, 2).reshape(y.shape),))
teach("flat", lambda x: x.reshape(len(x), -1), lambda y_bar, x: (y_bar.reshape(x.shape),))
teach("cross_entropy", cross_entropy, lambda loss_bar, logits, labels: (
    loss_bar * cross_entropy_bar(logits, labels),
))

# %% [markdown]
# Before anything is trained, **each operation is compared with minwn**: its value, and what it
# sends back to each of its inputs, for the same random numbers. Your side goes through your tape.
# The numbers are the largest differences, in units of the largest entry.

# %%
rng = np.random.default_rng(11)


def apart(own, theirs):
    theirs = np.asarray(theirs)
    return np.abs(own - theirs).max() / np.abs(theirs).max()


def verdict(difference):
    return f"{difference:.0e}" + (" WRONG" if difference > 1e-9 else "")


def compare(name, own, theirs, **inputs):
    """One line: the value of own(*inputs) against theirs, and each cotangent."""
    y, pull = vjp(theirs, *inputs.values())
    y_bar = rng.normal(size=y.shape)
    value = own(*(Node(x) for x in inputs.values())).value
    line = f"{name:14} value {verdict(apart(value, y))}"
    bars = zip(inputs, gradient(own, y_bar, *inputs.values()), pull(y_bar), strict=True)
    for letter, bar, expected in bars:
        line += f"   {letter}_bar {verdict(apart(bar, expected))}"
    print(line)


def convolve(x, w, stride):
    rows = apply("product", apply("columns", x, extra=(stride,)), w)
    return apply("signals", rows, extra=(SIZE // stride,))


v, g, x = rng.normal(size=(4, 6)), np.array([[1.7], [-0.6], [2.9], [-1.1]]), rng.normal(size=(5, 6))
signal, kernels = rng.normal(size=(5, 2, SIZE)), rng.normal(size=(4, 6))
labels = rng.integers(0, 6, size=5)

compare("weight", lambda v, g: apply("weight", v, g), reference.weight_norm.forward, v=v, g=g)
compare(
    "linear", lambda x, w, b: apply("linear", x, w, b), reference.linear.forward,
    x=x, w=v, b=g[:, 0],
)
for stride in (1, 2):
    compare(
        f"conv, stride {stride}", lambda x, w, s=stride: convolve(x, w, s),
        lambda x, w, s=stride: reference.conv.forward(
            x, w.reshape(4, 2, 3), stride=s, padding=1
        ),
        x=signal, w=kernels,
    )
compare(
    "mean only", lambda t, b: apply("mean_only", t, b), reference.mean_only_batch_norm.forward,
    t=x, b=x[0],
)
compare("relu", lambda t: apply("relu", t), ops.relu, t=x)
compare(
    "cross entropy", lambda a: apply("cross_entropy", a, extra=(labels,)),
    lambda a: reference.softmax_cross_entropy.forward(a, targets=labels), a=x,
)

# %% [markdown]
# All should be rounding, near $10^{-16}$, or exactly 0. Where a line says *WRONG*, you know which
# operation to look at, and which of its answers. That is why one compares the parts before the
# whole: a wrong network often trains all the same, only worse.
#
# **Modify.** Put `2 *` in front of `relu_rule(y_bar, t)` in the line that teaches it, run that cell
# and the one above again, and find the line. Then put it back.
#
# ## 4 The network
#
# A digit has 8 rows of 8 pixels. We take it as a signal of 8 columns with 8 channels, one for each
# row, so that your convolution along one axis will do. A kernel is then a strip of 8 by 3 pixels
# that slides from left to right.
#
# | layer | what it is | its parameters |
# |---|---|---|
# | 1 | convolution, 8 to 16 channels; mean-only batch norm; ReLU | $v$ (16, 24), $g$, $b$ |
# | 2 | convolution with stride 2, 16 to 32 channels; the same | $v$ (32, 48), $g$, $b$ |
# | 3 | linear, 128 numbers to 10 logits | $v$ (10, 128), $g$, $b$ |
#
# Every weight is $w = g\,v/n$. The gains are chosen from a batch, layer by layer, with your
# `gain_and_bias`.


# %%
def hidden(x, v, g, b, stride, mean=None):
    """A convolution, mean-only batch norm and ReLU; with a mean, that is taken off instead."""
    t = apply("product", apply("columns", x, extra=(stride,)), apply("weight", v, g))
    y = apply("mean_only", t, b) if mean is None else t + (b - mean)
    return t, apply("signals", apply("relu", y), extra=(SIZE // stride,))


def network(x, params, means=(None, None)):
    """The logits of images (m, 8, 8), and the mean of t in the two convolutions."""
    v1, g1, b1, v2, g2, b2, v3, g3, b3 = params
    t1, x = hidden(x, v1, g1, b1, 1, means[0])
    t2, x = hidden(x, v2, g2, b2, 2, means[1])
    logits = apply("linear", apply("flat", x), apply("weight", v3, g3), b3)
    return logits, [t.value.mean(axis=0) for t in (t1, t2)]


def start(images, seed=0):
    """The parameters before training: random directions, gains from one batch."""
    rng = np.random.default_rng(seed)
    params = []
    for outputs, inputs in ((16, 24), (32, 48), (10, 128)):
        v = 0.05 * rng.normal(size=(outputs, inputs))  # short, so that it turns fast at first
        params += [v, np.ones((outputs, 1)), np.zeros(outputs)]
    x = images
    for k, stride in ((0, 1), (3, 2)):
        t = hidden(x, *params[k : k + 3], stride)[0].value
        params[k + 1] = gain_and_bias(t)[0].reshape(-1, 1)
        x = hidden(x, *params[k : k + 3], stride)[1].value
    g, b = gain_and_bias(network(images, params)[0].value)
    params[7], params[8] = g.reshape(-1, 1), b.reshape(-1)
    return params


images, labels = digits()
images = images[:, 0].astype("float64")  # (1797, 8, 8)
train_set, test_set = split(labels)
params = start(images[train_set[:500]])
print("numbers to be learned:", sum(p.size for p in params))

# %% [markdown]
# Now **the whole network against minwn**: the same nine parameters, the same 32 digits, and on
# their side not a line of yours.


# %%
def theirs(v1, g1, b1, v2, g2, b2, v3, g3, b3):
    x = images[train_set[:32]]
    for v, g, b, stride in ((v1, g1, b1, 1), (v2, g2, b2, 2)):
        w = reference.weight_norm.forward(v, g).reshape(len(g), -1, 3)
        t = reference.conv.forward(x, w, stride=stride, padding=1)
        x = ops.relu(reference.mean_only_batch_norm.forward(t, b))
    w = reference.weight_norm.forward(v3, g3)
    logits = reference.linear.forward(x.reshape(32, -1), w, b3)
    return reference.softmax_cross_entropy.forward(logits, targets=labels[train_set[:32]])


def yours(*params):
    logits, _ = network(images[train_set[:32]], params)
    return apply("cross_entropy", logits, extra=(labels[train_set[:32]],))


loss, pull = vjp(theirs, *params)
print(f"loss: yours {yours(*params).value:.12f}, theirs {float(loss):.12f}")
names = [f"{letter}{layer}_bar" for layer in (1, 2, 3) for letter in "vgb"]
for name, bar, expected in zip(names, gradient(yours, 1.0, *params), pull(1.0), strict=True):
    print(f"{name}  largest {np.abs(bar).max():.4f}   difference {verdict(apart(bar, expected))}")

# %% [markdown]
# Nine gradients of your own, through two convolutions and three normalised weights. Where no line
# says *WRONG*, they agree with minwn's to fifteen digits.
#
# ## 5 Adam
#
# The gradient says where to go. How far is up to the optimiser. **Adam** (D. P. Kingma and J. Ba,
# 2015) keeps two running means for each number $w$: one of its gradients, and one of their
# squares. With $\beta_1 = 0.9$ and $\beta_2 = 0.999$ they become in step $t$
#
# $$\text{mean} \leftarrow \beta_1\,\text{mean} + (1-\beta_1)\,\bar w, \qquad
# \text{square} \leftarrow \beta_2\,\text{square} + (1-\beta_2)\,\bar w^2 .$$
#
# Both start at 0, and so they are too small at first. That is **corrected** in the step, where
# $\varepsilon = 10^{-8}$:
#
# $$w \leftarrow w - \text{lr}\;
#   \frac{\text{mean} / (1 - \beta_1^t)}{\sqrt{\text{square} / (1 - \beta_2^t)} + \varepsilon}.$$
#
# **Implement** one step. The first has $t = 1$.


# %%
def adam(w, w_bar, mean, square, t, lr):
    # 11.6: return the new w, mean and square, as three new arrays; mean and square as they are kept
    # for the next step, not corrected
    # BEGIN SOLUTION
    mean = 0.9 * mean + 0.1 * w_bar
    square = 0.999 * square + 0.001 * w_bar**2
    size = np.sqrt(square / (1 - 0.999**t)) + 1e-8
    return w - lr * mean / (1 - 0.9**t) / size, mean, square
    # END SOLUTION


# %%
check("11.6", adam)

# %%
w = rng.normal(size=4)
their_w = tensor(w, requires_grad=True)
optimiser = optim.Adam([their_w], lr=0.05)
mean = square = np.zeros(4)
for t in (1, 2, 3):
    w_bar = rng.normal(size=4)
    w, mean, square = adam(w, w_bar, mean, square, t, 0.05)
    their_w.grad = tensor(w_bar)
    optimiser.step()
    print(f"step {t}: difference from minwn's Adam {apart(w, their_w.numpy()):.0e}")

# %% [markdown]
# ## 6 Training
#
# Of the 1797 digits, 1442 are for training, and 355 are for the test: the network never sees them
# while it learns. One **pass** goes through the training digits once, in 45 batches of 32.
#
# **Predict.** A network that guesses reads one digit of ten. When does this one read nine of ten of
# the *test* digits: `"after 1 pass"`, `"after 10 passes"` or `"never"`?

# %%
choice = "after 1 pass"  # SOLUTION
predict("11.7", choice, of=("after 1 pass", "after 10 passes", "never"))

# %% [markdown]
# Notebook 7 ended with a batch of one, where mean-only batch norm leaves nothing of the image. So
# for reading, the means that are taken off are those of all training digits.
#
# **Implement** the heart of it: the step. `bars[node].value` is the gradient of the parameter whose
# Node is `node`.


# %%
def read(shown):
    """The digits on images (n, 8, 8), as the network reads them with `params`."""
    tape.clear()
    _, means = network(images[train_set], params)
    return network(shown, params, means)[0].value.argmax(axis=1)


def train(params, passes=12, lr=0.01, seed=0):
    """Train params, in place: the loss of each step, and the share read after each pass."""
    rng = np.random.default_rng(seed)
    means = [np.zeros_like(p) for p in params]
    squares = [np.zeros_like(p) for p in params]
    steps, losses, shares = passes * (len(train_set) // 32), [], []
    for t in range(1, steps + 1):
        if t % 45 == 1:
            order = rng.permutation(train_set)
        some, order = order[:32], order[32:]
        tape.clear()
        nodes = [Node(p) for p in params]
        loss = apply("cross_entropy", network(images[some], nodes)[0], extra=(labels[some],))
        bars = backward(loss, 1.0)
        rate = lr * (1 - t / steps)  # down to 0, so that the last steps are small
        # 11.8: for each k and node in nodes: make one step of adam with the gradient of this
        # parameter, and store what it returns in params[k], means[k] and squares[k]
        # BEGIN SOLUTION
        for k, node in enumerate(nodes):
            params[k], means[k], squares[k] = adam(
                params[k], bars[node].value, means[k], squares[k], t, rate
            )
        # END SOLUTION
        losses.append(float(loss.value))
        if t % 45 == 0:
            shares.append((read(images[test_set]) == labels[test_set]).mean())
    return losses, shares


before = (read(images[test_set]) == labels[test_set]).mean()
losses, shares = train(params)
print(f"test digits read: {before:.1%} before, then", *(f"{share:.1%}" for share in shares))

# %%
check("11.8", read)

# %%
steps, passes = np.arange(1, len(losses) + 1), np.arange(len(shares) + 1)
read_test = 100 * np.array([before, *shares])
guess, aim = ([1, len(losses)], [np.log(10)] * 2), ([0, len(shares)], [96, 96])
draw.show(
    draw.panel(
        x="step", y="loss of the batch", log="y", lines={"loss": (steps, losses)},
        theory={r"$\log 10$": guess},
    ),
    draw.panel(
        x="passes", y="test digits read, %", lines={"read": (passes, read_test)},
        theory={"96 %": aim}, ylim=(0, 102),
    ),
)

# %% [markdown]
# **Figure.** On the left, the loss of each batch falls from above log 10 to a few thousandths; on
# the right, the share of test digits that are read is more than nine in ten after one pass, and
# ends above the dotted line at 96 %.
#
# Every number behind these curves went through your functions, there and back.
#
# What has it learned? Each kernel of the first layer is a strip of 8 by 3 pixels. And which digits
# does it still get wrong?

# %%
w1 = weight(params[0], params[1]).reshape(16, 8, 3)
found = read(images[test_set])
wrong = test_set[found != labels[test_set]][:8]
said = found[found != labels[test_set]][:8]

titles = [f"{labels[k]} read as {what}" for k, what in zip(wrong, said, strict=True)]
draw.filters(w1, images[wrong], titles)

# %% [markdown]
# **Figure.** Above, the sixteen kernels of the first layer, strips of 8 by 3 pixels: in many of
# them orange stands next to violet, and such a kernel answers to an edge. Below, test digits that
# the network reads wrong, with what they are and what it says.
#
# Would you have read them all?
#
# **Modify.** Train again with other settings: make new parameters with
# `params = start(images[train_set[:500]], seed=1)`, and then call `train` with `passes=3`, with
# `lr=0.1` or with `lr=0.001`. Which of them still come to 96 %? A factor of a hundred in the rate
# does little harm here: what has notebook 6 to say to that?

# %% [markdown]
# ## Exit ticket
#
# The numbers of the first question are drawn from your name.

# %%
student("my name")
given("11.T1")

# %% [markdown]
# **T1.** In a batch of $m$ examples, the label of the first example has the probability $p$. What
# is the entry of $\bar a$, the gradient of the mean loss by the logits, that belongs to it?

# %%
numbers = given("11.T1")
entry = (numbers["p"] - 1) / numbers["m"]  # SOLUTION
check("11.T1", entry)

# %% [markdown]
# **T2.** The $1/m$ in that gradient is forgotten, and the training is by Adam. The steps become
# `"the same"` up to $\varepsilon$, `"m times as large"` or `"m times as small"`?

# %%
answer = "the same"  # SOLUTION
check("11.T2", answer)

# %% [markdown]
# **T3.** Adam begins with $\text{lr} = 0.01$, and the first gradient of a number is 1000. By how
# much does that number move in the first step?

# %%
step = 0.01  # SOLUTION
check("11.T3", step)

# %% [markdown]
# ## Where this goes wrong in real libraries
#
# Does a loss want logits, or probabilities? `cross_entropy` of PyTorch, of Flax and of minwn wants
# logits. In Keras, `SparseCategoricalCrossentropy` takes probabilities, unless `from_logits=True`
# is given. A network that ends with a softmax and hands its probabilities to a loss of
# the first kind goes through softmax **twice**. No shape is wrong, and no error is raised. In the
# library *tflearn* a network did so until pull request #562 of January 2017, *Double application of
# softmax*. The documentation of TensorFlow warns of it, and still it is found in program after
# program. You can see what it does with your own functions, for one image of ten:

# %%
for size in (1, 3, 10, 100):
    logits = np.array([[float(size), *np.zeros(9)]])  # the label is 0, and the network knows it
    p = np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum()
    once, twice = cross_entropy(logits, np.array([0])), cross_entropy(p, np.array([0]))
    print(f"logit {size:3}: loss {once:.4f}, with a second softmax {twice:.4f}")

# %% [markdown]
# However sure the network is, the second softmax sees ten numbers between 0 and 1. Its loss cannot
# fall below $\log(e + 9) - 1 = 1.46$, and its gradient stays small. Such a network learns, slowly,
# and so the mistake stays, until you ask what the loss of a perfect answer should be. It should
# be 0.
#
# ## References
#
# - T. Salimans, D. P. Kingma, *Weight Normalization*, NIPS 2016,
#   [arXiv:1602.07868](https://arxiv.org/abs/1602.07868): equations 2 and 3 are the norm of these
#   layers and its gradient, section 3 mean-only batch norm
# - D. P. Kingma, J. Ba, *Adam: A Method for Stochastic Optimization*, ICLR 2015,
#   [arXiv:1412.6980](https://arxiv.org/abs/1412.6980): algorithm 1 is exercise 11.6
# - J. S. Bridle, *Training Stochastic Model Recognition Algorithms as Networks can Lead to Maximum
#   Mutual Information Estimation of Parameters*, NIPS 1989: softmax, and $p - y$
# - E. Alpaydin, C. Kaynak, *Optical Recognition of Handwritten Digits*, UCI Machine Learning
#   Repository, 1998, [doi:10.24432/C50P49](https://doi.org/10.24432/C50P49): the digits

# %%
progress()
