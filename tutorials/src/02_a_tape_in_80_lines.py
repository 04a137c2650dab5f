# %% [markdown]
# # 2 A tape in 80 lines
#
# **60 minutes** · **Before this:** notebook 1 (gradients you can trust); the chain rule; a little
# of Python's classes
#
# **You will be able to**
#
# - write a program that differentiates programs, and say what each of its lines is for
# - say what happens where a value is used twice, and where it was broadcast
# - explain why calling `backward` twice can give three times the gradient
# - get a second derivative without writing a new line of calculus
#
# PyTorch, JAX and minwn find gradients by themselves. How they do it fits on two pages. You will
# write the places that matter.

# %%
import numpy as np

import minwn
from minwn.course import check, draw, given, hint, predict, progress, reveal, student, todo

np.set_printoptions(precision=4, suppress=True)

# %% [markdown]
# ## 1 The idea
#
# Take $x = 2$ and compute, one operation at a time:
#
# $$a = x \cdot x = 4, \qquad b = a + x = 6, \qquad z = a \cdot b = 24.$$
#
# How much does $z$ change when $x$ does? As in notebook 1, a bar marks how much $z$ changes for
# each unit by which something changes: $\bar b$ is the slope of $z$ by $b$. Such slopes are
# easily found **from the end**. $\bar z = 1$. As $z = a b$, a unit of $b$ is worth $a$ units of
# $z$, so $\bar b = 4$. A unit of $a$ is worth $b = 6$ units of $z$ directly. But $a$ moves $b$ as
# well.
#
# **Predict.** There are two ways from $a$ to $z$: the direct one, worth 6, and the one by way of
# $b$, worth 4. What is $\bar a$: the last one that we came across, the larger one, or the sum?

# %%
choice = "the sum"  # SOLUTION
predict("2.1", choice, of=("the last one", "the larger one", "the sum"))

# %% [markdown]
# This is the whole plan: **record** every operation while the program runs, then walk back **from
# the end**, and let each operation tell its inputs what a unit of them is worth. The record is
# called a tape, for it is written forwards and read backwards.
#
# ## 2 The tape
#
# A `Node` is a value that remembers how it was made: by which operation, from which inputs. Each
# new node is put at the end of a list, the tape. As a result is always made after its inputs, the
# tape is in order by itself.

# %%
tape = []


class Node:
    def __init__(self, value, op=None, inputs=(), extra=()):
        self.value = np.asarray(value, dtype=float)
        self.op, self.inputs, self.extra = op, inputs, extra
        self.place = len(tape)  # where on the tape
        tape.append(self)

    def __add__(self, other):
        return apply("add", self, other)

    def __mul__(self, other):
        return apply("mul", self, other)

    def __pow__(self, p):
        return apply("power", self, extra=(p,))

    def __neg__(self):
        return self * -1.0

    def __sub__(self, other):
        return self + -other

    def __truediv__(self, other):
        return self * other**-1.0

    def exp(self):
        return apply("exp", self)

    def sum(self):
        return apply("sum_to", self, extra=((),))

    __radd__, __rmul__ = __add__, __mul__
    __array_ufunc__ = None  # array * node asks the node


def apply(op, *inputs, extra=()):
    """Compute, and put the result on the tape."""
    inputs = tuple(x if isinstance(x, Node) else Node(x) for x in inputs)
    value = FORWARD[op](*(x.value for x in inputs), *extra)
    return Node(value, op, inputs, extra)


FORWARD = {
    "add": lambda a, b: a + b,
    "mul": lambda a, b: a * b,
    "power": lambda a, p: a**p,
    "exp": lambda a: np.exp(a),
    "sum_to": lambda a, shape: unbroadcast(a, shape),  # section 5
    "repeat_to": lambda a, shape: np.broadcast_to(a, shape),
}

# %% [markdown]
# `Node` says what Python's signs mean, `apply` computes and records, and `FORWARD` holds the
# operations. Differences and quotients are made of the others. (The last two operations are for
# section 5.) Here is the tape of the example. The number in front is the place on the tape.


# %%
def show(nodes):
    for z in nodes:
        made = f"{z.op} of {', '.join(str(x.place) for x in z.inputs)}" if z.op else "given"
        print(f"{z.place:3}  value {float(z.value):5.1f}   {made}")


x = Node(2.0)
a = x * x
b = a + x
z = a * b
show(tape)

# %% [markdown]
# For the way back each operation needs one more line, its **rule**. The rule of an operation that
# made $z$ from $a$ and $b$ is handed $\bar z$, $z$, $a$ and $b$, and returns what it sends back
# to each input: $\bar z$ times the slope of $z$ by that input.
#
# | operation | slope | what it sends back |
# |---|---|---|
# | $z = a + b$ | 1 and 1 | $\bar z$ to $a$, and $\bar z$ to $b$ |
# | $z = e^a$ | $e^a$, which is $z$ | $\bar z\, z$ |
# | $z = a^p$ | $p\, a^{p-1}$ | $\bar z\, p\, a^{p-1}$ |
# | $z = a\,b$ | ? | ? |
#
# **Implement** the last one.


# %%
def mul_rule(z_bar, z, a, b):
    # 2.2: return a_bar, b_bar: what z = a b sends back to a and to b
    # BEGIN SOLUTION
    return z_bar * b, z_bar * a
    # END SOLUTION


RULES = {
    "add": lambda z_bar, z, a, b: (z_bar, z_bar),
    "mul": mul_rule,
    "power": lambda z_bar, z, a, p: (z_bar * p * a ** (p - 1),),
    "exp": lambda z_bar, z, a: (z_bar * z,),
    "sum_to": lambda z_bar, z, a, shape: (fit(z_bar, a.value.shape),),
    "repeat_to": lambda z_bar, z, a, shape: (fit(z_bar, a.value.shape),),
}

# %%
check("2.2", mul_rule)

# %% [markdown]
# ## 3 The walk back
#
# Read the tape from the end. When it is the turn of a node, everything that was made from it stands
# further back on the tape, and has spoken already. So its bar is complete, and it can be sent on.
# What is sent is **added** to what is there.
#
# In the code below `bars` is a dict: it holds, for each node that has heard something, what it
# has heard so far. A rule is called as `RULES[z.op](bars[z], z, *z.inputs, *z.extra)`. It returns
# a tuple with one cotangent for each input. `fit(x_bar, shape)` will matter in section 5; until
# then it hands on what it gets.
#
# **Implement** the walk.


# %%
def fit(x, shape):
    """x brought to a shape: summed if it is too large, repeated if it is too small."""
    if x.value.shape == shape:
        return x
    return apply("sum_to" if x.value.size > np.prod(shape) else "repeat_to", x, extra=(shape,))


def backward(output, z_bar):
    """A dict: for each node that the output depends on, its bar, which is a Node as well."""
    bars = {output: Node(z_bar)}
    for z in reversed(tape[: output.place + 1]):
        if z in bars and z.op:
            # 2.3: for each x of z.inputs, with the x_bar that the rule of z sends to it, make x_bar
            # fit x.value.shape, and add it to what bars holds for x
            # BEGIN SOLUTION
            x_bars = RULES[z.op](bars[z], z, *z.inputs, *z.extra)
            for x, x_bar in zip(z.inputs, x_bars, strict=True):
                x_bar = fit(x_bar, x.value.shape)
                bars[x] = bars[x] + x_bar if x in bars else x_bar
            # END SOLUTION
    return bars


def gradient(f, z_bar, *xs):
    """What z = f(*xs) sends back to each of xs, as arrays."""
    xs = [Node(x) for x in xs]
    bars = backward(f(*xs), z_bar)
    return tuple(bars[x].value if x in bars else np.zeros_like(x.value) for x in xs)


# %%
check("2.3", gradient)

# %% [markdown]
# Here is the example as a picture. It is called a **diamond**, for the ways part and meet again.
# The number on an arrow is what was sent back along it.

# %%
places = {"x": (0.0, 0.3), "a = x x": (1.8, 1.8), "b = a + x": (2.6, 0.3), "z = a b": (4.1, 1.4)}
bars = backward(z, 1.0)

boxes = {}
for name, node in zip(places, (x, a, b, z), strict=True):
    bar = f"{float(bars[node].value):g}" if node in bars else "none"
    boxes[node] = f"{name}\nvalue {float(node.value):g}\nbar {bar}"
sent = []
for node in (a, b, z):
    if node in bars:
        x_bars = RULES[node.op](bars[node], node, *node.inputs, *node.extra)
        pairs = zip(node.inputs, x_bars, strict=True)
        sent += [(boxes[node], boxes[to], float(x_bar.value)) for to, x_bar in pairs]

draw.graph(dict(zip(boxes.values(), places.values(), strict=True)), sent)
print("by hand: z = x^4 + x^3 has the slope 4 x^3 + 3 x^2 =", 4 * 2**3 + 3 * 2**2)

# %% [markdown]
# **Figure.** Four boxes, one for each node, with its value and its bar; the red arrows run back
# from $z$, and the numbers on the arrows that end in a box add up to its bar: 6 and 4 make the 10
# of $a$; 20, 20 and 4 make the 44 of $x$.
#
# **Modify.** In `backward`, walk the tape forwards: take `reversed` away, run that cell, and then
# the one that draws. Which boxes have a bar now, which number is missing in it, and why? Then put
# it back.
#
# ## 4 Backward twice
#
# Our bars live in a dict that is thrown away after the walk. Many libraries keep them on the
# nodes instead, in `.grad`, and add to what is there. That is handy: gradients of several losses
# add up by themselves. But look at this walk.


# %%
def backward_into_grad(output, nodes):
    """As backward, but what is heard is kept in .grad of the node."""
    output.grad = 1.0
    for z in reversed(nodes):
        if z.op:
            x_bars = RULES[z.op](z.grad, z.value, *(x.value for x in z.inputs), *z.extra)
            for x, x_bar in zip(z.inputs, x_bars, strict=True):
                x.grad = x.grad + x_bar


start = len(tape)
a, b, d = Node(3.0), Node(2.0), Node(1.0)
c = a + b
e = c * d
nodes = tape[start:]
for node in nodes:
    node.grad = 0.0

backward_into_grad(e, nodes)
print("after the first call:   a.grad =", a.grad, "  c.grad =", c.grad)

# %% [markdown]
# **Predict.** As $e = (a+b)\,d$ with $d = 1$, the slope of $e$ by $a$ is 1. Now
# `backward_into_grad` is called again, and nothing is set to zero before. What will `a.grad` be?

# %%
choice = "3"  # SOLUTION
predict("2.4", choice, of=("1", "2", "3"))

# %%
backward_into_grad(e, nodes)
print("after the second call:  a.grad =", a.grad, "  c.grad =", c.grad)
reveal("2.4")

# %% [markdown]
# Adding up at $a$ is a matter of taste. Adding up at $c$, in the middle, is an error: there the
# sum of the old and the new is **sent on again**.
#
# **Modify.** Set `c.grad` to 0 before the second call, and leave `a.grad` alone. Now it is 2, the
# sum of two gradients. PyTorch does it like this: only leaves, which were given and not computed,
# keep a `.grad`.
#
# ## 5 What was repeated is summed
#
# Until now every node was one number. Nothing in the rules says so, and arrays work as well, but
# for one thing: **broadcasting**. Add a bias $b$ of the shape (4,) to an array of the shape (3,
# 4), and $b$ is repeated three times. Then it is used three times, and what comes back along the
# three ways is added up. The rule of `add` sends $\bar z$ of the shape (3, 4), and $b$ must get
# the shape (4,).
#
# Two things can have been repeated: axes in front that were not there, and axes of length 1.
#
# **Implement** the way back.


# %%
def unbroadcast(x_bar, shape):
    # 2.5: return x_bar summed over what was repeated when an array of this shape was broadcast to
    # the shape of x_bar; the result has exactly this shape
    # BEGIN SOLUTION
    extra = x_bar.ndim - len(shape)
    x_bar = x_bar.sum(axis=tuple(range(extra)))
    for k, length in enumerate(shape):
        if length == 1 and x_bar.shape[k] != 1:
            x_bar = x_bar.sum(axis=k, keepdims=True)
    return x_bar
    # END SOLUTION


# %%
check("2.5", unbroadcast)

# %% [markdown]
# `fit` puts this on the tape as an operation of its own, `sum_to`. Its way back is `repeat_to`,
# whose way back is `sum_to`: summing and repeating are each other's mirror.
#
# The tape is finished. Let us give it something serious: weight normalisation, $w = g\,v/\lVert
# v\rVert$, for one row, and compare with minwn, with a measurement in the manner of notebook 1,
# and with $\langle\bar v, v\rangle$, which has to be 0.

# %%
rng = np.random.default_rng(2)
v, g, w_bar = rng.normal(size=4), np.array(-1.7), rng.normal(size=4)


def weight(v, g):
    return g * v / (v * v).sum() ** 0.5


v_bar, g_bar = gradient(weight, w_bar, v, g)
minwn_v_bar, minwn_g_bar = minwn.vjp(weight, v, g)[1](w_bar)
steps = 1e-5 * np.eye(4)
slopes = [(w_bar * (weight(v + s, g) - weight(v - s, g))).sum() / 2e-5 for s in steps]

print("your tape  ", v_bar, g_bar)
print("minwn.vjp  ", minwn_v_bar.numpy(), minwn_g_bar.numpy())
print("measured   ", np.array(slopes))
print(f"<v_bar, v> = {v_bar @ v:.0e}")

# %% [markdown]
# ## 6 The walk is a program, too
#
# You may have wondered why the rules compute with Nodes, and not with their values: `z_bar * b`
# for two Nodes puts another product on the tape. So the walk back is **recorded as well**. The
# gradient that comes out is a Node which remembers how it was computed. And what is recorded can
# be differentiated.
#
# **Implement** the second derivative of a function of one number. It takes two walks.


# %%
def second(f, x):
    x = Node(x)
    y = f(x)
    # 2.6: return the second derivative of f at x, as a number: walk back from y, starting with 1.0,
    # to the first derivative, and then back from that
    # BEGIN SOLUTION
    first = backward(y, 1.0)[x]
    bars = backward(first, 1.0)
    return float(bars[x].value) if x in bars else 0.0  # a straight line has no second derivative
    # END SOLUTION


# %%
check("2.6", second)


# %%
def bell(x):
    return (x * x * -0.5).exp()


def derivatives(f, x, order):
    """f and its derivatives at many points at once, and how many nodes each needed."""
    x, found, sizes = Node(x), [], []
    start = len(tape)
    y = f(x)
    for _ in range(order + 1):
        found.append(y.value)
        sizes.append(len(tape) - start)
        y = backward(y, np.ones_like(x.value)).get(x, Node(np.zeros_like(x.value)))
    return found, sizes


points = np.linspace(-3.5, 3.5, 141)
curves, sizes = derivatives(bell, points, 3)

lines = {name: (points, curve) for name, curve in zip(("f", "f '", "f ''"), curves, strict=False)}
draw.show(draw.panel(x="x", y="f and its derivatives", lines=lines, at=(-1, 1)))
print("nodes on the tape for f, and up to f', f'', f''':", sizes)

# %% [markdown]
# **Figure.** The bell curve $f = e^{-x^2/2}$ with its first and second derivative, all three from
# one line of code: $f'$ is zero at the top of the bell, and $f''$ at the dotted lines at $-1$ and
# 1, where the curve turns from bending down to bending up.
#
# Recording has its price: the tape becomes longer with each order. That is why libraries ask.
# PyTorch and minwn walk with plain arrays, unless you say `create_graph=True`. Then they do what
# your tape does.
#
# **Modify.** Write `a.value` in place of `a`, and `b.value` in place of `b`, in your `mul_rule`.
# Which of the checks 2.3 and 2.6 still pass? Then put it back. (Meanwhile `check` for 2.2 and the
# walk of section 4 will complain: both hand plain numbers to your rule, which have no `.value`.)
#
# ## Exit ticket
#
# Put your name in: the numbers of the first question are drawn from it.

# %%
student("my name")
given("2.T1")

# %% [markdown]
# **T1.** Let $a = x \cdot x$ and $z = a \cdot (x + k)$, with your `x` and `k`, and $\bar z = 1$.
# What is $\bar x$? Work it out on paper, from the end.

# %%
numbers = given("2.T1")
x_bar = 3 * numbers["x"] ** 2 + 2 * numbers["k"] * numbers["x"]  # SOLUTION
check("2.T1", x_bar)

# %% [markdown]
# **T2.** A bias $b$ of the shape (4,) is added to $x$ of the shape (32, 4), and $\bar y$ of that
# shape comes back. What is $\bar b$: of $\bar y$ `"the sum over the 32 rows"`,
# `"the mean over the 32 rows"` or `"its last row"`?

# %%
answer = "the sum over the 32 rows"  # SOLUTION
check("2.T2", answer)

# %% [markdown]
# **T3.** In the rule of the product, a colleague writes `z_bar * b.value` for `z_bar * b`, and
# `z_bar * a.value` for the other. Which derivatives of a program become wrong: `"both"` the first
# and the second, `"only the second"`, or `"neither"`?

# %%
answer = "only the second"  # SOLUTION
check("2.T3", answer)

# %% [markdown]
# **One to write.** This operation is drawn from your name as well. Give it a rule, for arrays.

# %%
given("2.7")


# %%
def own_rule(z_bar, z, a):
    formula, k = given("2.7").values()
    # 2.7: return a_bar, what your z sends back to a; k is a number
    # BEGIN SOLUTION
    slopes = {
        "sin(k a)": k * np.cos(k * a),
        "e^(-k a^2)": -2 * k * a * z,
        "a e^(k a)": (1 + k * a) * np.exp(k * a),
        "log(a^2 + k)": 2 * a / (a * a + k),
        "1 / (a^2 + k)": -2 * a * z * z,
        "(a^2 + k)^(1/2)": a / z,
    }
    return z_bar * slopes[formula]  # your answer needs one of these only
    # END SOLUTION


# %%
check("2.7", own_rule)

# %% [markdown]
# ## Where this goes wrong in real libraries
#
# *micrograd*, by Andrej Karpathy, is a tape for single numbers, of about a hundred lines, which
# many people have learned from. In its first days it went wrong at the diamond: a node that was
# used twice passed its cotangent on after the first use and again after the second, and so counted
# the first one twice (issue #2, reported in April 2020 and mended by walking in order, as you do).
# Your exercise 2.3 knows this mistake.
#
# The other one is there by choice. `backward` adds to `.grad` at every node, also in the middle,
# so that a second call without setting them to zero gives too much. Section 4 is the program of
# issue #53 from 2023: `a.grad` is 1.0 after the first call and 3.0 after the second. The issue
# was closed without a change; pull request #102, which would make `backward` start from zeros,
# was still open in March 2026. A program that builds its expressions again for each step, as
# micrograd's own examples do, never notices.
#
# ## References
#
# - A. Griewank, A. Walther, *Evaluating Derivatives*, second edition, SIAM 2008,
#   [doi:10.1137/1.9780898717761](https://doi.org/10.1137/1.9780898717761): the book on it; the bars
#   are its notation
# - A. G. Baydin, B. A. Pearlmutter, A. A. Radul, J. M. Siskind, *Automatic Differentiation in
#   Machine Learning: a Survey*, JMLR 18(153), 2018,
#   [arXiv:1502.05767](https://arxiv.org/abs/1502.05767)
# - A. Karpathy, [micrograd](https://github.com/karpathy/micrograd), issues
#   [2](https://github.com/karpathy/micrograd/issues/2) and
#   [53](https://github.com/karpathy/micrograd/issues/53), pull request
#   [102](https://github.com/karpathy/micrograd/pull/102)

# %%
progress()
