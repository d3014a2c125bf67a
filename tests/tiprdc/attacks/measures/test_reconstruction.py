"""Decoders reconstruct what z contains and nothing else; the scores match the textbook."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tiprdc.attacks.families.decoder import (
    fit_column_decoder,
    fit_picture_decoder,
    fit_token_decoder,
    frequent_tokens,
    token_log_odds,
    token_presence,
)
from tiprdc.attacks.measures import reconstruction as r
from tiprdc.datasets.schema import Column

COLUMNS = (
    Column(name="kind", categories=("a", "b", "c")),
    Column(name="level", mean=5.0, std=2.0),
    Column(name="flat", mean=1.0, std=0.0),
)


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def pictures(people: int) -> tuple[np.ndarray, np.ndarray]:
    """Features and pictures: the height of an edge and its two greys."""
    rng = np.random.default_rng(0)
    z = rng.uniform(0, 1, size=(people, 3)).astype(np.float32)
    rows = np.arange(12)[None, :] / 12
    below = rows > 0.25 + 0.5 * z[:, :1]
    grey = np.where(below, 40 + 80 * z[:, 1:2], 140 + 80 * z[:, 2:3])
    x = np.broadcast_to(grey[:, None, :, None], (people, 1, 12, 12)).astype(np.uint8)
    x.flags.writeable = False
    return z, x


def test_picture_decoder_beats_the_mean_only_with_informative_features() -> None:
    z, x = pictures(300)
    noise = np.random.default_rng(1).normal(size=z.shape).astype(np.float32)
    scores = []
    for features in (z, noise):
        parts = (features[:200], x[:200]), (features[200:240], x[200:240])
        scores.append(
            r.picture_scores(fit_picture_decoder(*parts, seed=0)(features[240:]), x[240:])
        )
    mean = r.picture_scores(r.mean_picture(x[:200], 60), x[240:])
    assert scores[0]["psnr"] > mean["psnr"] + 3
    assert abs(scores[1]["psnr"] - mean["psnr"]) < 1


def test_psnr_and_ssim_of_known_pairs() -> None:
    _, x = pictures(4)
    same = r.picture_scores(x.astype(np.float32) / 255, x)
    assert same["psnr"] == pytest.approx(100, abs=1e-3)
    assert same["ssim"] == pytest.approx(1, abs=1e-4)
    off = r.picture_scores(x.astype(np.float32) / 255 + 0.1, x)
    assert off["psnr"] == pytest.approx(20, abs=1e-3)


def columns(people: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    kind, level = rng.integers(3, size=people), rng.normal(5, 2, size=people)
    return np.stack([kind, level, np.ones(people)], axis=1).astype(np.float32)


def test_columns_in_z_are_reconstructed() -> None:
    x = columns(900)
    z = np.concatenate([np.eye(3, dtype=np.float32)[x[:, 0].astype(int)], x[:, 1:2]], axis=1)
    decoder = fit_column_decoder((z[:600], x[:600]), (z[600:700], x[600:700]), COLUMNS, seed=0)
    scores = r.column_scores(decoder(z[700:]), x[700:], COLUMNS)
    assert scores["accuracy"] == scores["kind"] > 0.95
    assert scores["r2"] == scores["level"] > 0.8
    assert "flat" not in scores, "a constant column explains nothing"


def test_baseline_has_zero_r2_and_accuracy_of_the_most_frequent_category() -> None:
    x = columns(3000)
    x[:1400, 0] = 2
    scores = r.column_scores(r.mean_columns(x, COLUMNS, len(x)), x, COLUMNS)
    assert scores["r2"] == pytest.approx(0, abs=1e-6)
    assert scores["accuracy"] == pytest.approx(np.mean(x[:, 0] == 2))


def texts(people: int) -> tuple[np.ndarray, np.ndarray]:
    """Features and token ids: one of four words in each text, among frequent words."""
    rng = np.random.default_rng(0)
    topic = rng.integers(4, size=people)
    ids = rng.integers(10, 14, size=(people, 5)).astype(np.int32)
    ids[:, 2], ids[:, 4] = 1 + topic, 0
    ids.flags.writeable = False
    return np.eye(4, dtype=np.float32)[topic], ids


def test_token_decoder_beats_the_baseline_only_with_informative_features() -> None:
    z, ids = texts(500)
    noise = np.random.default_rng(1).normal(size=z.shape).astype(np.float32)
    scores = []
    for features in (z, noise):
        parts = (features[:300], ids[:300]), (features[300:350], ids[300:350])
        decoder = fit_token_decoder(*parts, seed=0)
        present = token_presence(ids[350:], decoder.tokens)
        scores.append(r.token_scores(decoder(features[350:]), present))
    prior = np.tile(token_log_odds(token_presence(ids[:300], decoder.tokens)), (150, 1))
    without = r.token_scores(prior, present)
    assert scores[0]["found"] > without["found"] + 0.15
    assert scores[0]["average_precision"] > without["average_precision"] + 0.1
    assert abs(scores[1]["average_precision"] - without["average_precision"]) < 0.05


def test_token_scores_of_known_rankings() -> None:
    present = np.array([[1, 1, 0, 0], [0, 0, 0, 1], [0, 0, 0, 0]], np.uint8)
    first = np.array([[4, 3, 2, 1], [1, 2, 3, 4], [1, 2, 3, 4]], np.float32)
    assert r.token_scores(first, present) == {"average_precision": 1, "found": 1}
    # The first text: its tokens come second and third; the second text: its one comes last.
    other = np.array([[3, 2, 4, 1], [4, 3, 2, 1], [1, 2, 3, 4]], np.float32)
    scores = r.token_scores(other, present)
    assert scores["average_precision"] == pytest.approx(((1 / 2 + 2 / 3) / 2 + 1 / 4) / 2)
    assert scores["found"] == pytest.approx((1 / 2 + 0) / 2)
    assert r.token_scores(other[2:], present[2:]) == {"average_precision": 0, "found": 0}


def test_frequent_tokens_exclude_padding() -> None:
    ids = np.array([[5, 5, 2, 0], [5, 2, 9, 0]], np.int32)
    assert frequent_tokens(ids, 2).tolist() == [5, 2]
    assert frequent_tokens(ids, 9).tolist() == [5, 2, 9]
    other = np.array([[2, 77, 0, 0], [0, 0, 0, 0]], np.int32)
    assert token_presence(other, frequent_tokens(ids, 9)).tolist() == [[0, 1, 0], [0, 0, 0]]
    assert frequent_tokens(other[1:], 3).tolist() == []
