"""Serves a collector with uvicorn: no access log, no trust in headers of proxies."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import uvicorn

from tiprdc.errors import ConfigError

MOST_CONNECTIONS = 256
"""Beyond them requests get 503: with the largest body it bounds memory."""
_STOP_SECONDS = 30


def serve(
    app: Any,
    host: str,
    port: int,
    *,
    certificate: Path | None = None,
    key: Path | None = None,
    ready: Callable[[str], None] = lambda url: None,
) -> None:
    """Serve until SIGINT or SIGTERM; requests under way are finished first.

    Args:
        app: ASGI application.
        host: Address to listen on.
        port: 0 takes a free one.
        certificate, key: PEM files for HTTPS; both or none.
        ready: Called with the URL as soon as connections are accepted.

    Raises:
        ConfigError: The address cannot be listened on, or the certificate cannot be read.
    """
    if (certificate is None) != (key is None):
        raise ConfigError("--tls-key", "given without --tls-cert, or the other way round")
    config = uvicorn.Config(
        app,
        access_log=False,
        log_level="warning",
        server_header=False,
        proxy_headers=False,
        limit_concurrency=MOST_CONNECTIONS,
        timeout_graceful_shutdown=_STOP_SECONDS,
        lifespan="off",
        ws="none",
        ssl_certfile=certificate,
        ssl_keyfile=key,
    )
    try:
        config.load()
    except OSError as error:
        given = f"cannot be read ({type(error).__name__})"
        raise ConfigError("--tls-cert", given, "PEM files of a certificate and its key") from None
    listener = _listen(host, port)
    scheme = "http" if certificate is None else "https"
    shown = f"[{host}]" if ":" in host else host
    ready(f"{scheme}://{shown}:{listener.getsockname()[1]}")
    uvicorn.Server(config).run(sockets=[listener])


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=1024)
    except (OSError, OverflowError) as error:
        given = f"{host}:{port} cannot be listened on ({type(error).__name__})"
        raise ConfigError(
            "--port", given, hint="another port, or --port 0 for a free one"
        ) from None
