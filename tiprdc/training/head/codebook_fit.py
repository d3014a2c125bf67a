"""Fit the extractor's codebook on the features that training ended with: k-means.

The features hide the attribute below their noise already, and a cell of the codebook is wider than
that noise: what is left of the attribute in them averages out within a cell.

For pictures with copies (tiprdc/models/views.py) the distance of k-means counts a direction by how
little it changes between copies of a picture: few codes should tell what is in a picture before
where and in which light. In whitened features q with copies q' it is

    |C (q1 - q2)|,        C = E[q q'^T], made symmetric,

whose eigenvalues are the correlations between copies.
"""

from __future__ import annotations

import torch
from sklearn.cluster import KMeans
from torch import Tensor

from tiprdc.errors import ConfigError
from tiprdc.models.extractor import Extractor
from tiprdc.models.layers.codebook import Codebook
from tiprdc.training.features import batched_output
from tiprdc.training.game import Game

FEWEST = 5
"""Fewest records in a cell: a prototype, which ships, is the mean of as many."""
_ROUNDS = 30
_LEAST_VARIANCE = 1e-6
"""Of a direction, as a share of the largest; with less it is absent."""


def check_codes(codes: int, records: int) -> None:
    """Refuse a codebook that is too large for the records.

    Args:
        codes: K, or 0 for none.
        records: Records in extractor-train.

    Raises:
        ConfigError: A cell would have fewer than `FEWEST` records on average.
    """
    if codes * FEWEST > records:
        raise ConfigError(
            "train.extractor.codes", f"{codes:,} codes for {records:,} records in extractor-train",
            f"at most {records // FEWEST:,}, {FEWEST} records for each",
        )  # fmt: skip


def codebook_of(game: Game) -> Codebook | None:
    """The extractor's codebook, if it has one."""
    return game.extractor.codebook if isinstance(game.extractor, Extractor) else None


def fit_codebook(extractor: Extractor, codebook: Codebook, z0: Tensor, seed: int) -> None:
    """Set the codes.

    Args:
        extractor: In evaluation mode, trained but for its codes.
        codebook: Its own.
        z0: The trunk's features of extractor-train `[N, V, D]`; copies of a picture follow it.
        seed: Seed of k-means.
    """
    z = batched_output(extractor.behind_transport, z0.flatten(0, 1).cpu().numpy(), z0.device)
    z = z.view(z0.shape)
    metric = agreement(z) if z.shape[1] > 1 else torch.eye(z.shape[2])
    records_z = z[:, 0]
    codes = len(codebook.prototypes)
    q = (records_z @ metric).numpy()
    fitted = KMeans(codes, n_init=1, max_iter=_ROUNDS, random_state=seed).fit(q)
    cell = torch.from_numpy(fitted.labels_).long()
    size = torch.bincount(cell, minlength=codes)
    sums = torch.zeros(codes, z.shape[2]).index_add_(0, cell, records_z)
    centres = torch.from_numpy(fitted.cluster_centers_).float()
    large = size >= FEWEST
    codebook.fill(
        (sums / size.clamp(min=1)[:, None])[large].to(z0.device),
        (centres @ metric.T)[large].to(z0.device),
        (centres.square().sum(1) / 2)[large].to(z0.device),
    )


def agreement(z: Tensor) -> Tensor:
    """M `[D, D]`: |M^T (z1 - z2)| counts directions by their correlation between copies.

    Args:
        z: Features `[N, V, D]`; the copies follow the record.
    """
    mean = z[:, 0].mean(0)
    variance, axes = torch.linalg.eigh(torch.cov(z[:, 0].T))
    present = variance > _LEAST_VARIANCE * variance.max()
    whiten = axes[:, present] / variance[present].sqrt()
    q = (z[:, 0] - mean) @ whiten
    copies = (z[:, 1:].mean(1) - mean) @ whiten
    cross = q.T @ copies / len(q)
    metric: Tensor = whiten @ (cross + cross.T) / 2
    return metric
