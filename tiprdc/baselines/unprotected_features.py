"""The features of an unprotected extractor on extractor-train: what several methods start from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tiprdc.baselines.base import FitInputs
from tiprdc.baselines.unprotected import Unprotected
from tiprdc.models.extractor import Extractor
from tiprdc.models.inputs import FeatureMaker
from tiprdc.training.batches import labels, one_hot
from tiprdc.training.features import batched_output


@dataclass(frozen=True)
class UnprotectedFeatures:
    """An unprotected extractor with its features on extractor-train.

    Args:
        extractor: In evaluation mode.
        z: Its features `[N, D]`, float64.
        u: One-hot private attributes, joined `[N, K]`, float64.
    """

    extractor: Extractor
    z: Tensor
    u: Tensor


def unprotected_features(inputs: FitInputs) -> UnprotectedFeatures:
    """Train the unprotected extractor and compute its features on extractor-train."""
    extractor = Unprotected().fit(inputs).requires_grad_(False)
    z = features(extractor, inputs.records.x)
    return UnprotectedFeatures(extractor, z, private_one_hot(inputs))


def private_one_hot(inputs: FitInputs) -> Tensor:
    """One-hot private attributes of extractor-train, joined `[N, K]`, float64."""
    schema = inputs.schema
    u = labels(inputs.records, schema.private)
    return one_hot(u, map(schema.classes, schema.private)).double()


def features(extractor: FeatureMaker, x: NDArray[Any]) -> Tensor:
    """z `[N, D]` in double precision of records `[N, *shape]`."""
    # A copy outside inference mode can be a buffer of a module.
    return batched_output(extractor, x, torch.device("cpu")).double().clone()


def seeded(seed: int) -> torch.Generator:
    """A generator of random numbers that depends on the seed alone."""
    return torch.Generator().manual_seed(seed)


def sample_rows(count: int, most: int, seed: int) -> NDArray[np.intp]:
    """At most this many different row numbers of `count`, in increasing order."""
    return np.sort(np.random.default_rng(seed).permutation(count)[:most])
