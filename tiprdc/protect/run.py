"""The whole path in one process: shards, training, export, audit, report (`tiprdc protect`)."""

from __future__ import annotations

import functools
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tiprdc.audit.config import AuditConfig
from tiprdc.audit.executor import DEFAULT_TIMEOUT, InProcess, ProgressCallback
from tiprdc.audit.foreign.request import MORE_PEOPLE, AuditRequest
from tiprdc.audit.ledger import user_ledger
from tiprdc.audit.own_shards import digests_of, open_shards
from tiprdc.audit.run import count_test_people, make_plan
from tiprdc.audit.run import run as run_audit
from tiprdc.audit.writer import write
from tiprdc.datasets.prepare_config import PrepareConfig
from tiprdc.datasets.schema import Schema, read_schema, read_split
from tiprdc.encoders.cache import encode_shards
from tiprdc.encoders.encoder import copy_encoder, open_encoder
from tiprdc.export.build import build
from tiprdc.export.onnx_export import ExportConfig
from tiprdc.formats.atomic import atomic_directory
from tiprdc.formats.audit_report import AuditReport
from tiprdc.protect.preparation import encoder_config, manifest_config, prepare
from tiprdc.protect.training import (
    options_in_errors,
    run_name,
    train,
    train_config,
    warn_of_labels,
)
from tiprdc.reports.model_card import CardConfig, write_card
from tiprdc.reports.page import write_report
from tiprdc.training.config import ROLES
from tiprdc.training.curves import write_curves

REPORT = "report"
"""Folder of the report, in the private folder: it may show pictures of people."""
_SHARED = ("audit.json", "audit.intoto.json", "model_card.md")


@dataclass(frozen=True, kw_only=True)
class ProtectRequest:
    """What `tiprdc protect` is asked to do.

    Args:
        records: The data, the attributes and, if any, the encoder.
        changes: Section of `train` -> name -> value, in place of the automatic settings.
        audit: The attacks and the rule that decides.
        out: Folder of the release.
        private: Folder of shards, cache, checkpoints and the report; never to be shared.
        licence: Of the encoder, if the user states one.
        timeout: Seconds of the audit, after which unfinished attacks count as failed.
    """

    records: AuditRequest
    changes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    audit: AuditConfig
    out: Path
    private: Path
    licence: str | None = None
    timeout: float = DEFAULT_TIMEOUT


def protect(
    request: ProtectRequest, progress: ProgressCallback, say: Callable[[str], None]
) -> AuditReport:
    """Train, export and audit an extractor that hides the private attributes.

    Killed and called again, it uses what was trained.

    Args:
        request: Data, settings and folders.
        progress: Called with the current step and the share of it that is done.
        say: Called with each line for the user.

    Returns:
        The audit of the release, whose verdict decides.

    Raises:
        ConfigError, DataError: The data do not fit the request.
        ModelError: The exported file differs from what was trained.
    """
    work = request.private
    shards = work / "shards"
    config = PrepareConfig(
        dataset="manifest", seed=request.records.seed, manifest=manifest_config(request.records)
    )
    schema = prepare(config, shards, functools.partial(progress, "read"), say)
    # The audit would refuse too few people only after minutes of training.
    test = read_split(shards, schema, "attacker-test")
    count_test_people(request.audit, schema, test, MORE_PEOPLE)
    del test
    vectors = _encode(request, shards, schema, progress)
    schema = read_schema(vectors)
    settings = train_config(schema, request.changes)
    records = read_split(vectors, schema, "extractor-train")
    warn_of_labels(settings, schema, records, say)
    trained = work / "checkpoints" / run_name(settings, schema)
    for role in ROLES:
        report_share = functools.partial(progress, f"train {role}")
        train(settings, role, schema, records, trained / role, report_share)
        copy_encoder(vectors, trained / role)
    del records
    report, unprotected = work / REPORT, work / "unprotected"
    with atomic_directory(request.out, replace=True) as release:
        build(
            ExportConfig(), shards=shards, checkpoint=trained,
            release=release, unprotected=unprotected,
        )  # fmt: skip
        result = _audit(request, shards, release, unprotected, report, progress)
        for role in ROLES:
            write_curves(trained / role, role, report / "training")
        write_report(report, release)
        write_card(report, release, CardConfig())
        for name in _SHARED:
            shutil.copyfile(report / name, release / name)
    return result


def _encode(
    request: ProtectRequest, shards: Path, schema: Schema, progress: ProgressCallback
) -> Path:
    """The shards that are trained on: features of the encoder, if there is one."""
    if not request.records.models:
        return shards
    with options_in_errors():
        encoder = open_encoder(encoder_config(request.records, request.licence), schema)
        share = functools.partial(progress, "encode")
        return encode_shards(encoder, shards, schema, request.private / "encoded", share)


def _audit(
    request: ProtectRequest,
    shards: Path,
    release: Path,
    unprotected: Path,
    report: Path,
    progress: ProgressCallback,
) -> AuditReport:
    evidence = open_shards(shards, release, unprotected)
    plan = make_plan(request.audit, evidence, MORE_PEOPLE)
    result = run_audit(
        plan, evidence, InProcess(progress), request.timeout,
        lambda: digests_of(shards, release, unprotected), user_ledger(),
    )  # fmt: skip
    write(result, report)
    return result.report
