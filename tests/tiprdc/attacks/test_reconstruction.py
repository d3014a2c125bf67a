"""What is in z can be rebuilt, what is not cannot, and the figures are the textbook's."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tiprdc.attacks import reconstruction as r
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


def test_a_picture_is_rebuilt_from_features_that_hold_it_and_not_from_others() -> None:
    z, x = pictures(300)
    noise = np.random.default_rng(1).normal(size=z.shape).astype(np.float32)
    scores = []
    for features in (z, noise):
        parts = (features[:200], x[:200]), (features[200:240], x[200:240])
        scores.append(
            r.picture_scores(r.fit_picture_decoder(*parts, seed=0)(features[240:]), x[240:])
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


def test_columns_are_rebuilt_where_z_holds_them() -> None:
    x = columns(900)
    z = np.concatenate([np.eye(3, dtype=np.float32)[x[:, 0].astype(int)], x[:, 1:2]], axis=1)
    decoder = r.fit_column_decoder((z[:600], x[:600]), (z[600:700], x[600:700]), COLUMNS, seed=0)
    scores = r.column_scores(decoder(z[700:]), x[700:], COLUMNS)
    assert scores["accuracy"] == scores["kind"] > 0.95
    assert scores["r2"] == scores["level"] > 0.8
    assert "flat" not in scores, "a constant column explains nothing"


def test_without_features_r2_is_nought_and_accuracy_the_most_frequent() -> None:
    x = columns(3000)
    x[:1400, 0] = 2
    scores = r.column_scores(r.mean_columns(x, COLUMNS, len(x)), x, COLUMNS)
    assert scores["r2"] == pytest.approx(0, abs=1e-6)
    assert scores["accuracy"] == pytest.approx(np.mean(x[:, 0] == 2))
