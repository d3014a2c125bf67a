"""A decoder z -> x inside training, and how far what it makes is from the record.

Pictures are compared by squares or by SSIM, columns by squares and cross-entropy, texts by the
cross-entropy of their tokens, whatever the order.
"""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tiprdc.models.batch_norm import BatchNorm
from tiprdc.models.inputs import Columns, InputSpec, Tokens
from tiprdc.models.mlp import perceptron

Measure = Literal["squares", "ssim"]
"""How pictures are compared; other records have one measure only."""
_HIDDEN = 256
_CHANNELS = 48
_MOST_COMPARED = 32
"""Pictures of a batch that are compared by SSIM, which on a CPU takes longer than all else."""


class Decoder(nn.Module):
    """Features `[B, D]` -> a record -> how far that is from the true one.

    Args:
        spec: What a record is.
        features: D.
    """

    def __init__(self, spec: InputSpec, features: int) -> None:
        super().__init__()
        self.spec = spec
        self.columns = Columns(spec.columns) if spec.modality == "table" else None
        self.tokens = Tokens(spec.vocabulary_size)
        self.network: nn.Module
        if spec.modality == "image":
            self.network = _painter(spec.shape, features)
        else:
            width = self.columns.width if self.columns else spec.vocabulary_size
            self.network = perceptron(features, _HIDDEN, width)

    def forward(self, z: Tensor, x: Tensor, measure: Measure = "squares") -> Tensor:
        """How far the decoded record is from the true one.

        Args:
            z: Features `[B, D]`.
            x: Records `[B, *shape]`.
            measure: For pictures, `squares` (mean, of colours in 0 to 1) or `ssim` (1 - SSIM).

        Returns:
            A scalar >= 0.
        """
        made: Tensor = self.network(z)
        if self.spec.modality == "image":
            height, width = self.spec.shape[1:]
            return _picture_loss(made[:, :, :height, :width].sigmoid(), x.float() / 255, measure)
        if self.columns:
            return _column_loss(made, self.columns(x), self.columns)
        ids = self.tokens(x)
        there = (ids > 0).float()
        said = made.log_softmax(1).gather(1, ids)
        loss: Tensor = -(said * there).sum() / there.sum().clamp(min=1)
        return loss

    def weight(self, x: Tensor) -> Tensor:
        """What these records count for in a mean over more of them: texts by their tokens."""
        if self.spec.modality == "text":
            count: Tensor = (self.tokens(x) > 0).sum()
            return count
        return torch.tensor(len(x), device=x.device)


def _painter(shape: tuple[int, ...], features: int) -> nn.Sequential:
    """Three doublings from a map of an eighth of the picture's size, rounded up."""
    channels, rows, columns = shape[0], -(-shape[1] // 8), -(-shape[2] // 8)
    layers: list[nn.Module] = [
        nn.Linear(features, _CHANNELS * rows * columns),
        nn.Unflatten(1, (_CHANNELS, rows, columns)),
    ]
    inputs = _CHANNELS
    for outputs in (_CHANNELS // 2, _CHANNELS // 4, channels):
        layers += [BatchNorm(inputs), nn.ReLU()]
        layers.append(nn.ConvTranspose2d(inputs, outputs, 4, stride=2, padding=1))
        inputs = outputs
    return nn.Sequential(*layers)


def _picture_loss(made: Tensor, x: Tensor, measure: Measure) -> Tensor:
    if measure == "squares":
        return (made - x).square().mean()
    # Here, since it takes seconds to import and only one method needs it.
    from torchmetrics.functional.image import structural_similarity_index_measure

    some = slice(0, _MOST_COMPARED)
    similarity = structural_similarity_index_measure(made[some], x[some], data_range=1.0)
    assert isinstance(similarity, Tensor)
    return 1 - similarity


def _column_loss(made: Tensor, wanted: Tensor, columns: Columns) -> Tensor:
    """Mean over the columns: squares of a numeric one, cross-entropy of a categorical one."""
    count = int(columns.numeric.numel())
    losses = [(made[:, :count] - wanted[:, :count]).square().mean(0).sum()]
    place = count
    for column in columns.columns:
        if column.categories:
            part = slice(place, place + len(column.categories) + 1)
            losses.append(F.cross_entropy(made[:, part], wanted[:, part]))
            place = part.stop
    return torch.stack(losses).sum() / len(columns.columns)
