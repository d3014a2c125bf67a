"""Fixtures that several areas share, the order of the tests, and the rule on skips in CI."""

from __future__ import annotations

import functools
import gc
import os
import re
import time
import warnings
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from tests.helpers import shards
from tiprdc.datasets.schema import Schema
from tiprdc.errors import ClusterError

MakeShards = Callable[..., Schema]

ROOT = Path(__file__).parents[1]

GROUPS = ("ray", "repro")
"""Markers whose files run in one worker each, and start first: they take longest."""
SLOW_TIMEOUT = 900
"""Seconds: such a test starts a dozen processes of Ray, each slow on a busy machine."""
EXCUSED = "TIPRDC_ABSENT_PROGRAMS"
"""Environment variable: programs that CI could not install, separated by spaces (`.ci/run`)."""
# On a busy machine any example may be slow.
hypothesis.settings.register_profile("tests", deadline=None)
hypothesis.settings.load_profile("tests")
OUT_OF_TIME = "not started within --time-budget"
START = pytest.StashKey[float]()


@pytest.fixture(autouse=True)
def user_state(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test writes the ledger of whoever runs it."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path_factory.getbasetemp() / "state"))


@pytest.fixture(scope="session")
def local_ray() -> Iterator[None]:
    """A Ray of this machine with 2 cores; `connect` inside it does nothing."""
    import ray

    from pipelines.cluster.connect import ClusterConfig, connect

    config = ClusterConfig(num_cpus=2)
    assert not ray.is_initialized()
    with ExitStack() as stack:
        # Ray's limit of 30 s for its start is fixed, and a busy machine may exceed it.
        for _ in range(2):
            with suppress(ClusterError):
                stack.enter_context(connect(config))
                break
            with warnings.catch_warnings():
                # Ray leaves processes of a failed start to the garbage collector.
                warnings.simplefilter("ignore", ResourceWarning)
                gc.collect()
        else:
            stack.enter_context(connect(config))
        yield


@pytest.fixture(scope="session")
def _isolated_git_and_dvc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A Git identity, no configuration of the machine, and an empty DVC cache."""
    home = tmp_path_factory.mktemp("home")
    settings = {
        "GIT_CONFIG_GLOBAL": str(home / "gitconfig"),
        "GIT_CONFIG_NOSYSTEM": "1",
        "DVC_SITE_CACHE_DIR": str(home / "site"),
        "DVC_GLOBAL_CONFIG_DIR": str(home / "dvc"),
        "DVC_SYSTEM_CONFIG_DIR": str(home / "dvc"),
        **{f"GIT_{role}_NAME": "Test" for role in ("AUTHOR", "COMMITTER")},
        **{f"GIT_{role}_EMAIL": "test@example.com" for role in ("AUTHOR", "COMMITTER")},
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in settings.items():
            patch.setenv(name, value)
        yield


@pytest.fixture(scope="session")
def audited_lab(tmp_path_factory: pytest.TempPathFactory, _isolated_git_and_dvc: None) -> Any:
    """A `release_project.Lab` whose extractor passed its audit; copy it before you change it."""
    from tests.helpers.release_project import build

    return build(tmp_path_factory.mktemp("audited"))


@pytest.fixture(scope="session")
def released_lab(tmp_path_factory: pytest.TempPathFactory, audited_lab: Any) -> Any:
    """The same, after v0.1.0 (prod) and v0.2.0 (staging) were signed, released and pushed."""
    from tests.helpers.release_project import release, write_release

    lab = audited_lab.copy(tmp_path_factory.mktemp("released") / "lab")
    release(lab, stage="prod", key=lab.key)
    write_release(lab.project, 2.0)
    lab.commit()
    release(lab, stage="staging", key=lab.key)
    return lab


@pytest.fixture(scope="session")
def make_shards() -> MakeShards:
    """`make_shards(folder, modality, people=80)`, of tests/helpers/shards.py."""
    return shards.make_shards


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--time-budget", type=float, default=float("inf"), metavar="SECONDS",
        help="skip the tests that have not started after this time",
    )  # fmt: skip


def pytest_configure(config: pytest.Config) -> None:
    config.stash[START] = time.monotonic()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    if time.monotonic() - item.config.stash[START] > item.config.getoption("--time-budget"):
        pytest.skip(OUT_OF_TIME)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests of GROUPS start first; slow tests have SLOW_TIMEOUT."""
    items.sort(key=_order)
    for item in items:
        if item.get_closest_marker("slow") and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(SLOW_TIMEOUT))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Keep tests of one scope in one worker, with `--dist loadgroup`.

    pytest-xdist's own groups change node IDs, which pytest 9.2 does not allow.
    """
    from xdist.scheduler import LoadScopeScheduling

    class Scheduling(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return _file_scope(nodeid.split("::")[0]) or nodeid

    return Scheduling(config, log) if config.getvalue("dist") == "loadgroup" else None


@functools.cache
def _file_scope(file: str) -> str:
    """The file's marker of GROUPS; else the file, if tests share a fixture; else empty."""
    text = (ROOT / file).read_text(encoding="utf-8")
    for name in GROUPS:
        if f"pytest.mark.{name}" in text:
            return name
    return file if 'scope="module"' in text else ""


def _order(item: pytest.Item) -> int:
    """Position of a test's group; tests of equal position keep the order of their files."""
    groups = [name for name in GROUPS if item.get_closest_marker(name)]
    return GROUPS.index(groups[0]) if groups else len(GROUPS)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """In CI a skipped test fails, unless CI could not install the program that it names."""
    report = yield
    if report.skipped and not hasattr(report, "wasxfail"):
        _forbid_skip(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """The same for a file that is skipped as a whole."""
    report = yield
    if report.skipped:
        _forbid_skip(report)
    return report


def _forbid_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    in_ci = os.environ.get("CI", "").lower() in ("true", "1")
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    programs = set(os.environ.get(EXCUSED, "").split())
    if in_ci and OUT_OF_TIME not in reason and not programs & set(re.findall(r"[\w-]+", reason)):
        report.outcome = "failed"
        report.longrepr = f"skipped in CI, where every test must run: {reason}"
