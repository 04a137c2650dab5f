"""Weights from and to other frameworks: one table of names and layouts, `convert`, and files.

    load(model, "vocoder.safetensors", source="torch")       # into a minwn model
    save(model, "flax.safetensors", target="flax")           # out of one
    convert(state, "torch", "flax")                          # between any two

The frameworks are minwn, torch (the hook), parametrization (PyTorch's other weight_norm), r (R
torch), flax (linen) and equinox. Names are in `interop.names`, layouts in `interop.layout`.
"""

from .convert import convert
from .dims import dim_from_r, dim_from_torch, dim_to_r, dim_to_torch
from .files import FileError, read, write
from .layout import KINDS
from .modules import load, save
from .names import FRAMEWORKS, flatten, unflatten

__all__ = [
    "FRAMEWORKS", "KINDS", "FileError", "convert", "dim_from_r", "dim_from_torch", "dim_to_r",
    "dim_to_torch", "flatten", "load", "read", "save", "unflatten", "write",
]  # fmt: skip
