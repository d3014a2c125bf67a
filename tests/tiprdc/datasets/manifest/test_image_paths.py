"""Paths of pictures: those of another system, those of a wrong root, and what is no path."""

from __future__ import annotations

from pathlib import Path

import pytest

from tiprdc.datasets.manifest import image_paths
from tiprdc.datasets.manifest.image_paths import is_path, refuse_wrong_root, resolve_paths
from tiprdc.errors import DataError


def write(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x")
    return root


@pytest.mark.parametrize(
    ("path", "file"),
    [
        ("a/b.jpg", "a/b.jpg"),
        ("a\\b.jpg", "a/b.jpg"),
        ("A\\B.JPG", "a/b.jpg"),
        ("./a//b.jpg", "./a//b.jpg"),
        ("zoe\u0308.png", "zo\u00eb.png"),
        ("ZO\u00cb.PNG", "zo\u00eb.png"),
        ("back\\slash.png", "back\\slash.png"),
    ],
)
def test_path_of_another_system_finds_its_file(tmp_path: Path, path: str, file: str) -> None:
    root = write(tmp_path, "a/b.jpg", "zo\u00eb.png", "back\\slash.png")
    resolved = resolve_paths([path], root)
    assert resolved.paths == [file]
    assert not resolved.missing + resolved.ambiguous


def test_exact_path_wins_and_several_matches_are_ambiguous(tmp_path: Path) -> None:
    root = write(tmp_path, "a.jpg", "A.jpg", "c.jpg")
    resolved = resolve_paths(["A.jpg", "a.JPG", "..\\c.jpg", "gone.jpg", ""], root)
    assert (resolved.ambiguous, resolved.missing) == ([1], [2, 3, 4])
    assert resolved.paths[0] == "A.jpg"


def test_large_root_needs_exact_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = write(tmp_path, "a.jpg", "b.jpg")
    monkeypatch.setattr(image_paths, "_MOST_FILES", 1)
    assert resolve_paths(["a.jpg", "B.jpg"], root).missing == [1]


@pytest.mark.parametrize(
    ("root", "hint"),
    [
        ("data", "the pictures are in {}/data/faces: set --root to it"),
        ("data/other", "is --root right?"),
        ("data/faces/inner", "the pictures are in {}/data/faces: set --root to it"),
    ],
)
def test_wrong_root_is_refused_with_a_hint_that_works(tmp_path: Path, root: str, hint: str) -> None:
    write(
        tmp_path, *(f"data/faces/{n}.jpg" for n in range(30)), "data/other/x", "data/faces/inner/x"
    )
    paths = [f"{n}.jpg" for n in range(30)]
    with pytest.raises(DataError) as error:
        refuse_wrong_root(30, paths, tmp_path / root, "--root")
    assert f"0 of the first 30 pictures are in {tmp_path / root}" in str(error.value)
    assert error.value.hint == hint.format(tmp_path)


def test_paths_with_folders_of_another_machine(tmp_path: Path) -> None:
    write(tmp_path, *(f"faces/{n}.jpg" for n in range(30)))
    paths = [f"C:\\study\\faces\\{n}.jpg" for n in range(30)]
    with pytest.raises(DataError, match="without the first 2 folders of each: cut that off"):
        refuse_wrong_root(30, paths, tmp_path, "--root")
    shorter = [path.split("\\", 2)[2] for path in paths]
    assert not resolve_paths(shorter, tmp_path).missing


def test_half_of_the_pictures_is_enough(tmp_path: Path) -> None:
    refuse_wrong_root(5, ["a"] * 10, tmp_path, "--root")
    with pytest.raises(DataError, match="4 of the first 10"):
        refuse_wrong_root(6, ["a"] * 10, tmp_path, "--root")


@pytest.mark.parametrize(
    ("cell", "shown"),
    [
        ("faces/Anna.jpg", True),
        ("C:\\a b\\c.JPEG", True),
        ("Anna Smith", False),
        ("12 13 14 " * 500, False),
        ("/9j/4AAQSkZJRgABAQ" * 30, False),
        ("she wrote\n to me.jpg", False),
        ("", False),
    ],
)
def test_only_what_looks_like_a_path_is_shown(cell: str, shown: bool) -> None:
    assert is_path(cell) is shown


def test_name_that_is_too_long_for_the_file_system_is_missing(tmp_path: Path) -> None:
    assert resolve_paths(["1 2 " * 3000, "a\0b"], tmp_path).missing == [0, 1]
