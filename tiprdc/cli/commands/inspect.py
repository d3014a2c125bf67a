"""`tiprdc inspect`: what an audit found, or what a release takes and gives."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from tiprdc.cli import terminal
from tiprdc.errors import DataError
from tiprdc.formats.audit_report import Audit, Estimate, parse_audit
from tiprdc.formats.files import read_json
from tiprdc.formats.manifest import Contract, parse_contract
from tiprdc.reports import wording

VERDICT_STYLE = {"PASS": "bold green", "FAIL": "bold red", "INCONCLUSIVE": "bold yellow"}


def inspect(
    path: Annotated[
        Path, typer.Argument(help="An audit.json, a manifest.json, or a folder with one of them.")
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
) -> None:
    """Show what an audit found, or what a release takes and gives."""
    file = _document(path)
    raw = read_json(file)
    console = terminal.console()
    if "manifest_version" in raw:
        contract = parse_contract(raw, str(file))
        if as_json:
            terminal.print_json(contract.raw)
        else:
            _show_contract(console, contract)
        return
    if "suite_version" not in raw:
        raise DataError(str(file), "neither an audit nor a manifest", "an audit.json or a release")
    audit = parse_audit(raw, str(file))
    page = file.with_name("index.html")
    if as_json:
        terminal.print_json({**summary(audit), "page": str(page) if page.exists() else None})
        return
    show_audit(console, audit)
    if page.exists():
        terminal.say(console, Text.assemble("Report: ", (str(page), "bold")))


def _document(path: Path) -> Path:
    """The JSON file that a path means."""
    if not path.exists():
        raise DataError(str(path), "no such file or folder", "an audit.json or a release")
    if not path.is_dir():
        return path
    for name in ("manifest.json", "audit.json"):
        if (path / name).is_file():
            return path / name
    raise DataError(
        str(path),
        "holds neither a manifest.json nor an audit.json",
        "a release, or a folder of reports",
    )


def summary(audit: Audit) -> dict[str, Any]:
    """An audit for programs: rates from 0 to 1, losses as differences of rates."""
    return {
        "verdict": audit.verdict,
        "reasons": list(audit.reasons),
        "suite_version": audit.suite_version,
        "model_sha256": audit.model_sha256,
        "attributes": {
            attribute.name: {
                "verdict": attribute.verdict,
                "strongest": _estimate(attribute.strongest),
                "prior": attribute.prior,
                "floor": attribute.floor,
                "limit": attribute.limit,
                "ceiling": attribute.ceiling,
                "people": attribute.people,
                "people_needed": attribute.people_needed,
            }
            for attribute in audit.attributes
        },
        "utility": {
            task.name: {
                "released": _estimate(task.released),
                "unprotected": _estimate(task.unprotected),
                "ceiling": _estimate(task.ceiling),
                "loss": task.loss,
            }
            for task in audit.utility
        },
        "mean_utility_loss": audit.mean_utility_loss,
    }


def _estimate(estimate: Estimate | None) -> dict[str, Any] | None:
    if estimate is None:
        return None
    return {
        "attack": estimate.attack,
        "balanced_accuracy": estimate.balanced_accuracy,
        "low": estimate.low,
        "high": estimate.high,
    }


def show_audit(console: Console, audit: Audit) -> None:
    """An audit for people: the verdict, what may be said, and two tables."""
    verdict = (audit.verdict, VERDICT_STYLE[audit.verdict])
    terminal.say(console, Text.assemble(verdict, f"  {wording.headline(audit)}"))
    for attribute in audit.attributes:
        terminal.say(console, Text(wording.claim(attribute, audit)))
    for reason in audit.reasons:
        terminal.say(console, Text(f"- {reason}"))
    terminal.print_table(
        console,
        ("private", "verdict", "strongest, %", "attack", "prior", "floor", "limit", "ceiling"),
        (
            (
                attribute.name,
                attribute.verdict,
                _rate(attribute.strongest),
                attribute.strongest.attack if attribute.strongest else "-",
                *map(_number, (attribute.prior, attribute.floor)),
                *map(_number, (attribute.limit, attribute.ceiling)),
            )
            for attribute in audit.attributes
        ),
    )
    if audit.utility:
        terminal.print_table(
            console,
            ("unseen task", "released, %", "unprotected, %", "ceiling, %", "lost"),
            [
                (
                    task.name,
                    _rate(task.released),
                    _rate(task.unprotected),
                    _rate(task.ceiling),
                    _number(task.loss),
                )
                for task in audit.utility
            ]
            + [("on average", "", "", "", _number(audit.mean_utility_loss))],
        )
    note = f"Balanced accuracy in % with one-sided {wording.sure(audit)} bounds; lost in points."
    terminal.say(console, Text(note, style="dim"))


def _show_contract(console: Console, contract: Contract) -> None:
    def tensor(name: str, dtype: str, shape: tuple[int, ...]) -> str:
        return f"{name}: {dtype} [{', '.join(['batch', *map(str, shape)])}]"

    largest, records = contract.parity
    rows = [
        ("release", f"{contract.name}, made by tiprdc {contract.version}"),
        ("trained to hide", wording.listing(contract.private)),
        ("takes", tensor(contract.input_name, contract.input_type, contract.input_shape)),
        ("gives", tensor(contract.output_name, contract.output_type, contract.features)),
        ("sends", wording.sent(contract)),
        ("tells at most", wording.most(contract)),
        ("operator set", str(contract.opset)),
        ("agrees with torch", f"to {largest:.1g} on {wording.count(records)} records"),
        *((("variant", wording.variant(contract)),) if contract.variant else ()),
        ("training data", f"{contract.dataset}, digest {contract.data_digest}"),
        *(
            (name, f"{wording.count(size)} bytes, sha256 {digest}")
            for name, (digest, size) in contract.files.items()
        ),
        *(("note", note) for note in contract.notes),
    ]
    terminal.print_table(console, ("", "contract"), rows)
    if contract.columns:
        terminal.print_table(
            console,
            ("column", "number to give"),
            (
                (column.name, _categories(column.categories) if column.categories else "the value")
                for column in contract.columns
            ),
        )


def _categories(categories: tuple[str, ...]) -> str:
    numbered = ", ".join(f"{number} {name}" for number, name in enumerate(categories))
    return f"{numbered}, {len(categories)} any other"


def _rate(estimate: Estimate | None) -> str:
    if estimate is None:
        return "none"
    low, high = _number(estimate.low), _number(estimate.high)
    return f"{_number(estimate.balanced_accuracy)} ({low}{wording.DASH}{high})"


def _number(rate: float | None) -> str:
    """A rate in percent, or a difference of rates in points; the column says which."""
    return "-" if rate is None else wording.points(rate)
