"""Progress on disk: a folder next to the notebook, with one JSON file for each notebook.

A file is read again before it is written, and replaced as a whole, so that two notebooks, or two
kernels of one notebook, may be open at once. A file that cannot be understood is moved aside. No
file has a part in a verdict: `check` and `minwn grade` judge answers, and look into none.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["FOLDER", "Kept"]

FOLDER = "minwn-progress"
FORMAT = 1
Records = dict[str, dict[str, Any]]  # of one notebook, by the id of the exercise


class Kept:
    """The progress files of one folder. What goes wrong is printed, once, and never raised."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.blocked: set[str] = set()  # notebooks whose file must be left alone
        self.said: set[str] = set()

    def numbers(self) -> list[str]:
        """The notebooks that have a file here, as "05"."""
        try:
            names = sorted(path.name for path in self.folder.iterdir())
        except OSError:
            return []
        return [name[:2] for name in names if re.fullmatch(r"\d\d\.json", name)]

    def read(self, number: str) -> Records:
        """The records of one notebook; {} where there is no file, or none that can be read."""
        found = self._read(number).get("exercises", {})
        return {id: record for id, record in found.items() if isinstance(record, dict)}

    def write(self, number: str, records: Mapping[str, dict[str, Any]], **about: str) -> None:
        """Put records into the file of one notebook; those of other exercises stay."""
        old = self._read(number)
        if number in self.blocked:
            return
        exercises = {**old.get("exercises", {})}
        for id, record in records.items():
            before = exercises.get(id)
            exercises[id] = {**(before if isinstance(before, dict) else {}), **record}
        head = {"course": "minwn", "notebook": number, "format": FORMAT}
        data = {**head, **old, **about, "exercises": exercises}
        text = json.dumps(data, indent=1, ensure_ascii=False) + "\n"
        path = self._path(number)
        new = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            if path.exists() and not os.access(path, os.W_OK):
                raise PermissionError(f"{path} is read-only")
            try:
                new.write_bytes(text.encode("utf-8", "replace"))
                os.replace(new, path)
            finally:
                new.unlink(missing_ok=True)
        except OSError as error:
            self._say(
                f"Your progress cannot be kept in {self.folder} ({error.strerror or error}); it "
                'lasts until this notebook is closed. keep("FOLDER") chooses another folder.'
            )

    def _path(self, number: str) -> Path:
        return self.folder / f"{number}.json"

    def _read(self, number: str) -> dict[str, Any]:
        path = self._path(number)
        try:
            data = json.loads(path.read_bytes().decode("utf-8-sig"))
            if not isinstance(data, dict) or not isinstance(data.get("exercises"), dict):
                raise ValueError('there is no "exercises": {...} in it')
        except FileNotFoundError:
            return {}
        except OSError as error:
            self._leave(number, f"{path} cannot be read ({error.strerror or error})")
            return {}
        except (ValueError, RecursionError) as error:
            self._set_aside(number, str(error))
            return {}
        if data.get("format") != FORMAT:
            self._leave(number, f"{path} has the format {data.get('format')!r}, not {FORMAT}")
            return {}
        return data

    def _leave(self, number: str, why: str) -> None:
        self.blocked.add(number)
        self._say(f"{why}. It is left as it is, and nothing new is kept.")

    def _set_aside(self, number: str, why: str) -> None:
        path = self._path(number)
        count = 1
        while (aside := path.with_name(f"{number}.broken-{count}.json")).exists():
            count += 1
        try:
            os.rename(path, aside)
        except OSError:
            self._leave(number, f"{path} is no progress file ({why})")
        else:
            self._say(
                f"{path} is no progress file ({why}). It is now {aside.name}; a new one begins."
            )

    def _say(self, text: str) -> None:
        if text not in self.said:
            self.said.add(text)
            print(text)
