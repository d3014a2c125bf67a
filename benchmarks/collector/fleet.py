"""Devices that send at once, over connections that they keep."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Callable
from urllib.parse import urlsplit

from benchmarks.collector.batches import document, encode
from tiprdc.formats.feature_batch import batch_id

Request = tuple[str, bytes]
"""Id and body of a batch."""


def make_batches(count: int, records: int, contributor: str | None = None) -> list[Request]:
    """New batches of one contributor, or each of its own."""
    bodies = (encode(document(records, contributor)) for _ in range(count))
    return [(batch_id(body), body) for body in bodies]


class Sender:
    """One device: a connection that is opened again when it breaks.

    Args:
        url: Of the collector; may change while it sends.
        token: Of the device.
    """

    def __init__(self, url: Callable[[], str], token: str) -> None:
        self._url, self._token = url, token
        self._connection: http.client.HTTPConnection | None = None

    def put(self, request: Request) -> int:
        """Status of the answer, or 0 if there was none."""
        id_, body = request
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
        try:
            if self._connection is None:
                address = urlsplit(self._url())
                self._connection = http.client.HTTPConnection(
                    address.hostname or "", address.port, timeout=60
                )
            self._connection.request("PUT", f"/v1/batches/{id_}", body, headers)
            response = self._connection.getresponse()
            response.read()
        except (OSError, http.client.HTTPException):
            self.close()
            return 0
        return response.status

    def close(self) -> None:
        """Close the connection."""
        if self._connection:
            self._connection.close()
        self._connection = None


def send_all(
    url: Callable[[], str], token: str, queues: list[list[Request]], again: bool
) -> tuple[list[tuple[str, int]], list[float]]:
    """Send each queue from a device of its own, all at once.

    Args:
        url: Of the collector.
        token: Of all devices.
        queues: Of each device.
        again: Whether a batch without a good answer is sent until it has one.

    Returns:
        Id and status of every answer, and seconds of every request, in no order.
    """
    answers: list[tuple[str, int]] = []
    seconds: list[float] = []

    def run(queue: list[Request]) -> None:
        sender = Sender(url, token)
        for request in queue:
            while True:
                start = time.perf_counter()
                status = sender.put(request)
                seconds.append(time.perf_counter() - start)
                answers.append((request[0], status))
                if status in (200, 201) or not again:
                    break
                time.sleep(0.05)
        sender.close()

    threads = [threading.Thread(target=run, args=(queue,)) for queue in queues]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers, seconds
