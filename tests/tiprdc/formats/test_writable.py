"""A folder of results is tried before the work, and left as it was."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tiprdc.errors import ConfigError
from tiprdc.formats.writable import require_writable


@pytest.mark.parametrize("name", ["", "new", "new/deeper"])
def test_folder_that_can_be_written_is_left_as_it_was(tmp_path: Path, name: str) -> None:
    require_writable(tmp_path / name, "a.json")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["file", "file/below"])
def test_file_in_place_of_a_folder_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"train: .* cannot be written"):
        require_writable(tmp_path / name, option="train")


def test_folder_of_the_system_is_refused() -> None:
    with pytest.raises(ConfigError, match="cannot be written"):
        require_writable(Path("/proc/tiprdc"))


@pytest.mark.parametrize("kind", ["folder", "pipe"])
def test_result_that_cannot_be_replaced_is_refused(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "a.json"
    path.mkdir() if kind == "folder" else os.mkfifo(path)
    with pytest.raises(ConfigError, match=r"a\.json cannot be replaced"):
        require_writable(tmp_path, "b.json", "a.json")
    require_writable(tmp_path, "b.json")
