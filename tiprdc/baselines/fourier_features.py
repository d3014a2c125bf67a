"""Random Fourier features: their inner products approximate a Gaussian kernel.

Source: Rahimi and Recht, "Random Features for Large-Scale Kernel Machines" (NIPS 2007).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

_SAMPLE = 1000
"""Most records whose distances make up the median."""


class FourierFeatures(nn.Module):
    """Features `[B, D]` -> cosines and sines `[B, 2 R]`, each row of length 1.

    Args:
        width: D.
        count: R, the number of frequencies.
        bandwidth: Of the Gaussian kernel, in the unit of the features.
        generator: Draws the frequencies.
    """

    frequencies: Tensor

    def __init__(
        self, width: int, count: int, bandwidth: float, generator: torch.Generator
    ) -> None:
        super().__init__()
        drawn = torch.randn(width, count, generator=generator) / bandwidth
        self.register_buffer("frequencies", drawn)

    def forward(self, z: Tensor) -> Tensor:
        angles = z @ self.frequencies
        scale = self.frequencies.shape[1] ** -0.5
        columns: Tensor = scale * torch.cat([torch.cos(angles), torch.sin(angles)], dim=1)
        return columns


def median_distance(z: Tensor) -> float:
    """Median distance between two records, of `_SAMPLE` spread evenly over z `[N, D]`; 1 if 0."""
    sample = z[:: max(1, len(z) // _SAMPLE)][:_SAMPLE]
    return float(torch.pdist(sample).median()) or 1.0
