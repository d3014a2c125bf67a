"""The page of examples/web: built, served under a sub-path, and used in Chromium."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.chromium import OFFLINE

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "examples" / "web"
OLDEST_NODE = (20, 19)
"""That Vite takes."""
_NO_REGISTRY = re.compile(r"npm error code (E(NOTFOUND|AI_AGAIN|CONN\w+|TIMEDOUT)|ERR_SOCKET\w*)")
NO_NODE = f"no npm of Node.js {'.'.join(map(str, OLDEST_NODE))} or newer: see https://nodejs.org"
FLAGS = (
    *OFFLINE,
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
)
"""Names of hosts are not resolved; the camera is Chromium's own moving picture."""


def build_page(folder: Path) -> Path:
    """Copy the page's source, install what its lock file names, and build it.

    Returns:
        The folder of the source; the page is in `dist`.
    """
    require_node()
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "."],
        cwd=SOURCE, capture_output=True, text=True, check=True,
    )  # fmt: skip
    for name in filter(None, listing.stdout.split("\0")):
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(SOURCE / name, target)
    for words in (["ci", "--no-audit", "--no-fund"], ["run", "build"]):
        ended = subprocess.run(
            ["npm", *words], cwd=folder, capture_output=True, text=True, timeout=600
        )
        if _NO_REGISTRY.search(ended.stderr):
            pytest.skip("npm has no registry here that answers")
        assert ended.returncode == 0, ended.stdout + ended.stderr
    return folder


def require_node() -> None:
    """Skip the test where Node.js is absent or too old."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if not node or not npm:
        pytest.skip(NO_NODE)
    stated = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout
    version = tuple(map(int, re.findall(r"\d+", stated)[:2]))
    if version < OLDEST_NODE:
        pytest.skip(NO_NODE)


class Browser:
    """Chromium with a profile that is kept between two uses.

    Args:
        page: Of `build_page`.
        chromium: The program.
        profile: Folder of the profile.
    """

    def __init__(self, page: Path, chromium: str, profile: Path) -> None:
        self._page, self._chromium, self._profile = page, chromium, profile
        self.errors: list[str] = []

    def use(self, url: str, *steps: dict[str, Any], **options: Any) -> list[dict[str, Any]]:
        """Open a page and do what `examples/web/tests/drive.mjs` describes.

        Returns:
            What was seen after the start and after each step.
        """
        task = {
            "chromium": self._chromium, "flags": FLAGS, "profile": str(self._profile), "url": url,
            "steps": steps, **options,
        }  # fmt: skip
        ended = subprocess.run(
            ["node", "tests/drive.mjs"], cwd=self._page, input=json.dumps(task),
            capture_output=True, text=True, timeout=300,
        )  # fmt: skip
        assert ended.returncode == 0, ended.stderr
        document = json.loads(ended.stdout)
        self.errors = document["errors"]
        answers: list[dict[str, Any]] = document["answers"]
        return answers
