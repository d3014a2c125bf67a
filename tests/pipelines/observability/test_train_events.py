"""From a worker's steps to the stage's event log and metrics, without Ray in between."""

from __future__ import annotations

import queue
from pathlib import Path
from typing import Any

import pytest
import torch
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from pipelines.cluster.connect import ClusterConfig
from pipelines.observability import train_metrics
from pipelines.observability.event_log import read
from pipelines.observability.stage_monitor import StageMonitor
from pipelines.observability.train_events import EventReceiver, EventSender, Run
from pipelines.observability.train_metrics import StepMetrics, loss_figures
from tiprdc.training.losses import Losses
from tiprdc.training.objective_config import ObjectiveConfig
from tiprdc.training.trainer import Step

SUMMARY = {
    "epoch": 1, "total": 2.0, "mutual_information": 3.0, "adversary": 0.5, "certainty": 0.25,
    "explained_variance": 0.125, "steps": 10, "privacy_weight": 0.5, "records_per_second": 100.0,
    "waiting_seconds": 1.0, "seconds": 4.0, "kl": 6.5, "club_skin_tone": 0.25,
}  # fmt: skip


class FakeGauge:
    """In place of Ray's."""

    values: dict[tuple[str, ...], float] = {}

    def __init__(self, name: str, description: str, tag_keys: tuple[str, ...]) -> None:
        self.name, self.keys = name, tag_keys

    def set(self, value: float, tags: dict[str, str]) -> None:
        assert set(tags) == set(self.keys)
        self.values[(self.name, *tags.values())] = value


def step(epoch: float, records: int = 64, waiting: float = 0.5, seconds: float = 2.0) -> Step:
    losses = Losses(*(torch.tensor(float(n)) for n in (5, 4, 3, 2, 0, 1, 0, 1, 6)))
    return Step(epoch, records, waiting, seconds, 0.65, losses)


def exported(monitor: StageMonitor) -> dict[tuple[str, ...], float]:
    text = generate_latest(monitor.metrics.registry).decode()
    return {
        (s.name.removeprefix("tiprdc_train_"), *s.labels.values()): s.value
        for family in text_string_to_metric_families(text) for s in family.samples
    }  # fmt: skip


@pytest.fixture
def wired(tmp_path: Path) -> tuple[EventSender, EventReceiver, StageMonitor]:
    wire: queue.Queue[Any] = queue.Queue()
    monitor = StageMonitor("train", ClusterConfig(log=str(tmp_path)))
    runs = {"protected": Run("protected-1a2b", ObjectiveConfig(), epochs=4)}
    receiver = EventReceiver(wire, monitor, runs)
    return EventSender(wire, "protected", first=True), receiver, monitor


def test_epochs_are_logged_once_with_all_metrics(
    wired: tuple[EventSender, EventReceiver, StageMonitor], tmp_path: Path
) -> None:
    sender, receiver, monitor = wired
    sender.send("started", 0, resumed=False, history=[])
    sender.send("epoch", 1, summary=SUMMARY)
    sender.send("checkpoint", 1)
    # The worker was lost; the next one resumed from the checkpoint and knows epoch 1.
    sender.send("started", 1, resumed=True, history=[SUMMARY])
    sender.send("epoch", 2, summary={**SUMMARY, "epoch": 2})
    assert [receiver.get(timeout=1) for _ in range(5)] == [
        ("protected", 0), ("protected", 1), ("protected", 1), ("protected", 1), ("protected", 2),
    ]  # fmt: skip
    with pytest.raises(queue.Empty):
        receiver.get(timeout=0)
    lines = list(read(tmp_path / "train.jsonl"))
    assert [(line["event"], line.get("number")) for line in lines] == [
        ("started", None), ("epoch", 1), ("checkpoint", 1), ("started", None), ("epoch", 2),
    ]  # fmt: skip
    assert {line["run"] for line in lines} == {"protected-1a2b"}
    samples = exported(monitor)
    assert samples["epoch", "protected"] == 2
    assert samples["epochs", "protected"] == 4
    assert samples["mutual_information_score", "protected"] == 3
    assert samples["mutual_information_floor_score", "protected"] == 0
    assert samples["explained_variance_ratio", "protected"] == 0.125
    assert samples["data_wait_ratio", "protected"] == 0.25
    assert samples["step_seconds", "protected"] == 0.4
    assert samples["loss", "critic", "protected"] == -3
    assert samples["club_nats", "skin_tone", "protected"] == 0.25
    assert samples["tiprdc_stage_done_ratio", "protected", "train"] == 0.5
    assert ("checkpoint_time_seconds", "protected") in samples
    # No trained adversary: a certainty of 0 would fire the alert of a collapse.
    assert ("adversary_certainty_ratio", "protected") not in samples


def test_epochs_missed_by_a_killed_stage_are_logged_on_resume(
    wired: tuple[EventSender, EventReceiver, StageMonitor], tmp_path: Path
) -> None:
    sender, receiver, _ = wired
    sender.send("started", 2, resumed=True, history=[SUMMARY, {**SUMMARY, "epoch": 2}])
    receiver.get(timeout=1)
    numbers = [
        line["number"] for line in read(tmp_path / "train.jsonl") if line["event"] == "epoch"
    ]
    assert numbers == [1, 2]


def test_waiting_for_storage_is_printed_once_an_epoch(
    wired: tuple[EventSender, EventReceiver, StageMonitor],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    sender, receiver, _ = wired
    for _ in range(3):
        sender.send("waiting", 2, error="No space left on device")
        assert receiver.get(timeout=1) == ("protected", 2)
    line = "protected: epoch 2 waits for storage: No space left on device\n"
    assert capsys.readouterr().err == line
    (event,) = read(tmp_path / "train.jsonl")
    assert (event["event"], event["number"]) == ("waiting", 2)
    assert event["error"] == "No space left on device"


@pytest.mark.parametrize(("last", "warned"), [(20.0, True), (4.0, False)])
def test_a_budget_that_was_not_reached_is_said_at_the_end(
    wired: tuple[EventSender, EventReceiver, StageMonitor],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    last: float,
    warned: bool,
) -> None:
    sender, receiver, _ = wired
    for epoch, multiplier in enumerate((20.0, last), 1):
        sender.send("epoch", epoch, summary={**SUMMARY, "epoch": epoch, "multiplier": multiplier})
        receiver.get(timeout=1)
    # Epochs of the head have no multiplier.
    without = {name: value for name, value in SUMMARY.items() if name != "multiplier"}
    for epoch in (3, 4):
        assert "was not reached" not in capsys.readouterr().err
        sender.send("epoch", epoch, summary={**without, "epoch": epoch})
        receiver.get(timeout=1)
    assert ("train.objective.budget (0.06) was not reached" in capsys.readouterr().err) == warned
    events = [line["event"] for line in read(tmp_path / "train.jsonl")]
    assert ("budget not reached" in events) == warned


def test_report_has_means_over_the_steps_since_the_last(
    wired: tuple[EventSender, EventReceiver, StageMonitor], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(train_metrics, "Gauge", FakeGauge)
    monkeypatch.setattr(FakeGauge, "values", {})
    sender, receiver, monitor = wired
    clock = iter([0.0, 1.0, 4.0, 4.0, 4.0, 4.5])
    monkeypatch.setattr(train_metrics.time, "perf_counter", lambda: next(clock))
    metrics = StepMetrics("protected", ObjectiveConfig(adversaries=1), 2, sender.report, every=4.0)
    metrics(step(0.1))
    metrics(step(0.2, waiting=1.5, seconds=6.0))
    metrics(step(0.3))
    assert receiver.get(timeout=1) == ("protected", 0)
    with pytest.raises(queue.Empty):
        receiver.get(timeout=0)
    samples = exported(monitor)
    assert samples["epoch", "protected"] == 0.2
    assert samples["records_per_second", "protected"] == 2 * 128 / 4
    assert samples["step_seconds", "protected"] == 4
    assert samples["data_wait_ratio", "protected"] == 0.25
    assert samples["adversary_certainty_ratio", "protected"] == 2
    in_ray = FakeGauge.values
    assert in_ray["tiprdc_train_adversary_certainty_ratio", "protected"] == 2
    assert in_ray["tiprdc_train_loss", "protected", "critic"] == -4


def test_diagnosis_is_set_in_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train_metrics, "Gauge", FakeGauge)
    monkeypatch.setattr(FakeGauge, "values", {})
    StepMetrics("protected", ObjectiveConfig(), 1, lambda _: None).report_epoch(SUMMARY)
    assert FakeGauge.values == {("tiprdc_train_club_nats", "protected", "skin_tone"): 0.25}


def test_only_the_first_worker_sends_events() -> None:
    wire: queue.Queue[Any] = queue.Queue()
    EventSender(wire, "protected", first=False).send("epoch", 1, summary=SUMMARY)
    assert wire.empty()


def test_unused_losses_have_no_metric() -> None:
    names = set(loss_figures(SUMMARY, ObjectiveConfig(privacy_weight=0.0, adversaries=0)))
    assert names == {
        "train_loss/total", "train_loss/critic", "train_mutual_information_score",
    }  # fmt: skip
    priced = loss_figures(SUMMARY, ObjectiveConfig(bottleneck=0.3, kernel_adversary=0.0))
    assert set(priced) == names | {"train_kl_nats"}
    assert priced["train_kl_nats"] == 6.5
