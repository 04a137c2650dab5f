"""A function that is called from several threads at once, where it runs."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

__all__ = ["ROUNDS", "meet", "met"]

ROUNDS = 5
SWITCH = 1e-6  # seconds until another thread has its turn; 5e-3 would hide most meetings


def met(f: Any, name: str, problems: Sequence[tuple[np.ndarray, ...]], count: int) -> list[str]:
    """`meet`, in the process of the function."""
    remote = getattr(f, "meet", None)
    return list(remote(problems, count)) if remote else meet(f, name, problems, count)


def meet(
    f: Callable[..., Any], name: str, problems: Sequence[tuple[np.ndarray, ...]], count: int
) -> list[str]:
    """What went wrong in threads that go through the problems at once, each from its own place."""
    alone = [_answers(f, problem) for problem in problems]
    wrong: list[str] = []
    start = threading.Barrier(count)

    def work(k: int) -> None:
        start.wait()
        for j in range(ROUNDS * len(problems)):
            i = (j + k) % len(problems)
            where = f"{name} of shape {problems[i][0].shape} in {count} threads"
            try:
                with np.errstate(all="ignore"):
                    got = _answers(f, problems[i])
            except Exception as error:
                wrong.append(f"{where}: {type(error).__name__}: {error}")
                continue
            pairs = zip(got, alone[i], strict=True)
            if not all(np.array_equal(x, y, equal_nan=True) for x, y in pairs):
                wrong.append(f"{where} is not what it is alone")

    threads = [threading.Thread(target=work, args=(k,)) for k in range(count)]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    return wrong


def _answers(f: Callable[..., Any], arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
    answer = f(*(np.array(x, order="C") for x in arrays))
    answers = answer if isinstance(answer, tuple | list) else (answer,)
    return [np.array(x) for x in answers if x is not None]
