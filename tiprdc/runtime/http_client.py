"""HTTPS requests of a device to a collector: verified TLS, no redirects, retries with back-off.

A token and features go to the stated host alone: plain http is refused but for this machine, and an
answer that leads elsewhere is not followed.
"""

from __future__ import annotations

import email.utils
import http.client
import json
import random
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from tiprdc.errors import ConfigError
from tiprdc.formats.files import sanitize

_LOCAL = ("localhost", "127.0.0.1", "::1")
_TRANSIENT = (408, 425, 429, 500, 502, 503, 504)
_MOST_ANSWER = 2**16
_TIMEOUT = 60.0
_LONGEST_WAIT = 300.0
ATTEMPTS = 8
"""Of one request; without Retry-After the waits between them add up to two minutes at most."""


@dataclass(frozen=True)
class Answer:
    """What a collector answered.

    Args:
        status: Of HTTP; 0 if there was no answer.
        detail: Its reason, or why there was no answer.
    """

    status: int
    detail: str

    @property
    def is_success(self) -> bool:
        """Whether the request was carried out."""
        return 200 <= self.status < 300


def check_url(url: str, option: str = "--send") -> str:
    """The base URL of a collector, without a slash at its end.

    Args:
        url: As an option states it.
        option: Its name, for messages.

    Raises:
        ConfigError: It is no https URL, nor an http URL of this machine.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise ConfigError(option, "not a URL", "https://HOST[:PORT]") from None
    if parts.scheme not in ("http", "https") or not host:
        raise ConfigError(option, "not a URL of a collector", "https://HOST[:PORT]")
    if parts.username or parts.password or parts.query or parts.fragment:
        given = "a URL with a name, a password, a query or a fragment"
        raise ConfigError(option, given, "https://HOST[:PORT]")
    if parts.scheme == "http" and host not in _LOCAL:
        hint = "anybody on the way could read the token and the features: use https"
        raise ConfigError(option, f"plain http to {sanitize(host)}", "https", hint)
    return url.rstrip("/")


class HttpClient:
    """Sends JSON to one collector with one token.

    Args:
        url: Of the collector.
        token: Of this device.
        wait: Sleeps for some seconds.
        report: Called with a sentence before each wait.

    Raises:
        ConfigError: The URL is not allowed.
    """

    def __init__(
        self,
        url: str,
        token: str,
        wait: Callable[[float], None] = time.sleep,
        report: Callable[[str], None] = lambda text: None,
    ) -> None:
        self._url, self._token = check_url(url), token
        self._wait, self._report = wait, report
        handlers: list[urllib.request.BaseHandler] = [_NoRedirect()]
        if self._url.startswith("http:"):
            # A proxy of the environment would get what is meant for this machine.
            handlers.append(urllib.request.ProxyHandler({}))
        else:
            handlers.append(urllib.request.HTTPSHandler(context=ssl.create_default_context()))
        self._opener = urllib.request.build_opener(*handlers)

    def send(self, method: str, path: str, body: bytes) -> Answer:
        """Send a body until there is a final answer, at most `ATTEMPTS` times."""
        answer = Answer(0, "not tried")
        for attempt in range(ATTEMPTS):
            answer, retry_after = self._once(method, path, body)
            if answer.status and answer.status not in _TRANSIENT:
                return answer
            if attempt + 1 < ATTEMPTS:
                # Full jitter: devices that failed together do not come back together.
                backoff = random.uniform(0.5, 1) * 2**attempt
                seconds = min(_LONGEST_WAIT, max(backoff, retry_after))
                self._report(f"{answer.detail}; next try in {seconds:.0f} s")
                self._wait(seconds)
        return answer

    def _once(self, method: str, path: str, body: bytes) -> tuple[Answer, float]:
        """One try, and the seconds that the collector asks to wait."""
        headers = {
            "Authorization": f"Bearer {self._token}",
            "Content-Type": "application/json",
            "User-Agent": "tiprdc",
        }
        address = self._url + path
        # `check_url` allows http and https alone.
        request = urllib.request.Request(address, body, headers, method=method)  # noqa: S310
        try:
            with self._opener.open(request, timeout=_TIMEOUT) as response:
                return Answer(response.status, _detail(response)), 0
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.code, _detail(error)), _retry_after(error.headers)
        except (OSError, http.client.HTTPException) as error:
            return Answer(0, _cause(error)), 0


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Makes a redirect an error: the token is for the stated host alone."""

    def redirect_request(self, *_: Any) -> None:
        return None


def _detail(response: Any) -> str:
    """The reason in an answer, one line without control characters."""
    try:
        document = json.loads(response.read(_MOST_ANSWER))
        detail = str(document.get("detail", "")) if isinstance(document, dict) else ""
    except (OSError, ValueError, RecursionError, http.client.HTTPException):
        detail = ""
    return sanitize(" ".join(detail.split()))[:300] or f"HTTP status {response.status}"


def _cause(error: Exception) -> str:
    reason = getattr(error, "reason", error)
    if isinstance(reason, ssl.SSLCertVerificationError):
        return f"the certificate is not trusted ({sanitize(reason.verify_message)})"
    return f"no connection ({type(reason).__name__})"


def _retry_after(headers: Any) -> float:
    """Seconds of Retry-After: a number, or a date."""
    value = headers.get("Retry-After", "")
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        date = email.utils.parsedate_to_datetime(value)
    except ValueError:
        return 0.0
    return max(0.0, (date.astimezone(UTC) - datetime.now(UTC)).total_seconds())
