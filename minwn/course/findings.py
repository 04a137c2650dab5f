"""What the oracle found in the libraries, section by section: minwn/oracle/FINDINGS.md."""

from __future__ import annotations

import re

from ..validation import did_you_mean
from .locations import PACKAGE

__all__ = ["finding"]


def finding(title: str) -> None:
    """Print a section of FINDINGS.md: a program, its output, and what that means for you.

    Raises KeyError for a title that it does not have, with the nearest one.
    """
    text = (PACKAGE / "oracle" / "FINDINGS.md").read_text(encoding="utf-8")
    sections = {}
    for section in re.split(r"^### ", text, flags=re.MULTILINE)[1:]:
        name, _, body = section.partition("\n")
        sections[name] = re.sub(r"<!--.*?-->\n|^#.*", "", body, flags=re.DOTALL | re.MULTILINE)
    if not isinstance(title, str) or title not in sections:
        near = did_you_mean(str(title), sections, cutoff=0.0)
        raise KeyError(f"there is no finding {title!r}{near}")
    print(title, sections[title].strip(), sep="\n\n")
