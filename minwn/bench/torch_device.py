"""PyTorch, where it can work on the given device."""

from __future__ import annotations

from typing import Any

from .work import Unavailable

__all__ = ["torch_for"]


def torch_for(device: str) -> Any:
    """The module torch. Raises Unavailable where it does not see the device."""
    import torch

    if device != "cpu" and not torch.cuda.is_available():
        raise Unavailable(f"PyTorch {torch.__version__} sees no GPU; install a CUDA build of it")
    return torch
