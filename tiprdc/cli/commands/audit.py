"""`tiprdc audit`: attack any ONNX model on any data, in one process."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, cast

import typer
from rich.text import Text

from tiprdc.cli import dialect_options, model_options, terminal
from tiprdc.cli.commands.inspect import show_audit, summary
from tiprdc.cli.output_folder import check_output
from tiprdc.cli.progress import Progress
from tiprdc.errors import ConfigError, check_range
from tiprdc.formats import numbers
from tiprdc.formats.audit_report import EXIT_CODE, read_audit
from tiprdc.registry.signing import make_signer

if TYPE_CHECKING:
    from tiprdc.audit.comparison import TaskComparison
    from tiprdc.audit.config import AuditConfig
    from tiprdc.audit.evidence import Evidence
    from tiprdc.audit.foreign.request import AuditRequest
    from tiprdc.audit.policy import PolicyConfig
    from tiprdc.statistics.paired import PairedDifference

ANSWERS = {"NOT LEAKIER": 0, "LEAKIER": 1, "UNDECIDED": 2}
"""Exit code for each answer of a comparison."""
MODALITIES = ("auto", "image", "table", "text", "audio")


def audit(
    models: Annotated[
        list[Path],
        typer.Argument(
            metavar="MODEL.onnx...", help="The model to attack; with --compare, two models."
        ),
    ],
    data: Annotated[
        Path, typer.Option(help="Records of people: CSV, TSV or Parquet, one row a record.")
    ],
    private: Annotated[
        list[str],
        typer.Option(
            metavar="COLUMN", help="Private attribute that attackers try to infer; repeatable."
        ),
    ],
    utility: Annotated[
        list[str] | None,
        typer.Option(
            "--utility",
            "--task",
            metavar="COLUMN",
            help="Task that the features must still solve; repeatable.",
        ),
    ] = None,
    policy: model_options.Policy = None,
    out: Annotated[
        Path, typer.Option("-o", "--out", help="Folder for audit.json and the HTML report.")
    ] = Path("report"),
    compare: Annotated[
        bool,
        typer.Option("--compare", help="Test whether the second model leaks more than the first."),
    ] = False,
    x: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMN",
            help="Input column, in the model's order; repeatable. Default: all other columns of a"
            " table, or the column called image or text.",
        ),
    ] = None,
    person: model_options.Person = None,
    split: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN",
            help="Column that marks the model's training people as `train`; they are not attacked.",
        ),
    ] = None,
    root: Annotated[
        Path | None, typer.Option(help="Folder of the pictures. Default: the folder of --data.")
    ] = None,
    modality: Annotated[
        str,
        typer.Option(
            help="auto, image, table, text or audio; auto infers it from the release, or from the"
            " model's input, which cannot tell recordings from tables."
        ),
    ] = "auto",
    pixels: model_options.Pixels = None,
    size: model_options.Size = None,
    layout: model_options.Layout = None,
    channels: model_options.Channels = None,
    background: Annotated[
        str,
        typer.Option(
            help="Colour that transparent pixels of pictures are shown on: white, grey or black."
            " A release's manifest.json states its own."
        ),
    ] = "white",
    tokenizer: model_options.Tokenizer = None,
    length: model_options.Length = None,
    rate: Annotated[
        int | None,
        typer.Option(
            help="Samples a second of recordings. Default: those of the release's manifest.json."
        ),
    ] = None,
    duration: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS",
            help="Seconds of each recording that are used, if the model leaves them open.",
        ),
    ] = None,
    output: model_options.Output = None,
    pooling: model_options.Pooling = None,
    encoding: dialect_options.Encoding = "utf-8",
    delimiter: dialect_options.Delimiter = None,
    decimal: dialect_options.Decimal = ".",
    quotes: dialect_options.Quotes = "auto",
    seed: Annotated[
        int, typer.Option(help="Seed that splits the people into attackers' and test people.")
    ] = 0,
    budget: Annotated[
        int,
        typer.Option(
            help="Configurations that each attack tries, 1 to 6; more find more, and take longer."
        ),
    ] = 1,
    seconds: Annotated[
        int, typer.Option(help="Time limit in seconds; unfinished attacks count as failed.")
    ] = 3600,
    tolerance: Annotated[
        float,
        typer.Option(
            help="With --compare: largest increase in balanced accuracy that counts as no more"
            " leakage, 0 to 0.5."
        ),
    ] = 0.02,
    key: Annotated[
        Path | None,
        typer.Option("--sign", metavar="KEY", help="Sign audit.intoto.json with this key."),
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace an earlier report in the folder of --out.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
) -> None:
    """Attack the features of any ONNX model, and give a verdict.

    New attackers try to tell the private attributes of people from their features. The report says
    how many people they recognise, with 95 % bounds.

    Exit code 0: PASS, 1: FAIL, 2: inconclusive, or the audit could not run. With --compare 0: not
    leakier, 1: leakier, 2: undecided. 70: a fault of tiprdc itself, 130: interrupted.
    """
    from tiprdc.audit.foreign.request import AuditRequest
    from tiprdc.audit.policy import PolicyConfig, read_policy

    _check(models, compare=compare, modality=modality, seed=seed, tolerance=tolerance)
    request = AuditRequest(
        models=tuple(models), data=data, root=root, private=tuple(private),
        utility=tuple(utility or ()), x=tuple(x or ()), person=person, split=split,
        modality=cast(Literal["auto", "image", "table", "text", "audio"], modality),
        pixels=pixels, size=size, layout=layout, channels=channels, background=background,
        tokenizer=tokenizer, length=length, rate=rate, duration=duration,
        output=output, pooling=pooling, seed=seed,
        dialect=dialect_options.make_dialect(encoding, delimiter, decimal, quotes),
    )  # fmt: skip
    if length is not None:
        check_range("--length", length, 1, 4096)
    check_range("--seconds", seconds, 10, 1_000_000)
    signer = make_signer(key) if key else None
    criteria = read_policy(policy) if policy else PolicyConfig()
    check_output(out, "comparison.json" if compare else "audit.json", replace=replace)
    if compare:
        answer = _compare(request, criteria, budget, tolerance, out, seconds, as_json=as_json)
        raise typer.Exit(answer)
    with Progress() as progress:
        evidence, config = _prepare(request, criteria, budget, progress)
        from tiprdc.audit.foreign.standalone import run_standalone_audit

        run_standalone_audit(request, evidence[0], config, out, progress, seconds, signer)
    report = read_audit(out / "audit.json")
    page = str(out / "index.html")
    if as_json:
        terminal.print_json({**summary(report), "page": page})
    else:
        console = terminal.console()
        show_audit(console, report)
        for note in report.notes:
            terminal.say(console, Text(f"Note: {note}", style="dim"))
        terminal.say(console, Text.assemble("Report: ", (page, "bold")))
    raise typer.Exit(EXIT_CODE[report.verdict])


def _check(
    models: list[Path], *, compare: bool, modality: str, seed: int, tolerance: float
) -> None:
    expected = 2 if compare else 1
    if len(models) != expected:
        hint = "" if compare else "add --compare to compare two models"
        raise ConfigError("MODEL", f"{len(models)} files", f"{expected}", hint)
    if modality not in MODALITIES:
        raise ConfigError("--modality", modality, f"one of {', '.join(MODALITIES)}")
    check_range("--tolerance", tolerance, 0, 0.5)
    check_range("--seed", seed, 0, 2**31 - 1)


def _prepare(
    request: AuditRequest, criteria: PolicyConfig, budget: int, progress: Progress
) -> tuple[tuple[Evidence, ...], AuditConfig]:
    """What is audited and how; files and data are refused before torch is loaded, for seconds."""
    from tiprdc.audit.foreign.inputs import load_evidence

    evidence = load_evidence(request, lambda share: progress("read", share))
    from tiprdc.audit.config import AuditConfig

    return evidence, AuditConfig(policy=criteria, budget=budget, sample_seed=request.seed)


def _compare(
    request: AuditRequest,
    criteria: PolicyConfig,
    budget: int,
    tolerance: float,
    out: Path,
    seconds: int,
    *,
    as_json: bool,
) -> int:
    """Compare two models; the exit code of the answer."""
    with Progress() as progress:
        pair, config = _prepare(request, criteria, budget, progress)
        from tiprdc.audit.comparison import FILE
        from tiprdc.audit.comparison import compare as compare_models

        comparison = compare_models(pair, config, tolerance, out, progress, seconds)
    if as_json:
        terminal.print_json(asdict(comparison))
        return ANSWERS[comparison.answer]
    console = terminal.console()
    style = ("bold red", "bold yellow", "bold green")[(1, 2, 0).index(ANSWERS[comparison.answer])]
    first, second = (model.name for model in request.models)
    answer = (comparison.answer.lower(), style)
    if comparison.answer == "UNDECIDED":
        text: tuple[str | tuple[str, str], ...] = (
            answer, f": whether the second model, {second}, is leakier than the first, {first}",
        )  # fmt: skip
    else:
        text = (f"The second model, {second}, is ", answer, f" than the first, {first}")
    terminal.say(console, Text.assemble(*text))
    for attribute in comparison.attributes.values():
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
                    "none" if e is None else numbers.points(e.balanced_accuracy)
                    for e in (attribute.first, attribute.second)
                ),
                *_difference(attribute.paired),
            )
            for name, attribute in comparison.attributes.items()
        ],
    )
    if comparison.tasks:
        terminal.print_table(
            console,
            ("unseen task", "first", "second", "a guess", "first keeps, %", "second keeps, %"),
            [_task_row(name, task) for name, task in comparison.tasks.items()],
        )
    if None not in comparison.kept:
        shares = [numbers.percent(share, 0) for share in comparison.kept if share is not None]
        terminal.say(
            console,
            Text(f"Of what the raw record tells of the tasks, the first keeps {shares[0]}, the"
                 f" second {shares[1]}."),
        )  # fmt: skip
    note = (
        f"Balanced accuracy in %. One-sided {100 * comparison.confidence:g} % bounds of the"
        " difference (Newcombe), for all attributes together; p: exact paired test (McNemar)."
    )
    terminal.say(console, Text(note, style="dim"))
    for text_note in dict.fromkeys(note for evidence in pair for note in evidence.schema.notes):
        terminal.say(console, Text(f"Note: {text_note}", style="dim"))
    terminal.say(console, Text.assemble("Comparison: ", (str(out / FILE), "bold")))
    return ANSWERS[comparison.answer]


def _task_row(name: str, task: TaskComparison) -> tuple[str, ...]:
    rates = [None if e is None else e.balanced_accuracy for e in (task.first, task.second)]
    cells = (*rates, task.prior, *task.kept)
    return (name, *("none" if cell is None else numbers.points(cell) for cell in cells))


def _difference(paired: PairedDifference | None) -> tuple[str, str, str]:
    if paired is None:
        return ("none", "-", "-")
    low, high = numbers.points(paired.low), numbers.points(paired.high)
    difference = f"{numbers.points(paired.difference)} ({low} to {high})"
    return difference, f"{paired.p_value:.2g}", numbers.count(paired.people)
