"""The trunk's features of everybody, for what comes behind the trunk: head and codebook.

Copies of pictures, up to `MOST_COPIED`, are further people: without them a head's adversaries learn
some ten thousand people by heart, and a codebook does not know what changes between pictures of
one face.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from tiprdc.distributed import BatchGroup
from tiprdc.models.extractor import Extractor
from tiprdc.models.views import views
from tiprdc.training.batches import CHUNK, RecordBatches, labels
from tiprdc.training.features import batched_output
from tiprdc.training.game import Game

MOST_COPIED = 100_000
"""Most records that are copied: so many people are not learnt by heart."""


def trunk_features(
    game: Game,
    records: RecordBatches,
    seed: int,
    device: torch.device,
    group: BatchGroup,
    told: Sequence[str] = (),
) -> tuple[Tensor, Tensor]:
    """Run the trunk over everybody and over copies of pictures, each worker over its share.

    Args:
        game: Its extractor has a trunk; in evaluation mode afterwards.
        records: extractor-train.
        seed: Of the copies.
        device: Where the extractor is, and the result.
        group: The workers; each gets the whole result.
        told: Told tasks.

    Returns:
        Features `[N V, D]`, a record's copies behind it, and private attributes, then told
        tasks `[N V, A + T]`.
    """
    game.eval()
    extractor = game.extractor
    assert isinstance(extractor, Extractor)
    rows = group.split(torch.arange(len(records))).numpy()
    z0: list[Tensor] = []
    known: list[Tensor] = []
    parts = np.split(rows, np.arange(CHUNK, len(rows), CHUNK))
    is_copied = extractor.spec.modality == "image" and len(records) <= MOST_COPIED
    for part, chunk in zip(parts, records.batches(parts), strict=True):
        copies = views(chunk.x, seed, int(part[0])) if is_copied else []
        versions = [chunk.x, *copies]
        outputs = [batched_output(extractor.whitened, x, device) for x in versions]
        z0.append(torch.stack(outputs, dim=1))
        known.append(labels(chunk, (*game.private, *told)))
    features, attributes = group.all_gather(torch.cat(z0), torch.cat(known))
    of_copies = attributes.repeat_interleave(features.shape[1], 0)
    return features.flatten(0, 1).to(device), of_copies.to(device)
