"""A linear trunk for pictures: principal components of the small picture, fitted once.

It keeps what a picture varies in, whatever that is, needs no training and no GPU, and serves where
pictures are few. It hides nothing: a head must (tiprdc/training/head_training.py).
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from tiprdc.errors import ConfigError
from tiprdc.models.inputs import GREY_LEVELS, MIDDLE
from tiprdc.models.linear_noise import MAX_SIDE, fit_alternative
from tiprdc.models.trunk_output import TrunkOutput

_PATCH = 4
"""Side of a patch of the small picture, in its pixels."""


class PrincipalComponents(nn.Module):
    """Normalised pictures `[B, C, H, W]` -> `TrunkOutput`: raw patches, and whitened components.

    Args:
        channels: C.
        size: (H, W), each >= 16; averaged to at most `MAX_SIDE` each.
        out: Components, at most as many as the small picture has numbers.
    """

    down: Tensor
    across: Tensor

    def __init__(self, channels: int, size: tuple[int, int], out: int) -> None:
        super().__init__()
        height, width = (min(side, MAX_SIDE) for side in size)
        self.register_buffer("down", _averages(size[0], height), persistent=False)
        self.register_buffer("across", _averages(size[1], width), persistent=False)
        self.out = nn.Linear(channels * height * width, out)
        self.local_width = channels * _PATCH**2
        self.positions = (height // _PATCH) * (width // _PATCH)

    def forward(self, x: Tensor) -> TrunkOutput:
        small = self.down @ x @ self.across.T
        patches = F.unfold(small, _PATCH, stride=_PATCH).transpose(1, 2)
        return TrunkOutput(local=patches, mask=None, global_=self.out(small.flatten(1)))

    @torch.no_grad()
    def fit(self, x: NDArray[Any], seed: int) -> None:
        """Set the map to the strongest components, each with variance 1 and mean 0.

        Args:
            x: Pictures `[N, C, H, W]` uint8.
            seed: Of the randomised decomposition.

        Raises:
            ConfigError: The pictures have fewer directions.
        """
        features = self.out.out_features
        most = min(self.out.in_features, len(x) - 1)
        if features > most:
            raise ConfigError(
                "train.extractor.features", f"{features} principal components",
                f"at most {most} of {len(x):,} pictures of {self.out.in_features:,} numbers",
            )  # fmt: skip
        fitted = fit_alternative("pca", x, features, None, (), seed)
        scale = torch.from_numpy(1 / fitted.std)
        weight = torch.from_numpy(fitted.weight)
        # It averages pictures as `forward` does, but does not shift them.
        shift = MIDDLE / GREY_LEVELS * weight.sum(0)
        self.out.weight.copy_((weight * scale).T)
        self.out.bias.copy_((shift - torch.from_numpy(fitted.mean + fitted.centre)) * scale)


def _averages(side: int, small: int) -> Tensor:
    """A matrix `[small, side]` that averages a side of a picture to a smaller one."""
    return F.adaptive_avg_pool1d(torch.eye(side)[None], small)[0].T.contiguous()
