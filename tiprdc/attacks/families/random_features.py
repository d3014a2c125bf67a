"""An expansion of representations: columns, products of two, and random Fourier features.

A linear function of the expansion approximates kernel ridge regression with the sum of a linear, a
quadratic and several Gaussian kernels. Its cost grows linearly with the number of people.

Source: Rahimi and Recht, "Random Features for Large-Scale Kernel Machines" (NIPS 2007).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import pdist

from tiprdc.attacks.base import kind_of
from tiprdc.attacks.families.decoder import frequent_tokens, token_presence
from tiprdc.attacks.scaling import Scaling, whiten

MAX_MULTIPLIED = 48
"""Most columns that are multiplied: the principal axes of largest variance."""
COLUMNS = 2600
"""Columns of an expansion, about: random features fill it up."""
MIN_RANDOM, MAX_RANDOM = 768, 2048
"""Fewest and most random Fourier features."""
BANDWIDTHS = (0.35, 0.6, 1.0)
"""Bandwidths of the Gaussian kernels, in the median distance between two people."""
SAMPLE = 16_384
"""Most records that fit the scaling: wide records of all people would fill the memory."""
MAX_TOKENS = 3000
"""Most tokens of a text, the most frequent ones."""
BLOCK = 4096
"""Rows that are expanded at a time."""


@dataclass(frozen=True)
class Expansion:
    """Columns in up to three blocks: whitened columns, their products, random features.

    Args:
        scaling: z -> whitened columns `[N, P]`; None for texts.
        tokens: For texts, the ids `[V]` whose presence is a column.
        first, second: The numbers `[M]` of the columns that are multiplied.
        frequencies: Of the random features `[P, R]`: each gives a cosine and a sine.
        blocks: The block of each column `[F]`: 0, 1 or 2.
    """

    scaling: Scaling | None
    tokens: NDArray[np.int64]
    first: NDArray[np.intp]
    second: NDArray[np.intp]
    frequencies: NDArray[np.float32]
    blocks: NDArray[np.intp]

    def __call__(self, z: NDArray[Any]) -> NDArray[np.float32]:
        """`[N, ...]` -> `[N, F]`."""
        if self.scaling is None:
            return token_presence(z, self.tokens).astype(np.float32)
        columns = self.scaling(z)
        angles = columns @ self.frequencies
        products = columns[:, self.first] * columns[:, self.second]
        return np.concatenate([columns, products, np.cos(angles), np.sin(angles)], axis=1)


def expand(z: NDArray[Any], seed: int) -> Expansion:
    """Fit an expansion on attacker-train.

    Args:
        z: Representations `[N, ...]`.
        seed: Draws the random features.
    """
    rng, none = np.random.default_rng(seed), np.zeros(0, np.intp)
    if kind_of(z) == "text":
        tokens = frequent_tokens(z, MAX_TOKENS)
        no_frequencies = np.zeros((0, 0), np.float32)
        return Expansion(None, tokens, none, none, no_frequencies, np.zeros(len(tokens), np.intp))
    sample = z[np.sort(rng.permutation(len(z))[:SAMPLE])]
    scaling = whiten(sample, seed)
    columns = scaling(sample)
    width = columns.shape[1]
    leading = np.sort(np.argsort(-columns.var(0), kind="stable")[:MAX_MULTIPLIED])
    first, second = (leading[part] for part in np.triu_indices(len(leading)))
    # More random features than people would cost time and not help.
    most = int(np.clip(COLUMNS - width - len(first), MIN_RANDOM, MAX_RANDOM))
    count = max(64, min(most, len(z)) // 2)
    median = float(np.sqrt(np.median(pdist(columns[:500], "sqeuclidean")))) or 1.0
    bandwidth = median * np.resize(BANDWIDTHS, count)
    frequencies = (rng.normal(size=(width, count)) / bandwidth).astype(np.float32)
    blocks = np.repeat([0, 1, 2], [width, len(first), 2 * count])
    return Expansion(scaling, np.zeros(0, np.int64), first, second, frequencies, blocks)
