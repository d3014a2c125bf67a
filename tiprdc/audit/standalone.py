"""Audits a foreign ONNX file in one process and writes the report (`tiprdc audit`)."""

from __future__ import annotations

from pathlib import Path

from tiprdc.audit.audit_request import MORE_PEOPLE, AuditRequest
from tiprdc.audit.config import AuditConfig
from tiprdc.audit.executor import DEFAULT_TIMEOUT, InProcess, ProgressCallback
from tiprdc.audit.foreign_inputs import load_evidence
from tiprdc.audit.foreign_model import sha256_of
from tiprdc.audit.ledger import ledger_for
from tiprdc.audit.run import Digests, make_plan, run
from tiprdc.audit.writer import write
from tiprdc.formats.audit_report import AuditReport
from tiprdc.formats.envelope import Signer
from tiprdc.reports.page import write_report


def run_standalone_audit(
    request: AuditRequest,
    config: AuditConfig,
    out: Path,
    progress: ProgressCallback,
    timeout: float = DEFAULT_TIMEOUT,
    signer: Signer | None = None,
) -> AuditReport:
    """Audit one file and write `audit.json`, as the pipeline's audit does, and the HTML report.

    Args:
        request: The file and the data.
        config: Attacks, effort and policy.
        out: Folder for the report.
        progress: Called with the progress.
        timeout: Seconds; attacks unfinished then count as failed.
        signer: Signs `audit.intoto.json`; None: it is not signed.

    Raises:
        ModelError: The file is refused, or cannot be run on these records.
        DataError, ConfigError: The data do not match the request.
    """
    (evidence,) = load_evidence(request, lambda share: progress("read", share))
    plan = make_plan(config, evidence, MORE_PEOPLE)

    def recompute_digests() -> Digests:
        # The records stay in memory; only the file can have changed.
        return Digests(sha256_of(request.models[0]), None, evidence.schema.digest)

    ledger = ledger_for(request.data)
    result = run(plan, evidence, InProcess(progress), timeout, recompute_digests, ledger)
    write(result, out, name=request.models[0].name, signer=signer)
    write_report(out, None)
    return result.report
