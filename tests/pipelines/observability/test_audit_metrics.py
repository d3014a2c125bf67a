from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from pipelines.cluster.connect import ClusterConfig
from pipelines.observability.audit_metrics import AttackMetrics, report_verdict
from pipelines.observability.event_log import read
from pipelines.observability.stage_monitor import StageMonitor
from tiprdc.attacks.suite import AttackTrial
from tiprdc.audit.plan import Job


def trial(select: float | None) -> AttackTrial:
    return AttackTrial(select, "ok" if select else "failed: MemoryError", 1.0, None)


def test_attacks_are_counted_and_the_best_seed_is_kept(tmp_path: Path) -> None:
    monitor = StageMonitor("audit", ClusterConfig(log=str(tmp_path)))

    def value(name: str, **labels: str) -> float | None:
        return monitor.metrics.registry.get_sample_value(
            f"tiprdc_audit_{name}", {"artifact": "extractor-int8", **labels}
        )

    metrics = AttackMetrics(monitor, jobs=5, artifact="extractor-int8")
    for seed, select in enumerate((0.61, 0.64, 0.58)):
        metrics.attack_ended(Job("skin_tone", "released", "mlp", seed, 1, "fresh"), trial(select))
    metrics.attack_ended(Job("skin_tone", "released", "cnn", 0, 1, "fresh"), trial(None))
    labels = {"attribute": "skin_tone", "representation": "released"}
    assert value("attack_accuracy_ratio", **labels, attack="mlp") == 0.64
    assert value("attack_accuracy_ratio", **labels, attack="cnn") is None
    assert [value("attacks", state=s) for s in ("finished", "failed", "waiting")] == [3, 1, 1]
    lines = [line for line in read(tmp_path / "audit.jsonl") if line["event"] == "attack"]
    assert [line["select"] for line in lines] == [0.61, 0.64, 0.58, None]
    assert lines[3]["status"] == "failed: MemoryError"
    assert all(line["seconds"] >= 0 for line in lines)


def test_verdict_metrics_have_one_of_three_values_and_a_time(tmp_path: Path) -> None:
    monitor = StageMonitor("audit", ClusterConfig(log=str(tmp_path)))
    strongest = SimpleNamespace(balanced_accuracy=0.57, high=0.59)
    curve = SimpleNamespace(projection=SimpleNamespace(high=0.72))
    report: Any = SimpleNamespace(
        utility={"smile": SimpleNamespace(kept=0.81), "hat": SimpleNamespace(kept=None)},
        verdict="INCONCLUSIVE", model_sha256="3f" * 32,
        attributes={
            "skin_tone": SimpleNamespace(
                limit=0.6, strongest=strongest, curves=(curve,),
                certificate=SimpleNamespace(bound=0.58),
            ),
            "glasses": SimpleNamespace(
                limit=0.6, strongest=None, curves=(), certificate=None
            ),
        },
    )  # fmt: skip
    report_verdict(monitor, report, "extractor")
    samples = {
        (s.name.removeprefix("tiprdc_audit_"), *s.labels.values()): s.value
        for family in monitor.metrics.registry.collect() for s in family.samples
    }  # fmt: skip
    assert [samples["verdict", "extractor", v] for v in ("PASS", "FAIL", "INCONCLUSIVE")] == [
        0,
        0,
        1,
    ]
    assert samples["strongest_upper_ratio", "extractor", "skin_tone"] == 0.59
    assert samples["limit_ratio", "extractor", "glasses"] == 0.6
    assert ("strongest_ratio", "extractor", "glasses") not in samples
    assert samples["projected_upper_ratio", "extractor", "skin_tone"] == 0.72
    assert samples["certificate_ratio", "extractor", "skin_tone"] == 0.58
    assert samples["kept_ratio", "extractor", "smile"] == 0.81
    assert ("kept_ratio", "extractor", "hat") not in samples
    assert samples["time_seconds", "extractor"] > 1.7e9
