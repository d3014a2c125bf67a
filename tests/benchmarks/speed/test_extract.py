"""The extraction benchmark: its figures, and ratios taken within a round."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.speed import extract
from tests.helpers.release_samples import write_release


def test_ratio_is_the_median_over_rounds() -> None:
    ours = [{"latency_ms": 1.0, "rate": 100.0}, {"latency_ms": 2.0, "rate": 50.0}]
    theirs = [{"latency_ms": 4.0, "rate": 20.0}, {"latency_ms": 4.0, "rate": 25.0}]
    assert extract._ratios(theirs, ours) == {"latency_ms": 3.0, "rate": 3.5}
    assert extract._medians(ours) == {"latency_ms": 1.5, "rate": 75.0}


@pytest.mark.parametrize("modality", ["image", "table", "text"])
def test_turn_measures_a_release(tmp_path: Path, modality: str) -> None:
    release = write_release(tmp_path, modality)
    turn = extract._turn("fp32", release, release, 0.05)
    # No bound on speed: a busy machine must not fail the test.
    assert set(turn) == {"latency_ms", "rate", "peak_mib", "ready_s"}
    assert min(turn.values()) > 0
    assert 10 < turn["peak_mib"] < 1000
