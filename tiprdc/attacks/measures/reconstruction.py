"""Reconstruction: how close a decoder z -> x, trained on attacker-train, comes to the record.

Pictures and spectrograms are scored by PSNR and SSIM, columns by explained variance and accuracy of
categories, texts by the ranking of their tokens. The baseline needs no features: the mean record,
the most frequent category or the most frequent tokens.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import label_ranking_average_precision_score
from torch import Tensor

from tiprdc.attacks.families.decoder import (
    Decoder,
    fit_column_decoder,
    fit_picture_decoder,
    fit_token_decoder,
    token_log_odds,
    token_presence,
)
from tiprdc.datasets.schema import PICTURED, Column, Schema
from tiprdc.models.inputs import Columns, attack_inputs

MAX_SCORED = 500
"""Most records of attacker-test whose reconstructions are scored."""
MS_SSIM_PIXELS = 176
"""Smallest side of pictures for MS-SSIM: sixteen times its window of 11."""

Scores = dict[str, float]


def fit_decoder(
    schema: Schema,
    train: tuple[NDArray[Any], NDArray[Any]],
    select: tuple[NDArray[Any], NDArray[Any]],
) -> Decoder:
    """Train the decoder of a modality.

    Args:
        schema: Describes the records.
        train, select: Features `[N, D]` and records `[N, ...]` of attacker-train and -select.
    """
    if schema.modality in PICTURED:
        pairs, selecting = ((z, attack_inputs(x, schema)) for z, x in (train, select))
        return fit_picture_decoder(pairs, selecting, seed=0)
    if schema.modality == "text":
        return fit_token_decoder(train, select, seed=0)
    return fit_column_decoder(train, select, schema.columns, seed=0)


def scores(
    schema: Schema, decoded: NDArray[np.float32], x: NDArray[Any], tokens: NDArray[np.int64]
) -> Scores:
    """Similarity of reconstructions to records `[N, ...]`; larger is closer.

    Args:
        schema: Describes the records.
        decoded: Output of `Decoder.__call__`.
        tokens: `Decoder.tokens`.
    """
    if schema.modality in PICTURED:
        return picture_scores(decoded, attack_inputs(x, schema))
    if schema.modality == "text":
        return token_scores(decoded, token_presence(x, tokens))
    return column_scores(decoded, x, schema.columns)


def without_features(
    schema: Schema, x: NDArray[Any], count: int, tokens: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Baseline reconstruction of `count` records, from the records of attacker-train alone."""
    if schema.modality in PICTURED:
        return mean_picture(attack_inputs(x, schema), count)
    if schema.modality == "text":
        return np.tile(token_log_odds(token_presence(x, tokens)), (count, 1))
    return mean_columns(x, schema.columns, count)


def picture_scores(decoded: NDArray[np.float32], x: NDArray[np.uint8]) -> Scores:
    """PSNR in dB (mean over pictures), mean SSIM and MS-SSIM of pictures `[N, C, H, W]` in [0, 1].

    MS-SSIM is left out for pictures below `MS_SSIM_PIXELS`, where its fifth scale is smaller than
    its window.

    Source: Wang et al., "Image Quality Assessment: From Error Visibility to Structural
    Similarity" (2004); Wang et al., "Multiscale structural similarity" (2003).
    """
    # Imported here: the import takes seconds, and only the audit of pictures needs it.
    from torchmetrics.functional.image import (
        multiscale_structural_similarity_index_measure,
        peak_signal_noise_ratio,
        structural_similarity_index_measure,
    )

    a, b = torch.tensor(decoded), torch.tensor(x).float() / 255
    psnr = peak_signal_noise_ratio(a, b, data_range=1.0, dim=(1, 2, 3), reduction="none")
    ssim = structural_similarity_index_measure(a, b, data_range=1.0)
    assert isinstance(ssim, Tensor)
    # Equal pictures have an infinite ratio; it is capped at 100 dB.
    scores = {"psnr": float(psnr.clamp(max=100).mean()), "ssim": float(ssim)}
    if min(x.shape[2:]) >= MS_SSIM_PIXELS:
        scores["ms_ssim"] = float(
            multiscale_structural_similarity_index_measure(a, b, data_range=1.0)
        )
    return scores


def column_scores(
    decoded: NDArray[np.float32], x: NDArray[np.float32], columns: tuple[Column, ...]
) -> Scores:
    """`r2`: mean explained variance of numeric columns; `accuracy`: mean over categorical ones.

    Each column also has a score by its name. Constant columns are left out.
    """
    scores: dict[str, dict[str, float]] = {"r2": {}, "accuracy": {}}
    start = 0
    for i, column in _layout(columns):
        if column.categories:
            width = len(column.categories) + 1
            predicted = np.argmax(decoded[:, start : start + width], axis=1)
            scores["accuracy"][column.name] = float(
                np.mean(predicted == _category_number(x[:, i], column))
            )
            start += width
            continue
        truth = _standardised(x[:, i], column)
        if truth.std() > 1e-6:
            explained = 1 - np.mean((decoded[:, start] - truth) ** 2) / truth.var()
            scores["r2"][column.name] = float(explained)
        start += 1
    means = {kind: float(np.mean(list(each.values()))) for kind, each in scores.items() if each}
    return {**{name: value for each in scores.values() for name, value in each.items()}, **means}


def token_scores(decoded: NDArray[np.float32], present: NDArray[np.uint8]) -> Scores:
    """How well logits `[N, V]` rank the tokens of a text, 0 or 1 `[N, V]`, above other tokens.

    `average_precision`: for each token of a text, the share of its tokens among those ranked at
    least as high; mean over tokens, then over texts. `found`: of a text with n tokens, the share of
    them among the first n. Texts with none of these tokens are left out.

    Source: Manning, Raghavan and Schuetze, "Introduction to Information Retrieval" (2008), ch. 8.
    """
    count = present.sum(1, dtype=np.int64)
    decoded, present, count = decoded[count > 0], present[count > 0], count[count > 0]
    if not len(count):
        return {"average_precision": 0.0, "found": 0.0}
    ranked = np.take_along_axis(present, np.argsort(-decoded, axis=1, kind="stable"), axis=1)
    first = np.arange(present.shape[1]) < count[:, None]
    return {
        "average_precision": float(label_ranking_average_precision_score(present, decoded)),
        "found": float(np.mean((ranked * first).sum(1) / count)),
    }


def mean_picture(x: NDArray[np.uint8], count: int) -> NDArray[np.float32]:
    """Baseline for pictures: the mean picture of attacker-train, `count` times."""
    mean = x.mean(axis=0, dtype=np.float64) / 255
    return np.broadcast_to(mean.astype(np.float32), (count, *mean.shape)).copy()


def mean_columns(
    x: NDArray[np.float32], columns: tuple[Column, ...], count: int
) -> NDArray[np.float32]:
    """Baseline for tables: means and category shares in a decoder's layout, `count` times."""
    with torch.no_grad():
        mean = Columns(columns)(torch.tensor(x)).mean(0).numpy()
    return np.broadcast_to(mean, (count, len(mean))).copy()


def _layout(columns: tuple[Column, ...]) -> list[tuple[int, Column]]:
    """(number in the record, column) in the order in which `Columns` lays them out."""
    numbered = list(enumerate(columns))
    return sorted(numbered, key=lambda pair: bool(pair[1].categories))


def _standardised(values: NDArray[np.float32], column: Column) -> NDArray[np.float64]:
    scaled = (values.astype(np.float64) - column.mean) / (column.std or 1.0)
    return np.asarray(np.clip(scaled, -10, 10))


def _category_number(values: NDArray[np.float32], column: Column) -> NDArray[np.int64]:
    return np.clip(np.rint(values).astype(np.int64), 0, len(column.categories))
