"""What a record says coarsely, in numbers: what networks that read features learn beside labels.

A label teaches a network one bit a person, a record many numbers. What helps to predict the record
helps to read any attribute from features. Detail counts less: of 256 whitened components, most
are fine, and a network that predicts them all alike learns next to nothing else.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from tiprdc.models.inputs import Columns, InputSpec

_SIDE = 8
"""Most rows, and most columns, of a picture or spectrogram."""
_MOST = 5.0
"""Numbers beyond it, in standard deviations, count as this many."""


def coarse_width(spec: InputSpec) -> int:
    """How many numbers `coarse_record` gives of such a record."""
    if spec.picture:
        channels, rows, columns = spec.picture
        return channels * min(rows, _SIDE) * min(columns, _SIDE)
    return Columns(spec.columns).width if spec.modality == "table" else 0


def coarse_record(x: Tensor, side: int = _SIDE) -> Tensor:
    """Normalised records as numbers.

    Args:
        x: Pictures or spectrograms `[B, C, H, W]`, columns `[B, W]`, or token ids `[B, T]`.
        side: S, most rows, and most columns, of a picture.

    Returns:
        Mean colours `[B, C * S * S]`, the columns, or of token ids none, `[B, 0]`.
    """
    if not x.is_floating_point():
        return x.new_zeros((len(x), 0)).float()
    if x.dim() == 2:
        return x
    rows, columns = (min(side, length) for length in x.shape[2:])
    return F.adaptive_avg_pool2d(x, (rows, columns)).flatten(1)


def standardised(numbers: Tensor) -> Tensor:
    """Numbers `[N, R]`, each of mean 0 and variance 1, or 0 where constant."""
    centred = numbers - numbers.mean(0)
    deviation = centred.square().mean(0).sqrt()
    return (centred / deviation.clamp(min=1e-6)).clamp(-_MOST, _MOST)
