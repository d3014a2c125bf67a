"""`tiprdc inspect`: prints an audit, or the input and output of a release."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich.console import Console
from rich.text import Text

from tiprdc.cli import terminal
from tiprdc.errors import DataError
from tiprdc.formats.audit_report import AttributeReport, AuditReport, Estimate, parse_audit
from tiprdc.formats.files import read_json
from tiprdc.formats.manifest import Contract, parse_contract
from tiprdc.formats.numbers import count, points
from tiprdc.reports import bounds_wording, kept_wording, verdict_wording, wording

VERDICT_STYLE = {"PASS": "bold green", "FAIL": "bold red", "INCONCLUSIVE": "bold yellow"}


def inspect(
    path: Annotated[
        Path, typer.Argument(help="An audit.json, a manifest.json, or a folder with one of them.")
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
) -> None:
    """Print the result of an audit, or what a release takes."""
    file = _document(path)
    raw = read_json(file)
    console = terminal.console()
    if "manifest_version" in raw:
        contract = parse_contract(raw, str(file))
        if as_json:
            terminal.print_json(raw)
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
    """The JSON file of a path: itself, or the one in the folder."""
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


def summary(audit: AuditReport) -> dict[str, Any]:
    """An audit for `--json`: rates from 0 to 1, losses as differences of rates."""
    return {
        "verdict": audit.verdict,
        "reasons": list(audit.reasons),
        "suite_version": audit.suite_version,
        "model_sha256": audit.model_sha256,
        "attributes": {
            name: {
                "verdict": attribute.verdict,
                "strongest": _estimate(attribute.strongest),
                "prior": attribute.prior,
                "floor": attribute.floor,
                "limit": attribute.limit,
                "ceiling": attribute.ceiling,
                "people": attribute.people,
                "people_needed": attribute.people_needed,
                "projection": _projection(attribute),
                "certificate": attribute.certificate and attribute.certificate.bound,
            }
            for name, attribute in audit.attributes.items()
        },
        "utility": {
            name: {
                "released": _estimate(task.released),
                "unprotected": _estimate(task.unprotected),
                "ceiling": _estimate(task.ceiling),
                "kept": task.kept,
                "loss": task.loss,
                "told": name in audit.plan.told,
            }
            for name, task in audit.utility.items()
        },
        "mean_kept": audit.mean_kept,
        "mean_kept_told": audit.mean_kept_told,
        "mean_utility_loss": audit.mean_utility_loss,
        "alternatives": [msgspec.to_builtins(one) for one in audit.alternatives],
    }


def _projection(attribute: AttributeReport) -> dict[str, Any] | None:
    """What the deciding learning curve says of the policy's attacker."""
    if not attribute.curves:
        return None
    projection: dict[str, Any] = msgspec.to_builtins(attribute.curves[0].projection)
    return projection


def _estimate(estimate: Estimate | None) -> dict[str, Any] | None:
    if estimate is None:
        return None
    return {
        "attack": estimate.attack,
        "balanced_accuracy": estimate.balanced_accuracy,
        "low": estimate.low,
        "high": estimate.high,
        "attacker_people": estimate.attacker_people,
    }


def show_audit(console: Console, audit: AuditReport) -> None:
    """Print an audit: the verdict, a sentence for each attribute, and two tables."""
    verdict = (audit.verdict, VERDICT_STYLE[audit.verdict])
    terminal.say(console, Text.assemble(verdict, f"  {verdict_wording.headline(audit)}"))
    for name, attribute in audit.attributes.items():
        terminal.say(console, Text(verdict_wording.claim(name, attribute, audit)))
        terminal.say(console, Text(bounds_wording.projection(name, attribute)))
        if attribute.certificate:
            sentence = bounds_wording.certificate(name, attribute.certificate)
            terminal.say(console, Text(sentence))
    for sentence in (kept_wording.kept(audit), kept_wording.told(audit)):
        if sentence:
            terminal.say(console, Text(f"{sentence}."))
    for reason in audit.reasons:
        terminal.say(console, Text(f"- {reason}"))
    terminal.print_table(
        console,
        (
            "private",
            "verdict",
            "hidden: strongest, %",
            "attack",
            "people",
            "projected, %",
            "limit",
            "prior",
            "ceiling",
        ),
        (
            (
                name,
                attribute.verdict,
                _rate(attribute.strongest),
                attribute.strongest.attack if attribute.strongest else "-",
                _people(attribute.strongest),
                _projected(attribute),
                *map(_number, (attribute.limit, attribute.prior, attribute.ceiling)),
            )
            for name, attribute in audit.attributes.items()
        ),
    )
    if audit.utility:
        terminal.print_table(
            console,
            ("task", "kept, %", "released, %", "ceiling, %", "unprotected, %", "lost"),
            [
                (
                    f"{name} (told)" if name in audit.plan.told else name,
                    _number(task.kept),
                    _rate(task.released),
                    _rate(task.ceiling),
                    _rate(task.unprotected),
                    _number(task.loss),
                )
                for name, task in audit.utility.items()
            ]
            + [
                (
                    "unseen, on average",
                    _number(audit.mean_kept),
                    "",
                    "",
                    "",
                    _number(audit.mean_utility_loss),
                )
            ],
        )
    if audit.alternatives:
        terminal.say(console, Text(f"{kept_wording.comparison(audit.alternatives)}."))
    confidence = wording.confidence(audit)
    note = (
        f"Balanced accuracy in % with one-sided {confidence} bounds; projected: an attacker with"
        " the policy's people; kept: share of what the raw record tells; lost in points."
    )
    terminal.say(console, Text(note, style="dim"))


def _people(estimate: Estimate | None) -> str:
    """People that an attack was fitted on."""
    if estimate is None or estimate.attacker_people is None:
        return "-"
    return count(estimate.attacker_people)


def _projected(attribute: AttributeReport) -> str:
    """Value and upper bound of the deciding curve, with the people that it is about."""
    if not attribute.curves:
        return "none"
    ahead = attribute.curves[0].projection
    bounds = f"{_number(ahead.low)}{wording.DASH}{_number(ahead.high)}"
    return f"{_number(ahead.value)} ({bounds}) at {count(ahead.people)}"


def _show_contract(console: Console, contract: Contract) -> None:
    def tensor(name: str, dtype: str, shape: tuple[int, ...]) -> str:
        return f"{name}: {dtype} [{', '.join(['batch', *map(str, shape)])}]"

    agreement = contract.parity
    rows = [
        ("release", f"{contract.name}, made by tiprdc {contract.tiprdc_version}"),
        ("trained to hide", wording.listing(contract.private)),
        ("input", tensor(contract.input.name, contract.input.dtype, contract.input_shape)),
        *((("files", wording.decoding(contract)),) if wording.decoding(contract) else ()),
        ("output", tensor(contract.output.name, contract.output.dtype, contract.features)),
        ("leaves the device", wording.channel(contract)),
        ("reveals at most", wording.information_bound(contract)),
        ("operator set", str(contract.opset)),
        ("agrees with torch", f"to {agreement.max_abs:.1g} on {count(agreement.records)} records"),
        *((("variant", wording.variant(contract)),) if contract.variant else ()),
        ("training data", f"{contract.training_data.dataset}, digest {contract.data_digest}"),
        *(
            (name, f"{count(file.bytes)} bytes, sha256 {file.sha256}")
            for name, file in contract.files.items()
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
    return "-" if rate is None else points(rate)
