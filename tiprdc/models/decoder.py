"""A decoder z -> x for training, and its reconstruction loss.

Pictures and spectrograms are compared by squared error or by SSIM, columns by squared error and
cross-entropy, texts by the cross-entropy of their tokens in any order.
"""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tiprdc.models.inputs import Columns, InputSpec, Tokens, grey_levels
from tiprdc.models.trunks.batch_norm import BatchNorm
from tiprdc.models.trunks.mlp import perceptron

Measure = Literal["squares", "ssim"]
"""How pictures are compared; other records have one measure only."""
_HIDDEN = 256
_CHANNELS = 48
_MAX_COMPARED = 32
"""Pictures of a batch that are compared by SSIM, the slowest part of a step on a CPU."""


class Decoder(nn.Module):
    """Features `[B, D]` -> reconstructed record -> reconstruction loss.

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
        self.levels = grey_levels(spec)
        if spec.picture:
            self.network = _picture_network(spec.picture, features)
        else:
            width = self.columns.width if self.columns else spec.vocabulary_size
            self.network = perceptron(features, _HIDDEN, width)

    def forward(self, z: Tensor, x: Tensor, measure: Measure = "squares") -> Tensor:
        """The reconstruction loss.

        Args:
            z: Features `[B, D]`.
            x: Records `[B, *shape]`.
            measure: For pictures, `squares` (mean, of colours in 0 to 1) or `ssim` (1 - SSIM).

        Returns:
            A scalar >= 0.
        """
        output: Tensor = self.network(z)
        if self.spec.picture:
            _, height, width = self.spec.picture
            target = self.levels(x).float() / 255
            return _picture_loss(output[:, :, :height, :width].sigmoid(), target, measure)
        if self.columns:
            return _column_loss(output, self.columns(x), self.columns)
        ids = self.tokens(x)
        is_token = (ids > 0).float()
        log_probability = output.log_softmax(1).gather(1, ids)
        loss: Tensor = -(log_probability * is_token).sum() / is_token.sum().clamp(min=1)
        return loss

    def weight(self, x: Tensor) -> Tensor:
        """Weight of these records in a mean over more records: of texts, the number of tokens."""
        if self.spec.modality == "text":
            count: Tensor = (self.tokens(x) > 0).sum()
            return count
        return torch.tensor(len(x), device=x.device)


def _picture_network(shape: tuple[int, ...], features: int) -> nn.Sequential:
    """Doubles three times a map of an eighth of the picture's size, rounded up."""
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


def _picture_loss(output: Tensor, x: Tensor, measure: Measure) -> Tensor:
    if measure == "squares":
        return (output - x).square().mean()
    # Imported here: it takes seconds, and only one method needs it.
    from torchmetrics.functional.image import structural_similarity_index_measure

    sample = slice(0, _MAX_COMPARED)
    similarity = structural_similarity_index_measure(output[sample], x[sample], data_range=1.0)
    assert isinstance(similarity, Tensor)
    return 1 - similarity


def _column_loss(output: Tensor, target: Tensor, columns: Columns) -> Tensor:
    """Mean over the columns: squared error if numeric, cross-entropy if categorical."""
    count = int(columns.numeric.numel())
    losses = [(output[:, :count] - target[:, :count]).square().mean(0).sum()]
    start = count
    for column in columns.columns:
        if column.categories:
            part = slice(start, start + len(column.categories) + 1)
            losses.append(F.cross_entropy(output[:, part], target[:, part]))
            start = part.stop
    return torch.stack(losses).sum() / len(columns.columns)
