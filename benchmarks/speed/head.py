"""Steps a second of the head's training, each with those of its adversaries.

    python -m benchmarks.speed.head [--batch 512] [--people 20000] [--features 64] [--json]

The features are random: no step depends on what they say. Run it on an idle machine.
"""

from __future__ import annotations

import statistics
from typing import Annotated

import numpy as np
import torch
import typer

from benchmarks.speed.figures import show
from tiprdc.datasets.schema import Column, Records
from tiprdc.models.extractor import ExtractorConfig
from tiprdc.models.inputs import InputSpec
from tiprdc.training.head.config import HeadConfig
from tiprdc.training.head.phase import STEPS
from tiprdc.training.objective_config import ObjectiveConfig
from tiprdc.training.schedule_config import ScheduleConfig
from tiprdc.training.trainer import Trainer

COLUMNS = 32


def main(
    batch: Annotated[int, typer.Option(min=8, help="Records in a step.")] = 512,
    people: Annotated[int, typer.Option(min=1000, help="People in the cache.")] = 20_000,
    features: Annotated[int, typer.Option(min=2, help="Width of z.")] = 64,
    threads: Annotated[int, typer.Option(min=1, help="Cores.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, no table.")] = False,
) -> None:
    """Measure, and print."""
    torch.set_num_threads(threads)
    rng = np.random.default_rng(0)
    records = Records(
        x=rng.standard_normal((people, COLUMNS), np.float32),
        labels={"private": rng.integers(2, size=people)},
        person=np.arange(people).astype(str),
    )
    columns = tuple(Column(name=f"column {i}") for i in range(COLUMNS))
    trainer = Trainer(
        ObjectiveConfig(), ExtractorConfig(features=features, head=512, release_noise=0.4),
        ScheduleConfig(), InputSpec(modality="table", shape=(COLUMNS,), columns=columns),
        {"private": 2}, seed=0, head=HeadConfig(epochs=2, batch=batch),
    )  # fmt: skip
    phase = trainer.begin_head()
    seconds = [step.seconds for step in phase.steps(records, epoch=0)]
    figures = {
        "head steps a second": 1 / statistics.median(seconds[STEPS // 10 :]),
        "records in a step": float(batch),
        "cores": float(threads),
    }
    show(figures, as_json=as_json)


if __name__ == "__main__":
    typer.run(main)
