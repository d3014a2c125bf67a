from __future__ import annotations

import re
import shutil
import socket
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from pipelines.cluster.connect import ClusterConfig
from pipelines.observability import metrics as module
from pipelines.observability import scrapes
from pipelines.observability.metrics import METRICS, Metrics, export_metrics
from pipelines.observability.stage_monitor import monitor_stage, uninformed_score
from tiprdc.errors import ClusterError, ConfigError, DataError

UNITS = (
    "_seconds", "_ratio", "_per_second", "_loss", "_score", "_trials", "_attacks", "_epoch",
    "_epochs", "_nats", "_running", "_failed", "_verdict",
)  # fmt: skip


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def figures(text: str) -> dict[tuple[str, ...], float]:
    """(name, label values ...) -> value."""
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def fetch(url: str) -> str:
    with urllib.request.urlopen(url, timeout=5) as answer:
        return str(answer.read().decode())


def test_metric_names_end_in_units_and_have_help_texts() -> None:
    for key, metric in METRICS.items():
        assert metric.name == f"tiprdc_{key}"
        assert metric.name.endswith(UNITS), metric.name
        assert re.fullmatch(r"[a-z_]+", metric.name)
        assert len(metric.help) > 10
        assert set(metric.labels) <= {
            "stage", "part", "run", "network", "state",
            "artifact", "attribute", "representation", "attack", "verdict",
        }  # fmt: skip


def test_only_metrics_that_were_set_are_exported() -> None:
    metrics = Metrics()
    metrics.set("train_loss", float("nan"), run="protected", network="total")
    text = generate_latest(metrics.registry).decode()
    assert text.count("# HELP") == 1
    assert 'tiprdc_train_loss{network="total",run="protected"} NaN' in text


def test_labels_are_bounded_in_number_and_length(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_SERIES", 3)
    metrics = Metrics()
    for n in range(50):
        metrics.set("train_epoch", n, run=f"{n}" * 100)
    metrics.set("train_epoch", -1, run="0" * 100)
    samples = figures(generate_latest(metrics.registry).decode())
    assert len(samples) == 4
    assert samples["tiprdc_train_epoch", "other"] == 49
    assert samples["tiprdc_train_epoch", "0" * 64] == -1


def test_unknown_label_fails() -> None:
    with pytest.raises(AssertionError):
        Metrics().set("audit_limit_ratio", 1, person="p-17")


def test_metrics_are_served_only_while_the_stage_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scrapes, "_MOST_SECONDS_AFTER", 0.0)
    port = free_port()
    url = f"http://127.0.0.1:{port}/metrics"
    before = time.time()
    with monitor_stage("train", ClusterConfig(log="", metrics_port=port)) as monitor:
        monitor.set_progress("protected", 1, 4)
        samples = figures(fetch(url))
        assert samples["tiprdc_stage_running", "train"] == 1
        assert before <= samples["tiprdc_stage_progress_time_seconds", "train"] <= time.time()
        assert samples["tiprdc_stage_done_ratio", "protected", "train"] == 0.25
    with pytest.raises(OSError, match="refused"):
        fetch(url)


@pytest.mark.parametrize(("end", "scrapes"), [("raised", 2), ("verdict", 2), ("success", 1)])
def test_end_is_served_for_some_scrapes_more(end: str, scrapes: int) -> None:
    port = free_port()
    url, seen = f"http://127.0.0.1:{port}/metrics", []
    ended = threading.Event()

    def stage() -> None:
        with monitor_stage("audit", ClusterConfig(log="", metrics_port=port)) as monitor:
            fetch(url)
            monitor.metrics.alarming = end != "success"
            ended.set()
            if end == "raised":
                raise DataError("shards", "damaged")

    thread = threading.Thread(target=_quietly, args=(stage,))
    thread.start()
    ended.wait()
    while thread.is_alive():
        with suppress(OSError):
            seen.append(figures(fetch(url))["tiprdc_stage_running", "audit"])
        time.sleep(0.2)
    assert len(seen) >= scrapes
    assert seen[-1] == 0
    thread.join()


def _quietly(stage: Callable[[], None]) -> None:
    with suppress(DataError):
        stage()


def test_end_is_not_waited_with_where_nobody_scrapes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "sleep", lambda seconds: pytest.fail("waited"))
    with (
        pytest.raises(DataError),
        monitor_stage("audit", ClusterConfig(log="", metrics_port=free_port())),
    ):
        raise DataError("shards", "damaged")


def test_taken_port_is_refused_before_the_work() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        config = ClusterConfig(log="", metrics_port=server.getsockname()[1])
        with (
            pytest.raises(
                ClusterError, match=r"cluster.metrics_port: 127.0.0.1:\d+: Address already"
            ),
            monitor_stage("train", config),
        ):
            pytest.fail("started")


def test_metrics_file_has_the_outcome_of_the_stage(tmp_path: Path) -> None:
    config = ClusterConfig(log=str(tmp_path / "logs"), metrics_folder=str(tmp_path / "prom"))
    path = tmp_path / "prom" / "tiprdc_audit.prom"
    with monitor_stage("audit", config):
        assert figures(path.read_text())["tiprdc_stage_running", "audit"] == 1
    samples = figures(path.read_text())
    assert samples["tiprdc_stage_running", "audit"] == samples["tiprdc_stage_failed", "audit"] == 0
    assert ("tiprdc_stage_success_time_seconds", "audit") in samples
    with pytest.raises(DataError), monitor_stage("audit", config):
        raise DataError("column", "age of person 17", "one of sex, race")
    samples = figures(path.read_text())
    assert samples["tiprdc_stage_failed", "audit"] == 1
    assert ("tiprdc_stage_success_time_seconds", "audit") not in samples
    events = (tmp_path / "logs" / "audit.jsonl").read_text()
    assert '"event": "stage failed", "error": "DataError", "where": "column"' in events
    assert "17" not in events.split("stage failed")[1]
    assert [p.name for p in path.parent.iterdir()] == ["tiprdc_audit.prom"]


def test_unwritable_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    config = ClusterConfig(log="", metrics_folder=str(tmp_path / "file" / "prom"))
    with (
        pytest.raises(ClusterError, match=r"cluster\.metrics_folder"),
        monitor_stage("audit", config),
    ):
        pytest.fail("started")


def test_unreachable_pushgateway_causes_one_warning(
    capsys: pytest.CaptureFixture[str],
) -> None:
    gateway = f"127.0.0.1:{free_port()}"
    with monitor_stage("train", ClusterConfig(log="", pushgateway=gateway)):
        pass
    output = capsys.readouterr().err
    assert output.count(f"warning: Pushgateway {gateway}") == 1
    assert "refused" in output


@pytest.fixture
def pushgateway(tmp_path: Path) -> Iterator[str]:
    program = shutil.which("prometheus-pushgateway") or shutil.which("pushgateway")
    if not program:
        pytest.skip("no prometheus-pushgateway (apt-get install prometheus-pushgateway)")
    address = f"127.0.0.1:{free_port()}"
    process = subprocess.Popen(
        [program, f"--web.listen-address={address}"], cwd=tmp_path, stderr=subprocess.DEVNULL
    )
    try:
        for _ in range(100):
            try:
                fetch(f"http://{address}/-/ready")
                break
            except OSError:
                time.sleep(0.1)
        yield address
    finally:
        process.terminate()
        process.wait(20)


def test_real_pushgateway_groups_metrics_by_stage(pushgateway: str) -> None:
    metrics = Metrics()
    metrics.set("audit_verdict", 1, artifact="extractor-int8", verdict="FAIL")
    with export_metrics(metrics, "audit-variant@int8", ClusterConfig(pushgateway=pushgateway)):
        pass
    text = fetch(f"http://{pushgateway}/metrics")
    assert re.search(r'tiprdc_audit_verdict{.*stage="audit-variant@int8",verdict="FAIL"} 1', text)


@pytest.mark.parametrize(
    ("wrong", "key"),
    [({"metrics_port": 80}, "metrics_port"), ({"metrics_host": ""}, "metrics_host")],
)
def test_values_out_of_range_are_refused(wrong: dict[str, int], key: str) -> None:
    with pytest.raises(ConfigError, match=f"cluster.{key}"):
        ClusterConfig(**wrong)  # type: ignore[arg-type]  # one key


def test_uninformed_score_matches_every_estimator() -> None:
    import torch

    from tiprdc.objectives.estimators import ESTIMATORS

    for name, estimator in ESTIMATORS.items():
        blind = estimator(torch.zeros(8), torch.zeros(4, 8), None)
        assert uninformed_score(name) == pytest.approx(float(blind), abs=1e-6)
