"""The implementations that can be judged by name: the real thing, run on the oracle's arrays.

    [adapter] = adapters.get("torch.hook")
    report = check_adapter(adapter, dtype="float32")

Each file here is one implementation: its spec, and about ten lines that call it. The
derivatives are the library's own, by `autodiff_torch`, by `autodiff_jax`. No library is imported
before one of its functions is used, and none of these files before a name is looked up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ....lazy import attributes

__all__ = ["ADAPTERS", "DTYPES", "Adapter", "families", "get"]

if TYPE_CHECKING:
    from .adapter import DTYPES, Adapter
    from .table import ADAPTERS, families, get
else:
    __getattr__, __dir__ = attributes(__name__, {
        "DTYPES": "adapter", "Adapter": "adapter",
        "ADAPTERS": "table", "families": "table", "get": "table",
    })
