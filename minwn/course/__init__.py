"""The course: notebooks whose checks name the mistake in a wrong answer.

A learner imports from here `check`, `hint`, `predict`, `reveal`, `progress`, `given`, `student`,
`todo`, `finding`, `keep` (progress in another folder) and `mine` (an answer from another notebook).
The rest is for authors.

To write a notebook, write three files; notebook 5 is the pattern.

`tutorials/src/NN_title.py`, in py:percent (see `source` for the markers):

    # NN Title · **45 minutes** · **Before this:** · **You will be able to** and a list
    one code cell with all imports; the build puts one above it that installs minwn
    ## sections, each with some of
        **Predict.**    choice = "grows"  # SOLUTION
                        predict("6.1", choice, of=("grows", "shrinks"))   and later reveal("6.1")
        **Implement.**  a function with its task as a comment, "# 6.2: return ...", above the
                        markers; then check("6.2", function) in a separate cell
        a cell that draws with `minwn.course.draw`, where the calls of matplotlib are, and below it
        "**Figure.** One sentence that says what it shows.", which is the alt text as well
        **Modify.**     a number to change and look again
    ## Exit ticket      three questions, check("6.T1", ...) to check("6.T3", ...)
    ## Where this goes wrong in real libraries    one real case that the reader can look up
    ## References       what the text draws on, with a link
    progress()

`minwn/course/exercises/nNN.py`, with EXERCISES, a tuple of `Exercise` in the order of the text:

    Exercise("6.1", "what a step does to n", choice("grows", {"shrinks": "It grows: ..."}),
             explanation="...", choices=("grows", "shrinks"))
    Exercise("6.2", "the step by hand", function(reference, draw, "your v", common_errors=(...)),
             hints=(nudge, more, all but the answer), explanation="...", reveals="6.1")

`tests/course/answers/nNN.py`, with ANSWERS, by id; the wheel does not contain it:

    "6.2": Answers(right=(one, another way), wrong=((answer, "part of its message"), ...))

Judges: `array`, `number` (typed, to some digits), `choice`, `function` (at random points),
`weight_norm("backward")` (the oracle's catalogue), or your own function, which returns None for a
right answer and otherwise a sentence. A sentence says what the answer is, not what it should be.
`function` finds the usual slips by itself (see `slips`): give it `common_errors` for what only this
exercise can go wrong in, and `examples` that can be checked on paper for all the rest. An
exercise with `hints` is checked; one with `choices` and no hints is a prediction. For numbers that
differ between learners, give `variant=draw`: draw(rng) returns a dict that `given(id)` shows. Then
`number` takes functions of that dict, for the expected value and the common errors, and so do the
answers. For a function to write, `varied(make)` takes a function of that dict that makes the judge.

Then: minwn tutorials build && minwn tutorials lint && minwn tutorials html NN --out pages, look at
the page, and run pytest tests/course. Use the second person, plain words and short sentences;
explain each letter before its first use; no exclamation marks; less than 60 s on two cores, and no
network.
"""

from .catalogue import weight_norm, weight_norm_at
from .exercise import Exercise, Feedback, find
from .findings import finding
from .judges import array, choice, function, number, same, varied
from .own import mine
from .session import check, given, hint, keep, predict, progress, reveal, student
from .unfinished import Unfinished, todo

__all__ = [
    "Exercise", "Feedback", "Unfinished", "array", "check", "choice", "find", "finding", "function",
    "given", "hint", "keep", "mine", "number", "predict", "progress", "reveal", "same", "student",
    "todo", "varied", "weight_norm", "weight_norm_at",
]
