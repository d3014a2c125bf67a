"""Scores of decisions and probabilities: balanced accuracy, share kept, bits of leakage."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def balanced_accuracy(
    decisions: NDArray[np.int64], truth: NDArray[np.int64], classes: int
) -> float:
    """Mean over the classes of the share of its records that were recognised, in [0, 1].

    Args:
        decisions: Class numbers `[N]`.
        truth: Class numbers `[N]`, each of the K classes at least once.
        classes: K.
    """
    of_class = np.bincount(truth, minlength=classes)
    if of_class.min() == 0:
        raise ValueError("balanced accuracy needs a record of every class")
    recognised = np.bincount(truth[decisions == truth], minlength=classes)
    return float(np.mean(recognised / of_class))


def kept_share(rate: float, ceiling: float, prior: float) -> float:
    """(rate - prior) / (ceiling - prior), for a ceiling above the prior."""
    return (rate - prior) / (ceiling - prior)


def leakage_bits(probabilities: NDArray[np.float64], truth: NDArray[np.int64]) -> float:
    """A lower bound on I(z; u) in bits, estimated from this sample: log2 K minus cross-entropy.

    H(u) - CE(q) <= I(z; u) for any attacker q (Barber and Agakov 2003), here for balanced u. An
    estimate below 0 carries no information and is returned as 0.

    Args:
        probabilities: The attacker's `[N, K]` under equal class priors.
        truth: Class numbers `[N]`, the same number of each.
    """
    likelihood = np.clip(probabilities[np.arange(len(truth)), truth], 1e-12, 1.0)
    return float(max(0.0, np.log2(probabilities.shape[1]) + np.mean(np.log2(likelihood))))
