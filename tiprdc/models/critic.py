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

from tiprdc.models.inputs import InputSpec, normaliser
from tiprdc.models.mlp import perceptron
from tiprdc.models.trunk import Family, trunk
from tiprdc.objectives.jsd import jsd

_LOCAL, _GLOBAL, _HIDDEN = 32, 128, 256


class Critic(nn.Module):
    """J(x; z, u) of a batch, summed over places and the whole.

    Args:
        spec: What a record is.
        features: Width D of z.
        classes: Total number of classes of all private attributes.
        family: Trunk that looks at x.
        width: Width of that trunk.
        cut: Where a trunk of torchvision's is cut.
    """

    def __init__(
        self,
        spec: InputSpec,
        *,
        features: int,
        classes: int,
        family: Family,
        width: int,
        cut: int = 2,
    ) -> None:
        super().__init__()
        self.normalise = normaliser(spec)
        self.trunk = trunk(family, spec, width=width, out=_GLOBAL, cut=cut)
        self.local = perceptron(self.trunk.local_width, _GLOBAL, _LOCAL)
        self.places = perceptron(features + classes, _HIDDEN, self.trunk.places * _LOCAL)
        self.whole = perceptron(features + classes, _HIDDEN, _GLOBAL)

    def forward(self, x: Tensor, z: Tensor, u: Tensor, negatives: int) -> Tensor:
        """J of true triples against triples whose record is another one's.

        Args:
            x: Records `[B, *shape]`.
            z: Features `[B, D]`.
            u: One-hot private attributes, joined `[B, K]`.
            negatives: Other records to compare each record with, 1 to B - 1. The batch is rolled by
                1, 2, ...: derangements, so that no true pair is among them.

        Returns:
            A scalar in (-inf, 0].
        """
        views = self.trunk(self.normalise(x))
        zu = torch.cat([z, u], dim=1)
        keys = self.local(views.pieces)
        queries = self.places(zu).view(len(z), -1, _LOCAL)
        local = _against(keys, queries, negatives, views.mask)
        return local + _against(views.whole, self.whole(zu), negatives, None)


def _against(keys: Tensor, queries: Tensor, negatives: int, mask: Tensor | None) -> Tensor:
    keys, queries = keys.float(), queries.float()  # mixed precision ends before the scores
    scale = 1 / math.sqrt(keys.shape[-1])
    joint = (keys * queries).sum(-1) * scale
    product = torch.stack(
        [(keys.roll(shift, 0) * queries).sum(-1) * scale for shift in range(1, negatives + 1)]
    )
    return jsd(joint, product, mask)
