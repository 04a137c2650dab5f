"""An exercise that nobody has done yet: one sentence, and no traceback."""

from __future__ import annotations

from typing import Any, NoReturn

__all__ = ["Unfinished", "is_empty", "todo"]


class Unfinished(NotImplementedError):
    """What stands where an answer is to be written. In a notebook it shows as its sentence."""

    def _render_traceback_(self) -> list[str]:
        """Asked for by IPython in place of a traceback."""
        return [str(self)]


def todo(id: str, task: str = "write your answer") -> NoReturn:
    """Stop here: exercise `id` is still empty. Raises Unfinished, which says what to write."""
    raise Unfinished(
        f"Exercise {id} is still empty. In place of the line todo({id!r}, ...): {task}."
    )


def is_empty(answer: Any) -> bool:
    """Whether an answer is the `...` that a notebook comes with."""
    return answer is Ellipsis or (
        isinstance(answer, tuple) and any(part is Ellipsis for part in answer)
    )
