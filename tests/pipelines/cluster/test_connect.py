from __future__ import annotations

import errno
import os
import platform
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import ray
from ray._private.utils import check_version_info
from ray.util.state import get_actor
from ray.util.state.exception import ServerUnavailable

from pipelines.cluster.connect import ClusterConfig, connect, max_parallel
from pipelines.training.workers import scaling
from tiprdc.errors import ClusterError, ConfigError, DataError
from tiprdc.settings import convert

ROOT = Path(__file__).parents[3]
DRIVER = """
from pipelines.cluster.connect import ClusterConfig, connect
from pipelines.observability.progress import run
def main():
    with connect(ClusterConfig()):
        print("connected")
run(main)
"""


TWO_MACHINES = """
import ray
from ray.cluster_utils import Cluster
from pipelines.cluster.connect import on_driver_node

class Actor:
    def node(self):
        return ray.get_runtime_context().get_node_id()

cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
cluster.add_node(num_cpus=1)
cluster.wait_for_nodes()
ray.init(cluster.address, log_to_driver=False)
here = ray.get_runtime_context().get_node_id()
for name, options in [("pinned:", on_driver_node()), ("free:", {"num_cpus": 1})]:
    actors = [ray.remote(Actor).options(**options).remote() for _ in range(2)]
    print(name, len({here, *ray.get([actor.node.remote() for actor in actors])}))
cluster.shutdown()
"""


def drive(address: str) -> subprocess.CompletedProcess[str]:
    """Run a stage's process with this RAY_ADDRESS; Ray may kill it."""
    return subprocess.run(
        [sys.executable, "-c", DRIVER], cwd=ROOT, env={**os.environ, "RAY_ADDRESS": address},
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip


@pytest.fixture
def silent() -> Iterator[str]:
    """An address that accepts connections and sends nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


def closed() -> str:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture
def unconnected(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide the Ray that another test of this session may have started."""
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "shutdown", lambda: None)


@pytest.mark.usefixtures("unconnected")
@pytest.mark.parametrize(
    ("address", "words"),
    [
        (closed(), "Connection refused"),
        ("no-such-host.invalid:6379", "does not answer"),
        ("ray://127.0.0.1:10001", "not an address of a head"),
        ("127.0.0.1", "not an address of a head"),
        ("127.0.0.1:99999", "does not answer"),
    ],
    ids=["closed port", "no such host", "a client's address", "no port", "no such port"],
)
def test_unreachable_address_is_refused_at_once(
    address: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_ADDRESS", address)
    monkeypatch.setattr(ray, "init", lambda **_: pytest.fail("Ray itself waits for two minutes"))
    with pytest.raises(ClusterError) as raised, connect(ClusterConfig()):
        pytest.fail("connected")
    assert raised.value.where == "RAY_ADDRESS"
    assert address in str(raised.value)
    assert words in str(raised.value)
    assert "unset RAY_ADDRESS" in str(raised.value)


def test_silent_address_ends_the_stage_without_a_traceback(silent: str) -> None:
    stage = drive(silent)  # Ray itself would wait longer than its time limit
    assert stage.returncode == 2
    assert f"RAY_ADDRESS: {silent} does not answer" in stage.stderr
    assert "it is not a Ray head" in stage.stderr
    assert "Traceback" not in stage.stderr


@pytest.mark.usefixtures("unconnected")
@pytest.mark.parametrize(
    "theirs", [(ray.__version__, "3.11.99"), ("2.59.0", "3.11.7"), ("2.59.0", "3.12.1")]
)
def test_other_versions_of_a_cluster_are_named(
    theirs: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**_: Any) -> None:
        versions = {"ray_version": theirs[0], "python_version": theirs[1]}
        check_version_info(versions, "this process")

    monkeypatch.setattr(ray, "init", refuse)
    monkeypatch.setenv("RAY_ADDRESS", "auto")
    with pytest.raises(ClusterError) as raised, connect(ClusterConfig()):
        pytest.fail("connected")
    text = str(raised.value)
    assert f"runs Ray {theirs[0]} on Python {theirs[1]}" in text
    assert f"this process Ray {ray.__version__} on Python {platform.python_version()}" in text
    assert "does not answer" not in text


@pytest.mark.usefixtures("unconnected")
def test_every_line_of_rays_error_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_: Any) -> None:
        raise RuntimeError("It failed:\n  because of this\n  and that")

    monkeypatch.setattr(ray, "init", refuse)
    monkeypatch.setenv("RAY_ADDRESS", "auto")
    with (
        pytest.raises(ClusterError, match="It failed: because of this and that"),
        connect(ClusterConfig()),
    ):
        pytest.fail("connected")


@pytest.mark.usefixtures("unconnected")
def test_more_workers_than_cores_are_refused_before_ray_starts() -> None:
    with (
        pytest.raises(ClusterError, match="3 x 1 cores"),
        connect(ClusterConfig(workers=3, num_cpus=2)),
    ):
        pytest.fail("connected")


@pytest.mark.parametrize(
    "wrong",
    [
        {"workers": 0}, {"workers": (0, 2)}, {"workers": (3, 2)}, {"workers": (1, 2, 3)},
        {"patience": -1.0}, {"cpus_per_worker": 0}, {"gpus_per_worker": -1}, {"num_cpus": -1},
    ],
)  # fmt: skip
def test_values_out_of_range_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=f"cluster.{next(iter(wrong))}"):
        ClusterConfig(**wrong)


def test_workers_are_a_number_or_a_range() -> None:
    fixed, elastic = ClusterConfig(workers=3), ClusterConfig(workers=(1, 4))
    assert [(c.fewest, c.most) for c in (fixed, elastic)] == [(3, 3), (1, 4)]
    assert [scaling(c).num_workers for c in (fixed, elastic)] == [3, (1, 4)]
    assert convert(ClusterConfig, {"workers": [1, 4]}, "cluster") == elastic


def test_resources_of_a_worker() -> None:
    assert ClusterConfig(cpus_per_worker=2).resources() == {"CPU": 2.0}
    assert ClusterConfig(gpus_per_worker=1).resources() == {"CPU": 1.0, "GPU": 1.0}


@pytest.mark.ray
@pytest.mark.usefixtures("local_ray")
class TestLocal:
    def test_workers_import_the_project_from_any_folder(self) -> None:
        @ray.remote
        def where() -> str:
            import pipelines.params.load

            return pipelines.params.load.__file__

        assert ray.get(where.remote()) == str(ROOT / "pipelines/params/load.py")

    def test_workers_of_one_machine_use_the_loopback(self) -> None:
        interface = ray.get(ray.remote(lambda: os.environ["GLOO_SOCKET_IFNAME"]).remote())
        assert interface in ("lo", "lo0")
        assert "GLOO_SOCKET_IFNAME" not in os.environ

    def test_train_cleaner_does_not_query_another_local_cluster(self) -> None:
        @ray.remote(num_cpus=0)
        def query() -> str:
            try:
                return repr(get_actor("0" * 32, timeout=10))
            except ServerUnavailable as error:
                return str(error)

        # A cluster that does not know the run would say None, and Ray Train would clear it up.
        assert "http://127.0.0.1:0/" in ray.get(query.remote())

    def test_error_raised_in_a_worker_keeps_its_type_and_hint(self) -> None:
        @ray.remote
        def find() -> None:
            raise DataError("column", "age", "one of sex, race", "did you mean 'race'?")

        with pytest.raises(DataError) as raised, connect(ClusterConfig()):
            ray.get(find.remote())
        assert type(raised.value) is DataError
        assert raised.value.hint == "did you mean 'race'?"

    def test_full_disk_in_a_worker_stays_an_os_error(self) -> None:
        @ray.remote
        def fill() -> None:
            raise OSError(errno.ENOSPC, "No space left on device", "/data/x")

        with pytest.raises(OSError, match="No space left") as raised, connect(ClusterConfig()):
            ray.get(fill.remote())
        assert raised.value.errno == errno.ENOSPC
        assert raised.value.filename == "/data/x"

    def test_killed_worker_becomes_a_cluster_error(self) -> None:
        @ray.remote(max_retries=0)
        def die() -> None:
            os.kill(os.getpid(), signal.SIGKILL)

        with (
            pytest.raises(ClusterError, match="its node was lost") as raised,
            connect(ClusterConfig()),
        ):
            ray.get(die.remote())
        assert "run the same command again" in raised.value.hint

    def test_unexpected_exception_is_not_translated(self) -> None:
        with pytest.raises(ZeroDivisionError), connect(ClusterConfig()):
            ray.get(ray.remote(lambda: 1 / 0).remote())


@pytest.mark.slow
@pytest.mark.ray
def test_cluster_runs_the_code_of_the_driver(tmp_path: Path) -> None:
    """A head without our packages gets them from the driver."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    head = subprocess.Popen(
        [
            sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--block",
            f"--port={port}", "--num-cpus=1", "--include-dashboard=false", "--disable-usage-stats",
        ],
        cwd=tmp_path, env={**os.environ, "RAY_AUTH_MODE": "disabled"},
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    script = DRIVER.replace(
        'print("connected")',
        "import ray, tiprdc as t; print(ray.get(ray.remote(lambda: t.__file__).remote()))",
    )
    (tmp_path / "driver.py").write_text(script)
    environment = {
        **os.environ, "RAY_ADDRESS": f"127.0.0.1:{port}", "RAY_AUTH_MODE": "disabled",
        "PYTHONPATH": str(ROOT),
    }  # fmt: skip
    try:
        for _ in range(20):
            driver = subprocess.run(
                [sys.executable, "driver.py"], cwd=tmp_path, env=environment,
                capture_output=True, text=True, timeout=90,
            )  # fmt: skip
            if driver.returncode == 0:
                break
            time.sleep(1)
        assert "runtime_resources" in driver.stdout, driver.stderr
    finally:
        head.terminate()
        head.wait(30)


@pytest.mark.slow
@pytest.mark.ray
def test_queue_actor_is_pinned_to_driver_node(tmp_path: Path) -> None:
    """On a worker's node it would be lost with that node, and the run with it."""
    (tmp_path / "driver.py").write_text(TWO_MACHINES)
    driver = subprocess.run(
        [sys.executable, "driver.py"], cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, timeout=90,
    )  # fmt: skip
    assert driver.stdout.split() == ["pinned:", "1", "free:", "2"], driver.stderr


@pytest.mark.parametrize(
    ("available", "demand", "count"),
    [
        ({"CPU": 4.0}, {"CPU": 1.0}, 4),
        ({"CPU": 4.0}, {"CPU": 3.0}, 1),
        ({"CPU": 4.0}, {"CPU": 0.5, "GPU": 0.0}, 8),
        ({"CPU": 64.0, "GPU": 2.0}, {"CPU": 1.0, "GPU": 0.25}, 8),
        ({"CPU": 4.0}, {"CPU": 1.0, "GPU": 1.0}, 1),
    ],
)
def test_max_parallel_is_limited_by_the_scarcest_resource(
    available: dict[str, float],
    demand: dict[str, float],
    count: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ray, "cluster_resources", lambda: available)
    assert max_parallel(demand) == count
