"""Atomic writes: complete or unchanged, after an error, a kill and a second writer."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tiprdc.errors import ConfigError
from tiprdc.formats.atomic import atomic_directory, atomic_file


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def test_file_is_replaced_and_keeps_usual_mode(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("old")
    mode = path.stat().st_mode
    with atomic_file(path) as stream:
        stream.write(b"new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert path.stat().st_mode == mode
    assert names(tmp_path) == ["a"]


def test_file_is_unchanged_after_error(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("old")
    with pytest.raises(RuntimeError), atomic_file(path) as stream:  # noqa: PT012
        stream.write(b"half")
        raise RuntimeError
    assert path.read_text() == "old"
    assert names(tmp_path) == ["a"]


def test_file_replaces_link_without_following_it(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text("theirs")
    (tmp_path / "a").symlink_to("elsewhere")
    with atomic_file(tmp_path / "a") as stream:
        stream.write(b"new")
    assert (tmp_path / "elsewhere").read_text() == "theirs"
    assert not (tmp_path / "a").is_symlink()


def test_two_writers_of_one_file_keep_their_partial_files(tmp_path: Path) -> None:
    path = tmp_path / "a"
    with atomic_file(path) as first:
        first.write(b"first")
        with atomic_file(path) as second:
            second.write(b"second")
        assert path.read_bytes() == b"second"
    assert path.read_bytes() == b"first"
    assert names(tmp_path) == ["a"]


KILLED = """
import os, signal, sys
from pathlib import Path
from tiprdc.formats import atomic
target = Path(sys.argv[2])
def kill(*given, **named):
    os.kill(os.getpid(), signal.SIGKILL)
if sys.argv[1] == "file":
    with atomic.atomic_file(target) as stream:
        stream.write(b"half")
        kill()
if sys.argv[1] == "between renames":
    rename = Path.rename
    Path.rename = lambda self, to: kill() if self.name == "payload" else rename(self, to)
with atomic.atomic_directory(target, replace=True) as payload:
    (payload / "a").write_text("half")
    if sys.argv[1] == "folder":
        kill()
"""


def killed(when: str, target: Path) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, when, str(target)], check=False)
    assert done.returncode == -signal.SIGKILL


def test_next_write_deletes_what_a_killed_one_left(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("old")
    killed("file", path)
    assert path.read_text() == "old"
    assert len(names(tmp_path)) == 2
    with atomic_file(path) as stream:
        stream.write(b"new")
    assert names(tmp_path) == ["a"]


@pytest.mark.parametrize("when", ["folder", "between renames"])
def test_old_folder_is_there_after_a_kill(tmp_path: Path, when: str) -> None:
    target = tmp_path / "shards"
    target.mkdir()
    (target / "a").write_text("old")
    killed(when, target)
    with atomic_directory(tmp_path / "shards", replace=True):
        assert (target / "a").read_text() == "old"
        assert len(names(tmp_path)) == 2
    assert names(target) == []
    assert names(tmp_path) == ["shards"]


def test_folder_is_replaced_only_on_success(tmp_path: Path) -> None:
    target = tmp_path / "shards"
    for content in ("one", "two"):
        with atomic_directory(target, replace=True) as payload:
            (payload / "sub").mkdir()
            (payload / "sub" / "a").write_text(content)
    with pytest.raises(RuntimeError), atomic_directory(target, replace=True) as payload:  # noqa: PT012
        (payload / "b").write_text("half")
        raise RuntimeError
    assert (target / "sub" / "a").read_text() == "two"
    assert names(target) == ["sub"]
    assert names(tmp_path) == ["shards"]


def test_old_folder_is_restored_if_rename_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "shards"
    target.mkdir()
    (target / "a").write_text("old")
    rename = Path.rename

    def fail(self: Path, to: Path) -> Path:
        if self.name == "payload":
            raise OSError(28, "No space left on device")
        return rename(self, to)

    monkeypatch.setattr(Path, "rename", fail)
    with pytest.raises(ConfigError, match="No space left"), atomic_directory(target, replace=True):
        pass
    assert (target / "a").read_text() == "old"
    assert names(tmp_path) == ["shards"]


def test_existing_folder_is_refused_without_replace(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with atomic_directory(tmp_path / "a") as payload:
        (payload / "x").write_text("new")
    with pytest.raises(ConfigError, match="already exists"), atomic_directory(tmp_path / "a"):
        pass
    (tmp_path / "file").write_text("x")
    for target in ("file", "no/parent"):
        with pytest.raises(ConfigError), atomic_directory(tmp_path / target, replace=True):
            pass


def test_links_are_refused_unless_allowed(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    with pytest.raises(ConfigError, match="symbolic link"), atomic_directory(tmp_path / "link/a"):
        pass
    with atomic_directory(tmp_path / "link" / "a", allow_links=True) as payload:
        (payload / "x").write_text("new")
    assert names(tmp_path / "real" / "a") == ["x"]


def test_body_error_is_not_changed(tmp_path: Path) -> None:
    error = FileNotFoundError(2, "No such file", "record.png")
    with pytest.raises(FileNotFoundError), atomic_directory(tmp_path / "a"):
        raise error


def test_second_writer_leaves_a_locked_folder_alone(tmp_path: Path) -> None:
    target = tmp_path / "a"
    with atomic_directory(target, replace=True) as first:
        (first / "x").write_text("first")
        with atomic_directory(target, replace=True) as second:
            (second / "x").write_text("second")
        assert names(first) == ["x"]
    assert (target / "x").read_text() == "first"
