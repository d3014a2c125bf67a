"""monitoring/: files that Prometheus and Grafana accept, metrics that exist, one real scrape."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.metrics import MetricWrapperBase
from ruamel.yaml import YAML

from pipelines.observability.metrics import METRICS
from tiprdc.collect.metrics import CollectorMetrics

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "monitoring"
STAGE = """
import sys, time
from pathlib import Path
from pipelines.cluster.connect import ClusterConfig
from pipelines.observability.progress import run
from pipelines.observability.stage_monitor import monitor_stage

def main():
    config = ClusterConfig(log=sys.argv[2], metrics_port=int(sys.argv[1]))
    with monitor_stage("train", config) as monitor:
        monitor.set_run_metrics("protected", {"train_loss/total": float("nan")})
        monitor.set_progress("protected", 1, 8)
        while not Path(sys.argv[2], "end").exists():
            time.sleep(0.1)

run(main)
"""


def program(*names: str) -> str:
    """Its path; without it the test is skipped with the package to install."""
    for name in names:
        if path := shutil.which(name):
            return path
    pytest.skip(f"no {names[0]} (Debian: apt-get install prometheus prometheus-pushgateway)")


def rules() -> list[dict[str, Any]]:
    (group,) = YAML(typ="safe").load(FOLDER / "rules.yml")["groups"]
    entries: list[dict[str, Any]] = group["rules"]
    return entries


def dashboard() -> dict[str, Any]:
    content: dict[str, Any] = json.loads((FOLDER / "dashboard.json").read_text())
    return content


def expressions() -> Iterator[str]:
    yield from (rule["expr"] for rule in rules())
    for panel in dashboard()["panels"]:
        yield from (target["expr"] for target in panel["targets"])


def known_metrics() -> dict[str, set[str]]:
    """Metric of a stage or of a collector -> its labels."""
    known = {metric.name: set(metric.labels) for metric in METRICS.values()}
    for metric in vars(CollectorMetrics()).values():
        if isinstance(metric, MetricWrapperBase):
            suffix = {"counter": "_total", "histogram": "_bucket"}.get(metric._type, "")
            le = {"le"} if suffix == "_bucket" else set()
            known[metric._name + suffix] = {*metric._labelnames, *le}
    return known


def test_expressions_use_existing_metrics_and_labels() -> None:
    known = known_metrics()
    for expression in expressions():
        names = set(re.findall(r"\btiprdc_\w+", expression))
        assert names, expression
        assert names <= set(known), f"{expression}: no such metric {names - set(known)}"
        labels = set().union(*(known[name] for name in names))
        used = set(re.findall(r"(\w+)\s*(?:=~?|!=|!~)\s*\"", expression))
        for grouped in re.findall(r"\bby \(([\w, ]+)\)", expression):
            used |= {label.strip() for label in grouped.split(",")}
        assert used <= labels, expression


def test_every_metric_is_in_a_panel_or_an_alert() -> None:
    text = " ".join(expressions())
    unseen = {name for name in known_metrics() if not re.search(rf"\b{name}\b", text)}
    # The start of a stage is exported for ad-hoc queries alone.
    assert unseen == {"tiprdc_stage_start_time_seconds"}


def test_annotations_use_labels_of_their_alert() -> None:
    known = known_metrics()
    for rule in rules():
        names = re.findall(r"\btiprdc_\w+", rule["expr"])
        used = set(re.findall(r"\$labels\.(\w+)", json.dumps(rule["annotations"])))
        assert used <= set().union(*(known[name] for name in names)), rule["alert"]
        assert set(rule["annotations"]) == {"summary", "description"}
        assert rule["labels"]["severity"] in ("info", "warning", "critical")


def test_panels_fit_the_page_without_overlap() -> None:
    taken = set[tuple[int, int]]()
    for panel in dashboard()["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        assert place["x"] + place["w"] <= 24
        taken |= cells
    titles = [panel["title"] for panel in dashboard()["panels"]]
    assert len(set(titles)) == len(titles)


def test_every_alert_has_a_test() -> None:
    tested = YAML(typ="safe").load(FOLDER / "rules.test.yml")["tests"]
    fired = {
        case["alertname"] for t in tested for case in t["alert_rule_test"] if case["exp_alerts"]
    }
    assert fired == {rule["alert"] for rule in rules()}


@pytest.mark.parametrize(
    "arguments",
    [
        ["check", "rules", "rules.yml"],
        ["check", "config", "prometheus.yml"],
        ["test", "rules", "rules.test.yml"],
    ],
)
def test_promtool_accepts_the_files(arguments: list[str]) -> None:
    done = subprocess.run(
        [program("promtool"), *arguments], cwd=FOLDER, capture_output=True, text=True, timeout=200
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_promtool_parses_every_expression_of_the_dashboard(tmp_path: Path) -> None:
    promtool = program("promtool")
    recorded = [
        {"record": f"panel:{n}", "expr": target["expr"]}
        for n, target in enumerate(t for p in dashboard()["panels"] for t in p["targets"])
    ]
    path = tmp_path / "panels.yml"
    YAML().dump({"groups": [{"name": "panels", "rules": recorded}]}, path)
    done = subprocess.run([promtool, "check", "rules", path], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert f"{len(recorded)} rules found" in done.stdout


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def until(query: Callable[[], Any], seconds: float = 90) -> Any:
    """The first result that is not empty."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            if result := query():
                return result
        except OSError:
            pass
        assert time.monotonic() < deadline
        time.sleep(0.3)


@pytest.mark.slow
def test_real_prometheus_scrapes_a_stage_and_fires_the_alert(tmp_path: Path) -> None:
    """Our configuration and rules, with other ports and a shorter scrape interval."""
    prometheus = program("prometheus")
    ours, theirs = free_port(), free_port()
    config = YAML(typ="safe").load(FOLDER / "prometheus.yml")
    config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    config["rule_files"] = [str(FOLDER / "rules.yml")]
    config["scrape_configs"] = config["scrape_configs"][:1]
    config["scrape_configs"][0]["static_configs"] = [{"targets": [f"127.0.0.1:{ours}"]}]
    YAML().dump(config, tmp_path / "prometheus.yml")

    def get(path: str, **query: str) -> Any:
        url = f"http://127.0.0.1:{theirs}/api/v1/{path}?{urllib.parse.urlencode(query)}"
        with urllib.request.urlopen(url, timeout=5) as answer:
            return json.loads(answer.read())["data"]

    stage = subprocess.Popen(
        [sys.executable, "-c", STAGE, str(ours), str(tmp_path)], cwd=ROOT, env=dict(os.environ)
    )
    server = subprocess.Popen(
        [
            prometheus, f"--config.file={tmp_path / 'prometheus.yml'}",
            f"--web.listen-address=127.0.0.1:{theirs}", f"--storage.tsdb.path={tmp_path / 'tsdb'}",
        ],
        cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        (series,) = until(lambda: get("query", query="tiprdc_stage_done_ratio")["result"])
        assert series["value"][1] == "0.125"
        assert series["metric"]["part"] == "protected"
        alerts = until(lambda: get("alerts")["alerts"])
        assert [alert["labels"]["alertname"] for alert in alerts] == ["TiprdcNotANumber"]
        assert alerts[0]["annotations"]["summary"] == "protected: the loss of total is NaN"
    finally:
        (tmp_path / "end").touch()
        assert stage.wait(60) == 0
        server.terminate()
        server.wait(60)
