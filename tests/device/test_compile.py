"""The kernels as CUDA's own compilers see them: nvcc, for its machine code, and NVRTC, which CuPy
uses, and which has other headers."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from minwn.kernels import weight_norm_cuda

from .kernels import DTYPES, some_kernels

NVCC = shutil.which("nvcc")
OPTIONS = ("-std=c++17", "-ftz=true")  # minwn's and CuPy's
ARCHITECTURES = dict(zip(DTYPES, (75, 80, 90, 100), strict=True))


def heaviest(dtype: str) -> Iterator[str]:
    """The kernels with the most in registers."""
    kind = weight_norm_cuda.TYPES[dtype]
    wide = 16 // {"float32": 4, "float64": 8}.get(dtype, 2)
    for op, (vectors, numbers) in enumerate(
        zip(weight_norm_cuda.HELD, weight_norm_cuda.NUMBERS, strict=True)
    ):
        yield f"rows<{op}, {kind}, {wide}, {min(vectors, numbers // wide)}>"


def check_machine_code(names: list[str], architecture: int, folder: Path) -> None:
    """Raise unless nvcc compiles these kernels without a warning or a spilled register."""
    known = subprocess.run([NVCC, "--list-gpu-arch"], capture_output=True, text=True).stdout
    if f"compute_{architecture}" not in known.split():
        pytest.skip(f"this nvcc does not know compute capability {architecture / 10}")
    uses = [f"auto use_{i} = &{name};" for i, name in enumerate(names)]
    source = folder / "weight_norm.cu"
    source.write_text("\n".join([weight_norm_cuda._source(), *uses]))
    command = [NVCC, *OPTIONS, f"-arch=sm_{architecture}", "-cubin", "-Xptxas", "-v", "-Werror",
               "all-warnings", "-o", folder / "kernels.cubin", source]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("bytes spill stores") == len(names)
    spills = re.findall(r"([1-9]\d*) bytes (?:stack frame|spill)", done.stderr)
    assert not spills, done.stderr


@pytest.mark.slow
@pytest.mark.skipif(NVCC is None, reason="needs nvcc")
@pytest.mark.parametrize("dtype", DTYPES)
def test_nvcc_compiles_the_kernels_of_every_shape(dtype, tmp_path):
    check_machine_code(list(some_kernels(dtype)), ARCHITECTURES[dtype], tmp_path)


@pytest.mark.slow
@pytest.mark.skipif(NVCC is None, reason="needs nvcc")
@pytest.mark.parametrize("architecture", ARCHITECTURES.values())
def test_nothing_is_spilled_where_most_is_held(architecture, tmp_path):
    names = [name for dtype in DTYPES for name in heaviest(dtype)]
    check_machine_code(names, architecture, tmp_path)


@pytest.mark.parametrize("dtype", DTYPES)
def test_nvrtc_compiles_the_source_by_name(dtype):
    """Without any header but the two for 16 bits, and with names as CuPy looks them up."""
    cupy: Any = pytest.importorskip("cupy", reason="needs CuPy, not a GPU")
    from cupy_backends.cuda.libs import nvrtc

    options, bits = [*OPTIONS, "-arch=compute_80"], dtype.removeprefix("b") == "float16"
    if bits:
        roots = (os.environ.get("CUDA_PATH"), cupy.cuda.get_cuda_path(), "/usr/local/cuda")
        folders = [Path(root) / "include" for root in roots if root]
        found = [folder for folder in folders if (folder / "cuda_fp16.h").exists()]
        if not found:
            pytest.skip(f"needs cuda_fp16.h, which is not in {folders}; set CUDA_PATH")
        options.append(f"-I{found[0]}")
    try:
        program = nvrtc.createProgram(weight_norm_cuda._source(), "weight_norm.cu", (), ())
    except Exception as error:
        pytest.skip(f"needs NVRTC: {error}")
    names = list(some_kernels(dtype))
    for name in names:
        nvrtc.addNameExpression(program, name)
    try:
        nvrtc.compileProgram(program, tuple(options))
    except nvrtc.NVRTCError:
        pytest.fail(nvrtc.getProgramLog(program))
    lowered = {nvrtc.getLoweredName(program, name) for name in names}
    code = nvrtc.getPTX(program)
    assert len(lowered) == len(names)
    assert all(name in (code if isinstance(code, str) else code.decode()) for name in lowered)
    nvrtc.destroyProgram(program)
