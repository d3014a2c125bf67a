"""The critic T(x, z, u): scores whether a record belongs to these features.

Features and attribute make one query for each position of the record. The score of a position is
the inner product of its query with the record's key there. One more score is of the whole record.
The scores of single positions keep detail: a single global score needs only the few coarse facts
that distinguish two records.

Source: Hjelm et al. 2019 (Deep InfoMax), the encode-and-dot architecture and the local objective;
the query for each position is ours.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from tiprdc.distributed import SINGLE_PROCESS, BatchGroup
from tiprdc.models.extractor import ExtractorConfig
from tiprdc.models.inputs import InputSpec, normaliser
from tiprdc.models.trunks.mlp import perceptron
from tiprdc.objectives.estimators import ESTIMATORS, Estimator, MiEstimator

_LOCAL, _GLOBAL, _HIDDEN = 32, 128, 256


class Critic(nn.Module):
    """J(x; z, u) of a batch: that of the positions plus that of the whole record.

    Args:
        config: The extractor's architecture; the critic reads x with a trunk of the same kind.
        spec: What a record is.
        classes: Total number of classes of all private attributes.
    """

    group: BatchGroup = SINGLE_PROCESS

    def __init__(self, config: ExtractorConfig, spec: InputSpec, classes: int) -> None:
        super().__init__()
        features = config.features
        self.normalise = normaliser(spec)
        self.trunk = config.trunk(spec, out=_GLOBAL)
        self.local_key = perceptron(self.trunk.local_width, _GLOBAL, _LOCAL)
        self.local_query = perceptron(features + classes, _HIDDEN, self.trunk.positions * _LOCAL)
        self.global_query = perceptron(features + classes, _HIDDEN, _GLOBAL)

    def forward(
        self, x: Tensor, z: Tensor, u: Tensor, negatives: int, mi_estimator: MiEstimator = "jsd"
    ) -> Tensor:
        """J of true triples against triples with another record.

        Args:
            x: Records `[B, *shape]`, this worker's.
            z: Features `[B, D]`.
            u: One-hot private attributes, joined `[B, K]`.
            negatives: Other records to compare each record with, 1 to B - 1, where B counts all
                workers' records. The batch is cut into groups of one more than that, and each
                record is compared with all others of its group, never with itself. Records that do
                not fill a group are left out.
            mi_estimator: The estimator, in `ESTIMATORS`.

        Returns:
            A scalar, higher where z keeps more.
        """
        estimator = ESTIMATORS[mi_estimator]
        record = self.trunk(self.normalise(x))
        zu = torch.cat([z, u], dim=1)
        keys = self.local_key(record.local)
        queries = self.local_query(zu).view(len(z), -1, _LOCAL)
        parts = [keys, queries, record.global_[:, None], self.global_query(zu)[:, None]]
        parts += [] if record.mask is None else [record.mask]
        keys, queries, global_key, global_query, *mask = self.group.all_gather(*parts)
        queries = queries.expand(-1, keys.shape[1], -1)
        # Mixed precision ends before the scores.
        with torch.autocast(x.device.type, enabled=False):
            local = _estimate(keys, queries, negatives, mask[0] if mask else None, estimator)
            return local + _estimate(global_key, global_query, negatives, None, estimator)


def _estimate(
    keys: Tensor, queries: Tensor, negatives: int, mask: Tensor | None, estimator: Estimator
) -> Tensor:
    """Keys and queries `[B, L, W]`, mask `[B, L]` -> the estimator's value."""
    size, positions, width = min(negatives + 1, len(keys)), keys.shape[1], keys.shape[2]
    used = len(keys) - len(keys) % size
    # [groups * L, size, W]: each position by itself.
    k, q = (
        t[:used].float().reshape(-1, size, positions, width).transpose(1, 2).flatten(0, 1)
        for t in (keys, queries)
    )
    scores = torch.bmm(q, k.transpose(1, 2)) / math.sqrt(width)
    joint = scores.diagonal(dim1=1, dim2=2)
    # Dropping the first number and then every (size + 1)th leaves all but the diagonal.
    others = scores.flatten(1)[:, 1:].reshape(-1, size - 1, size + 1)[:, :, :-1]
    product = others.reshape(len(scores), size, size - 1).movedim(2, 0)
    weight = None
    if mask is not None:
        weight = mask[:used].reshape(-1, size, positions).transpose(1, 2).flatten(0, 1)
    return estimator(joint, product, weight)
