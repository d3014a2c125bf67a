"""monitoring/: files that Prometheus and Grafana take, metrics that exist, and one real scrape."""

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
from ruamel.yaml import YAML

from pipelines.observability.metrics import METRICS

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "monitoring"
STAGE = """
import sys, time
from pathlib import Path
from pipelines.cluster import ClusterConfig
from pipelines.observability.progress import run
from pipelines.observability.stage_monitor import watch

def main():
    config = ClusterConfig(log=sys.argv[2], metrics_port=int(sys.argv[1]))
    with watch("train", config) as seen:
        seen.trained("protected", {"train_player_loss/total": float("nan")})
        seen.done("protected", 1, 8)
        while not Path(sys.argv[2], "end").exists():
            time.sleep(0.1)

run(main)
"""


def program(*names: str) -> str:
    """Its path; without it the test is skipped, and says how to have it."""
    for name in names:
        if found := shutil.which(name):
            return found
    pytest.skip(f"no {names[0]} (Debian: apt-get install prometheus prometheus-pushgateway)")


def rules() -> list[dict[str, Any]]:
    (group,) = YAML(typ="safe").load(FOLDER / "rules.yml")["groups"]
    found: list[dict[str, Any]] = group["rules"]
    return found


def dashboard() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FOLDER / "dashboard.json").read_text())
    return found


def expressions() -> Iterator[str]:
    yield from (rule["expr"] for rule in rules())
    for panel in dashboard()["panels"]:
        yield from (target["expr"] for target in panel["targets"])


def test_every_expression_names_metrics_and_labels_that_the_code_has() -> None:
    known = {metric.name: set(metric.labels) for metric in METRICS.values()}
    for expression in expressions():
        names = set(re.findall(r"\btiprdc_\w+", expression))
        assert names, expression
        assert names <= set(known), f"{expression}: no such metric {names - set(known)}"
        labels = set().union(*(known[name] for name in names))
        asked = set(re.findall(r"(\w+)\s*=~?\s*\"", expression))
        for grouped in re.findall(r"\bby \(([\w, ]+)\)", expression):
            asked |= {label.strip() for label in grouped.split(",")}
        assert asked <= labels, expression


def test_every_metric_is_shown_or_watched() -> None:
    text = " ".join(expressions())
    unseen = {m.name for m in METRICS.values() if not re.search(rf"\b{m.name}\b", text)}
    # The moment at which a stage began is for whoever asks; its age says little.
    assert unseen == {"tiprdc_stage_start_time_seconds"}


def test_annotations_use_labels_that_their_alert_has() -> None:
    known = {metric.name: set(metric.labels) for metric in METRICS.values()}
    for rule in rules():
        names = re.findall(r"\btiprdc_\w+", rule["expr"])
        asked = set(re.findall(r"\$labels\.(\w+)", json.dumps(rule["annotations"])))
        assert asked <= set().union(*(known[name] for name in names)), rule["alert"]
        assert set(rule["annotations"]) == {"summary", "description"}
        assert rule["labels"]["severity"] in ("info", "warning", "critical")


def test_panels_do_not_overlap_and_fit_the_page() -> None:
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


def test_every_alert_has_a_test_of_its_own() -> None:
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
def test_promtool_agrees(arguments: list[str]) -> None:
    done = subprocess.run(
        [program("promtool"), *arguments], cwd=FOLDER, capture_output=True, text=True, timeout=200
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_promtool_reads_every_expression_of_the_dashboard(tmp_path: Path) -> None:
    promtool = program("promtool")
    made = [
        {"record": f"panel:{n}", "expr": target["expr"]}
        for n, target in enumerate(t for p in dashboard()["panels"] for t in p["targets"])
    ]
    path = tmp_path / "panels.yml"
    YAML().dump({"groups": [{"name": "panels", "rules": made}]}, path)
    done = subprocess.run([promtool, "check", "rules", path], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert f"{len(made)} rules found" in done.stdout


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def until(ask: Callable[[], Any], seconds: float = 90) -> Any:
    """The first answer that is not empty."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            if found := ask():
                return found
        except OSError:
            pass
        assert time.monotonic() < deadline
        time.sleep(0.3)


def test_a_real_prometheus_scrapes_a_stage_and_sounds_the_alarm(tmp_path: Path) -> None:
    """Our configuration and our rules, but for ports and the time between two scrapes."""
    prometheus = program("prometheus")
    ours, theirs = free_port(), free_port()
    config = YAML(typ="safe").load(FOLDER / "prometheus.yml")
    config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    config["rule_files"] = [str(FOLDER / "rules.yml")]
    config["scrape_configs"] = config["scrape_configs"][:1]
    config["scrape_configs"][0]["static_configs"] = [{"targets": [f"127.0.0.1:{ours}"]}]
    YAML().dump(config, tmp_path / "prometheus.yml")

    def ask(path: str, **query: str) -> Any:
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
        (found,) = until(lambda: ask("query", query="tiprdc_stage_done_ratio")["result"])
        assert found["value"][1] == "0.125"
        assert found["metric"]["part"] == "protected"
        alerts = until(lambda: ask("alerts")["alerts"])
        assert [alert["labels"]["alertname"] for alert in alerts] == ["TiprdcNotANumber"]
        assert alerts[0]["annotations"]["summary"] == "protected: the loss of total is no number"
    finally:
        (tmp_path / "end").touch()
        assert stage.wait(60) == 0
        server.terminate()
        server.wait(60)
