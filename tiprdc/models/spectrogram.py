"""Log-mel spectrograms of recordings, as a layer: the exported graph takes raw samples.

Ordinary operators alone: a convolution whose kernels are a window times sines and cosines (the
Fourier transform of each frame), squares, one matrix of mel bands, a logarithm.

Source: Davis & Mermelstein 1980 (mel bands); mel = 2595 log10(1 + f / 700), O'Shaughnessy 1987.
"""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from tiprdc.models.precision import exact_products

BANDS = 40
"""Mel bands, from 0 to half the rate."""
WINDOW, HOP = 0.025, 0.010
"""Seconds of a frame (Hann's window), and between two."""
DECIBELS = 80.0
"""Below full scale: black. A frame of less is as silence."""
_WHITE = 255.0
_FLOOR = 32768.0**2 * 10 ** (-DECIBELS / 10)
"""Power of black, of samples as they are: onnxscript drops sums with numbers below 1e-7."""
_CHUNK = 64
"""Records at once outside of an export: spectra are far larger than records and their levels."""


class Spectrogram(nn.Module):
    """Samples int16 `[B, T]` -> grey levels `[B, 1, BANDS, frames]`, about 0 to 255.

    255 is full scale, 0 is `DECIBELS` below it. High bands come first, as a picture shows them.

    Args:
        rate: Samples a second.
        samples: T.
    """

    kernels: Tensor
    bands: Tensor

    def __init__(self, rate: int, samples: int) -> None:
        super().__init__()
        self.shape = spectrogram_shape(rate, samples)
        window, self.hop = _sizes(rate)
        size = 2 ** int(np.ceil(np.log2(window)))
        self.register_buffer("kernels", torch.from_numpy(_kernels(window, size)), persistent=False)
        bands = np.tile(mel_bands(rate, size)[::-1], (1, 2))
        self.register_buffer("bands", torch.from_numpy(bands), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        if torch.compiler.is_exporting():
            return self._levels(x)
        with exact_products(), torch.autocast(x.device.type, enabled=False):
            return torch.cat([self._levels(part) for part in torch.split(x, _CHUNK)])

    def _levels(self, x: Tensor) -> Tensor:
        spectra = F.conv1d(x.float().unsqueeze(1), self.kernels, stride=self.hop)
        power: Tensor = self.bands @ spectra.square()
        decibels: Tensor = (10 / math.log(10)) * (torch.log(power + _FLOOR) - math.log(_FLOOR))
        return (decibels * (_WHITE / DECIBELS)).unsqueeze(1)


@torch.no_grad()
def spectrograms(x: NDArray[np.int16], rate: int) -> NDArray[np.uint8]:
    """Grey levels of recordings `[N, T]`, rounded: uint8 `[N, 1, BANDS, frames]`."""
    layer = Spectrogram(rate, x.shape[1])
    levels = np.zeros((len(x), *layer.shape), np.uint8)
    for start in range(0, len(x), _CHUNK):
        part = torch.from_numpy(x[start : start + _CHUNK])
        levels[start : start + len(part)] = layer(part).round().clamp(0, _WHITE).numpy()
    return levels


def spectrogram_shape(rate: int, samples: int) -> tuple[int, int, int]:
    """(1, bands, frames) of recordings of so many samples."""
    window, hop = _sizes(rate)
    return 1, BANDS, 1 + (samples - window) // hop


def mel_bands(rate: int, size: int) -> NDArray[np.float32]:
    """Triangles, low to high, `[BANDS, size // 2 + 1]`, for a transform of `size` numbers."""
    frequencies = np.arange(size // 2 + 1) * rate / size
    mels = 2595 * np.log10(1 + frequencies / 700)
    edges = np.linspace(0, mels[-1], BANDS + 2)[:, None]
    rising = (mels - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - mels) / (edges[2:] - edges[1:-1])
    return np.asarray(np.maximum(0, np.minimum(rising, falling)), np.float32)


def _sizes(rate: int) -> tuple[int, int]:
    """Samples of a frame, and between two."""
    return round(WINDOW * rate), round(HOP * rate)


def _kernels(window: int, size: int) -> NDArray[np.float32]:
    """Cosines, then sines, under Hann's window of sum 1 `[2 * (size // 2 + 1), 1, window]`."""
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(window) / window)
    phase = 2 * np.pi / size * np.arange(size // 2 + 1)[:, None] * np.arange(window)
    waves = np.concatenate([np.cos(phase), np.sin(phase)]) * (hann / hann.sum())
    return np.asarray(waves[:, None], np.float32)
