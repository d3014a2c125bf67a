"""How commands of a device talk to a collector: `tiprdc extract --send` and `tiprdc forget`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.text import Text

from tiprdc.cli import terminal
from tiprdc.errors import ConfigError
from tiprdc.formats import numbers
from tiprdc.formats.files import read_bytes, sanitize

if TYPE_CHECKING:
    from tiprdc.formats.feature_batch import AcceptedRelease
    from tiprdc.runtime.http_client import Answer, HttpClient
    from tiprdc.runtime.sending import SendingResult

NOT_SENT = 3
"""Exit code if features wait to be sent."""
_MOST_TOKEN = 1024
_HINTS = {
    0: "run the same command again when there is a connection; SSL_CERT_FILE names a certificate"
    " authority of your own",
    401: "ask the collector for a new token",
    403: "pull a version that is in use, and extract with it",
    409: "pull the version that the collector takes, and extract with it",
    410: "`tiprdc forget` starts anew with another contributor",
}


@dataclass(frozen=True)
class Destination:
    """A collector, and what this device keeps about it."""

    client: HttpClient
    release: AcceptedRelease
    folder: Path


def prepare(
    release: Path, url: str | None, token_file: Path | None, state: Path | None
) -> Destination | None:
    """Check everything that sending needs, before hours of work; None without a URL.

    Raises:
        ConfigError: An option is missing, or the URL is not allowed.
        ReleaseError: The folder is no released version.
    """
    if url is None:
        for option, value in (("--token-file", token_file), ("--state", state)):
            if value is not None:
                raise ConfigError(option, "given without --send")
        return None
    from tiprdc.formats.feature_batch import accepted_release
    from tiprdc.formats.release_statement import parse_release
    from tiprdc.registry.release_folder import read_envelope

    client, folder = connect(url, token_file, state)
    statement = parse_release(read_envelope(release), sanitize(str(release)))
    return Destination(client, accepted_release(statement), folder)


def connect(url: str, token_file: Path | None, state: Path | None) -> tuple[HttpClient, Path]:
    """A client for a collector, and the folder of what is kept about it.

    Raises:
        ConfigError: The URL is not allowed, or there is no token.
    """
    from tiprdc.runtime.http_client import HttpClient, check_url
    from tiprdc.runtime.outbox import state_folder

    url = check_url(url)
    if token_file is None:
        raise ConfigError("--token-file", "not given", "the file with the collector's token")
    token = read_bytes(token_file, _MOST_TOKEN, ConfigError, links=True).decode("ascii", "replace")
    if not token.strip().isprintable() or not token.strip() or len(token.split()) != 1:
        given = f"{sanitize(str(token_file))} holds no token"
        raise ConfigError("--token-file", given, "one line, as `tiprdc collect token` printed it")
    client = HttpClient(url, token.strip(), report=terminal.note)
    return client, state or state_folder(url)


def deliver(destination: Destination | None, features: Path) -> SendingResult | None:
    """Send the features of a file; None without a destination."""
    if destination is None:
        return None
    from tiprdc.runtime.outbox import Outbox
    from tiprdc.runtime.sending import queue, send, write_ids

    with Outbox(destination.folder) as outbox:
        known = queue(outbox, features, destination.release)
        write_ids(outbox, features, features.with_name(f"{features.name}.sent.csv"))
        return send(outbox, destination.client, known)


def document(result: SendingResult | None) -> dict[str, Any]:
    """A delivery in JSON."""
    if result is None:
        return {}
    refusal = result.refusal.detail if result.refusal else ""
    return {
        "sent_batches": result.sent,
        "waiting_batches": result.waiting,
        "records_sent_before": result.known,
        "refusal": refusal,
    }


def show(result: SendingResult | None, output: Path) -> None:
    """Print what was sent."""
    if result is None:
        return
    text = f"Batches sent: {numbers.count(result.sent)}; {output}.sent.csv has the records' names"
    if result.known:
        text += f"; records sent by an earlier run: {numbers.count(result.known)}"
    terminal.say(terminal.console(), Text(sanitize(text)))
    if result.waiting and result.refusal:
        terminal.note(f"Batches that wait: {numbers.count(result.waiting)}")
        terminal.note(explain(result.refusal))


def explain(answer: Answer) -> str:
    """A collector's refusal, and the step that helps."""
    hint = _HINTS.get(answer.status, "")
    return f"The collector: {answer.detail}" + (f"\n  hint: {hint}" if hint else "")
