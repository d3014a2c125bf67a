"""onnxruntime runs without telemetry."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.helpers.release_samples import write_release

ROOT = Path(__file__).parents[3]


def test_onnxruntime_writes_no_id_and_starts_no_thread(tmp_path: Path) -> None:
    """Telemetry would write an id and a queue under the home folder, and start a sender thread."""
    release, home = write_release(tmp_path / "release"), tmp_path / "home"
    home.mkdir()
    # onnxruntime disables its telemetry by itself under some of these.
    silencing = ("CI", "XDG_CACHE_HOME", "ORT_DISABLE_TELEMETRY")
    environment = {k: v for k, v in os.environ.items() if k not in silencing}
    script = (
        # numpy has threads of its own.
        "import os, numpy as np\nbefore = len(os.listdir('/proc/self/task'))\n"
        "from tiprdc.runtime.extractor import Extractor\n"
        f"z = Extractor.load({str(release)!r})(np.zeros((2, 3, 8, 8), np.uint8))\n"
        "print(len(z), len(os.listdir('/proc/self/task')) - before)\n"
        "print(*(os.readlink(f'/proc/self/fd/{n}') for n in os.listdir('/proc/self/fd')"
        " if os.path.lexists(f'/proc/self/fd/{n}')))\n"
    )
    process = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, env={**environment, "HOME": str(home)},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    counts, files = process.stdout.splitlines()
    assert counts == "2 0"
    assert "onnxruntime.db" not in files
    assert list(home.rglob("*")) == []


def test_only_session_imports_onnxruntime() -> None:
    """Telemetry is disabled before the first import, so there must be only one."""
    paths = [
        path.relative_to(ROOT).as_posix()
        for folder in ("tiprdc", "pipelines", "stages")
        for path in sorted((ROOT / folder).rglob("*.py"))
        if re.search(r"^\s*(import|from) onnxruntime\b", path.read_text(), re.MULTILINE)
    ]
    assert paths == ["tiprdc/runtime/session.py"]
