"""Writes small shards of synthetic records with a known private and a known utility attribute."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tiprdc.datasets.schema import (
    SPLITS,
    Attribute,
    Column,
    Modality,
    Records,
    Schema,
    write_schema,
    write_shard,
)


def make_shards(folder: Path, modality: Modality, people: int = 80) -> Schema:
    """Write shards of one data set.

    Attributes `secret` (private) and `task` (utility) are independent and balanced. Each is easy to
    predict from x. The rest of x is noise.

    Args:
        folder: Target.
        modality: `image` `[3, 16, 16]`, `table` of four columns, `text` of 12 tokens, or `audio`
            of half a second.
        people: People in each split, one record each.
    """
    rng = np.random.default_rng(0)
    digests = []
    for split in SPLITS:
        secret, task = rng.permuted(np.arange(people) % 2), rng.permuted(np.arange(people) % 2)
        records = Records(
            x=_DRAW[modality](secret, task, rng),
            labels={"secret": secret, "task": task},
            person=np.array([f"{split}-{n}" for n in range(people)]),
        )
        digests.append(write_shard(folder / split / "part-00000.parquet", records))
    schema = Schema(
        dataset="planted",
        modality=modality,
        shape={"image": (3, 16, 16), "table": (4,), "text": (12,), "audio": (4000,)}[modality],
        attributes=(
            Attribute(name="secret", classes=("off", "on")),
            Attribute(name="task", classes=("no", "yes")),
        ),
        private=("secret",),
        utility=("task",),
        columns=_COLUMNS if modality == "table" else (),
        vocabulary_size=64 if modality == "text" else 0,
        rate=8000 if modality == "audio" else 0,
        people=dict.fromkeys(SPLITS, people),
        records=dict.fromkeys(SPLITS, people),
    )
    return write_schema(folder, schema, digests)


_COLUMNS = (
    Column(name="level", mean=0.5, std=1.0),
    Column(name="noise"),
    Column(name="kind", categories=("a", "b", "c")),
    Column(name="other", categories=("d", "e")),
)


def _draw_pictures(
    secret: NDArray[np.int64], task: NDArray[np.int64], rng: np.random.Generator
) -> NDArray[np.uint8]:
    """The secret brightens the upper half; the task brightens the lower half's left or right."""
    x = rng.normal(100, 15, size=(len(secret), 3, 16, 16))
    x[:, :, :8] += 60 * secret[:, None, None, None]
    x[:, :, 8:, :8] += 60 * task[:, None, None, None]
    x[:, :, 8:, 8:] += 60 * (1 - task[:, None, None, None])
    return np.clip(x, 0, 255).astype(np.uint8)


def _draw_columns(
    secret: NDArray[np.int64], task: NDArray[np.int64], rng: np.random.Generator
) -> NDArray[np.float32]:
    """The secret is in column `level`; the task is category a or b of column `kind`."""
    people = len(secret)
    level = secret + rng.normal(0, 0.1, people)
    columns = [level, rng.normal(size=people), task, rng.integers(2, size=people)]
    return np.stack(columns, axis=1).astype(np.float32)


def _draw_tokens(
    secret: NDArray[np.int64], task: NDArray[np.int64], rng: np.random.Generator
) -> NDArray[np.int32]:
    """The secret is token 1 or 2 at a random position; the task is token 3 or 4; 0 is padding."""
    x = rng.integers(5, 64, size=(len(secret), 12))
    x[:, 10:] = 0
    rows = np.arange(len(secret))
    positions = rng.permuted(np.tile(np.arange(10), (len(secret), 1)), axis=1)
    x[rows, positions[:, 0]] = 1 + secret
    x[rows, positions[:, 1]] = 3 + task
    return x.astype(np.int32)


def _draw_sounds(
    secret: NDArray[np.int64], task: NDArray[np.int64], rng: np.random.Generator
) -> NDArray[np.int16]:
    """The secret is a low tone of 300 or 600 Hz, the task a high one of 1500 or 2500 Hz."""
    seconds, people = np.arange(4000) / 8000, len(secret)
    low, high = (300 * (1 + secret))[:, None], (1500 + 1000 * task)[:, None]
    phases = rng.uniform(0, 2 * np.pi, size=(2, people, 1))
    x = np.sin(2 * np.pi * low * seconds + phases[0])
    x += np.sin(2 * np.pi * high * seconds + phases[1])
    return (4000 * x + rng.normal(0, 300, size=x.shape)).astype(np.int16)


_DRAW: dict[Modality, Callable[..., NDArray[np.generic]]] = {
    "image": _draw_pictures,
    "table": _draw_columns,
    "text": _draw_tokens,
    "audio": _draw_sounds,
}
