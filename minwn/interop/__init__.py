"""Weights from and to other frameworks: one table of names and layouts, `convert`, and files.

    load(model, "vocoder.safetensors", source="torch")        # into a minwn model
    save(model, "model.safetensors", target="flax")           # out of one
    convert(state, "torch", "flax")                           # between any two
    fold(state, source="torch")                               # plain weights: w = g v / ||v||
    split(state, target="torch", names="decoder.*")           # and back: v = w, g = ||w||
    state, metadata = read("g_02500000.pth", only="generator")

The frameworks are minwn, torch (the hook), parametrization (PyTorch's other weight_norm), r (R
torch), flax (linen) and equinox: the keys of FRAMEWORKS. KINDS names the layers that have layouts
of their own. Names are in `interop.names`, layouts in `interop.layout`. A file
opens there with that framework's own functions:

    torch     model.load_state_dict(safetensors.torch.load_file(path))
    flax      model.apply(unflatten(read(path)[0]), x)
    equinox   state = read(path)[0]
              name = functools.partial(jax.tree_util.keystr, simple=True, separator=".")
              arrays, rest = eqx.partition(model, eqx.is_array)
              arrays = jax.tree_util.tree_map_with_path(lambda p, _: state[name(p)], arrays)
              model = eqx.combine(arrays, rest)
"""

from .convert import convert
from .dims import dim_from_r, dim_from_torch, dim_to_r, dim_to_torch
from .files import FileError, read, write
from .fold import fold, split
from .layout import KINDS
from .modules import load, save
from .names import FRAMEWORKS, flatten, unflatten

__all__ = [
    "FRAMEWORKS", "KINDS", "FileError", "convert", "dim_from_r", "dim_from_torch", "dim_to_r",
    "dim_to_torch", "flatten", "fold", "load", "read", "save", "split", "unflatten", "write",
]
