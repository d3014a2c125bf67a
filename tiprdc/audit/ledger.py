"""The audit ledger: counts how often the same test people were used by different audit plans.

Auditing, changing the extractor and auditing again on the same attacker-test selects extractors by
these people; the bounds then no longer hold for the extractor that is kept. The ledger cannot
prevent that. It counts, and the report states the count. One line of JSON, of digests and times
only, is appended before attacker-test is opened, so that an interrupted audit counts too.

Different plans (models, settings) are counted: the same plan again gives the same figures and
reveals nothing new. The file is no proof, since anybody who can delete it can start again.

Source: Dwork et al., "The reusable holdout" (2015), for why it matters.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from tiprdc.formats.audit_plan import Plan
from tiprdc.formats.audit_report import Reuse
from tiprdc.formats.user_state import user_state

_MAX_BYTES = 100_000_000


@dataclass(frozen=True)
class Ledger:
    """A file with one line an audit; a path of None keeps no ledger."""

    path: Path | None

    def record_audit(self, plan: Plan, test_digest: str) -> Reuse | None:
        """Append this audit and count; None where the file cannot be read or written."""
        if self.path is None:
            return None
        line = {
            "time": datetime.now(UTC).isoformat(timespec="seconds"),
            "test_digest": test_digest,
            "model_sha256": plan.model_sha256,
            "plan_sha256": plan.sha256,
            "suite_version": plan.suite_version,
        }
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            # One write in append mode, so that the lines of concurrent audits stay whole.
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
            return self._count(test_digest)
        except OSError:
            return None

    def _count(self, test_digest: str) -> Reuse:
        assert self.path is not None
        plans, models = set(), set()
        with self.path.open("rb") as file:
            for text in file.read(_MAX_BYTES).splitlines():
                entry = _entry(text)
                if entry.get("test_digest") == test_digest:
                    plans.add(str(entry.get("plan_sha256")))
                    models.add(str(entry.get("model_sha256")))
        return Reuse(test_digest=test_digest, plans=len(plans), models=len(models))


def user_ledger() -> Ledger:
    """The user's own ledger, of all data: lines are told apart by the digest of the test people.

    Not beside the data, where a new file would change the folder that `prepare` watches.
    """
    try:
        return Ledger(user_state() / "audits.jsonl")
    except RuntimeError:  # no home
        return Ledger(None)


def _entry(text: bytes) -> dict[str, object]:
    """A line of the ledger; empty where it cannot be read."""
    try:
        entry = json.loads(text)
    except ValueError:
        return {}
    return entry if isinstance(entry, dict) else {}
