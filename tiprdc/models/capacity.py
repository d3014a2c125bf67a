"""How many bits the features of one record can carry at most, about anything.

    u -> x -> z -> what is sent          so I(sent; u) <= I(sent; x) <= capacity of the last arrow
    quantised to b bits a feature:       I <= H(sent) <= D b
    |z| <= B, then Gaussian noise s:     I <= (D / 2) log2(1 + B^2 / s^2)
    always:                              I <= H(u) <= log2 K

Attacks measure lower bounds, these are upper ones. They hold for one release of a record: fresh
noise averages out over several. And they take noise that nobody can predict.

Source: Cover and Thomas 2006, Elements of Information Theory: theorems 2.6.4 (entropy of a finite
set), 2.8.1 (data processing), 9.1.1 and 9.4 (Gaussian channels, the same noise on each). The bound
B on each feature is one on its power, P <= B^2.
"""

from __future__ import annotations

import math


def quantised_bits(features: int, bits: int) -> float:
    """D b: features `[D]`, each one of 2^b levels. At least 0, in bits."""
    return float(features * bits)


def gaussian_bits(features: int, clip: float, noise: float) -> float:
    """(D / 2) log2(1 + B^2 / s^2): features `[D]` in [-B, B], noise of deviation s > 0. In bits."""
    return features / 2 * math.log2(1 + (clip / noise) ** 2)


def channel_bits(features: int, clip: float, noise: float, bits: int) -> float | None:
    """The least bound that holds, in bits; None where there is none.

    Args:
        features: D.
        clip: B, or 0 if features are not bounded: then noise alone bounds nothing, since its
            power may be as small beside z as one likes.
        noise: s, or 0.
        bits: b, or 0.
    """
    found = []
    if bits:
        found.append(quantised_bits(features, bits))
    if noise and clip:
        found.append(gaussian_bits(features, clip, noise))
    return min(found, default=None)


def attribute_bits(classes: int) -> float:
    """log2 K: what anything can tell of an attribute of K >= 2 classes at most, in bits."""
    return math.log2(classes)
