"""What can be watched: every metric by name, and the ways out of a stage's process.

A stage keeps its figures in a registry of its own and offers them in up to three ways, each off by
default (`cluster` in params.yaml): `/metrics` for a Prometheus to scrape while the stage runs, a
file for node_exporter's textfile collector, and a Pushgateway. Workers of Ray give the same names
to Ray (train_metrics.py), which adds `ray_` in front; `monitoring/prometheus.yml` takes it off.

Labels are names out of the settings, never a person's value, and there is a limit to their number.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError

from prometheus_client import (
    CollectorRegistry,
    Gauge,
    push_to_gateway,
    start_http_server,
    write_to_textfile,
)

from pipelines.cluster import ClusterConfig
from pipelines.observability.progress import console
from tiprdc.errors import ClusterError

MOST_SERIES = 500
"""Sets of label values of one metric; those beyond it share one called `other`."""
_MOST_CHARACTERS = 64
_SECONDS_BETWEEN_WRITES = 10.0
_PUSH_SECONDS = 5.0


@dataclass(frozen=True)
class Metric:
    """A gauge's name, what it says, and the names of its labels."""

    name: str
    help: str
    labels: tuple[str, ...] = ()


_RUN = ("run",)
_AUDITED = ("artifact", "attribute")
METRICS: dict[str, Metric] = {
    metric.name.removeprefix("tiprdc_"): metric
    for metric in (
        Metric("tiprdc_stage_running", "1 while the stage runs, 0 after its end", ("stage",)),
        Metric("tiprdc_stage_failed", "1 if the stage's last run ended in an error", ("stage",)),
        Metric("tiprdc_stage_start_time_seconds", "Unix time of its start", ("stage",)),
        Metric(
            "tiprdc_stage_progress_time_seconds",
            "Unix time at which something was last heard from its work",
            ("stage",),
        ),
        Metric("tiprdc_stage_success_time_seconds", "Unix time of its last success", ("stage",)),
        Metric("tiprdc_stage_duration_seconds", "Wall time of its last run", ("stage",)),
        Metric("tiprdc_stage_done_ratio", "Share of the work that is done", ("stage", "part")),
        Metric("tiprdc_train_epoch", "Epochs played, with a fraction", _RUN),
        Metric("tiprdc_train_epochs", "Epochs wanted", _RUN),
        Metric(
            "tiprdc_train_player_loss",
            "Loss of a player: total and adversary (nats), critic (minus its score)",
            ("run", "player"),
        ),
        Metric(
            "tiprdc_train_mutual_information_score",
            "What the critic scores: how much z keeps of x; a signal, also where in nats",
            _RUN,
        ),
        Metric(
            "tiprdc_train_mutual_information_floor_score",
            "What a critic that knows nothing scores with this estimator",
            _RUN,
        ),
        Metric(
            "tiprdc_train_adversary_certainty_ratio",
            "How sure the trained adversaries are of the private attribute, 0 to 1",
            _RUN,
        ),
        Metric(
            "tiprdc_train_explained_variance_ratio",
            "Squared correlation of the closed-form adversary's guess, of batch and memory summed",
            _RUN,
        ),
        Metric(
            "tiprdc_train_kl_nats",
            "What the bottleneck's price is of: z tells no more of a record, on average",
            _RUN,
        ),
        Metric(
            "tiprdc_train_club_nats",
            "What a small classifier on the side finds of the attribute in z; no verdict",
            ("run", "attribute"),
        ),
        Metric("tiprdc_train_privacy_weight_ratio", "lambda in force; 0 in the warm-up", _RUN),
        Metric("tiprdc_train_records_per_second", "Records learnt from, of all workers", _RUN),
        Metric("tiprdc_train_step_seconds", "Mean wall time of a step", _RUN),
        Metric("tiprdc_train_data_wait_ratio", "Share of a step in which data are awaited", _RUN),
        Metric("tiprdc_train_checkpoint_time_seconds", "Unix time of the last checkpoint", _RUN),
        Metric("tiprdc_tune_trials", "Trials of the search in this state", ("state",)),
        Metric("tiprdc_tune_front_trials", "Trials that no other beats in both objectives"),
        Metric("tiprdc_tune_trial_seconds", "Mean wall time of a finished trial"),
        Metric("tiprdc_audit_attacks", "Attacks of the audit in this state", ("artifact", "state")),
        Metric(
            "tiprdc_audit_attack_accuracy_ratio",
            "Balanced accuracy on attacker-select, the best of the seeds",
            ("artifact", "attribute", "representation", "attack"),
        ),
        Metric("tiprdc_audit_strongest_ratio", "Balanced accuracy on attacker-test", _AUDITED),
        Metric("tiprdc_audit_strongest_upper_ratio", "Its one-sided upper bound", _AUDITED),
        Metric("tiprdc_audit_limit_ratio", "What the policy allows", _AUDITED),
        Metric(
            "tiprdc_audit_verdict", "1 for the verdict of the last audit", ("artifact", "verdict")
        ),
        Metric(
            "tiprdc_audit_time_seconds", "Unix time of the end of the last audit", ("artifact",)
        ),
    )
}
"""Every metric, by its name without `tiprdc_`."""


def labelled(figure: str, run: str) -> tuple[str, dict[str, str]]:
    """The metric and the labels of a figure of a run, `metric` or `metric/value of a label`.

    Args:
        figure: A key of `METRICS`, with a slash and a player or an attribute where it has such a
            label.
        run: Name of the run.
    """
    metric, _, second = figure.partition("/")
    return metric, dict(zip(METRICS[metric].labels, (run, second), strict=False))


class Metrics:
    """Figures of one stage, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._gauges: dict[str, Gauge] = {}
        self._seen: dict[str, set[tuple[str, ...]]] = {}

    def set(self, name: str, value: float, **labels: str) -> None:
        """Note a figure.

        Args:
            name: A key of `METRICS`.
            value: NaN is a value.
            labels: Of each label its value: a name, never anything about a person.
        """
        metric = METRICS[name]
        assert set(labels) == set(metric.labels), name
        if name not in self._gauges:
            self._gauges[name] = Gauge(
                metric.name, metric.help, metric.labels, registry=self.registry
            )
        gauge = self._gauges[name]
        (gauge.labels(*self._bounded(metric, labels)) if labels else gauge).set(value)

    def _bounded(self, metric: Metric, labels: dict[str, str]) -> tuple[str, ...]:
        values = tuple(str(labels[label])[:_MOST_CHARACTERS] for label in metric.labels)
        seen = self._seen.setdefault(metric.name, set())
        if values not in seen and len(seen) >= MOST_SERIES:
            return ("other",) * len(values)
        seen.add(values)
        return values


@contextmanager
def offered(metrics: Metrics, stage: str, config: ClusterConfig) -> Iterator[None]:
    """Offer the figures within the block in the ways that are asked for, and once more at its end.

    A Pushgateway that does not answer is said once and disturbs nothing.

    Raises:
        ClusterError: The port of `/metrics` is taken, or the file cannot be written.
    """
    with _served(metrics, config), _written(metrics, stage, config):
        yield


@contextmanager
def _served(metrics: Metrics, config: ClusterConfig) -> Iterator[None]:
    if not config.metrics_port:
        yield
        return
    where = f"{config.metrics_host}:{config.metrics_port}"
    try:
        server, thread = start_http_server(
            config.metrics_port, config.metrics_host, registry=metrics.registry
        )
    except OSError as error:
        raise ClusterError(
            "cluster.metrics_port", f"{where}: {error.strerror or error}",
            "a free port on an address of this machine",
            "choose another port, or 0 to do without /metrics",
        ) from None  # fmt: skip
    console.print(f"metrics: http://{where}/metrics", highlight=False)
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def _written(metrics: Metrics, stage: str, config: ClusterConfig) -> Iterator[None]:
    writer = _Writer(metrics, stage, config)
    if not (config.metrics_folder or config.pushgateway):
        yield
        return
    writer.write()
    stop = threading.Event()

    def repeat() -> None:
        while not stop.wait(_SECONDS_BETWEEN_WRITES):
            writer.write()

    thread = threading.Thread(target=repeat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        writer.write()


class _Writer:
    def __init__(self, metrics: Metrics, stage: str, config: ClusterConfig) -> None:
        self.metrics, self.stage, self.config = metrics, stage, config
        self._warned = False

    def write(self) -> None:
        if self.config.metrics_folder:
            self._write_file(Path(self.config.metrics_folder))
        if self.config.pushgateway:
            self._push()

    def _write_file(self, folder: Path) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            write_to_textfile(str(folder / f"tiprdc_{self.stage}.prom"), self.metrics.registry)
        except OSError as error:
            raise ClusterError(
                "cluster.metrics_folder", f"{folder}: {error.strerror or error}",
                "a folder that this stage can write to", 'choose another, or "" to do without',
            ) from None  # fmt: skip

    def _push(self) -> None:
        try:
            push_to_gateway(
                self.config.pushgateway, job="tiprdc", registry=self.metrics.registry,
                grouping_key={"stage": self.stage}, timeout=_PUSH_SECONDS,
            )  # fmt: skip
        except (OSError, URLError, ValueError) as error:
            if not self._warned:
                self._warned = True
                reason = getattr(error, "reason", error)
                console.print(
                    f"warning: Pushgateway {self.config.pushgateway}: {reason}",
                    markup=False, highlight=False,
                )  # fmt: skip
