"""The course: notebooks whose checks name the mistake, and not only the fact of one.

A learner imports from here `check`, `hint`, `predict`, `reveal`, `progress`, `given`, `student` and
`todo`. The rest is for authors.

To write a notebook, write three files; notebook 5 is the pattern.

`tutorials/src/NN_title.py`, in py:percent (see `source` for the markers):

    # NN Title · **45 minutes** · **Before this:** · **You will be able to** and a list
    one code cell with all imports, and plt.style.use("minwn.minwn")
    ## sections, each with some of
        **Predict.**    choice = "grows"  # SOLUTION
                        predict("6.1", choice, of=("grows", "shrinks"))   and later reveal("6.1")
        **Implement.**  a function with its task as a comment, "# 6.2: return ...", above the
                        markers; then check("6.2", function) in a cell of its own
        a cell that draws, and below it "**Figure.** One sentence that says what is to be seen."
        **Modify.**     a number to change and look again
    ## Exit ticket      three questions, check("6.T1", ...) to check("6.T3", ...)
    ## Where this goes wrong in real libraries    one true case that the reader can look up
    progress()

`minwn/course/exercises/nNN.py`, with EXERCISES, a tuple of `Exercise` in the order of the text:

    Exercise("6.1", "what a step does to n", choice("grows", {"shrinks": "It grows: ..."}),
             because="...", of=("grows", "shrinks"))
    Exercise("6.2", "the step by hand", function(reference, draw, "your v", slips=(...)),
             hints=(nudge, more, all but the answer), because="...", reveals="6.1")

`tests/course/answers/nNN.py`, with ANSWERS, by id; it is not in the wheel, where learners are:

    "6.2": Answers(right=(one, another way), wrong=((answer, "part of its message"), ...))

Judges: `array`, `number` (typed: right to so many digits), `choice`, `function` (at random points),
`weight_norm("backward")` (the oracle's catalogue), or a function of your own that returns None for
a right answer, or a sentence. A sentence says what the answer is, never what it should be. Where an
exercise has `hints` it is checked; where it has `of` and no hints it is predicted. For numbers that
differ from learner to learner, give `variant=draw`, where draw(rng) returns a dict that `given(id)`
shows; `right` and the slips of `number`, and the answers, are then functions of that dict.

Then: minwn tutorials build && minwn tutorials lint && minwn tutorials html NN --out pages, look at
the page, and run pytest tests/course. Second person, plain words, short sentences; each letter
before its first use; no exclamation marks; less than 60 s on two cores, and no network.
"""

from .catalogue import weight_norm, weight_norm_at
from .exercise import Exercise, Feedback, find
from .judges import array, choice, function, number, same
from .session import check, given, hint, predict, progress, reveal, student
from .unfinished import Unfinished, todo

__all__ = [
    "Exercise", "Feedback", "Unfinished", "array", "check", "choice", "find", "function", "given",
    "hint", "number", "predict", "progress", "reveal", "same", "student", "todo", "weight_norm",
    "weight_norm_at",
]  # fmt: skip
