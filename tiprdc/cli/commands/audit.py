"""`tiprdc audit`: attack anybody's ONNX model on anybody's data, in one process."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, cast

import typer
from rich.text import Text

from tiprdc.cli import terminal
from tiprdc.cli.commands.inspect import show_audit, summary
from tiprdc.cli.commands.self_test import self_test
from tiprdc.cli.progress import Progress
from tiprdc.errors import ConfigError, check_range
from tiprdc.formats.audit_report import EXIT_CODE, read_audit
from tiprdc.registry.signing import make_signer
from tiprdc.reports import wording

if TYPE_CHECKING:
    from tiprdc.audit.config import AuditConfig
    from tiprdc.audit.foreign_inputs import AuditRequest
    from tiprdc.statistics.paired import PairedDifference

ANSWERS = {"NOT LEAKIER": 0, "LEAKIER": 1, "UNDECIDED": 2}
"""Exit code of a comparison."""
MODALITIES = ("auto", "image", "table", "text")


def _self_test(asked: bool) -> None:
    if asked:
        self_test()


def audit(
    models: Annotated[
        list[Path], typer.Argument(metavar="MODEL.onnx...", help="One file; two with --compare.")
    ],
    data: Annotated[Path, typer.Option(help="CSV, TSV or Parquet, one row a record.")],
    private: Annotated[
        list[str], typer.Option(metavar="COLUMN", help="Attribute to look for; may be repeated.")
    ],
    utility: Annotated[
        list[str] | None,
        typer.Option(metavar="COLUMN", help="Task the features should do; may be repeated."),
    ] = None,
    policy: Annotated[
        Path | None,
        typer.Option(help="YAML: margin, against, confidence, min_people (docs/audit.md)."),
    ] = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the findings.")] = Path(
        "report"
    ),
    compare: Annotated[
        bool, typer.Option("--compare", help="Is the second model leakier than the first?")
    ] = False,
    x: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMN",
            help="Input columns, in the model's order; by default all"
            " that are left, or `image` or `text`.",
        ),
    ] = None,
    person: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="Whom a record is about.")
    ] = None,
    split: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help="`train` in it: the model was trained on this person."),
    ] = None,
    root: Annotated[
        Path | None, typer.Option(help="Folder of the pictures; by default the data's.")
    ] = None,
    modality: Annotated[
        str, typer.Option(help="auto, image, table or text; auto: by what the model takes.")
    ] = "auto",
    pixels: Annotated[
        str | None,
        typer.Option(help="Range of pictures in the model: 0..255, 0..1, -1..1 or imagenet."),
    ] = None,
    size: Annotated[
        int | None, typer.Option(help="Pixels, for a model that leaves them open.")
    ] = None,
    tokenizer: Annotated[
        Path | None, typer.Option(help="tokenizer.json of a model of texts.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Decides who attacks and who is attacked.")] = 0,
    budget: Annotated[int, typer.Option(help="Configurations each attack may try, 1 to 6.")] = 1,
    seconds: Annotated[int, typer.Option(help="Most seconds of the attacks.")] = 3600,
    tolerance: Annotated[
        float, typer.Option(help="With --compare: how much leakier still counts as not, 0 to 0.5.")
    ] = 0.02,
    key: Annotated[
        Path | None,
        typer.Option("--sign", metavar="KEY", help="Sign audit.intoto.json with this key."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
    check_auditor: Annotated[
        bool,
        typer.Option(
            "--self-test",
            is_eager=True,
            callback=_self_test,
            help="Audit leaks of known size instead, as `tiprdc self-test` does.",
        ),
    ] = False,
) -> None:
    """Attack a model's features. Exit code 0: PASS, 1: FAIL, 2: inconclusive, or no audit."""
    from tiprdc.audit.foreign_inputs import AuditRequest
    from tiprdc.audit.standalone import audit_alone

    _check(models, compare=compare, modality=modality, seed=seed, tolerance=tolerance)
    request = AuditRequest(
        models=tuple(models), data=data, root=root, private=tuple(private),
        utility=tuple(utility or ()), x=tuple(x or ()), person=person, split=split,
        modality=cast(Literal["auto", "image", "table", "text"], modality),
        pixels=pixels, size=size, tokenizer=tokenizer, seed=seed,
    )  # fmt: skip
    check_range("--seconds", seconds, 10, 1_000_000)
    signer = make_signer(key) if key else None
    config = _config(policy, budget, seed)
    if compare:
        raise typer.Exit(_compare(request, config, tolerance, out, seconds, as_json=as_json))
    with Progress() as progress:
        audit_alone(request, config, out, progress, seconds, signer)
    found = read_audit(out / "audit.json")
    page = str(out / "index.html")
    if as_json:
        terminal.print_json({**summary(found), "page": page})
    else:
        console = terminal.console()
        show_audit(console, found)
        for note in found.notes:
            terminal.say(console, Text(f"Note: {note}", style="dim"))
        terminal.say(console, Text.assemble("Report: ", (page, "bold")))
    raise typer.Exit(EXIT_CODE[found.verdict])


def _check(
    models: list[Path], *, compare: bool, modality: str, seed: int, tolerance: float
) -> None:
    wanted = 2 if compare else 1
    if len(models) != wanted:
        raise ConfigError(
            "MODEL", f"{len(models)} files", f"{wanted}", "" if compare else "--compare takes two"
        )
    if modality not in MODALITIES:
        raise ConfigError("--modality", modality, f"one of {', '.join(MODALITIES)}")
    check_range("--tolerance", tolerance, 0, 0.5)
    check_range("--seed", seed, 0, 2**31 - 1)


def _config(policy: Path | None, budget: int, seed: int) -> AuditConfig:
    from tiprdc.audit.config import AuditConfig, PolicyConfig
    from tiprdc.audit.policy import read_policy

    return AuditConfig(
        policy=read_policy(policy) if policy else PolicyConfig(),
        budget=budget, sample_seed=seed,
    )  # fmt: skip


def _compare(
    request: AuditRequest,
    config: AuditConfig,
    tolerance: float,
    out: Path,
    seconds: int,
    *,
    as_json: bool,
) -> int:
    """Compare two models; the exit code of the answer."""
    from tiprdc.audit.comparison import FILE
    from tiprdc.audit.comparison import compare as compare_models

    with Progress() as progress:
        found = compare_models(request, config, tolerance, out, progress, seconds)
    if as_json:
        terminal.print_json(asdict(found))
        return ANSWERS[found.answer]
    console = terminal.console()
    style = ("bold red", "bold yellow", "bold green")[(1, 2, 0).index(ANSWERS[found.answer])]
    said = f" than the first, {request.models[0].name}"
    text = (f"The second model, {request.models[1].name}, is ", (found.answer.lower(), style), said)
    terminal.say(console, Text.assemble(*text))
    for attribute in found.attributes.values():
        for reason in attribute.reasons:
            terminal.say(console, Text(f"- {reason}"))
    terminal.print_table(
        console,
        ("private", "answer", "first", "second", "difference, points", "p", "people"),
        [
            (
                name,
                attribute.answer.lower(),
                *(
                    "none" if e is None else wording.points(e.balanced_accuracy)
                    for e in (attribute.first, attribute.second)
                ),
                *_difference(attribute.paired),
            )
            for name, attribute in found.attributes.items()
        ],
    )
    note = (
        f"Balanced accuracy in %. One-sided {100 * found.confidence:g} % bounds of the difference"
        " (Newcombe), for all attributes together; p: exact paired test (McNemar)."
    )
    terminal.say(console, Text(note, style="dim"))
    terminal.say(console, Text.assemble("Comparison: ", (str(out / FILE), "bold")))
    return ANSWERS[found.answer]


def _difference(paired: PairedDifference | None) -> tuple[str, str, str]:
    if paired is None:
        return ("none", "-", "-")
    low, high = wording.points(paired.low), wording.points(paired.high)
    said = f"{wording.points(paired.difference)} ({low} to {high})"
    return said, f"{paired.p_value:.2g}", wording.count(paired.people)
