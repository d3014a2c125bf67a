"""ASGI middleware: bodies have a largest size and a time, and no exception leaves with its text."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import traceback
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tiprdc.collect.refusals import Refused

_MOST_DISCARDED = 2**24
"""Bytes of a refused body that are read before the connection is closed."""

_log = logging.getLogger(__name__)


class BodyLimit:
    """Refuses a body that is too large or too slow while it is read, never after.

    Args:
        app: Reads bodies as a stream.
        most: Bytes.
        seconds: From the first byte to the last.
    """

    def __init__(self, app: ASGIApp, most: int, seconds: float) -> None:
        self._app, self._most, self._seconds = app, most, seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body = _Body(receive, self._most, self._seconds)

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                await body.drain()
            await send(message)

        await self._app(scope, body.receive, answer)


class _Body:
    """The body of one request."""

    def __init__(self, receive: Receive, most: int, seconds: float) -> None:
        self._receive, self._most = receive, most
        self._deadline = asyncio.get_running_loop().time() + seconds
        self._size = 0
        self._is_complete = False

    async def receive(self) -> Message:
        if self._is_complete:
            return await self._receive()
        message = await self._read()
        if self._size > self._most:
            raise Refused(413, "large", f"a body has at most {self._most:,} bytes")
        return message

    async def drain(self) -> None:
        """Discard what is left, so that a sender who still sends can read why it is refused."""
        with contextlib.suppress(Refused):
            while not self._is_complete and self._size < _MOST_DISCARDED:
                await self._read()

    async def _read(self) -> Message:
        try:
            async with asyncio.timeout_at(self._deadline):
                message = await self._receive()
        except TimeoutError:
            raise Refused(408, "slow", "the body did not arrive in time") from None
        self._is_complete = not message.get("more_body", False)
        self._size += len(message.get("body", b""))
        return message


class NoTraceback:
    """Logs the kind and the place of an exception alone: its text may quote what was sent."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        try:
            await self._app(scope, receive, send)
        except Exception as error:
            frames: Any = traceback.extract_tb(error.__traceback__)
            place = f"{frames[-1].filename}:{frames[-1].lineno}" if frames else "?"
            _log.error("a request failed: %s at %s", type(error).__name__, place)
