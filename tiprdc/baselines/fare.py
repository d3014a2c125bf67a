"""FARE: z is the leaf of a fair decision tree that a record falls into.

The tree reads a table's columns as they are, as in the paper. Pictures and texts have no columns
that a tree can use: there it reads the features of an unprotected extractor. It is told a task.

z is one-hot. The paper sends the median record of the leaf, which is a function of the leaf's
number: it tells no attacker more.

Source: Jovanovic et al. 2023 (FARE); tiprdc/baselines/fair_tree.py has the criterion.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from tiprdc.baselines.base import FitInputs, Method, known_task
from tiprdc.baselines.fair_tree import FairTree, fit_fair_tree
from tiprdc.baselines.raw import RawFeatures
from tiprdc.baselines.unprotected import Unprotected
from tiprdc.baselines.unprotected_features import features
from tiprdc.models.inputs import FeatureMaker, InputSpec

_MIN_RECORDS = 100
"""Fewest records in a leaf; n of the paper's setting "balanced"."""
_MIN_LEAVES = 10
"""There may be at least as many leaves, however few records there are."""


class LeafFeatures(nn.Module):
    """Raw records `[B, *spec.shape]` -> one-hot leaves `[B, L]`.

    Args:
        columns: Raw records -> what the tree reads `[B, W]`.
        tree: The fitted tree.
    """

    features: Tensor
    thresholds: Tensor
    paths: Tensor

    def __init__(self, columns: FeatureMaker, tree: FairTree) -> None:
        super().__init__()
        self.spec, self.columns = columns.spec, columns
        self.register_buffer("features", torch.from_numpy(tree.features))
        self.register_buffer("thresholds", torch.from_numpy(tree.thresholds))
        self.register_buffer("paths", torch.from_numpy(tree.paths))

    def forward(self, x: Tensor) -> Tensor:
        passed = self.columns(x)[:, self.features] <= self.thresholds
        agreeing = torch.where(passed, 1.0, -1.0) @ self.paths
        return (agreeing == self.paths.abs().sum(0)).float()


class Fare(Method):
    """A fair tree for the known task.

    Not exported: where a feature is next to a threshold, a difference of 1e-7 between torch and a
    file becomes another leaf.
    """

    name = "fare"
    knows_task = True
    exported = False

    def fit(self, inputs: FitInputs) -> LeafFeatures:
        schema, records, config = inputs.schema, inputs.records, inputs.config
        task = known_task(schema, self.name)
        columns: FeatureMaker
        if schema.modality == "table":
            columns = RawFeatures(InputSpec.of(schema)).eval()
        else:
            columns = Unprotected().fit(inputs)
        tree = fit_fair_tree(
            features(columns, records.x).float().numpy(),
            records.labels[task],
            np.stack([records.labels[name] for name in schema.private], axis=1),
            fairness=config.fairness,
            leaves=config.leaves,
            min_records=max(1, min(_MIN_RECORDS, len(records) // _MIN_LEAVES)),
        )
        return LeafFeatures(columns, tree).eval()
