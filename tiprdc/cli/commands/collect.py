"""`tiprdc collect`: takes features from devices; issues tokens, exports and deletes."""

from __future__ import annotations

import tempfile
import threading
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from tiprdc.cli import terminal
from tiprdc.cli.examples import EXAMPLES
from tiprdc.cli.help_style import Command, GroupWithDefault, application, examples
from tiprdc.cli.trust_option import Trust
from tiprdc.errors import ConfigError
from tiprdc.formats import numbers
from tiprdc.formats.files import sanitize

_HELP = """Take features from devices, and keep them in a database.

A database holds the features of one released version. It has no address, time or token of a sender:
a contributor is a random number of the device. What was acknowledged is on the disk. Devices send
with `tiprdc extract --send URL --token-file FILE`.

Start with a release:   tiprdc collect RELEASE --database URL

A folder named as a command below needs a slash: tiprdc collect ./token ...
"""

Database = Annotated[
    str,
    typer.Option(
        metavar="URL",
        envvar="TIPRDC_COLLECT_DATABASE",
        show_envvar=False,
        help="sqlite:///FILE, or postgresql://USER@HOST/DATABASE. With a password, better in"
        " the environment variable TIPRDC_COLLECT_DATABASE.",
    ),
]

app = application(
    help=_HELP, no_args_is_help=True, cls=GroupWithDefault, epilog=examples(*EXAMPLES["collect"])
)


@app.command(cls=Command)
def serve(
    release: Annotated[
        str,
        typer.Argument(help="Folder that `tiprdc pull` wrote, or NAME@VERSION with --repo."),
    ],
    database: Database,
    repo: Annotated[
        str | None,
        typer.Option(help="Folder or Git URL of the registry: a deprecation is noticed there."),
    ] = None,
    trust: Trust = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any free one.")] = 8080,
    tls_cert: Annotated[
        Path | None, typer.Option("--tls-cert", help="Certificate (PEM), for HTTPS.")
    ] = None,
    tls_key: Annotated[Path | None, typer.Option("--tls-key", help="Its key (PEM).")] = None,
    rate: Annotated[
        str, typer.Option(help="Requests of one token in a time, e.g. 10/second.")
    ] = "120/minute",
    allow_origin: Annotated[
        list[str] | None,
        typer.Option(
            "--allow-origin",
            metavar="ORIGIN",
            help="A page of this origin may send from browsers, e.g. https://app.example;"
            " repeatable. Default: none.",
        ),
    ] = None,
    refresh: Annotated[
        int, typer.Option(min=1, max=86400, help="Seconds between two looks at the registry.")
    ] = 300,
) -> None:
    """Serve a collector until it is stopped.

    The name of this command can be left out: `tiprdc collect RELEASE`.
    """
    from tiprdc.collect.app import Collector, make_app
    from tiprdc.collect.database import opened
    from tiprdc.collect.origins import check_origins
    from tiprdc.collect.rates import parse_rate
    from tiprdc.collect.release_source import keep_fresh, open_source
    from tiprdc.collect.server import serve as serve_app
    from tiprdc.collect.store import Store
    from tiprdc.collect.tokens import Tokens
    from tiprdc.registry.signing import read_trust

    trusted = None if trust is None else read_trust(trust)
    limit, origins, stop = parse_rate(rate), check_origins(allow_origin or ()), threading.Event()
    with tempfile.TemporaryDirectory(prefix="tiprdc-collect-") as work:
        accepted, watch = open_source(release, repo, trusted, Path(work))
        with opened(database) as engine:
            store = Store(engine)
            store.claim(accepted)
            collector = Collector(
                release=accepted,
                store=store,
                tokens=Tokens(engine),
                rate=limit,
                blocked_reason=watch.blocked_reason if watch else str,
                origins=origins,
            )
            if watch:
                keep_fresh(watch, refresh, collector.metrics.registry_errors.inc, stop)
            else:
                terminal.note("Without --repo a deprecation of this version is not noticed.")
            served, ready = make_app(collector), partial(_announce, accepted.name)
            try:
                serve_app(served, host, port, certificate=tls_cert, key=tls_key, ready=ready)
            finally:
                stop.set()


@app.command(cls=Command)
def token(
    name: Annotated[str, typer.Argument(help="What you call the device or the people.")],
    database: Database,
    revoke: Annotated[bool, typer.Option("--revoke", help="Refuse it from now on.")] = False,
) -> None:
    """Print a new token for a device.

    The database keeps its hash alone.
    """
    from tiprdc.collect.database import opened
    from tiprdc.collect.tokens import Tokens

    with opened(database) as engine:
        if revoke:
            Tokens(engine).revoke(name)
            terminal.note(f"The token {name!r} is refused from now on.")
            return
        typer.echo(Tokens(engine).issue(name))
    terminal.note(
        "It is shown this once. Put it into a file that the device's user alone can read."
    )


@app.command(cls=Command)
def export(
    database: Database,
    output: Annotated[Path, typer.Option("-o", "--out", help="File to write: .parquet or .npz.")],
) -> None:
    """Write all features as one file.

    It has the layout of `tiprdc extract`. A record is named CONTRIBUTOR/ID. Of a version with codes
    the file has the codes too.
    """
    from tiprdc.collect.database import opened
    from tiprdc.collect.export import export as write

    with opened(database) as engine:
        records, contributors = write(engine, output)
    counted = f"{numbers.count(records)} records of {numbers.count(contributors)} contributors"
    terminal.say(terminal.console(), Text(sanitize(f"{counted}: {output}")))


@app.command(cls=Command)
def delete(
    contributor: Annotated[
        str, typer.Argument(help="Name in the export: the part of a record's id before the slash.")
    ],
    database: Database,
) -> None:
    """Delete all features of a contributor.

    None of it is taken from now on. Devices do the same with `tiprdc forget`. Exports and backups
    made before are yours to delete.
    """
    from tiprdc.collect.database import opened
    from tiprdc.collect.store import Store

    if len(contributor) != 64 or set(contributor) - set("0123456789abcdef"):
        raise ConfigError("CONTRIBUTOR", "not a contributor's name", "64 hex digits")
    with opened(database) as engine:
        batches = Store(engine).delete(contributor)
    terminal.note(f"Batches deleted: {numbers.count(batches)}")


def _announce(name: str, url: str) -> None:
    terminal.note(f"Taking features of {name} at {url}")
