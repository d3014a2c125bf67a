"""The modality of records: told from plain columns, asked for where a column is not plain."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from tiprdc.datasets.manifest.modality import guess_modality
from tiprdc.errors import DataError


def guess(columns: dict[str, list[str | None]], root: Path = Path("/absent")) -> str:
    return guess_modality(pd.DataFrame(columns, dtype="str"), root, "prepare.manifest")


@pytest.mark.parametrize(
    ("columns", "modality"),
    [
        ({"x": ["a.jpg", "b/c.PNG", None]}, "image"),
        ({"x": ["a.wav", "b/c.FLAC", None]}, "audio"),
        ({"x": ["two words", "three words here"]}, "text"),
        ({"x": ["1", "2"]}, "table"),
        ({"x": ["small", "large"]}, "table"),
        ({"x": ["a.jpg"], "y": ["a.jpg"]}, "table"),
        ({"x": [None]}, "table"),
    ],
)
def test_modality_is_guessed_from_plain_columns(
    columns: dict[str, list[str | None]], modality: str
) -> None:
    assert guess(columns) == modality


def test_names_of_files_are_images_whatever_their_ending(tmp_path: Path) -> None:
    names = [f"face_{n}" for n in range(30)]
    for name in names:
        (tmp_path / name).touch()
    assert guess({"x": [*names]}, tmp_path) == "image"


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (["12 250 3 4"] * 50, "50 lists of numbers"),
        (["[0.5, 1e-3, 2, 7]"] * 50, "50 lists of numbers"),
        (["1;2;3;4;5", "a plain text"], "1 lists of numbers"),
        (["a.jpg", "b", "c", "d"], "paths of pictures in 25%"),
        (["some college", "high school"] * 50, "2 different texts"),
    ],
)
def test_column_that_is_not_plain_is_refused_without_its_values(
    values: list[str | None], words: str
) -> None:
    with pytest.raises(DataError) as error:
        guess({"x": values})
    message = str(error.value)
    assert words in message
    assert "hint: " in message
    assert not any(str(value) in message for value in values if len(str(value)) > 1)
