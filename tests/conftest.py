"""What several tests need: a local Ray, small shards, a machine of strangers, releases."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.helpers import shards
from tiprdc.datasets.schema import Schema

MakeShards = Callable[..., Schema]


@pytest.fixture(scope="session")
def local_ray() -> Iterator[None]:
    """A Ray of this machine with 2 cores; `connect` inside it does nothing."""
    import ray

    from pipelines.cluster import ClusterConfig, connect

    assert not ray.is_initialized()
    with connect(ClusterConfig(num_cpus=2)):
        yield


@pytest.fixture(scope="session")
def _strangers_machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Somebody with a name, no configuration of their own and no cache to find things in."""
    home = tmp_path_factory.mktemp("home")
    settings = {
        "GIT_CONFIG_GLOBAL": str(home / "gitconfig"),
        "GIT_CONFIG_NOSYSTEM": "1",
        "DVC_SITE_CACHE_DIR": str(home / "site"),
        "DVC_GLOBAL_CONFIG_DIR": str(home / "dvc"),
        "DVC_SYSTEM_CONFIG_DIR": str(home / "dvc"),
        **{f"GIT_{who}_NAME": "Test" for who in ("AUTHOR", "COMMITTER")},
        **{f"GIT_{who}_EMAIL": "test@example.com" for who in ("AUTHOR", "COMMITTER")},
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in settings.items():
            patch.setenv(name, value)
        yield


@pytest.fixture(scope="session")
def audited_lab(tmp_path_factory: pytest.TempPathFactory, _strangers_machine: None) -> Any:
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
