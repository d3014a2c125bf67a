"""Reads the limit on requests of one token."""

from __future__ import annotations

from limits import RateLimitItem, parse

from tiprdc.errors import ConfigError


def parse_rate(text: str) -> RateLimitItem:
    """A limit such as "120/minute" or "10/second".

    Raises:
        ConfigError: It is none.
    """
    try:
        return parse(text)
    except ValueError:
        expected = "a number, a slash, and second, minute, hour or day"
        raise ConfigError("--rate", repr(text), expected) from None
