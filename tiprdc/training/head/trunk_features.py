"""The trunk's features of everybody, for what comes behind the trunk: head and codebook.

Copies of pictures, up to `MANY_RECORDS`, are further people: without them a head's adversary learns
some ten thousand people by heart, and a codebook does not know what changes between pictures of
one face.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from tiprdc.distributed import BatchGroup
from tiprdc.models.coarse_record import coarse_record, standardised
from tiprdc.models.extractor import Extractor
from tiprdc.models.views import views
from tiprdc.training.batches import CHUNK, RecordBatches, labels
from tiprdc.training.features import batched_output
from tiprdc.training.game import Game
from tiprdc.training.head.config import MANY_RECORDS


class TrunkFeatures(NamedTuple):
    """Everybody behind the trunk, a record's copies behind it.

    Args:
        z0: Features `[M, D]`.
        known: Private attributes, then told tasks `[M, A + T]`, int64.
        record: What the records say coarsely, in standard deviations `[M, R]`.
    """

    z0: Tensor
    known: Tensor
    record: Tensor

    def to(self, device: torch.device) -> TrunkFeatures:
        """The same on this device."""
        return TrunkFeatures(*(part.to(device) for part in self))


def trunk_features(
    game: Game,
    records: RecordBatches,
    seed: int,
    device: torch.device,
    group: BatchGroup,
    told: Sequence[str] = (),
) -> TrunkFeatures:
    """Run the trunk over everybody and over copies of pictures, each worker over its share.

    Args:
        game: Its extractor has a trunk; in evaluation mode afterwards.
        records: extractor-train.
        seed: Of the copies.
        device: Where the extractor is, and the result.
        group: The workers; each gets the whole result.
        told: Told tasks.
    """
    game.eval()
    extractor = game.extractor
    assert isinstance(extractor, Extractor)

    def trunk_and_record(x: Tensor) -> Tensor:
        normal = extractor.normalise(x)
        return torch.cat([extractor.whitened_trunk(normal), coarse_record(normal)], dim=1)

    rows = group.split(torch.arange(len(records))).numpy()
    outputs, known = list[Tensor](), list[Tensor]()
    parts = np.split(rows, np.arange(CHUNK, len(rows), CHUNK))
    is_copied = extractor.spec.modality == "image" and len(records) <= MANY_RECORDS
    for part, chunk in zip(parts, records.batches(parts), strict=True):
        copies = views(chunk.x, seed, int(part[0])) if is_copied else []
        versions = [chunk.x, *copies]
        of_versions = [batched_output(trunk_and_record, x, device) for x in versions]
        outputs.append(torch.stack(of_versions, dim=1))
        known.append(labels(chunk, (*game.private, *told)))
    joined, attributes = group.all_gather(torch.cat(outputs), torch.cat(known))
    width = extractor.config.features
    return TrunkFeatures(
        joined[..., :width].flatten(0, 1).contiguous(),
        attributes.repeat_interleave(joined.shape[1], 0),
        standardised(joined[..., width:].flatten(0, 1)),
    ).to(device)
