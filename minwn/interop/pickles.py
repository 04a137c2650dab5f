"""What torch.save wrote, .pt, .pth, .bin, .ckpt: read by PyTorch, as weights and never as code.

A state lies in nested dictionaries, with an optimiser and a count of steps next to it; the levels
are joined by dots. What is no tensor is left out.
"""

from __future__ import annotations

import re
import sys
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from ..backend import dtype_of
from .plain import DTYPES, FileError, Selection, leaves

__all__ = ["SUFFIXES", "read_pickle"]

SUFFIXES = (".pt", ".pth", ".bin", ".ckpt")
_EXPORT = (
    "where you trust it, load it with {} and export the weights alone: "
    "torch.save(model.state_dict(), 'weights.pt')"
)


def read_pickle(
    path: Path, file: IO[bytes], size: int, selection: Selection
) -> tuple[dict[str, Any], dict]:
    """({name: array}, {}) of a file of torch.save: its tensors; no code in it runs.

    Raises ImportError without PyTorch >= 2.6, and FileError for a damaged or too large file.
    """
    torch = _package()
    tree = _load(torch, path, file, size, selection.limit)
    if not isinstance(tree, Mapping | list | tuple):
        kind = type(tree).__name__
        raise FileError(f"it holds a {kind} and no names; save a state_dict()")
    return selection.gather(leaves(tree), _array, refused=_refused), {}


def _refused(x: Any) -> str | None:
    """What a tensor is, where it is not plain numbers in memory."""
    dtype, torch = str(x.dtype).removeprefix("torch."), sys.modules["torch"]
    if not isinstance(x, torch.Tensor):
        return f"of type {type(x).__name__}"
    if dtype not in DTYPES.values() or x.layout != torch.strided or x.is_nested:
        return f"a tensor of {dtype}, {str(x.layout).removeprefix('torch.')}"
    if x.device.type != "cpu":
        return f"a tensor on the device {x.device}, without its numbers"
    return None


def _array(x: Any) -> Any:
    x = x.detach().resolve_conj().resolve_neg().contiguous()
    if str(x.dtype) == "torch.bfloat16":
        return x.view(sys.modules["torch"].int16).numpy().view(dtype_of("bfloat16")).copy()
    return x.numpy().copy()


def _load(torch: Any, path: Path, file: IO[bytes], size: int, limit: int) -> Any:
    zipped = file.read(4) == b"PK\3\4"
    if zipped:
        _check_archive(file)
    elif size > limit:
        raise FileError(f"it has {size} bytes, over the limit of {limit}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            # Of an archive, only the tensors that are wanted get into memory.
            return torch.load(path, map_location="cpu", weights_only=True, mmap=zipped or None)
    except Exception as error:  # PyTorch's own, and any that its bindings raise
        export = _EXPORT.format("weights_only=False")
        code = re.search(r"nsupported (?:global: )?(?:GLOBAL|class) ([\w.]+)", str(error))
        if code is None:
            raise FileError(
                f"damaged, or not weights of torch.save ({type(error).__name__}); {export}"
            ) from None
        raise FileError(
            f"it needs the code of {code[1]}, and a file is not let run code; {export}"
        ) from None


def _check_archive(file: IO[bytes]) -> None:
    """Raise FileError for a compressed member, which torch.save never writes, or a wrong checksum.

    A compressed member can grow beyond the limit when it is read; PyTorch checks no checksum.
    """
    import zipfile

    try:
        with zipfile.ZipFile(file) as archive:
            for member in archive.infolist():
                kind = member.compress_type
                if "/code/" in member.filename:
                    raise FileError(
                        f"it is TorchScript, which is code; {_EXPORT.format('torch.jit.load')}"
                    )
                if kind != zipfile.ZIP_STORED or member.file_size != member.compress_size:
                    raise FileError(
                        f"{member.filename!r} in it is compressed, which torch.save never does"
                    )
            summed = any(member.CRC for member in archive.infolist())  # or compute_crc32=False
            wrong = archive.testzip() if summed else None
    except FileError:
        raise
    except (zipfile.BadZipFile, EOFError, OSError, ValueError, RuntimeError,
            NotImplementedError) as error:
        raise FileError(f"damaged, or not of torch.save: {error}") from None
    if wrong is not None:
        raise FileError(f"damaged: the sum of {wrong!r} is wrong")


def _package() -> Any:
    try:
        import torch
    except ImportError as error:
        raise ImportError(
            "a file of torch.save needs PyTorch: pip install 'torch>=2.6'; without it, convert the "
            "file to .safetensors where PyTorch is"
        ) from error
    version = tuple(int(n) for n in re.findall(r"\d+", torch.__version__)[:2])
    if version < (2, 6):
        raise ImportError(
            f"PyTorch {torch.__version__} runs code in a file even with weights_only=True "
            f"(CVE-2025-32434): pip install 'torch>=2.6'"
        )
    return torch
