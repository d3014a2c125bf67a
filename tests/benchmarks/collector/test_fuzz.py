"""Requests made from the OpenAPI document, and requests that break it, give no server error."""

from __future__ import annotations

import pytest

from benchmarks.collector.fuzz import FAULTS, fuzz


@pytest.mark.slow
def test_no_request_gives_a_server_error() -> None:
    counts = fuzz(examples=25)
    assert {name: counts[name] for name in FAULTS} == dict.fromkeys(FAULTS, 0)
    assert {"200", "201", "400", "409", "422"} <= counts["statuses"].keys()
