# %% [markdown]
# # 10 Be the oracle
#
# **60 minutes** · **Before this:** notebook 5 (weight normalisation) and notebook 9 (break it to
# test it)
#
# **You will be able to**
#
# - put another author's code, with conventions of its own, before a judge
# - read what the judge says: the mistake, the evidence, the smallest case
# - check a diagnosis by an experiment
# - write a bug report that its reader can use
#
# An **oracle** knows the right answer. `minwn.oracle` knows that of weight normalisation, computed
# with whole numbers and fractions, and rounded once at the end. It also knows the mistakes that
# people make, by name.

# %%
import numpy as np

from minwn import oracle
from minwn.course import check, draw, finding, given, hint, predict, progress, reveal, student, todo

np.set_printoptions(precision=4, suppress=True)

# %% [markdown]
# ## 1 The accused
#
# A colleague sends you two functions. They have conventions of their own: `kernel` has the shape
# (i, o), one **column** for each output, `scale` has the shape (o,), and the gradients come back in
# a dict. What you call $\bar w$ is `weight_grad` here, in the shape of `kernel`.


# %%
def their_weight(kernel, scale):
    return kernel * (scale / np.sqrt((kernel**2).sum(axis=0)))


def their_gradients(weight_grad, kernel, scale, eps=1e-6):
    norm = np.sqrt((kernel**2).sum(axis=0)) + eps
    unit = kernel / norm
    scale_grad = (weight_grad * unit).sum(axis=0)
    kernel_grad = scale / norm * (weight_grad - scale_grad * unit)
    return {"scale": scale_grad, "kernel": kernel_grad}


# %% [markdown]
# "It is tested", they say. The test compares with differences, and allows an error of one part in a
# thousand.
#
# **Predict.** You may have seen already what is wrong. Does the gradient pass that test?

# %%
choice = "passes"  # SOLUTION
predict("10.1", choice, of=("passes", "fails"))


# %%
def differences(f, x, step=1e-5):
    slopes = np.zeros_like(x)
    for place in np.ndindex(x.shape):
        up, down = x.copy(), x.copy()
        up[place] += step
        down[place] -= step
        slopes[place] = (f(up) - f(down)) / (2 * step)
    return slopes


rng = np.random.default_rng(10)
kernel, weight_grad = rng.normal(size=(4, 3)), rng.normal(size=(4, 3))
scale = np.array([1.7, -0.6, 2.9])

theirs = their_gradients(weight_grad, kernel, scale)["kernel"]
measured = differences(lambda k: (weight_grad * their_weight(k, scale)).sum(), kernel)
print("largest error / largest number:", np.abs(theirs - measured).max() / np.abs(measured).max())
reveal("10.1")

# %% [markdown]
# ## 2 Adapters
#
# The oracle speaks the language of notebook 5. `v` and `w_bar` are (o, i), `g` is (o, 1), and it
# asks for two functions:
#
# - `forward(v, g)` returns `w`
# - `backward(w_bar, v, g)` returns the pair `(v_bar, g_bar)`
#
# An **adapter** translates, calls, and translates back. It does nothing else. Above all it mends
# nothing: it must hand on what is wrong, or you judge your own code in place of theirs.
#
# **Implement** the first adapter.


# %%
def forward(v, g):
    # 10.2: call their_weight in their shapes, and return w in yours
    # BEGIN SOLUTION
    return their_weight(v.T, g[:, 0]).T
    # END SOLUTION


# %%
check("10.2", forward)

# %% [markdown]
# **Implement** the second.


# %%
def backward(w_bar, v, g):
    # 10.3: call their_gradients in their shapes, and return v_bar and g_bar in yours
    # BEGIN SOLUTION
    found = their_gradients(w_bar.T, v.T, g[:, 0])
    return found["kernel"].T, found["scale"][:, None]
    # END SOLUTION


# %%
check("10.3", backward)

# %% [markdown]
# ## 3 The judgement
#
# The oracle asks both functions about many cases, and compares each number with the true one. How
# far a number may be off is not a matter of taste: the oracle counts the roundings that an honest
# computation makes, and allows these and no more.

# %%
report = oracle.check(forward, backward, name="colleague")
print(report)

# %% [markdown]
# Read it from the top. *mistake* is a name, its **id**, and where it shows. *yours* and *right* are
# two formulas, of which the first reproduces the numbers of the accused. *on paper* is the smallest
# case that shows it, and *worst* the number that is furthest off. At the bottom stands which checks
# failed, and which did not.
#
# Of the letters, you know $n$ and $d$. $h$ is what $v$ is divided by, and $dh/dv$ its slope.
#
# What is the id of the mistake?

# %%
mistake = "eps_in_bwd_only"  # SOLUTION
check("10.4", mistake)

# %% [markdown]
# A diagnosis is a claim, and you can test it. If the gradient divides by $n + \varepsilon$ where it
# should divide by $n$, then $\bar g$ is too small, by the part $\varepsilon/(n + \varepsilon)$. So
# for rows that are ten times as short it should be ten times as wrong.


# %%
def errors(backward, lengths):
    """The largest error of v_bar and of g_bar, as a part of the largest true number."""
    rows = np.random.default_rng(3).normal(size=(len(lengths), 3, 4))
    rows /= np.linalg.norm(rows, axis=2, keepdims=True)
    found = {"v_bar": [], "g_bar": []}
    for n, row in zip(lengths, rows, strict=True):
        point = n * row, scale[:, None], weight_grad.T
        true = oracle.expected(*point)
        got = backward(point[2], point[0], point[1])
        for name, x in zip(found, got, strict=True):
            y = np.asarray(getattr(true, name))
            found[name].append(np.abs(x - y).max() / np.abs(y).max())
    return found


def by_length(backward, eps):
    lengths = 10.0 ** np.arange(-4, 7)
    measured = {
        f"error of {name}": (lengths, np.maximum(values, 1e-17))
        for name, values in errors(backward, lengths).items()
    }
    diagnosis = {"eps / (n + eps)": (lengths, eps / (lengths + eps))}
    axes = {"x": "n, the length of the rows", "y": "error, as a part of the number", "log": "xy"}
    draw.show(draw.panel(points=measured, theory=diagnosis, floor=1e-15, ylim=(1e-17, 1), **axes))


by_length(backward, eps=1e-6)

# %% [markdown]
# **Figure.** Over ten powers of ten, the errors of $\bar g$ lie on the dotted line that the
# diagnosis predicts, and those of $\bar v$ on it or a little above; even for the longest rows they
# are larger than what rounding does.
#
# The diagnosis holds. How large is their eps?

# %%
eps = 1e-6  # SOLUTION
check("10.5", eps)

# %% [markdown]
# **Modify.** Run `by_length` with `lambda w_bar, v, g: (backward(w_bar, v, g)[0] * 1.001,
# backward(w_bar, v, g)[1])` in place of `backward`: a mistake of another kind, which does not care
# how long the rows are. From which length on does it hide the first one?
#
# **Implement.** Mend it, in their shapes and with their names, so that they can copy it.


# %%
def mended_gradients(weight_grad, kernel, scale):
    # 10.6: return {"scale": ..., "kernel": ...}, the gradients that belong to their_weight
    # BEGIN SOLUTION
    norm = np.sqrt((kernel**2).sum(axis=0))
    unit = kernel / norm
    scale_grad = (weight_grad * unit).sum(axis=0)
    return {"scale": scale_grad, "kernel": scale / norm * (weight_grad - scale_grad * unit)}
    # END SOLUTION


# %%
check("10.6", mended_gradients)

# %% [markdown]
# ## 4 A case of your own
#
# The second accused is the gradient of a port to another language, brought back. It already has
# your shapes.


# %%
def port_forward(v, g):
    return g * v / np.linalg.norm(v, axis=1, keepdims=True)


def port(w_bar, v, g):
    n = np.linalg.norm(v, axis=1, keepdims=True)
    g_bar = (w_bar * v).sum(axis=1, keepdims=True) / n
    v_bar = g / n * (w_bar - np.vdot(w_bar, v) / n**2 * v)
    return v_bar, g_bar


# %% [markdown]
# **Predict.** Its author tested it with one neuron: `v` of the shape (1, 8), against differences,
# with little room. Did that test pass?

# %%
choice = "yes"  # SOLUTION
predict("10.7", choice, of=("yes", "no"))

# %%
one = rng.normal(size=(1, 8)), rng.normal(size=(1, 8)), np.array([[1.3]])  # w_bar, v, g
measured = differences(lambda v: (one[0] * port_forward(v, one[2])).sum(), one[1])
error = np.abs(port(*one)[0] - measured).max() / np.abs(measured).max()
print(f"one neuron: largest error / largest number: {error:.1e}")
reveal("10.7")

# %%
report = oracle.check(port_forward, port, name="port")
print(report)

# %% [markdown]
# Now write to its author. A good bug report has what its reader needs, and no more:
#
# - the **mistake**, by its id
# - the **smallest case** that shows it, which can be followed on paper: whole numbers, and `v` with
#   four entries at most
# - what comes out, `got`, and what should come out, `expected`; here, both are `v_bar`
# - a **fix** that holds: a function `(w_bar, v, g) -> (v_bar, g_bar)`
#
# **Implement** the report. The case may be the one above, or another that is as small.


# %%
def mended_port(w_bar, v, g):
    # 10.8: return the right v_bar and g_bar, with as few changes to port as you can
    # BEGIN SOLUTION
    n = np.linalg.norm(v, axis=1, keepdims=True)
    d = (w_bar * v).sum(axis=1, keepdims=True)  # (o, i), (o, i) -> (o, 1)
    return g / n * (w_bar - d / n**2 * v), d / n
    # END SOLUTION


def bug_report():
    # 10.8: return a dict with the keys mistake, v, g, w_bar, got, expected and fix
    # BEGIN SOLUTION
    v, w_bar = np.array([[3.0, 4.0], [8.0, 6.0]]), np.array([[5.0, 10.0], [0.0, 5.0]])
    g = np.array([[10.0], [-5.0]])
    return {
        "mistake": "global_dot",
        "v": v,
        "g": g,
        "w_bar": w_bar,
        "got": port(w_bar, v, g)[0],
        "expected": np.array([[-3.2, 2.4], [1.2, -1.6]]),
        "fix": mended_port,
    }
    # END SOLUTION


# %%
check("10.8", bug_report)

# %% [markdown]
# And in words: three sentences to the author, in this cell. What is wrong, when does it show, and
# why did their own test not see it? Only a person can mark this one.
#
# *Your three sentences:*

# %% [markdown]
# ## Exit ticket
#
# The numbers of the second question come from your name.
#
# **T1.** A colleague takes the norm over the columns in place of the rows, in the function and in
# its gradient alike. Which judge accepts that: `"both"`, `"only the gradient check"`,
# `"only the oracle"` or `"neither"`?

# %%
answer = "only the gradient check"  # SOLUTION
check("10.T1", answer)

# %%
student("my name")
given("10.T2")

# %% [markdown]
# **T2.** Rows have this length `n`, and the gradient divides by `n + eps`. By which part is $\bar
# g$ too small, as a number between 0 and 1?

# %%
numbers = given("10.T2")
part = numbers["eps"] / (numbers["n"] + numbers["eps"])  # SOLUTION
check("10.T2", part)

# %% [markdown]
# **T3.** A comparison says: *error 3.6e-15, rounding may do 7.5e-15*. What do you report:
# `"a bug"`, `"a lost digit"` or `"nothing"`?

# %%
answer = "nothing"  # SOLUTION
check("10.T3", answer)

# %% [markdown]
# ## Where this goes wrong in real libraries
#
# Your colleague is in good company. Paddle 3.3.1 divides by $\max(n, 10^{-12})$ in its function,
# and pulls the norm back by $v/(n + 10^{-12})$: an eps in the gradient that the function has not.
# At the case of your colleague's report, $v = (3, 4)$, $g = 10$, $\bar w = (5, 10)$, the true $\bar
# v$ is $(-3.2, 2.4)$. In float64, Paddle answers

# %%
v, w_bar = np.array([3.0, 4.0]), np.array([5.0, 10.0])
n = np.linalg.norm(v)
v_bar = 10 / n * (w_bar - (w_bar @ v) / n * v / (n + 1e-12))
print([f"{x:.14f}" for x in v_bar])

# %% [markdown]
# No test that leaves room for a part in a million sees that. The oracle does, and calls it by the
# name that you found: `finding("The gradient has an eps that the forward has not")` prints the
# program with Paddle itself. It does no harm to training, and a report has to say that as well.
#
# ## References
#
# - E. T. Barr, M. Harman, P. McMinn, M. Shahbaz, S. Yoo, *The Oracle Problem in Software Testing: A
#   Survey*, IEEE Transactions on Software Engineering 41(5), 2015,
#   [doi:10.1109/TSE.2014.2372785](https://doi.org/10.1109/TSE.2014.2372785): where right answers
#   can come from
# - N. J. Higham, *Accuracy and Stability of Numerical Algorithms*, second edition, SIAM 2002,
#   [doi:10.1137/1.9780898718027](https://doi.org/10.1137/1.9780898718027): how roundings are
#   counted

# %%
progress()
