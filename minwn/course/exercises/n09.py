"""Exercises of notebook 9: break it to test it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ...byhand.weight_norm import vjp as backward
from ...mutation import MUTANTS as ALL
from ...oracle import expected
from ...oracle.mistakes import by_id
from .. import points
from ..exercise import Exercise
from ..judges import choice, number

__all__ = ["EXERCISES", "MUTANTS", "WHAT", "another_way", "overwriting"]

Arrays = tuple[np.ndarray, ...]
NAMES = {  # by the ids that the oracle gives them
    "no projection": "formula.no_projection",
    "no g": "formula.missing_g",
    "no 1/n": "formula.missing_1_over_n",
    "no g/n": "formula.missing_g_over_n",
    "n for n^2": "formula.proj_n1",
    "|d| for d": "formula.proj_abs",
    "sum for dot": "formula.proj_uses_sum_not_dot",
    "|g| for g": "formula.factor_abs_g",
    "g_bar times g": "formula.g_bar_times_g",
    "g_bar summed": "formula.g_bar_scalar_sum",
    "d of all rows": "axis.global_dot",
    "n of another row": "index.n_of_the_neighbour_in_the_factor",
    "last row zero": "index.v_bar.last_row_zero",
    "first entry lost": "index.the_first_entry_is_missing_from_d",
    "eps": "eps.outside.backward.1e-06",
    "float32": "accumulation.float32.qd",
}
_WORDS = {  # of those that the catalogue has no formula for
    "n of another row": "v_bar with the n of the row before in g/n",
    "last row zero": "v_bar with zeros in its last row",
    "first entry lost": "v_bar with d without the first entry of each row",
    "eps": "v_bar and g_bar of w = g v / (n + 1e-6)",
    "float32": "v_bar and g_bar with sums in float32",
}
WHAT = {name: _WORDS.get(name) or by_id(id.split(".")[1]).formula for name, id in NAMES.items()}
_FOUND = {mutant.id: mutant for mutant in ALL}
MUTANTS: dict[str, Any] = {name: _FOUND[id].make().backward for name, id in NAMES.items()}
LEAST = 4  # entries of v: with one row, or one column, some of the mutants are right
HIDES = {  # the keys by which `points.special` knows what hides a mutant
    **{name: id.partition(".")[2] for name, id in NAMES.items()},
    "n of another row": "n_of_the_neighbour",
    "last row zero": "last_row_zero",
    "first entry lost": "first_entry_missing",
    "eps": "eps",
    "float32": "float32",
}


def another_way(w_bar: np.ndarray, v: np.ndarray, g: np.ndarray) -> Arrays:
    """The gradient by w: it looks like a mutant and is right."""
    n = np.sqrt((v * v).sum(axis=1, keepdims=True))
    w = g * v / n
    g_bar = (w_bar * v).sum(axis=1, keepdims=True) / n
    return (g * w_bar - g_bar * w) / n, g_bar


def overwriting(w_bar: np.ndarray, v: np.ndarray, g: np.ndarray) -> Arrays:
    """The right gradient, but it overwrites w_bar."""
    answer = backward(w_bar, v, g)
    w_bar -= (w_bar * v).sum(axis=1, keepdims=True) / (v * v).sum(axis=1, keepdims=True) * v
    return answer


def point(seed: int, size: float = 1.0) -> Arrays:
    """v, g, w_bar: generic numbers."""
    rng = np.random.default_rng(seed)
    g = np.array([[1.7], [-0.6], [2.9]]) * rng.uniform(0.8, 1.2, (3, 1))
    return size * rng.normal(size=(3, 4)), g, rng.normal(size=(3, 4))


def survivors(
    v: np.ndarray, g: np.ndarray, w_bar: np.ndarray, tolerance: float = 1e-12
) -> list[str]:
    """The mutants that are right at a point. tolerance: relative to the terms of the sums."""
    right = expected(v, g, w_bar)
    scale = np.abs(w_bar).max()
    sizes = (np.abs(g / np.sqrt((v * v).sum(axis=1, keepdims=True))).max() * scale, scale)
    found = []
    for name, mutant in MUTANTS.items():
        with np.errstate(all="ignore"):
            got = mutant(w_bar.copy(), v.copy(), g.copy())
        pairs = zip(got, (right.v_bar, right.g_bar), sizes, strict=True)
        if all(np.abs(x - np.asarray(y)).max() <= tolerance * size for x, y, size in pairs):
            found.append(name)
    return found


# ---- a check is judged by what it lets pass -----------------------------------------------------


def _changed(v_bar: Any = None, g_bar: Any = None) -> Callable[..., Arrays]:
    """The right gradient with v_bar or g_bar changed."""

    def wrong(w_bar: np.ndarray, v: np.ndarray, g: np.ndarray) -> Arrays:
        x, y = backward(w_bar, v, g)
        return x if v_bar is None else v_bar(x), y if g_bar is None else g_bar(y)

    return wrong


def _one(x: np.ndarray, value: float) -> np.ndarray:
    x = x.copy()
    x[-1, -1] = value
    return x


def _cancelling(x: np.ndarray) -> np.ndarray:
    x = x.copy()
    x[0, 0] += 0.5
    x[0, 1] -= 0.5
    return x


TRIED = (  # a gradient, the size of v, whether a check must accept it, and the message if not
    (backward, 1.0, True, "your check rejects the right gradient: numbers are rounded, so leave "
     "them a little room"),
    (another_way, 1.0, True, "your check rejects the right gradient, computed in another order: "
     "numbers are rounded, so leave them a little room"),
    (backward, 1e-7, True, "your check rejects the right gradient where its numbers are large: "
     "leave room in proportion to them"),
    (_changed(v_bar=lambda x: 1.5 * x), 1.0, False, "your check lets a v_bar "
     "pass that is half as large again; does it look at v_bar at all?"),
    (_changed(g_bar=lambda x: 1.5 * x), 1.0, False, "your check does not look at g_bar"),
    (_changed(v_bar=lambda x: _one(x, x[-1, -1] + 1)), 1.0, False,
     "your check does not look at the last entry"),
    (_changed(v_bar=lambda x: _one(x, x[-1, -1] - 1)), 1.0, False,
     "your check lets numbers pass that are too small; the size of a difference has no sign"),
    (_changed(v_bar=_cancelling), 1.0, False,
     "your check lets two errors pass that cancel each other; look at each entry"),
    (_changed(v_bar=lambda x: _one(x, np.nan)), 1.0, False,
     "your check lets NaN pass: whatever is compared with NaN, the answer is False"),
    (_changed(v_bar=lambda x: 0 * x), 1.0, False, "your check lets a v_bar of zeros pass"),
    (_changed(v_bar=lambda x: 2 * x), 1e9, False,
     "your check lets twice the gradient pass where its numbers are small: leave room in "
     "proportion to them"),
    (_changed(v_bar=lambda x: x * (1 + 1e-4)), 1.0, False,
     "your check lets an error of one part in ten thousand pass"),
    (_changed(v_bar=lambda x: x * (1 + 1e-8)), 1.0, False,
     "your check lets an error of 1e-8 pass; float32 on the way makes no larger one"),
)


def judge_check(answer: Any) -> str | None:
    """A function (backward, v, g, w_bar) -> bool."""
    if not callable(answer):
        return "hand over the function itself, not what it returns"
    for gradient, size, passes, message in TRIED:
        for seed in range(2):
            with np.errstate(all="ignore"):
                found = answer(gradient, *point(seed, size))
            if not isinstance(found, bool | np.bool_):
                kind = "None" if found is None else f"{type(found).__name__}"
                return f"return True or False; this is {kind}"
            if bool(found) is not passes:
                return message
    return None


def judge_point(answer: Any, most: int | None = None) -> str | None:
    """Whether every mutant is wrong at (v, g, w_bar), where v has `most` entries or fewer."""
    found = points.read(answer)
    if isinstance(found, str):
        return found
    v, g, w_bar = found
    alive = survivors(v, g, w_bar)
    if alive and v.shape[1] == 1:
        return (
            f"{len(alive)} of {len(MUTANTS)} survive: a row of one entry has a v_bar of 0, and so "
            "no factor in front of it shows"
        )
    if alive and len(v) == 1:
        return (
            f"{len(alive)} of {len(MUTANTS)} survive: there is one row only, and so nothing shows "
            "that mixes rows"
        )
    if alive:
        more = f" and {len(alive) - 1} more survive" if len(alive) > 1 else " survives"
        fact = points.special(HIDES[alive[0]], v, g, w_bar)
        return f"{alive[0]!r}{more}" + (f": here {fact}" if fact else " at your point")
    if most is not None and v.size > most:
        return f"it kills all {len(MUTANTS)}, but your v has {v.size} entries; fewer will do"
    return None


def judge_untouched(answer: Any) -> str | None:
    """A function (backward, v, g, w_bar) -> bool: whether the arguments stay unchanged."""
    if not callable(answer):
        return "hand over the function itself, not what it returns"

    def spoils(k: int, how: Callable[[np.ndarray], None]) -> Callable[..., Arrays]:
        def wrong(*arrays: np.ndarray) -> Arrays:
            found = backward(*arrays)
            how(arrays[k])
            return found

        return wrong

    def double(x: np.ndarray) -> None:
        x *= 2

    def nudge(x: np.ndarray) -> None:
        x[-1, -1] += 1e-9

    def swap(x: np.ndarray) -> None:
        x[:] = x[::-1].copy()

    tried = (
        (backward, True, "your function says that the right gradient changes something"),
        (overwriting, False, "your function does not see that w_bar is overwritten: compare with a "
         "copy that was taken before, for both names may mean the same array"),
        (spoils(1, double), False, "your function does not see that v is overwritten"),
        (spoils(2, double), False, "your function does not see that g is overwritten"),
        (spoils(0, swap), False, "your function does not see that the rows of w_bar change places; "
         "compare entry by entry"),
        (spoils(1, nudge), False, "your function does not see a change of 1e-9; here no room is "
         "needed, for nothing is computed"),
    )
    for gradient, passes, message in tried:
        found = answer(gradient, *point(0))
        if not isinstance(found, bool | np.bool_):
            return f"return True or False; this is {found!r:.40}"
        if bool(found) is not passes:
            return message
    return None


def counts(rng: np.random.Generator) -> dict[str, Any]:
    """Of 9.T1: mutants planted, killed, and equal to the truth."""
    planted, equal = int(rng.integers(40, 81)), int(rng.integers(4, 10))
    return {"planted": planted, "killed": planted - equal - int(rng.integers(5, 16)),
            "equal": equal}


def _score(x: dict[str, Any]) -> float:
    return x["killed"] / (x["planted"] - x["equal"])


EXERCISES = (
    Exercise(
        "9.1",
        "how many mutants a handy point kills",
        choice("11 or fewer", {
            "all 16": "It is 9. Where lengths and gains are 1, no factor shows.",
            "12 to 15": "It is 9. Where lengths and gains are 1, no factor shows.",
        }),
        explanation="It is 9. Where lengths and gains are 1, no factor shows.",
        choices=("all 16", "12 to 15", "11 or fewer"),
    ),
    Exercise(
        "9.2",
        "a check of your own",
        judge_check,
        (
            "two arrays come back and two are true; how far may an entry be from the true one?",
            "take the largest difference, by amount, and compare it with a small part, such as "
            "1e-10, of the largest true number",
            "ask whether the difference is small enough, not whether it is too large: NaN is "
            "neither",
        ),
        explanation="It lets rounding pass, and nothing else that was tried.",
    ),
    Exercise(
        "9.3",
        "a point that kills them all",
        judge_point,
        (
            "take the column of the figure with the fewest survivors, and ask what is special "
            "about its point",
            "several rows, gains of both signs, lengths that are neither 1 nor |g|",
            "np.random.default_rng(0).normal(size=(3, 4)) has nothing special in it; give g both "
            "signs by hand",
        ),
        explanation="Nothing is special about it, so that nothing hides.",
    ),
    Exercise(
        "9.4",
        "the smallest such point",
        lambda answer: judge_point(answer, LEAST),
        (
            "leave out a row or a column, run the mutants, and see who survives",
            "one row is too few: then rows cannot be mixed up. What about one column?",
            "two rows and two columns are enough; a number such as 0.3, which no float holds "
            "exactly, keeps float32 from being right",
        ),
        explanation="With one row or one column less, some of the mutants are simply right.",
    ),
    Exercise(
        "9.5",
        "what kills the last mutant",
        choice("nothing", {
            "a better point": "Nothing does: put w = g v / n into it, and the closed form is back.",
            "less room": "Nothing does: put w = g v / n into it, and the closed form is back.",
        }),
        explanation="Put w = g v / n into it, and the closed form is back.",
        choices=("a better point", "less room", "nothing"),
    ),
    Exercise(
        "9.6",
        "a check of what is left behind",
        judge_untouched,
        (
            "what do you have to keep before the call, to be able to compare after it?",
            "before = w_bar is only another name for the same array; w_bar.copy() is another array",
            "copy all three, call the gradient, and compare with np.array_equal",
        ),
        explanation="Copies from before, compared entry by entry.",
    ),
    Exercise(
        "9.T1",
        "the score of a test suite",
        number(
            _score, "your score",
            common_errors=(
                (lambda x: x["killed"] / x["planted"],
                 "you count the mutants that are equal to the truth; no test can kill these"),
                (lambda x: (x["killed"] + x["equal"]) / x["planted"],
                 "a mutant that equals the truth was not killed; leave it out of both numbers"),
                (lambda x: 1 - _score(x), "this is the part that survives"),
                (lambda x: 100 * _score(x), "this is the percentage; a part of 1 is asked for"),
                (lambda x: x["killed"] / x["equal"], "divide by the mutants that could be killed"),
            ),
        ),
        (
            "how many of the mutants could be killed at all?",
            "those that are equal to the truth are no faults, and are left out",
            "killed, over planted less equal",
        ),
        variant=counts,
    ),
    Exercise(
        "9.T2",
        "what a check that kills nothing has shown",
        choice("nothing", {
            "the gradient is right": "a wrong one would have passed as well",
            "the mutants are right": "a mutant can be wrong where no test looks",
            "there are too few mutants": "not even one was killed; would more of them help?",
        }),
        (
            "what would the check have said of a wrong gradient?",
            "compare it with a check that returns True, whatever it is given",
            "a result that could not have been another tells nothing",
        ),
        explanation="A result that could not have been another tells nothing.",
        choices=("the gradient is right", "the mutants are right", "there are too few mutants",
            "nothing"),
    ),
    Exercise(
        "9.T3",
        "a survivor at g = n",
        choice("the point", {
            "the room": "at this point it gives the true numbers, to the last digit",
            "the mutant": "it is a fault that people make; keep it",
            "the truth": "the truth is right: at this point the mutant is, too",
        }),
        (
            "what does this mutant give where g = n?",
            "the factor g/n is 1 there, and leaving out a 1 changes nothing",
            "which of the four could you change so that g/n is no longer 1?",
        ),
        explanation="The fault is invisible at g = n, and not small.",
        choices=("the room", "the point", "the mutant", "the truth"),
    ),
)
