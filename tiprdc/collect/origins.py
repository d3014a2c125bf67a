"""Origins of pages in browsers that may send to a collector."""

from __future__ import annotations

import re
from collections.abc import Sequence

from tiprdc.errors import ConfigError

_HTTPS = re.compile(r"https://([a-z0-9.-]+|\[[0-9a-f:]+\])(:[0-9]{1,5})?")
_LOCAL = re.compile(r"http://(localhost|127\.0\.0\.1|\[::1\])(:[0-9]{1,5})?")


def check_origins(origins: Sequence[str]) -> tuple[str, ...]:
    """The origins, as browsers state them.

    Args:
        origins: "https://app.example", or a page of this machine over plain http.

    Raises:
        ConfigError: One is no origin, such as a URL with a path or `*`.
    """
    for origin in origins:
        if not (_HTTPS.fullmatch(origin) or _LOCAL.fullmatch(origin)):
            raise ConfigError(
                "--allow-origin", "not the origin of a page", "https://HOST[:PORT]",
                "scheme, host in small letters and port of the page's address, without a path",
            )  # fmt: skip
    return tuple(origins)
