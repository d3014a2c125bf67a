"""Kills at random moments lose nothing that was acknowledged and store nothing twice."""

from __future__ import annotations

import pytest

from benchmarks.collector.kills import FAULTS, kill_at_random
from benchmarks.collector.postgres import is_installed

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("on_postgres", [False, True], ids=["sqlite", "postgresql"])
def test_nothing_is_lost_or_stored_twice(on_postgres: bool) -> None:
    if on_postgres and not is_installed():
        pytest.skip("no postgres: apt-get install postgresql")
    counts = kill_at_random(kills=3, devices=2, on_postgres=on_postgres, seed=1)
    assert {name: counts[name] for name in FAULTS} == dict.fromkeys(FAULTS, 0)
    assert counts["batches"] >= counts["kills"] == 3
