"""Every program of FINDINGS.md runs again, and prints what the page says that it prints."""

import contextlib
import importlib.metadata
import io
import re
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

from minwn import oracle

PAGE = Path(oracle.__file__).with_name("FINDINGS.md").read_text(encoding="utf-8")
SECTION = re.compile(
    r"### ([^\n]+)\n\n<!-- (\S+) (\S+) -->\n(?:(?!### ).)*?"
    r"```python\n(.*?)```\n\n```text\n(.*?)```",
    re.DOTALL,
)
FINDINGS = {title: rest for title, *rest in SECTION.findall(PAGE)}


def installed(distribution):
    try:
        return importlib.metadata.version(distribution).partition("+")[0]
    except importlib.metadata.PackageNotFoundError:
        return None


@pytest.mark.slow
@pytest.mark.parametrize("title", FINDINGS)
def test_a_finding_is_still_so(title):
    distribution, version, program, printed = FINDINGS[title]
    here = installed(distribution)
    if here != version:
        pytest.skip(f"{distribution} is {here or 'not installed'}; the page is about {version}")
    if "os.environ" in program:  # of a library that reads it once, for everybody
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
        assert done.stdout == printed, done.stderr
        return
    out = io.StringIO()
    with contextlib.redirect_stdout(out), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # theirs
        exec(compile(program, title, "exec"), {"__name__": "finding"})
    assert out.getvalue() == printed


def test_every_section_of_the_page_is_tried():
    assert len(FINDINGS) == PAGE.count("\n### ") == PAGE.count("```python") > 15
    assert all(printed.strip() for *_, printed in FINDINGS.values())
