"""Decoding attack: reconstruct the record from its features, then classify the reconstruction.

Source: Mahendran and Vedaldi, "Understanding Deep Image Representations by Inverting Them" (2015),
for the inversion of features; a decoder learnt from pairs as in Dosovitskiy and Brox, "Inverting
Visual Representations with Convolutional Networks" (2016).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tiprdc.attacks.base import Kind, kind_of
from tiprdc.attacks.families.decoder import (
    Decoder,
    Pairs,
    fit_number_decoder,
    fit_picture_decoder,
    fit_token_decoder,
)
from tiprdc.attacks.families.record_attack import FeatureMap, RecordAttack, train_holdout_split

_DECODERS: dict[Kind, Callable[[Pairs, Pairs, int], Decoder]] = {
    "picture": partial(fit_picture_decoder, epochs=10),
    "flat": fit_number_decoder,
    "text": fit_token_decoder,
}


class DecodingAttack(RecordAttack):
    """A kernel attack on reconstructed pictures, columns, or token logits."""

    name = "decoding"
    uses_gpu = True

    def fit_map(
        self, x: NDArray[Any], z: NDArray[Any], u: NDArray[np.int64], classes: int, seed: int
    ) -> FeatureMap:
        """Fit the decoder."""
        return _DECODERS[kind_of(x)](*train_holdout_split(z, x, u, seed), seed)
