"""A worker's pulse: every few seconds, how the steps since the last one went.

The first worker tells the stage over its queue; each tells Ray, whose agents serve the same names
(with `ray_` in front) on every machine. Reading a loss makes a GPU wait for the step, which is why
not every step is read.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from ray.util.metrics import Gauge

from pipelines.observability.metrics import METRICS, labelled
from tiprdc.training.diagnostics import CLUB
from tiprdc.training.objective_config import ObjectiveConfig
from tiprdc.training.trainer import Step

Figures = dict[str, float]
_SECONDS_BETWEEN_BEATS = 5.0


class StepMetrics:
    """Called after each step.

    Args:
        run: Name of the run, as a label.
        game: Its rules, which say what there is to tell.
        workers: How many train together.
        tell: Takes the figures: name without `tiprdc_`, with `/player` or `/attribute` -> value.
        every: Seconds between two beats.
    """

    def __init__(
        self,
        run: str,
        game: ObjectiveConfig,
        workers: int,
        tell: Callable[[Figures], None],
        every: float = _SECONDS_BETWEEN_BEATS,
    ) -> None:
        self.run, self.objective, self.workers, self.tell, self.every = (
            run,
            game,
            workers,
            tell,
            every,
        )
        self._gauges: dict[str, Gauge] = {}
        self._start()

    def _start(self) -> None:
        self._since = time.perf_counter()
        self._steps, self._records, self._waiting, self._seconds = 0, 0, 0.0, 0.0

    def __call__(self, step: Step) -> None:
        """Take a step in; tell, if it is time."""
        self._steps += 1
        self._records += step.records
        self._waiting += step.waiting
        self._seconds += step.seconds
        if time.perf_counter() - self._since >= self.every:
            self._beat(step)

    def _beat(self, step: Step) -> None:
        figures = self._figures(step)
        self._to_ray(figures)
        self.tell(figures)
        self._start()

    def report_epoch(self, summary: dict[str, float]) -> None:
        """Give Ray what is known of an epoch as a whole; the stage hears it with the epoch."""
        self._to_ray(diagnosed(summary))

    def _figures(self, step: Step) -> Figures:
        losses = {name: float(value) for name, value in step.losses._asdict().items()}
        passed = time.perf_counter() - self._since
        return {
            "train_epoch": step.epoch,
            "train_privacy_weight_ratio": step.privacy_weight,
            "train_records_per_second": self._records * self.workers / passed,
            "train_step_seconds": self._seconds / self._steps,
            "train_data_wait_ratio": self._waiting / self._seconds if self._seconds else 0.0,
            **of_players(losses, self.objective),
        }

    def _to_ray(self, figures: Figures) -> None:
        for name, value in figures.items():
            metric, tags = labelled(name, self.run)
            if metric not in self._gauges:
                known = METRICS[metric]
                self._gauges[metric] = Gauge(known.name, known.help, known.labels)
            self._gauges[metric].set(value, tags)


def of_players(losses: dict[str, float], game: ObjectiveConfig) -> Figures:
    """Figures of the players that take part; one that does not has none, in place of a zero.

    Args:
        losses: Field of `tiprdc.training.losses.Losses` -> value.
        game: The rules.
    """
    figures = {
        "train_player_loss/total": losses["total"],
        "train_player_loss/critic": -losses["mutual_information"],
        "train_mutual_information_score": losses["mutual_information"],
    }
    if game.adversaries:
        figures["train_player_loss/adversary"] = losses["adversary"]
        figures["train_adversary_certainty_ratio"] = losses["certainty"]
    if game.kernel_adversary and game.privacy_weight:
        figures["train_explained_variance_ratio"] = losses["explained_variance"]
    if game.bottleneck:
        figures["train_kl_nats"] = losses["kl"]
    return figures


def diagnosed(summary: dict[str, float]) -> Figures:
    """What CLUB found after an epoch, where it was asked."""
    return {
        f"train_club_nats/{name.removeprefix(CLUB)}": value
        for name, value in summary.items()
        if name.startswith(CLUB)
    }
