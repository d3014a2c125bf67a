"""From a worker's steps to the stage's journal and metrics, without Ray between them."""

from __future__ import annotations

import queue
from pathlib import Path
from typing import Any

import pytest
import torch
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from pipelines.cluster import ClusterConfig
from pipelines.observability import train_metrics as pulsing
from pipelines.observability.event_log import read
from pipelines.observability.stage_monitor import StageMonitor
from pipelines.observability.train_events import EventReceiver, EventSender
from pipelines.observability.train_metrics import StepMetrics, of_players
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

    told: dict[tuple[str, ...], float] = {}

    def __init__(self, name: str, description: str, tag_keys: tuple[str, ...]) -> None:
        self.name, self.keys = name, tag_keys

    def set(self, value: float, tags: dict[str, str]) -> None:
        assert set(tags) == set(self.keys)
        self.told[(self.name, *tags.values())] = value


def step(epoch: float, records: int = 64, waiting: float = 0.5, seconds: float = 2.0) -> Step:
    losses = Losses(*(torch.tensor(float(n)) for n in (5, 4, 3, 2, 0, 1, 0, 1, 6)))
    return Step(epoch, records, waiting, seconds, 0.65, losses)


def shown(seen: StageMonitor) -> dict[tuple[str, ...], float]:
    text = generate_latest(seen.metrics.registry).decode()
    return {
        (s.name.removeprefix("tiprdc_train_"), *s.labels.values()): s.value
        for family in text_string_to_metric_families(text) for s in family.samples
    }  # fmt: skip


@pytest.fixture
def wired(tmp_path: Path) -> tuple[EventSender, EventReceiver, StageMonitor]:
    wire: queue.Queue[Any] = queue.Queue()
    seen = StageMonitor("train", ClusterConfig(log=str(tmp_path)))
    news = EventReceiver(wire, seen, {"protected": ("protected-1a2b", ObjectiveConfig())}, epochs=4)
    return EventSender(wire, "protected", first=True), news, seen


def test_epochs_arrive_once_with_every_players_figures(
    wired: tuple[EventSender, EventReceiver, StageMonitor], tmp_path: Path
) -> None:
    teller, news, seen = wired
    teller.tell("started", 0, resumed=False, history=[])
    teller.tell("epoch", 1, summary=SUMMARY)
    teller.tell("checkpoint", 1)
    # The worker was lost, and its successor went on from the checkpoint: it knows epoch 1.
    teller.tell("started", 1, resumed=True, history=[SUMMARY])
    teller.tell("epoch", 2, summary={**SUMMARY, "epoch": 2})
    assert [news.get(timeout=1) for _ in range(5)] == [
        ("protected", 0), ("protected", 1), ("protected", 1), ("protected", 1), ("protected", 2),
    ]  # fmt: skip
    with pytest.raises(queue.Empty):
        news.get(timeout=0)
    lines = list(read(tmp_path / "train.jsonl"))
    assert [(line["event"], line.get("number")) for line in lines] == [
        ("started", None), ("epoch", 1), ("checkpoint", 1), ("started", None), ("epoch", 2),
    ]  # fmt: skip
    assert {line["run"] for line in lines} == {"protected-1a2b"}
    found = shown(seen)
    assert found["epoch", "protected"] == 2
    assert found["epochs", "protected"] == 4
    assert found["mutual_information_score", "protected"] == 3
    assert found["mutual_information_floor_score", "protected"] == 0
    assert found["explained_variance_ratio", "protected"] == 0.125
    assert found["data_wait_ratio", "protected"] == 0.25
    assert found["step_seconds", "protected"] == 0.4
    assert found["player_loss", "critic", "protected"] == -3
    assert found["club_nats", "skin_tone", "protected"] == 0.25
    assert found["tiprdc_stage_done_ratio", "protected", "train"] == 0.5
    assert ("checkpoint_time_seconds", "protected") in found
    # Nobody was trained to recognise: no certainty of 0 that an alert would take for a collapse.
    assert ("adversary_certainty_ratio", "protected") not in found


def test_an_epoch_that_a_killed_stage_did_not_write_is_written_later(
    wired: tuple[EventSender, EventReceiver, StageMonitor], tmp_path: Path
) -> None:
    teller, news, _ = wired
    teller.tell("started", 2, resumed=True, history=[SUMMARY, {**SUMMARY, "epoch": 2}])
    news.get(timeout=1)
    found = [line["number"] for line in read(tmp_path / "train.jsonl") if line["event"] == "epoch"]
    assert found == [1, 2]


def test_waiting_for_storage_is_said_once_for_an_epoch(
    wired: tuple[EventSender, EventReceiver, StageMonitor],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    teller, news, _ = wired
    for _ in range(3):
        teller.tell("waiting", 2, error="No space left on device")
        assert news.get(timeout=1) == ("protected", 2)
    said = "protected: epoch 2 waits for storage: No space left on device\n"
    assert capsys.readouterr().err == said
    (line,) = read(tmp_path / "train.jsonl")
    assert (line["event"], line["number"]) == ("waiting", 2)
    assert line["error"] == "No space left on device"


def test_a_pulse_tells_means_over_the_steps_since_the_last(
    wired: tuple[EventSender, EventReceiver, StageMonitor], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pulsing, "Gauge", FakeGauge)
    monkeypatch.setattr(FakeGauge, "told", {})
    teller, news, seen = wired
    clock = iter([0.0, 1.0, 4.0, 4.0, 4.0, 4.5])
    monkeypatch.setattr(pulsing.time, "perf_counter", lambda: next(clock))
    pulse = StepMetrics("protected", ObjectiveConfig(adversaries=1), 2, teller.report, every=4.0)
    pulse(step(0.1))
    pulse(step(0.2, waiting=1.5, seconds=6.0))
    pulse(step(0.3))
    assert news.get(timeout=1) == ("protected", 0)
    with pytest.raises(queue.Empty):
        news.get(timeout=0)
    found = shown(seen)
    assert found["epoch", "protected"] == 0.2
    assert found["records_per_second", "protected"] == 2 * 128 / 4
    assert found["step_seconds", "protected"] == 4
    assert found["data_wait_ratio", "protected"] == 0.25
    assert found["adversary_certainty_ratio", "protected"] == 2
    in_ray = FakeGauge.told
    assert in_ray["tiprdc_train_adversary_certainty_ratio", "protected"] == 2
    assert in_ray["tiprdc_train_player_loss", "protected", "critic"] == -4


def test_ray_hears_what_the_diagnosis_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pulsing, "Gauge", FakeGauge)
    monkeypatch.setattr(FakeGauge, "told", {})
    StepMetrics("protected", ObjectiveConfig(), 1, lambda _: None).report_epoch(SUMMARY)
    assert FakeGauge.told == {("tiprdc_train_club_nats", "protected", "skin_tone"): 0.25}


def test_other_workers_are_silent() -> None:
    wire: queue.Queue[Any] = queue.Queue()
    EventSender(wire, "protected", first=False).tell("epoch", 1, summary=SUMMARY)
    assert wire.empty()


def test_a_player_that_does_not_take_part_has_no_figure() -> None:
    names = set(of_players(SUMMARY, ObjectiveConfig(privacy_weight=0.0, adversaries=0)))
    assert names == {
        "train_player_loss/total", "train_player_loss/critic", "train_mutual_information_score",
    }  # fmt: skip
    priced = of_players(SUMMARY, ObjectiveConfig(bottleneck=0.3, kernel_adversary=0.0))
    assert set(priced) == names | {"train_kl_nats"}
    assert priced["train_kl_nats"] == 6.5
