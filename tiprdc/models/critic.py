"""The critic T(x, z, u): does this record belong to these features?

Features and attribute make one query for each place in the record; the score of a place is the
inner product of its query with what the record shows there. One score asks about the whole record.
Asking place by place is what keeps detail: a single global score is satisfied by the few coarse
facts that tell two records apart.

Source: Hjelm et al. 2019 (Deep InfoMax), the encode-and-dot architecture and the local objective;
the query for each place is ours.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from tiprdc.distributed import SINGLE_PROCESS, BatchGroup
from tiprdc.models.extractor import ExtractorConfig
from tiprdc.models.inputs import InputSpec, normaliser
from tiprdc.models.mlp import perceptron
from tiprdc.objectives.estimators import ESTIMATORS, Estimator, MiEstimator

_LOCAL, _GLOBAL, _HIDDEN = 32, 128, 256


class Critic(nn.Module):
    """J(x; z, u) of a batch, summed over places and the whole.

    Args:
        config: The extractor's architecture: x is looked at with a trunk of the same kind.
        spec: What a record is.
        classes: Total number of classes of all private attributes.
    """

    group: BatchGroup = SINGLE_PROCESS

    def __init__(self, config: ExtractorConfig, spec: InputSpec, classes: int) -> None:
        super().__init__()
        features = config.features
        self.normalise = normaliser(spec)
        self.trunk = config.trunk(spec, out=_GLOBAL)
        self.local = perceptron(self.trunk.local_width, _GLOBAL, _LOCAL)
        self.places = perceptron(features + classes, _HIDDEN, self.trunk.places * _LOCAL)
        self.global_ = perceptron(features + classes, _HIDDEN, _GLOBAL)

    def forward(
        self, x: Tensor, z: Tensor, u: Tensor, negatives: int, mi_estimator: MiEstimator = "jsd"
    ) -> Tensor:
        """J of true triples against triples whose record is another one's.

        Args:
            x: Records `[B, *shape]`, this worker's.
            z: Features `[B, D]`.
            u: One-hot private attributes, joined `[B, K]`.
            negatives: Other records to compare each record with, 1 to B - 1, where B counts all
                workers' records. The batch is cut into groups of one more than that, in which each
                is compared with all others: no true pair is among them. Records that fill no group
                are left out.
            mi_estimator: The estimator, in `ESTIMATORS`.

        Returns:
            A scalar, higher where z keeps more.
        """
        estimator = ESTIMATORS[mi_estimator]
        views = self.trunk(self.normalise(x))
        zu = torch.cat([z, u], dim=1)
        keys = self.local(views.local)
        queries = self.places(zu).view(len(z), -1, _LOCAL)
        parts = [keys, queries, views.global_[:, None], self.global_(zu)[:, None]]
        parts += [] if views.mask is None else [views.mask]
        keys, queries, whole, asked, *mask = self.group.all_gather(*parts)
        queries = queries.expand(-1, keys.shape[1], -1)
        # Mixed precision ends before the scores.
        with torch.autocast(x.device.type, enabled=False):
            local = _against(keys, queries, negatives, mask[0] if mask else None, estimator)
            return local + _against(whole, asked, negatives, None, estimator)


def _against(
    keys: Tensor, queries: Tensor, negatives: int, mask: Tensor | None, estimator: Estimator
) -> Tensor:
    """Keys and queries `[B, L, W]`, mask `[B, L]` -> the estimator's value."""
    size, places, width = min(negatives + 1, len(keys)), keys.shape[1], keys.shape[2]
    used = len(keys) - len(keys) % size
    # [groups * L, size, W]: each place by itself.
    k, q = (
        t[:used].float().reshape(-1, size, places, width).transpose(1, 2).flatten(0, 1)
        for t in (keys, queries)
    )
    scores = torch.bmm(q, k.transpose(1, 2)) / math.sqrt(width)
    joint = scores.diagonal(dim1=1, dim2=2)
    # Dropping the first number and then every (size + 1)th leaves all but the diagonal.
    others = scores.flatten(1)[:, 1:].reshape(-1, size - 1, size + 1)[:, :, :-1]
    product = others.reshape(len(scores), size, size - 1).movedim(2, 0)
    weight = None
    if mask is not None:
        weight = mask[:used].reshape(-1, size, places).transpose(1, 2).flatten(0, 1)
    return estimator(joint, product, weight)
