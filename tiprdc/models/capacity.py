"""Upper bounds on the bits that the released features of one record carry about anything.

    u -> x -> z -> released              so I(r; u) <= I(r; x) <= capacity of the last arrow
    one of K codes:                      I <= H(r) <= log2 K
    quantised to b bits a feature:       I <= H(r) <= D b
    |z| <= B, then Gaussian noise s:     I <= (D / 2) log2(1 + B^2 / s^2)
    always:                              I <= H(u) <= log2 K

Attacks measure lower bounds; these are upper bounds. They hold for one release of a record: fresh
noise averages out over several releases. They assume noise that nobody can predict.

Source: Cover and Thomas 2006, Elements of Information Theory: theorems 2.6.4 (entropy of a finite
set), 2.8.1 (data processing), 9.1.1 and 9.4 (Gaussian channels, the same noise on each). The bound
B on each feature bounds its power, P <= B^2.
"""

from __future__ import annotations

import math


def quantised_bits(features: int, bits: int) -> float:
    """D b bits: features `[D]`, each at one of 2^b levels. >= 0."""
    return float(features * bits)


def gaussian_bits(features: int, clip: float, noise: float) -> float:
    """(D / 2) log2(1 + B^2 / s^2): features `[D]` in [-B, B], noise of deviation s > 0, in bits."""
    return features / 2 * math.log2(1 + (clip / noise) ** 2)


def channel_bits(
    features: int, clip: float, noise: float, bits: int, codes: int = 0
) -> float | None:
    """The smallest of the bounds that hold, in bits; None if none holds.

    Args:
        features: D.
        clip: B, or 0 if features are not bounded. Noise alone gives no bound, since the power of z
            is then unlimited.
        noise: s, or 0.
        bits: b, or 0.
        codes: K of a codebook, or 0; it replaces noise and levels.
    """
    if codes:
        return math.log2(codes)
    bounds = []
    if bits:
        bounds.append(quantised_bits(features, bits))
    if noise and clip:
        bounds.append(gaussian_bits(features, clip, noise))
    return min(bounds, default=None)


def attribute_bits(classes: int) -> float:
    """log2 K: most bits that anything can carry about an attribute of K >= 2 classes."""
    return math.log2(classes)
