"""Tokens of devices: issued once, kept as a hash, compared in constant time.

A token is `ID.SECRET`; its secret has 256 random bits, so one round of sha256 is enough.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets

from sqlalchemy import delete, insert, select
from sqlalchemy.engine import Engine
from sqlalchemy.exc import IntegrityError

from tiprdc.collect.database import TOKENS, writer
from tiprdc.errors import ConfigError, check_range, suggestion

_ID = re.compile("[0-9a-f]{16}")
_NOBODY = b"\0" * 32
MOST_NAME = 100


class Tokens:
    """The tokens in a database.

    Args:
        engine: Of `opened`.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine, self._writer = engine, writer(engine)

    def issue(self, name: str) -> str:
        """A new token, which cannot be shown again.

        Args:
            name: What the operator calls it, at most 100 characters.

        Raises:
            ConfigError: The name is empty, too long or taken.
        """
        check_range("characters of the token's name", len(name), 1, MOST_NAME)
        id_, secret = secrets.token_hex(8), secrets.token_urlsafe(32)
        row = {"id": id_, "name": name, "sha256": _digest(secret)}
        try:
            with self._writer.begin() as connection:
                connection.execute(insert(TOKENS).values(**row))
        except IntegrityError:
            hint = "take another name, or --revoke this one first"
            raise ConfigError("NAME", f"there is a token named {name!r}", hint=hint) from None
        return f"{id_}.{secret}"

    def revoke(self, name: str) -> None:
        """Refuse a token from now on.

        Raises:
            ConfigError: There is no token of this name.
        """
        with self._writer.begin() as connection:
            ended = connection.execute(delete(TOKENS).where(TOKENS.c.name == name))
        if not ended.rowcount:
            raise ConfigError("NAME", f"no token named {name!r}", hint=suggestion(name, self.all()))

    def all(self) -> list[str]:
        """Names of all tokens, sorted."""
        with self._engine.connect() as connection:
            return sorted(connection.scalars(select(TOKENS.c.name)))

    def id_of(self, token: str) -> str | None:
        """The id of a valid token; None for any other text."""
        id_, _, secret = token.partition(".")
        known = None
        if _ID.fullmatch(id_):
            with self._engine.connect() as connection:
                known = connection.scalar(select(TOKENS.c.sha256).where(TOKENS.c.id == id_))
        # Always compared, so that the time does not tell whether the id is known.
        is_valid = hmac.compare_digest(known or _NOBODY, _digest(secret))
        return id_ if known is not None and is_valid else None


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()
