"""Bodies that never end, and exceptions that quote what was sent."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from tiprdc.collect.body_limit import BodyLimit, NoTraceback
from tiprdc.collect.refusals import Refused

SCOPE: dict[str, Any] = {"type": "http"}


async def ignore(_: Any) -> None:
    """A client that is not interested in the answer."""


def test_body_that_does_not_arrive_is_refused() -> None:
    async def receive() -> Any:
        await asyncio.Event().wait()

    async def read(_: Any, receive: Any, __: Any) -> None:
        await receive()

    with pytest.raises(Refused) as ended:
        asyncio.run(BodyLimit(read, 100, 0.01)(SCOPE, receive, ignore))
    assert ended.value.status == 408


@pytest.mark.parametrize(("sizes", "is_refused"), [([60, 40], False), ([60, 41], True)])
def test_body_is_counted_while_it_arrives(sizes: list[int], is_refused: bool) -> None:
    parts = [{"type": "http.request", "body": bytes(n), "more_body": True} for n in sizes]
    taken: list[Any] = []

    async def receive() -> Any:
        return parts[len(taken)]

    async def read(_: Any, receive: Any, __: Any) -> None:
        while len(taken) < len(parts):
            taken.append(await receive())

    run = BodyLimit(read, 100, 60)(SCOPE, receive, ignore)
    if is_refused:
        with pytest.raises(Refused) as ended:
            asyncio.run(run)
        assert ended.value.status == 413
    else:
        asyncio.run(run)
    assert len(taken) == (1 if is_refused else 2)


def test_exception_is_logged_without_its_text(caplog: pytest.LogCaptureFixture) -> None:
    async def fail(*_: Any) -> None:
        raise ValueError("0.123 of Alice")

    with caplog.at_level(logging.DEBUG):
        asyncio.run(NoTraceback(fail)(SCOPE, ignore, ignore))
    assert "ValueError at " in caplog.text
    assert "test_body_limit.py" in caplog.text
    assert "Alice" not in caplog.text
