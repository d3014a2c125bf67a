"""Devices that send at once, over connections that they keep."""

from __future__ import annotations

import http.client
import threading
import time
from urllib.parse import urlsplit

from benchmarks.collector.batches import document, encode
from tiprdc.formats.feature_batch import batch_id

Request = tuple[str, bytes]
"""Id and body of a batch."""


def make_batches(count: int, records: int) -> list[Request]:
    """New batches, each of a contributor of its own."""
    bodies = (encode(document(records)) for _ in range(count))
    return [(batch_id(body), body) for body in bodies]


class Sender:
    """One device: a connection that is opened again when it breaks.

    Args:
        url: Of the collector.
        token: Of the device.
    """

    def __init__(self, url: str, token: str) -> None:
        self._url, self._token = url, token
        self._connection: http.client.HTTPConnection | None = None

    def put(self, request: Request) -> int:
        """Status of the answer, or 0 if there was none."""
        id_, body = request
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
        try:
            if self._connection is None:
                address = urlsplit(self._url)
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


def send_all(url: str, token: str, queues: list[list[Request]]) -> tuple[list[int], list[float]]:
    """Send each queue from a device of its own, all at once.

    Args:
        url: Of the collector.
        token: Of all devices.
        queues: Of each device.

    Returns:
        Status and seconds of every request, in no order.
    """
    statuses: list[int] = []
    seconds: list[float] = []

    def run(queue: list[Request]) -> None:
        sender = Sender(url, token)
        for request in queue:
            start = time.perf_counter()
            statuses.append(sender.put(request))
            seconds.append(time.perf_counter() - start)
        sender.close()

    threads = [threading.Thread(target=run, args=(queue,)) for queue in queues]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return statuses, seconds
