"""Feature files are read back as they were written, piece by piece."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tiprdc.errors import DataError
from tiprdc.runtime.feature_files import read_features, write_features

IDS = [f"r{n}" for n in range(10)]
Z = np.random.default_rng(0).normal(size=(10, 2, 3)).astype(np.float32)
CODES = np.arange(10) % 3


@pytest.mark.parametrize("suffix", [".npz", ".parquet"])
@pytest.mark.parametrize("size", [1, 4, 100])
@pytest.mark.parametrize("codes", [None, CODES])
def test_pieces_are_what_was_written(
    tmp_path: Path, suffix: str, size: int, codes: np.ndarray | None
) -> None:
    path = tmp_path / f"z{suffix}"
    write_features(path, IDS, [Z[:7], Z[7:]], (2, 3), "ab" * 32, codes)
    pieces = list(read_features(path, size))
    assert [id_ for piece in pieces for id_ in piece.ids] == IDS
    assert max(len(piece.ids) for piece in pieces) == min(size, 10)
    np.testing.assert_array_equal(np.concatenate([piece.features for piece in pieces]), Z)
    if codes is None:
        assert all(piece.codes is None for piece in pieces)
    else:
        read = [piece.codes for piece in pieces if piece.codes is not None]
        np.testing.assert_array_equal(np.concatenate(read), codes)


@pytest.mark.parametrize("suffix", [".npz", ".parquet"])
def test_broken_file_is_refused(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"z{suffix}"
    write_features(path, IDS, [Z], (2, 3), "ab" * 32)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DataError, match="cannot be read"):
        list(read_features(path, 4))
