"""`tiprdc web`: the static page that runs a release in a browser."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from tiprdc.cli import terminal
from tiprdc.cli.output_folder import check_output
from tiprdc.cli.trust_option import Trust
from tiprdc.formats.files import sanitize

PAGE = Path("examples/web/dist")


def web(
    release: Annotated[
        Path,
        typer.Argument(help="Folder that `tiprdc pull` wrote; without --collector also a release."),
    ],
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder of the site to write.")],
    collector: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="The only collector that the page may send to, once somebody presses Send. Without"
            " it the page sends nothing.",
        ),
    ] = None,
    trust: Trust = None,
    records: Annotated[
        Path | None,
        typer.Option(
            metavar="SHARDS",
            help="Folder of `prepare`: fit the audit's decoder of pictures on the attackers'"
            " records there, so that the page shows what the features give away. Its weights were"
            " fitted on records of people: publish them only if you may.",
        ),
    ] = None,
    page: Annotated[
        Path, typer.Option(help="The built page; `make web` builds it in the default folder.")
    ] = PAGE,
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace an earlier site in the folder of --out.")
    ] = False,
) -> None:
    """Write a page that runs a release in a browser.

    It shows what would leave the browser. Any web server can serve the folder, from any path; it
    loads nothing from elsewhere.
    """
    from tiprdc.registry.signing import read_trust
    from tiprdc.web.site import INDEX, SiteRequest, write_site

    check_output(out, INDEX, replace=replace)
    write_decoder = None
    if records is not None:
        from tiprdc.web.decoder import write_decoder as fit_and_write

        write_decoder = partial(fit_and_write, records, release)
    request = SiteRequest(
        release=release, page=page, out=out, collector=collector or "",
        trusted=None if trust is None else tuple(read_trust(trust)),
        write_decoder=write_decoder, replace=replace,
    )  # fmt: skip
    write_site(request)
    terminal.say(terminal.console(), Text(sanitize(f"Site: {out}")))
    terminal.note(f"Look at it: python -m http.server --bind 127.0.0.1 --directory {out} 8000")
    if collector:
        terminal.note("The collector needs --allow-origin with the origin that serves the site.")
