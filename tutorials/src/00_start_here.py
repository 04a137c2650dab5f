# %% [markdown]
# # 0 Start here
#
# **15 minutes** · **Before this:** a little Python; you need to know what a function and an array
# are
#
# **You will be able to**
#
# - run a notebook of this course, and start it again when it is confused
# - read what `check` says, and ask for a hint
# - tell a wrong shape from a wrong formula
#
# A notebook is made of cells. Click into one and press Shift and Enter: it runs, its output appears
# below it, and the next cell is selected. Run the cells from the top to the bottom, in order. If
# something is odd, choose *Restart Kernel and Run All Cells* in the menu *Kernel* (or *Run*).

# %%
import numpy as np

import minwn
from minwn.course import check, draw, finding, hint, predict, progress, reveal, todo

print("minwn", minwn.__version__, "with NumPy", np.__version__)

# %% [markdown]
# If that cell printed two versions, everything that you need is here. The cell above it installs
# minwn where it is missing, and does nothing elsewhere. If a package is still missing, the command
# `minwn doctor` in a terminal names it.
#
# ## 1 Predict, then look
#
# Before something happens, you will be asked what you expect. A prediction is never marked: having
# said something makes you see more. Put one of the choices, with its quotation marks, in place of
# the three dots.
#
# **Predict.** `a` is a column of 3 numbers and `b` a row of 4. What is the shape of `a + b`?

# %%
choice = "(3, 4)"  # SOLUTION
predict("0.1", choice, of=("(3, 4)", "(7,)", "an error"))

# %%
a = np.array([[10.0], [20.0], [30.0]])  # (3, 1)
b = np.array([1.0, 2.0, 3.0, 4.0])  # (4,)
print(a + b)
reveal("0.1")

# %% [markdown]
# This is **broadcasting**: an axis of length 1, or one that is not there, is repeated until the
# shapes fit. It is handy, and it hides mistakes: what should have been an error gives numbers.
#
# ## 2 What a check says
#
# `check` takes the id of an exercise and your answer, which may be a number, an array or a
# function. Let us give it a wrong answer on purpose. Exercise 0.2 asks for the length of each row
# of a matrix, the root of the sum of squares. The answer below forgets the root.


# %%
def without_root(v):
    return (v * v).sum(axis=1)


check("0.2", without_root)

# %% [markdown]
# A check does not only say *not yet*. It says what your answer is instead. It never tells the
# solution; `hint` comes closer to it, three times, and no further.

# %%
hint("0.2")

# %% [markdown]
# **Implement.** Now you: write the function, in place of the line that says `todo`. As long as the
# line is there, the notebook stops with its sentence when the function is needed.


# %%
def lengths(v):
    # 0.2: return the length of each row of v, as many numbers as v has rows
    # BEGIN SOLUTION
    return np.sqrt((v * v).sum(axis=1))  # (o, i) -> (o,)
    # END SOLUTION


# %%
check("0.2", lengths)

# %% [markdown]
# Whether you return the shape (o,) or (o, 1), use `np.linalg.norm` or a loop, float32 or float64:
# what is mathematically right is right.
#
# ## 3 A shape that is wrong and does not complain
#
# Here is broadcasting at its worst. We want to divide each row of a square matrix by its own
# length.

# %%
square = np.array([[3.0, 4.0], [5.0, 12.0]])
careless = square / lengths(square).reshape(-1)
print(careless)
print("lengths of the rows of the result:", lengths(careless))

# %% [markdown]
# They are not 1. The lengths have the shape (2,), which is broadcast as a **row**: each *column*
# was divided by a number. Had the matrix had 2 rows and 3 columns, there would have been an error.
# So in this course matrices are never square, unless to show this.
#
# **Implement.** Mend it.


# %%
def unit_rows(v):
    # 0.3: return v with each row divided by its own length; mind the shape of the lengths
    # BEGIN SOLUTION
    n = np.sqrt((v * v).sum(axis=1, keepdims=True))  # (o, i) -> (o, 1)
    return v / n
    # END SOLUTION


# %%
check("0.3", unit_rows)

# %% [markdown]
# Look at what your function does: three vectors before and after.

# %%
before = np.array([[2.0, 0.5], [-1.0, 1.5], [0.4, -0.3]])
draw.circle(before, unit_rows(before))

# %% [markdown]
# **Figure.** Each of the three rows, drawn as a round point, has moved straight towards the origin,
# or away from it, onto the circle of length 1, where it is drawn as a square.
#
# **Modify.** Add a fourth row of two very small numbers, such as `[1e-3, 2e-3]`. Where does it go?
# And what would a row of zeros have to become?

# %% [markdown]
# ## Exit ticket
#
# Three questions that close every notebook.
#
# **T1.** What is the length of the vector `[2, 3, 6]`?

# %%
length = 7  # SOLUTION
check("0.T1", length)

# %% [markdown]
# **T2.** `v` has the shape (5, 3). What is the shape of `(v * v).sum(axis=0)`? Write a tuple, such
# as `(2, 4)`, or `(2,)` for one axis.

# %%
shape = (3,)  # SOLUTION
check("0.T2", shape)

# %% [markdown]
# **T3.** `check` says *not yet: your result has shape (4, 3), and (3, 4) is asked for*. What is the
# first thing to look at: `"the axis of a sum"`, `"the number of digits"` or `"the order of the
# axes"`?

# %%
answer = "the order of the axes"  # SOLUTION
check("0.T3", answer)

# %% [markdown]
# ## Where this goes wrong in real libraries
#
# A gain for each row of $v$ needs the shape (o, 1). PyTorch 2.13 has a function that
# computes $w = g\,v/\lVert v\rVert$, and for its usual axis it reads the gains in their order,
# whatever their shape is. For another axis the same array is broadcast. Two gains of the shape (1,
# 2) or (2,) give $(3, 4), (6, 8)$ in one case and $(3, 8), (3, 8)$ in the other, and neither
# complains. `finding("The shape of g is not looked at")` prints the program and its output.
#
# `progress` shows what you have done. It is kept in the folder `minwn-progress`, next to the
# notebooks, with a file for each: close the notebook, go on tomorrow, and nothing is lost. To begin
# again, delete the file. With the answers that were right it keeps their code. In notebook 11 you
# put these functions together, and they learn to read handwritten digits.
#
# Where the folder of the notebooks does not last, as in Colab, call `keep("...")` from
# `minwn.course` first, with a folder that does. Now go on to notebook 1.
#
# ## References
#
# - C. R. Harris and others, *Array programming with NumPy*, Nature 585, 2020,
#   [doi:10.1038/s41586-020-2649-2](https://doi.org/10.1038/s41586-020-2649-2): arrays, shapes and
#   broadcasting

# %%
progress()
