"""Reconstruction: how near a decoder z -> x, trained on attacker-train, comes to the record.

Pictures are compared by PSNR and SSIM, columns by explained variance and recognised categories,
texts by the tokens that are ranked as theirs; each beside what the mean record, the most frequent
category or the most frequent tokens get, which needs no features.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import label_ranking_average_precision_score
from torch import Tensor

from tiprdc.attacks.decoder import (
    Decoder,
    fit_column_decoder,
    fit_picture_decoder,
    fit_token_decoder,
    presence,
    token_logits,
)
from tiprdc.datasets.schema import Column, Schema
from tiprdc.models.inputs import Columns

MOST_SCORED = 500
"""Records of attacker-test on which reconstructions are scored."""
MS_SSIM_PIXELS = 176
"""Sixteen times its window of 11."""

Scores = dict[str, float]


def fit_decoder(
    schema: Schema,
    train: tuple[NDArray[Any], NDArray[Any]],
    select: tuple[NDArray[Any], NDArray[Any]],
) -> Decoder:
    """A decoder of such records.

    Args:
        schema: What the records are.
        train, select: Features `[N, D]` and records `[N, ...]` of attacker-train and -select.
    """
    if schema.modality == "image":
        return fit_picture_decoder(train, select, seed=0)
    if schema.modality == "text":
        return fit_token_decoder(train, select, seed=0)
    return fit_column_decoder(train, select, schema.columns, seed=0)


def scores(
    schema: Schema, made: NDArray[np.float32], x: NDArray[Any], tokens: NDArray[np.int64]
) -> Scores:
    """How near what a decoder made comes to records `[N, ...]`, more being nearer.

    Args:
        schema: What the records are.
        made: By `Decoder.__call__`.
        tokens: `Decoder.tokens`.
    """
    if schema.modality == "image":
        return picture_scores(made, x)
    if schema.modality == "text":
        return token_scores(made, presence(x, tokens))
    return column_scores(made, x, schema.columns)


def without_features(
    schema: Schema, x: NDArray[Any], count: int, tokens: NDArray[np.int64]
) -> NDArray[np.float32]:
    """What can be said of `count` records from those of attacker-train `[N, ...]` alone."""
    if schema.modality == "image":
        return mean_picture(x, count)
    if schema.modality == "text":
        return np.tile(token_logits(presence(x, tokens)), (count, 1))
    return mean_columns(x, schema.columns, count)


def picture_scores(made: NDArray[np.float32], x: NDArray[np.uint8]) -> Scores:
    """PSNR in dB (mean over pictures), mean SSIM and MS-SSIM of pictures `[N, C, H, W]` in [0, 1].

    MS-SSIM takes pictures of at least `MS_SSIM_PIXELS`: on smaller ones its fifth scale is smaller
    than its window, and it is left out.

    Source: Wang et al., "Image Quality Assessment: From Error Visibility to Structural
    Similarity" (2004); Wang et al., "Multiscale structural similarity" (2003).
    """
    # Here, since it takes seconds to import and only the audit of pictures needs it.
    from torchmetrics.functional.image import (
        multiscale_structural_similarity_index_measure,
        peak_signal_noise_ratio,
        structural_similarity_index_measure,
    )

    a, b = torch.tensor(made), torch.tensor(x).float() / 255
    psnr = peak_signal_noise_ratio(a, b, data_range=1.0, dim=(1, 2, 3), reduction="none")
    ssim = structural_similarity_index_measure(a, b, data_range=1.0)
    assert isinstance(ssim, Tensor)
    # Equal pictures have no noise and no finite ratio; 100 dB stands for that.
    scores = {"psnr": float(psnr.clamp(max=100).mean()), "ssim": float(ssim)}
    if min(x.shape[2:]) >= MS_SSIM_PIXELS:
        scores["ms_ssim"] = float(
            multiscale_structural_similarity_index_measure(a, b, data_range=1.0)
        )
    return scores


def column_scores(
    made: NDArray[np.float32], x: NDArray[np.float32], columns: tuple[Column, ...]
) -> Scores:
    """`r2`: mean explained variance of numeric columns; `accuracy`: mean over categorical ones.

    Each column is also there by its name. A constant column cannot be explained and is left out.
    """
    scores: dict[str, dict[str, float]] = {"r2": {}, "accuracy": {}}
    place = 0
    for i, column in _decoded(columns):
        if column.categories:
            width = len(column.categories) + 1
            decided = np.argmax(made[:, place : place + width], axis=1)
            scores["accuracy"][column.name] = float(np.mean(decided == _category(x[:, i], column)))
            place += width
            continue
        truth = _standard(x[:, i], column)
        if truth.std() > 1e-6:
            explained = 1 - np.mean((made[:, place] - truth) ** 2) / truth.var()
            scores["r2"][column.name] = float(explained)
        place += 1
    means = {kind: float(np.mean(list(of.values()))) for kind, of in scores.items() if of}
    return {**{name: value for of in scores.values() for name, value in of.items()}, **means}


def token_scores(made: NDArray[np.float32], there: NDArray[np.uint8]) -> Scores:
    """How well logits `[N, V]` rank the tokens that are in a text, 0 or 1 `[N, V]`, above others.

    `average_precision`: for each token of a text, the share of its tokens among those ranked at
    least as high; mean over tokens, then over texts. `found`: of a text with n tokens, the share of
    them among the first n. Texts with none of these tokens say nothing and are left out.

    Source: Manning, Raghavan and Schuetze, "Introduction to Information Retrieval" (2008), ch. 8.
    """
    count = there.sum(1, dtype=np.int64)
    made, there, count = made[count > 0], there[count > 0], count[count > 0]
    if not len(count):
        return {"average_precision": 0.0, "found": 0.0}
    ranked = np.take_along_axis(there, np.argsort(-made, axis=1, kind="stable"), axis=1)
    first = np.arange(there.shape[1]) < count[:, None]
    return {
        "average_precision": float(label_ranking_average_precision_score(there, made)),
        "found": float(np.mean((ranked * first).sum(1) / count)),
    }


def mean_picture(x: NDArray[np.uint8], count: int) -> NDArray[np.float32]:
    """What can be said without features: attacker-train's mean picture, `count` times."""
    mean = x.mean(axis=0, dtype=np.float64) / 255
    return np.broadcast_to(mean.astype(np.float32), (count, *mean.shape)).copy()


def mean_columns(
    x: NDArray[np.float32], columns: tuple[Column, ...], count: int
) -> NDArray[np.float32]:
    """The same for a table: means, and the shares of each category, as a decoder gives them."""
    with torch.no_grad():
        mean = Columns(columns)(torch.tensor(x)).mean(0).numpy()
    return np.broadcast_to(mean, (count, len(mean))).copy()


def _decoded(columns: tuple[Column, ...]) -> list[tuple[int, Column]]:
    """Place in the record and column, in the order in which `Columns` lays them out."""
    numbered = list(enumerate(columns))
    return sorted(numbered, key=lambda pair: bool(pair[1].categories))


def _standard(values: NDArray[np.float32], column: Column) -> NDArray[np.float64]:
    scaled = (values.astype(np.float64) - column.mean) / (column.std or 1.0)
    return np.asarray(np.clip(scaled, -10, 10))


def _category(values: NDArray[np.float32], column: Column) -> NDArray[np.int64]:
    return np.clip(np.rint(values).astype(np.int64), 0, len(column.categories))
