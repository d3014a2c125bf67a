"""The input of an extractor, and the normalisation that is part of the network.

The exported graph takes the raw record (uint8 picture, documented column numbers, token ids, int16
samples), so that no device has to repeat the normalisation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from tiprdc.datasets.schema import Column, Modality, Schema
from tiprdc.models.spectrogram import Spectrogram, spectrogram_shape, spectrograms

GREY_LEVELS, MIDDLE = 64.0, 127.5
"""Of 255: one unit of a normalised picture, and its zero."""


@dataclass(frozen=True, kw_only=True)
class InputSpec:
    """The input contract of an extractor.

    Args:
        modality: What a record is.
        shape: Shape of one record: (C, H, W), (F,), or (T,) of tokens or samples.
        columns: For tables, the columns in order.
        vocabulary_size: For text, the number of token ids; id 0 is padding.
        rate: For recordings, samples a second.
    """

    modality: Modality
    shape: tuple[int, ...]
    columns: tuple[Column, ...] = ()
    vocabulary_size: int = 0
    rate: int = 0

    @classmethod
    def of(cls, schema: Schema) -> InputSpec:
        """The contract of these shards."""
        return cls(
            modality=schema.modality,
            shape=schema.shape,
            columns=schema.columns,
            vocabulary_size=schema.vocabulary_size,
            rate=schema.rate,
        )

    @property
    def picture(self) -> tuple[int, int, int] | None:
        """(C, H, W) of the picture that networks read: of a recording, its spectrogram."""
        if self.modality == "audio":
            return spectrogram_shape(self.rate, self.shape[0])
        return (self.shape[0], self.shape[1], self.shape[2]) if self.modality == "image" else None


class FeatureMaker(Protocol):
    """A module from raw records `[B, *spec.shape]` to features `[B, ...]`."""

    spec: InputSpec

    def __call__(self, x: Tensor) -> Any: ...


class Picture(nn.Module):
    """Levels of 0 to 255 `[B, C, H, W]` -> float32 `[B, C, H, W]` in about -2 to 2."""

    def forward(self, x: Tensor) -> Tensor:
        return (x.float() - MIDDLE) / GREY_LEVELS


class Columns(nn.Module):
    """Documented column numbers `[B, F]` -> standardised and one-hot `[B, W]`.

    A numeric column is standardised and clipped to ten standard deviations; a categorical one
    becomes one-hot, with one more position for an unknown category.
    """

    numeric: Tensor
    mean: Tensor
    std: Tensor

    def __init__(self, columns: tuple[Column, ...]) -> None:
        super().__init__()
        self.columns = columns
        numeric = [i for i, c in enumerate(columns) if not c.categories]
        self.register_buffer("numeric", torch.tensor(numeric, dtype=torch.long), persistent=False)
        self.register_buffer(
            "mean", torch.tensor([columns[i].mean for i in numeric]), persistent=False
        )
        self.register_buffer(
            "std",
            torch.tensor([columns[i].std or 1.0 for i in numeric]),
            persistent=False,
        )
        self.width = len(numeric) + sum(len(c.categories) + 1 for c in columns if c.categories)

    def forward(self, x: Tensor) -> Tensor:
        parts = []
        if self.numeric.numel():
            parts.append(((x[:, self.numeric] - self.mean) / self.std).clamp(-10, 10))
        for i, column in enumerate(self.columns):
            if column.categories:
                number = x[:, i].round().long().clamp(0, len(column.categories))
                parts.append(F.one_hot(number, len(column.categories) + 1).float())
        return torch.cat(parts, dim=1)


class Tokens(nn.Module):
    """Token ids `[B, T]`; ids outside the vocabulary become padding."""

    def __init__(self, vocabulary_size: int) -> None:
        super().__init__()
        self.vocabulary_size = vocabulary_size

    def forward(self, x: Tensor) -> Tensor:
        known = (x > 0) & (x < self.vocabulary_size)
        return torch.where(known, x, torch.zeros_like(x)).long()


def normaliser(spec: InputSpec) -> nn.Module:
    """The first module of every network on raw records."""
    if spec.modality == "image":
        return Picture()
    if spec.modality == "audio":
        return nn.Sequential(grey_levels(spec), Picture())
    if spec.modality == "table":
        return Columns(spec.columns)
    return Tokens(spec.vocabulary_size)


def grey_levels(spec: InputSpec) -> nn.Module:
    """Raw records `[B, *shape]` -> levels of 0 to 255 `[B, *spec.picture]`."""
    if spec.modality == "audio":
        return Spectrogram(spec.rate, spec.shape[0])
    return nn.Identity()


def attack_inputs(x: NDArray[Any], schema: Schema | InputSpec) -> NDArray[Any]:
    """Raw records `[N, *shape]` as attacks read them: columns standardised and one-hot `[N, W]`,
    recordings as spectrograms uint8 `[N, 1, bands, frames]`, pictures and texts unchanged."""
    if schema.modality == "audio":
        return spectrograms(x, schema.rate)
    if schema.modality != "table":
        return x
    with torch.no_grad():
        return np.asarray(Columns(schema.columns)(torch.tensor(x)).numpy())
