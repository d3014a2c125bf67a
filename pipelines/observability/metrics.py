"""Prometheus metrics of a stage: their list, and three ways to export them.

A stage keeps its values in a registry of its own. It can export them in three ways, each off by
default (`cluster` in params.yaml): `/metrics` for Prometheus to scrape while the stage runs, a file
for node_exporter's textfile collector, and a Pushgateway. Workers set the same metrics in Ray
(train_metrics.py), which adds the prefix `ray_`; `monitoring/prometheus.yml` removes it.

Labels are names from the settings, never a person's value, and their number is bounded.
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

from pipelines.cluster.connect import ClusterConfig
from pipelines.observability.progress import console
from pipelines.observability.scrapes import AFTER_BAD_END, AFTER_SUCCESS, Scrapes
from tiprdc.errors import ClusterError

MOST_SERIES = 500
"""Most sets of label values of one metric; the rest share the label `other`."""
_MOST_CHARACTERS = 64
_SECONDS_BETWEEN_WRITES = 10.0
_PUSH_SECONDS = 5.0


@dataclass(frozen=True)
class Metric:
    """Name, help text and label names of a gauge."""

    name: str
    help: str
    labels: tuple[str, ...] = ()


_RUN = ("run",)
_AUDITED = ("artifact", "attribute")
METRICS: dict[str, Metric] = {
    metric.name.removeprefix("tiprdc_"): metric
    for metric in (
        Metric("tiprdc_stage_running", "1 while the stage runs, 0 after it ended", ("stage",)),
        Metric(
            "tiprdc_stage_failed", "1 if the last run of the stage ended with an error", ("stage",)
        ),
        Metric(
            "tiprdc_stage_start_time_seconds", "Unix time at which the stage started", ("stage",)
        ),
        Metric(
            "tiprdc_stage_progress_time_seconds",
            "Unix time of the last sign of life of the stage",
            ("stage",),
        ),
        Metric(
            "tiprdc_stage_success_time_seconds",
            "Unix time of the last success of the stage",
            ("stage",),
        ),
        Metric(
            "tiprdc_stage_duration_seconds", "Wall time of the last run of the stage", ("stage",)
        ),
        Metric(
            "tiprdc_stage_done_ratio", "Share of the work that is done, 0 to 1", ("stage", "part")
        ),
        Metric("tiprdc_train_epoch", "Epochs trained, with a fraction", _RUN),
        Metric("tiprdc_train_epochs", "Epochs that the run trains in all", _RUN),
        Metric(
            "tiprdc_train_loss",
            "Loss: total and adversary in nats, critic as minus its score",
            ("run", "network"),
        ),
        Metric(
            "tiprdc_train_mutual_information_score",
            "Critic's estimate of how much z keeps of x; a training signal, no bound",
            _RUN,
        ),
        Metric(
            "tiprdc_train_mutual_information_floor_score",
            "Estimate of a critic that gives every pair the same score",
            _RUN,
        ),
        Metric(
            "tiprdc_train_adversary_certainty_ratio",
            "Certainty of the trained adversaries about the private attribute, 0 to 1",
            _RUN,
        ),
        Metric(
            "tiprdc_train_explained_variance_ratio",
            "Held-out R2 of the kernel adversary, from batch and memory, summed, 0 to 2",
            _RUN,
        ),
        Metric(
            "tiprdc_train_head_kept_ratio",
            "Share of the trunk's variance that a decoder rebuilds from the head's features",
            _RUN,
        ),
        Metric(
            "tiprdc_train_head_confidence_nats",
            "Divergence of the uniform guess from that of the head's adversary",
            _RUN,
        ),
        Metric(
            "tiprdc_train_kl_nats",
            "Mean KL term of the bottleneck: upper bound on what z tells of a record",
            _RUN,
        ),
        Metric(
            "tiprdc_train_club_nats",
            "Information about the attribute in z, by a small classifier; no verdict",
            ("run", "attribute"),
        ),
        Metric(
            "tiprdc_train_privacy_weight_ratio",
            "Privacy weight in force, 0 to 1; 0 in the warm-up",
            _RUN,
        ),
        Metric(
            "tiprdc_train_records_per_second", "Records trained on per second, by all workers", _RUN
        ),
        Metric("tiprdc_train_step_seconds", "Mean wall time of a training step", _RUN),
        Metric(
            "tiprdc_train_data_wait_ratio",
            "Share of a step that is spent waiting for data, 0 to 1",
            _RUN,
        ),
        Metric(
            "tiprdc_train_checkpoint_time_seconds",
            "Unix time of the last checkpoint of the run",
            _RUN,
        ),
        Metric("tiprdc_tune_trials", "Trials of the search by state", ("state",)),
        Metric("tiprdc_tune_front_trials", "Settings on the Pareto front of privacy and utility"),
        Metric("tiprdc_tune_trial_seconds", "Mean wall time of a finished trial"),
        Metric("tiprdc_audit_attacks", "Attacks of the audit by state", ("artifact", "state")),
        Metric(
            "tiprdc_audit_attack_accuracy_ratio",
            "Balanced accuracy of an attack on attacker-select, best seed",
            ("artifact", "attribute", "representation", "attack"),
        ),
        Metric(
            "tiprdc_audit_strongest_ratio", "Balanced accuracy of the strongest attack", _AUDITED
        ),
        Metric("tiprdc_audit_strongest_upper_ratio", "Its one-sided 95 % upper bound", _AUDITED),
        Metric(
            "tiprdc_audit_projected_upper_ratio",
            "Upper bound for an attacker with the policy's people, by the learning curve",
            _AUDITED,
        ),
        Metric("tiprdc_audit_certificate_ratio", "Certified bound on every attacker", _AUDITED),
        Metric(
            "tiprdc_audit_kept_ratio",
            "Share of what the raw record tells of a task that the release keeps",
            _AUDITED,
        ),
        Metric("tiprdc_audit_limit_ratio", "Highest upper bound that the policy allows", _AUDITED),
        Metric(
            "tiprdc_audit_verdict",
            "1 for the verdict of the last audit, 0 for the others",
            ("artifact", "verdict"),
        ),
        Metric(
            "tiprdc_audit_time_seconds", "Unix time at which the last audit ended", ("artifact",)
        ),
    )
}
"""Every metric, by its name without `tiprdc_`."""


def metric_and_labels(figure: str, run: str) -> tuple[str, dict[str, str]]:
    """Split the name of a run's figure into the metric and its labels.

    Args:
        figure: A key of `METRICS`; with `/network` or `/attribute` if the metric has that label.
        run: Name of the run.
    """
    metric, _, second = figure.partition("/")
    return metric, dict(zip(METRICS[metric].labels, (run, second), strict=False))


class Metrics:
    """Metrics of one stage, in a registry of its own.

    `alarming` is set for an end that an alert must see although nothing was raised.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.alarming = False
        self._gauges: dict[str, Gauge] = {}
        self._series: dict[str, set[tuple[str, ...]]] = {}

    def set(self, name: str, value: float, **labels: str) -> None:
        """Set a metric.

        Args:
            name: A key of `METRICS`.
            value: May be NaN.
            labels: Label -> value: a name, never anything about a person.
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
        series = self._series.setdefault(metric.name, set())
        if values not in series and len(series) >= MOST_SERIES:
            return ("other",) * len(values)
        series.add(values)
        return values


@contextmanager
def export_metrics(metrics: Metrics, stage: str, config: ClusterConfig) -> Iterator[None]:
    """Export the metrics during the block and once at its end, in the ways that `config` names.

    A Pushgateway that does not answer causes one warning and no error.

    Raises:
        ClusterError: The port of `/metrics` is taken, or the file cannot be written.
    """
    with _serve(metrics, config), _write_repeatedly(metrics, stage, config):
        yield


@contextmanager
def _serve(metrics: Metrics, config: ClusterConfig) -> Iterator[None]:
    if not config.metrics_port:
        yield
        return
    where = f"{config.metrics_host}:{config.metrics_port}"
    try:
        served, scrapes = CollectorRegistry(), Scrapes(metrics.registry)
        served.register(scrapes)
        server, thread = start_http_server(
            config.metrics_port, config.metrics_host, registry=served
        )
    except OSError as error:
        raise ClusterError(
            "cluster.metrics_port", f"{where}: {error.strerror or error}",
            hint="set a free port on an address of this machine, or 0 to serve no /metrics",
        ) from None  # fmt: skip
    console.print(f"metrics: http://{where}/metrics", highlight=False)
    try:
        yield
        scrapes.wait(AFTER_BAD_END if metrics.alarming else AFTER_SUCCESS)
    except Exception:
        scrapes.wait(AFTER_BAD_END)
        raise
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def _write_repeatedly(metrics: Metrics, stage: str, config: ClusterConfig) -> Iterator[None]:
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
                hint='set a folder that this stage can write to, or "" to write no file',
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
