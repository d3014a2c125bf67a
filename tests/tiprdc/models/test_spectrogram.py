"""Spectrograms: the same as scipy's transform, and high bands first."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.signal import spectrogram

from tests.helpers.recordings import tone
from tiprdc.models.spectrogram import (
    BANDS,
    DECIBELS,
    Spectrogram,
    mel_bands,
    spectrogram_shape,
    spectrograms,
)


def samples(seed: int, count: int, length: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (2000 * rng.standard_normal((count, length))).astype(np.int16)


@pytest.mark.parametrize("rate", [8000, 16_000, 44_100])
def test_levels_are_those_of_the_short_time_fourier_transform(rate: int) -> None:
    x = samples(0, 3, rate // 2)
    window, hop = round(0.025 * rate), round(0.010 * rate)
    size = 2 ** int(np.ceil(np.log2(window)))
    _, _, power = spectrogram(
        x / 32768, rate, window="hann", nperseg=window, noverlap=window - hop, nfft=size,
        detrend=False, scaling="spectrum",
    )  # fmt: skip
    # scipy adds the negative frequencies.
    power[:, 1:-1] /= 2
    decibels = 10 * np.log10(mel_bands(rate, size) @ power + 10 ** (-DECIBELS / 10))
    expected = 255 * (decibels + DECIBELS) / DECIBELS
    levels = Spectrogram(rate, rate // 2)(torch.from_numpy(x))
    assert tuple(levels.shape) == (3, *spectrogram_shape(rate, rate // 2))
    np.testing.assert_allclose(levels[:, 0].flip(1), expected, atol=0.02)


def test_every_band_hears_something() -> None:
    for rate in (8000, 11_025, 16_000, 22_050, 44_100, 48_000):
        size = 2 ** int(np.ceil(np.log2(round(0.025 * rate))))
        assert (mel_bands(rate, size).sum(1) > 0).all()


def test_a_higher_tone_lies_higher_in_the_picture() -> None:
    tones = np.stack([tone(hertz, 8000, 0.5) for hertz in (200, 800, 3000)])
    pictures = spectrograms((32767 * tones).astype(np.int16), 8000)
    rows = pictures[:, 0].mean(2).argmax(1)
    assert pictures.dtype == np.uint8
    assert BANDS > rows[0] > rows[1] > rows[2] >= 0


def test_silence_is_black_and_batches_do_not_matter() -> None:
    x = np.concatenate([np.zeros((1, 4000), np.int16), samples(1, 69, 4000)])
    pictures = spectrograms(x, 8000)
    assert not pictures[0].any()
    assert np.abs(pictures[65:].astype(int) - spectrograms(x[65:], 8000)).max() <= 1
