"""The fuzz target of pictures: valid ones are read, broken ones refused, none lost."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from benchmarks.robustness import image_fuzz
from benchmarks.robustness.image_fuzz import FAULTS, fuzz_round, read_folder
from benchmarks.robustness.image_mutants import ENDINGS, huge, mutant, picture
from tiprdc.datasets.images import read_image
from tiprdc.datasets.record_files import UnusableFileError


@pytest.mark.parametrize("seed", range(3))
def test_folder_of_broken_pictures_loses_none(tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    for number in range(60):
        (tmp_path / f"{number}{rng.choice(ENDINGS)}").write_bytes(mutant(rng))
    outcomes = read_folder(tmp_path)
    assert set(outcomes) == {path.name for path in tmp_path.iterdir()}
    assert set(outcomes.values()) == {"read", "refused"}


def test_round_in_a_process_of_its_own_has_no_fault() -> None:
    counts = fuzz_round(7, files=40)
    assert counts["read"] > 0
    assert counts["refused"] > 0
    assert counts["read"] + counts["refused"] == counts["files"] == 40
    assert not any(counts[name] for name in FAULTS)


def test_crash_of_the_process_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_fuzz, "_in_process", lambda folder: None)
    counts = fuzz_round(7, files=3)
    assert (counts["crashes"], counts["lost"]) == (1, 3)


def test_valid_pictures_are_read_or_refused_for_what_they_are() -> None:
    rng, reasons = np.random.default_rng(0), []
    for _ in range(80):
        with suppress_image_error(reasons):
            assert read_image(picture(rng), 16).shape == (3, 16, 16)
    assert len(reasons) < 20
    assert "a broken picture" not in reasons


@contextmanager
def suppress_image_error(reasons: list[str]) -> Iterator[None]:
    try:
        yield
    except UnusableFileError as error:
        reasons.append(str(error))


@pytest.mark.parametrize("side", [30_000, 2**30])
def test_huge_picture_of_few_bytes_is_refused_before_it_is_decoded(side: int) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(UnusableFileError, match="more than 89,478,485 pixels"):
            read_image(huge(side, side), 16)
