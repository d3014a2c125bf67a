"""A task that nobody knew is learnt from what a collector has, and random labels are not."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.collector.task import learn
from tests.helpers.pulled_release import write_pulled


@pytest.mark.slow
def test_task_is_learnt_from_collected_features(tmp_path: Path) -> None:
    """The features are pictures of 8 x 8: enough for a background, not for a nose."""
    release = write_pulled(tmp_path / "release", tmp_path / "work", weight=1 / 255)
    scores = learn(release, 100, 2, ["background_tone", "nose"], tmp_path)
    assert scores["background_tone"]["low"] > 0.6
    assert scores["nose"]["low"] < 0.6
