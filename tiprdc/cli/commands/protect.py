"""`tiprdc protect`: from an encoder, vectors or recordings to an audited release."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from tiprdc.cli import dialect_options, model_options, terminal
from tiprdc.cli.commands.inspect import show_audit, summary
from tiprdc.cli.output_folder import check_output
from tiprdc.cli.progress import Progress
from tiprdc.errors import ConfigError, check_range
from tiprdc.formats.audit_report import EXIT_CODE
from tiprdc.formats.manifest import MODEL


def protect(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="SOURCE",
            help="Vectors of people with their attributes, one row a record: a list column of"
            " Parquet, an array of a .npz, or a CSV with a column of paths of .npy files. Or"
            " recordings: a column of paths of .wav, .flac or .ogg files. Or the ONNX file of an"
            " encoder of pictures or texts, with --data.",
        ),
    ],
    private: Annotated[
        list[str], typer.Option(metavar="COLUMN", help="Attribute to hide; repeatable.")
    ],
    data: Annotated[
        Path | None,
        typer.Option(
            help="With an encoder: pictures or texts of people with their attributes: CSV, TSV or"
            " Parquet, one row a record."
        ),
    ] = None,
    utility: Annotated[
        list[str] | None,
        typer.Option(
            "--utility",
            "--task",
            metavar="COLUMN",
            help="Task that the features should still solve, to measure what is kept; repeatable."
            " Training does not use it.",
        ),
    ] = None,
    out: Annotated[
        Path, typer.Option("-o", "--out", help="Folder of the release: the only one to share.")
    ] = Path("release"),
    work: Annotated[
        Path | None,
        typer.Option(
            help="Folder of records, checkpoints and the report, which must not be shared. The same"
            " command given again goes on from it. Default: the folder of --out with -private"
            " behind its name."
        ),
    ] = None,
    x: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMN",
            help="Input column; repeatable. Default: the only column of vectors or recordings, or"
            " the one called image or text.",
        ),
    ] = None,
    person: model_options.Person = None,
    split: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN",
            help="Column with train, val and test. Default: people are divided at random.",
        ),
    ] = None,
    root: Annotated[
        Path | None,
        typer.Option(help="Folder of pictures, recordings or .npy files. Default: the table's."),
    ] = None,
    pixels: model_options.Pixels = None,
    size: model_options.Size = None,
    layout: model_options.Layout = None,
    channels: model_options.Channels = None,
    tokenizer: model_options.Tokenizer = None,
    length: model_options.Length = None,
    output: model_options.Output = None,
    pooling: model_options.Pooling = None,
    rate: Annotated[
        int | None,
        typer.Option(
            help="Samples a second to which recordings are brought, here and on devices."
            " Default: 16000."
        ),
    ] = None,
    duration: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS",
            help="Seconds of each recording that are used, from its start; silence is put behind"
            " shorter ones. Default: 2.",
        ),
    ] = None,
    licence: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT",
            help="Licence of the encoder, which the release states. Default: what the file's"
            " metadata or a licence text beside it says.",
        ),
    ] = None,
    noise: Annotated[
        float | None,
        typer.Option(
            help="Gaussian noise on the features, in their standard deviations: more hides more and"
            " keeps less. Default: 0.3."
        ),
    ] = None,
    weight: Annotated[
        float | None,
        typer.Option(
            help="Price of what adversaries know in training: more hides more and keeps less."
            " Default: 1."
        ),
    ] = None,
    features: Annotated[
        int | None,
        typer.Option(help="Numbers that are sent. Default: as many as the vector's, up to 64."),
    ] = None,
    policy: model_options.Policy = None,
    encoding: dialect_options.Encoding = "utf-8",
    delimiter: dialect_options.Delimiter = None,
    decimal: dialect_options.Decimal = ".",
    quotes: dialect_options.Quotes = "auto",
    seed: Annotated[
        int, typer.Option(help="Seed that divides people and starts the training.")
    ] = 0,
    seconds: Annotated[
        int,
        typer.Option(
            help="Time limit of the audit in seconds; unfinished attacks count as failed."
        ),
    ] = 3600,
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace an earlier release in the folder of --out.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
) -> None:
    """Make features that hide an attribute, and audit them.

    A head is trained behind your vectors, behind spectrograms of your recordings, or behind your
    encoder, which does not change. The release is one ONNX file from vectors, recordings, pictures
    or texts to features, its manifest and its audit.

    Exit code 0: PASS, 1: FAIL, 2: inconclusive, or it could not run.
    """
    # The export needs it, minutes later.
    if importlib.util.find_spec("onnxscript") is None:
        raise ModuleNotFoundError("onnxscript", name="onnxscript")
    from tiprdc.audit.foreign.request import AuditRequest
    from tiprdc.audit.policy import PolicyConfig, read_policy

    check_range("--seed", seed, 0, 2**31 - 1)
    check_range("--seconds", seconds, 10, 1_000_000)
    if length is not None:
        check_range("--length", length, 4, 4096)
    if rate is not None:
        check_range("--rate", rate, 8000, 48_000)
    if duration is not None:
        check_range("--duration", duration, 0.2, 10)
    criteria = read_policy(policy) if policy else PolicyConfig()
    data, models = _sources(source, data)
    if licence and not models:
        raise ConfigError("--licence", f"given with {source.name}", "an encoder, MODEL.onnx",
                          f"leave --licence out: {source.name} holds no encoder")  # fmt: skip
    records = AuditRequest(
        models=models, data=data, pixels=pixels, size=size, layout=layout, channels=channels,
        tokenizer=tokenizer, length=length, output=output, pooling=pooling, root=root,
        rate=rate, duration=duration,
        private=tuple(private), utility=tuple(utility or ()), x=tuple(x or ()), person=person,
        split=split, seed=seed,
        dialect=dialect_options.make_dialect(encoding, delimiter, decimal, quotes),
    )  # fmt: skip
    check_output(out, MODEL, replace=replace)
    console = terminal.console()
    with Progress() as progress:
        from tiprdc.audit.config import AuditConfig
        from tiprdc.protect.run import REPORT, ProtectRequest
        from tiprdc.protect.run import protect as run

        request = ProtectRequest(
            records=records,
            changes=_changes(noise, weight, features, seed),
            audit=AuditConfig(policy=criteria, sample_seed=seed),
            out=out,
            licence=licence,
            private=work or out.with_name(f"{out.name}-private"),
            timeout=seconds,
        )
        report = run(request, progress, lambda line: _say_beside(progress, line))
    page = request.private / REPORT / "index.html"
    if as_json:
        terminal.print_json({**summary(report), "release": str(out), "page": str(page)})
    else:
        show_audit(console, report)
        terminal.say(console, Text.assemble("Release: ", (str(out), "bold")))
        terminal.say(console, Text.assemble("Report: ", (str(page), "bold")))
        terminal.say(
            console,
            Text(
                f"{request.private} holds records of people: share nothing of it, and delete it"
                " when you are done.",
                style="dim",
            ),
        )
    raise typer.Exit(EXIT_CODE[report.verdict])


def _sources(source: Path, data: Path | None) -> tuple[Path, tuple[Path, ...]]:
    """The table of people, and the encoder if there is one."""
    if source.suffix.lower() != ".onnx":
        if data is not None:
            raise ConfigError("--data", f"given with {source.name}", "an encoder, MODEL.onnx",
                              f"leave --data out: {source.name} is the data")  # fmt: skip
        return source, ()
    if data is None:
        raise ConfigError(
            "--data", "not given", "the pictures or texts of people that the encoder is run on",
            "add --data people.csv",
        )  # fmt: skip
    return data, (source,)


def _changes(
    noise: float | None, weight: float | None, features: int | None, seed: int
) -> dict[str, Any]:
    """Settings of `train` that the options state."""
    extractor = {"release_noise": noise, "features": features}
    head = {"weight": weight}
    stated = {
        section: {name: value for name, value in values.items() if value is not None}
        for section, values in (("extractor", extractor), ("head", head))
    }
    return {**stated, "seed": seed}


def _say_beside(progress: Progress, line: str) -> None:
    progress.console.print(line, markup=False, highlight=False, soft_wrap=True)
