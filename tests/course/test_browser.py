"""A learner in a real JupyterLab: a cell is filled in, run, and the check says right in green."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from minwn.course.locations import notebooks

pytestmark = pytest.mark.browser

playwright = pytest.importorskip("playwright.sync_api", reason="a browser is driven by playwright")
pytest.importorskip("jupyterlab", reason="this test opens JupyterLab")  # takes two seconds: last

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
ANSWER = """def lengths(v):
    return np.sqrt((v * v).sum(axis=1))
"""


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[str]:
    """The address of a JupyterLab that serves a copy of notebook 0."""
    (source,) = (path for path in notebooks() if path.name.startswith("00_"))
    shutil.copy(source, tmp_path / "start.ipynb")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    places = {name: str(tmp_path / name) for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR")}
    server = subprocess.Popen(
        [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", f"--port={port}",
         "--IdentityProvider.token=", "--ServerApp.password=", f"--ServerApp.root_dir={tmp_path}",
         "--LabApp.news_url=", "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"],
        env={**os.environ, **places, "IPYTHONDIR": str(tmp_path / "ipython")},
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(120):
            try:
                urllib.request.urlopen(f"{address}/api", timeout=1).close()
                break
            except OSError:
                time.sleep(0.5)
        yield f"{address}/lab/tree/start.ipynb?reset"
    finally:
        server.terminate()
        server.wait(timeout=30)


@pytest.fixture
def browser() -> Iterator[playwright.Browser]:
    with playwright.sync_playwright() as driver:
        try:
            found = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        except playwright.Error as error:
            pytest.skip(f"Chromium cannot be started: {str(error).splitlines()[0]}")
        yield found
        found.close()


def test_a_learner_fills_in_an_exercise(lab, browser, tmp_path):
    page = browser.new_page(viewport={"width": 1200, "height": 1000})
    page.goto(lab)
    cells = page.locator(".jp-Notebook .jp-Cell")
    page.locator(".jp-Notebook-ExecutionIndicator[data-status=idle]").wait_for(timeout=90_000)

    def cell(text: str) -> playwright.Locator:
        found = page.locator(".jp-CodeCell", has_text=text).first
        for _ in range(40):  # cells out of view are not there before one scrolls to them
            if found.count():
                break
            page.locator(".jp-WindowedPanel-outer").first.evaluate("e => e.scrollBy(0, 400)")
            page.wait_for_timeout(100)
        found.scroll_into_view_if_needed()
        return found

    def run(found: playwright.Locator, text: str | None = None) -> None:
        found.locator(".cm-content").click()
        if text is not None:
            page.keyboard.press("Control+a")
            page.keyboard.insert_text(text)
        page.keyboard.press("Control+Enter")

    run(cell("import minwn"))
    page.get_by_text("with NumPy").last.wait_for(timeout=60_000)
    check = cell('check("0.2", lengths)')
    run(cell("def lengths(v)"))
    run(check)
    sentence = check.locator(".jp-OutputArea-output")
    sentence.get_by_text("Exercise 0.2 is still empty.").wait_for(timeout=30_000)
    assert "Traceback" not in sentence.inner_text()

    run(cell("def lengths(v)"), ANSWER)
    run(check)
    right = check.locator(".jp-OutputArea-output span", has_text="0.2 right")
    right.wait_for(timeout=30_000)
    red, green, blue = right.evaluate("e => getComputedStyle(e).color.match(/\\d+/g).map(Number)")[
        :3
    ]
    assert green > max(red, blue)
    assert cells.count() > 5
    where = os.environ.get("MINWN_SCREENSHOTS")
    if where:
        Path(where).mkdir(parents=True, exist_ok=True)
        page.screenshot(path=str(Path(where) / "jupyterlab.png"))
    page.keyboard.press("Control+s")
    for _ in range(50):
        saved = json.loads((tmp_path / "start.ipynb").read_text(encoding="utf-8"))
        if "0.2 right" in json.dumps(saved):
            break
        time.sleep(0.2)
    assert "0.2 right" in json.dumps(saved)
