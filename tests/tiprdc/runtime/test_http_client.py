"""Requests of a device: only to the stated host, only over verified TLS, again where it helps."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tiprdc.errors import ConfigError
from tiprdc.runtime.http_client import ATTEMPTS, HttpClient, check_url


@contextmanager
def server(
    answers: list[tuple[int, dict[str, str]]], context: ssl.SSLContext | None = None
) -> Iterator[tuple[str, list[tuple[str | None, bytes]]]]:
    """Gives these answers in order, the last one for ever; yields its URL and what it received."""
    received: list[tuple[str | None, bytes]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            received.append((self.headers["Authorization"], body))
            status, headers = answers.pop(0) if len(answers) > 1 else answers[0]
            data = b'{"detail": "line one\\nline two \\u001b[2J"}'
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(data))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        if context:
            httpd.socket = context.wrap_socket(httpd.socket, server_side=True)
        threading.Thread(target=httpd.serve_forever, args=(0.02,), daemon=True).start()
        scheme = "https" if context else "http"
        try:
            yield f"{scheme}://127.0.0.1:{httpd.server_address[1]}", received
        finally:
            httpd.shutdown()


def client(url: str, waits: list[float]) -> HttpClient:
    return HttpClient(url, "secret", wait=waits.append)


@pytest.mark.parametrize(
    ("value", "low", "high"),
    [
        (lambda: "7", 7, 7),
        (lambda: format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True), 50, 60),
        (lambda: "100000", 300, 300),
        (lambda: "soon", 0, 1),
    ],
    ids=["seconds", "date", "too long", "no time"],
)
def test_retry_after_is_honoured(value: Callable[[], str], low: float, high: float) -> None:
    waits: list[float] = []
    with server([(503, {"Retry-After": value()}), (201, {})]) as (url, received):
        assert client(url, waits).send("PUT", "/x", b"body").status == 201
    assert received == [("Bearer secret", b"body")] * 2
    assert len(waits) == 1
    assert low <= waits[0] <= high


def test_waits_grow_and_end() -> None:
    waits: list[float] = []
    with server([(429, {})]) as (url, received):
        assert client(url, waits).send("PUT", "/x", b"").status == 429
    assert len(received) == ATTEMPTS
    for attempt, seconds in enumerate(waits):
        assert 2**attempt / 2 <= seconds <= 2**attempt


def test_no_server_is_tried_again() -> None:
    waits: list[float] = []
    with server([(201, {})]) as (url, _):
        pass
    answer = client(url, waits).send("PUT", "/x", b"")
    assert (answer.status, len(waits)) == (0, ATTEMPTS - 1)
    assert answer.detail == "no connection (ConnectionRefusedError)"


@pytest.mark.parametrize("status", [400, 401, 403, 409, 422])
def test_final_refusal_is_not_tried_again(status: int) -> None:
    with server([(status, {})]) as (url, received):
        answer = client(url, []).send("PUT", "/x", b"")
    assert (answer.status, len(received)) == (status, 1)
    assert answer.detail == "line one line two \ufffd[2J"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirect_is_not_followed(status: int) -> None:
    with (
        server([(201, {})]) as (other, elsewhere),
        server([(status, {"Location": f"{other}/x"})]) as (url, _),
    ):
        assert client(url, []).send("PUT", "/x", b"").status == status
    assert elsewhere == []


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com", "http://localhost.example.com", "http://127.0.0.2", "http://10.0.0.1",
        "http://localhost@example.com", "https://name:password@example.com", "ftp://localhost",
        "file:///etc/passwd", "example.com", "https://", "https://h/?q=1", "https://h/#f",
        "http://[::1", "https://h:port",
    ],
)  # fmt: skip
def test_url_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="--send") as ended:
        check_url(url)
    assert "password" not in str(ended.value).replace("a name, a password", "")


@pytest.mark.parametrize(
    "url", ["https://h", "https://h:8443/a/", "http://localhost:1", "http://[::1]:1"]
)
def test_url_is_allowed(url: str) -> None:
    assert check_url(url) == url.rstrip("/")


def write_certificate(folder: Path) -> Path:
    """A certificate for 127.0.0.1 that nobody signed but itself, and its key in one PEM file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    address = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(address, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = folder / "server.pem"
    file.write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )  # fmt: skip
    return file


def test_certificate_is_verified(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write_certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    with server([(201, {})], context) as (url, received):
        answer = client(url, []).send("PUT", "/x", b"")
        assert (answer.status, received) == (0, [])
        assert "the certificate is not trusted" in answer.detail
        monkeypatch.setenv("SSL_CERT_FILE", str(file))
        assert client(url, []).send("PUT", "/x", b"").status == 201
        other = url.replace("127.0.0.1", "localhost")
        assert client(other, []).send("PUT", "/x", b"").status == 0
