"""The kernels as CUDA's own compilers see them: nvcc, for its machine code, and NVRTC, which CuPy
uses, and which has other headers."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from minwn.byhand import weight_norm_cuda

from .kernels import DTYPES, some_kernels

NVCC = shutil.which("nvcc")
OPTIONS = ("-std=c++17", "-ftz=true")  # minwn's and CuPy's
ARCHITECTURES = dict(zip(DTYPES, (75, 80, 90, 100), strict=True))


@pytest.mark.skipif(NVCC is None, reason="needs nvcc")
@pytest.mark.parametrize("dtype", DTYPES)
def test_nvcc_compiles_every_kernel_and_spills_no_register(dtype, tmp_path):
    architecture = ARCHITECTURES[dtype]
    known = subprocess.run([NVCC, "--list-gpu-arch"], capture_output=True, text=True).stdout
    if f"compute_{architecture}" not in known.split():
        pytest.skip(f"this nvcc does not know compute capability {architecture / 10}")
    names = list(some_kernels(dtype))
    uses = [f"auto use_{i} = &{name};" for i, name in enumerate(names)]
    source = tmp_path / "weight_norm.cu"
    source.write_text("\n".join([weight_norm_cuda._source(), *uses]))
    command = [NVCC, *OPTIONS, f"-arch=sm_{architecture}", "-cubin", "-Xptxas", "-v", "-Werror",
               "all-warnings", "-o", tmp_path / "kernels.cubin", source]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("bytes spill stores") == len(names)
    spills = re.findall(r"([1-9]\d*) bytes (?:stack frame|spill)", done.stderr)
    assert not spills, done.stderr


@pytest.mark.parametrize("dtype", DTYPES)
def test_nvrtc_compiles_the_source_by_name(dtype):
    """Without any header but the two for 16 bits, and with names as CuPy looks them up."""
    pytest.importorskip("cupy", reason="needs CuPy, not a GPU")
    from cupy_backends.cuda.libs import nvrtc

    options, bits = [*OPTIONS, "-arch=compute_80"], dtype.removeprefix("b") == "float16"
    if bits:
        include = Path(os.environ.get("CUDA_PATH", "/usr/local/cuda")) / "include"
        if not (include / "cuda_fp16.h").exists():
            pytest.skip(f"needs cuda_fp16.h, which is not in {include}; set CUDA_PATH")
        options.append(f"-I{include}")
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
