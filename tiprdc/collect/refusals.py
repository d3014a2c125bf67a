"""Why a request is refused; a message never quotes what was sent."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType


class Refused(Exception):  # noqa: N818  # it is an answer, not an error of this program
    """A request is refused.

    Args:
        status: Of HTTP, 400 to 503.
        reason: One word, the label of the metric.
        detail: One sentence for whoever runs the device.
        headers: Of the answer.
    """

    def __init__(
        self,
        status: int,
        reason: str,
        detail: str,
        headers: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        super().__init__(reason)
        self.status, self.reason, self.detail = status, reason, detail
        self.headers = dict(headers)
