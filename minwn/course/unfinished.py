"""An exercise that is still empty: one sentence in place of a traceback."""

from __future__ import annotations

from typing import Any, NoReturn

__all__ = ["Unfinished", "is_empty", "todo"]


class Unfinished(NotImplementedError):
    """Raised where an answer is still to be written. A notebook shows only its sentence."""

    def _render_traceback_(self) -> list[str]:
        """IPython shows this in place of a traceback."""
        return [str(self)]


def todo(id: str, task: str = "write your answer") -> NoReturn:
    """Raises Unfinished: exercise `id` is still empty. Its message says what to write."""
    raise Unfinished(
        f"Exercise {id} is still empty. In place of the line todo({id!r}, ...): {task}."
    )


def is_empty(answer: Any) -> bool:
    """Whether an answer is still the `...` of the learner's notebook."""
    return answer is Ellipsis or (
        isinstance(answer, tuple) and any(part is Ellipsis for part in answer)
    )
