"""Linear trunks: principal components of pictures or vectors, fitted once.

They keep what records vary in, whatever that is, need no training and no GPU, and serve where
pictures are few, or where an encoder has made vectors of records. They hide nothing: a head must
(tiprdc/training/head/training.py).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from tiprdc.errors import ConfigError
from tiprdc.models.linear_noise import MAX_SIDE, fit_alternative
from tiprdc.models.trunks.trunk_output import TrunkOutput

_PATCH = 4
"""Side of a patch of the small picture, in its pixels."""
_BLOCK = 64
"""Columns of a block: what a critic compares with features at once."""
_BATCH = 2048


class PrincipalComponents(nn.Module):
    """Normalised records `[B, ...]` -> whitened components of their numbers `[B, D]`.

    Args:
        numbers: W, of a record.
        out: D, components, at most W.
    """

    def __init__(self, numbers: int, out: int) -> None:
        super().__init__()
        self.out = nn.Linear(numbers, out)

    def numbers(self, x: Tensor) -> Tensor:
        """Normalised records `[B, ...]` -> their numbers `[B, W]`."""
        raise NotImplementedError

    @torch.no_grad()
    def fit(self, x: NDArray[Any], normalise: nn.Module, seed: int) -> None:
        """Set the map to the strongest components, each with variance 1 and mean 0.

        Args:
            x: Raw records `[N, ...]`.
            normalise: Makes them normalised records.
            seed: Of the randomised decomposition.

        Raises:
            ConfigError: The records have fewer directions.
        """
        parts = [torch.from_numpy(x[i : i + _BATCH]) for i in range(0, len(x), _BATCH)]
        device = self.out.weight.device
        rows = [self.numbers(normalise(part.to(device))).cpu().numpy() for part in parts]
        features, width = self.out.out_features, self.out.in_features
        fitted = fit_alternative("pca", np.concatenate(rows), features, None, (), seed)
        if features > fitted.width:
            raise ConfigError(
                "train.extractor.features", f"{features} principal components",
                f"at most {fitted.width}: {len(x):,} records of {width:,} numbers do not vary in"
                " more",
                f"set train.extractor.features to {fitted.width} or less",
            )  # fmt: skip
        scale = torch.from_numpy(1 / fitted.std)
        self.out.weight.copy_((torch.from_numpy(fitted.weight) * scale).T)
        self.out.bias.copy_(-torch.from_numpy(fitted.mean + fitted.centre) * scale)


class PictureComponents(PrincipalComponents):
    """Normalised pictures `[B, C, H, W]` -> `TrunkOutput`: raw patches, and whitened components.

    Args:
        channels: C.
        size: (H, W), each >= 16; averaged to at most `MAX_SIDE` each.
        out: Components, at most as many as the small picture has numbers.
    """

    down: Tensor
    across: Tensor

    def __init__(self, channels: int, size: tuple[int, int], out: int) -> None:
        height, width = (min(side, MAX_SIDE) for side in size)
        super().__init__(channels * height * width, out)
        self.register_buffer("down", _averages(size[0], height), persistent=False)
        self.register_buffer("across", _averages(size[1], width), persistent=False)
        self.local_width = channels * _PATCH**2
        self.positions = (height // _PATCH) * (width // _PATCH)

    def numbers(self, x: Tensor) -> Tensor:
        return self._small(x).flatten(1)

    def forward(self, x: Tensor) -> TrunkOutput:
        small = self._small(x)
        patches = F.unfold(small, _PATCH, stride=_PATCH).transpose(1, 2)
        return TrunkOutput(local=patches, mask=None, global_=self.out(small.flatten(1)))

    def _small(self, x: Tensor) -> Tensor:
        return self.down @ x @ self.across.T


class ColumnComponents(PrincipalComponents):
    """Normalised columns `[B, W]` -> `TrunkOutput`: blocks of columns, and whitened components.

    Args:
        width: W.
        out: Components, at most W.
    """

    def __init__(self, width: int, out: int) -> None:
        super().__init__(width, out)
        self.local_width = min(_BLOCK, width)
        self.positions = -(-width // self.local_width)

    def numbers(self, x: Tensor) -> Tensor:
        return x

    def forward(self, x: Tensor) -> TrunkOutput:
        missing = self.positions * self.local_width - x.shape[1]
        blocks = F.pad(x, (0, missing)).view(-1, self.positions, self.local_width)
        return TrunkOutput(local=blocks, mask=None, global_=self.out(x))


def _averages(side: int, small: int) -> Tensor:
    """A matrix `[small, side]` that averages a side of a picture to a smaller one."""
    return F.adaptive_avg_pool1d(torch.eye(side)[None], small)[0].T.contiguous()
