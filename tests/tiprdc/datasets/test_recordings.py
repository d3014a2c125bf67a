"""Recordings: one rate, one length, one channel, and what cannot be used."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.helpers.recordings import tone, write_tone
from tiprdc.datasets.record_files import UnusableFileError
from tiprdc.datasets.recordings import FULL_SCALE, is_recording, read_recording, require_packages
from tiprdc.errors import ConfigError

RATE = 8000


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.ogg"])
def test_another_rate_is_resampled(tmp_path: Path, name: str) -> None:
    x = read_recording(write_tone(tmp_path / name, rate=44_100), RATE, RATE)
    away = np.abs(x - FULL_SCALE * tone(440, RATE, 1))[200:-200]
    assert (x.dtype, x.shape) == (np.int16, (RATE,))
    assert away.max() < FULL_SCALE * (0.02 if name == "a.ogg" else 0.002)


def test_channels_are_averaged(tmp_path: Path) -> None:
    left, right = tone(300, RATE, 1), tone(500, RATE, 1)
    soundfile.write(tmp_path / "a.wav", np.stack([left, right], 1), RATE)
    x = read_recording(tmp_path / "a.wav", RATE, RATE)
    assert np.abs(x - FULL_SCALE * (left + right) / 2).max() <= 2


def test_the_first_seconds_of_a_long_recording_are_those_of_a_short_one(tmp_path: Path) -> None:
    long = write_tone(tmp_path / "long.wav", rate=44_100, seconds=30)
    short = write_tone(tmp_path / "short.wav", rate=44_100, seconds=2)
    a, b = (read_recording(path, RATE, RATE) for path in (long, short))
    assert np.abs(a.astype(int) - b).max() <= 1


def test_a_short_recording_has_zeros_behind_it(tmp_path: Path) -> None:
    x = read_recording(write_tone(tmp_path / "a.wav", seconds=0.5), RATE, RATE)
    assert not x[RATE // 2 :].any()
    assert x[: RATE // 2].any()


def test_samples_beyond_full_scale_are_clipped(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", 4 * tone(440, RATE, 1), RATE, subtype="FLOAT")
    x = read_recording(tmp_path / "a.wav", RATE, RATE)
    assert (x.min(), x.max()) == (-FULL_SCALE, FULL_SCALE - 1)


@pytest.mark.parametrize(
    ("samples", "reason"),
    [
        (np.zeros(0), "a recording without a sample"),
        (np.zeros(RATE), "silence"),
        (np.full(RATE, np.nan), "samples that are NaN or infinite"),
        (np.r_[tone(440, RATE, 1), np.inf], "samples that are NaN or infinite"),
    ],
)
def test_recording_without_sound_is_refused(
    tmp_path: Path, samples: np.ndarray, reason: str
) -> None:
    soundfile.write(tmp_path / "a.wav", samples, RATE, subtype="FLOAT")
    with pytest.raises(UnusableFileError, match=f"^{reason}$"):
        read_recording(tmp_path / "a.wav", RATE, 2 * RATE)


def test_other_files_are_refused_without_their_content(tmp_path: Path) -> None:
    (tmp_path / "secret.wav").write_text("a secret text")
    (tmp_path / "cut.flac").write_bytes(write_tone(tmp_path / "a.flac").read_bytes()[:30])
    for name, reason in [
        ("secret.wav", "not a recording, or a broken one"),
        ("cut.flac", "not a recording, or a broken one"),
        ("absent.wav", "no such file"),
    ]:
        with pytest.raises(UnusableFileError) as error:
            read_recording(tmp_path / name, RATE, RATE)
        assert str(error.value) == reason
    assert not is_recording(tmp_path / "secret.wav")
    assert is_recording(tmp_path / "a.flac")


def test_missing_packages_are_named_with_the_command_that_helps(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    require_packages("--x")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=re.escape("hint: pip install soundfile soxr")):
        require_packages("--x")
