"""Fixtures that several areas share, the order of the tests, and the rule on skips in CI."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tests.helpers import shards
from tiprdc.datasets.schema import Schema
from tiprdc.errors import ClusterError

MakeShards = Callable[..., Schema]

GROUPS = ("ray", "repro")
"""Markers whose tests run in one worker, one after another, and start first: they take longest."""
EXCUSED = "TIPRDC_ABSENT_PROGRAMS"
"""Environment variable: programs that CI could not install, separated by spaces (`.ci/run`)."""
OUT_OF_TIME = "not started within --time-budget"
START = pytest.StashKey[float]()


@pytest.fixture(scope="session")
def local_ray() -> Iterator[None]:
    """A Ray of this machine with 2 cores; `connect` inside it does nothing."""
    import ray

    from pipelines.cluster import ClusterConfig, connect

    assert not ray.is_initialized()
    with ExitStack() as stack:
        for attempt in range(1, 4):
            try:
                stack.enter_context(connect(ClusterConfig(num_cpus=2)))
                break
            except ClusterError:
                # Ray's limit of 30 s for its start is fixed, and a busy machine may exceed it.
                if attempt == 3:
                    raise
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


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Order the tests, and name the pytest-xdist group of those that must share a worker."""
    for item in items:
        if group := _group(item):
            item.add_marker(pytest.mark.xdist_group(group))
    items.sort(key=_order)


def _group(item: pytest.Item) -> str:
    """The marker in GROUPS; else the file, if its tests share a fixture; else empty."""
    for name in GROUPS:
        if item.get_closest_marker(name):
            return name
    file = item.nodeid.split("::")[0]
    definitions = item._fixtureinfo.name2fixturedefs.values()  # type: ignore[attr-defined]
    shared = any(d[-1].scope == "module" and d[-1].baseid == file for d in definitions)
    return file if shared else ""


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
