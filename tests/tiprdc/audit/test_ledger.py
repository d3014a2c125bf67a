"""The ledger counts different plans on the same people and ignores broken lines."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace

from tests.tiprdc.audit.test_verdict import PLAN
from tiprdc.audit.evidence import digest_of
from tiprdc.audit.ledger import Ledger, user_ledger
from tiprdc.datasets.schema import Records
from tiprdc.formats.audit_report import Reuse

PEOPLE, OTHERS = "1" * 64, "2" * 64


def test_different_plans_and_models_are_counted(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "runs" / "audits.jsonl")
    assert ledger.record_audit(PLAN, PEOPLE) == Reuse(test_digest=PEOPLE, plans=1, models=1)
    assert ledger.record_audit(PLAN, PEOPLE) == Reuse(test_digest=PEOPLE, plans=1, models=1)
    ledger.record_audit(replace(PLAN, sample_seed=1), PEOPLE)
    ledger.record_audit(PLAN, OTHERS)
    reuse = ledger.record_audit(replace(PLAN, model_sha256="e" * 64), PEOPLE)
    assert reuse == Reuse(test_digest=PEOPLE, plans=3, models=2)


def test_lines_contain_only_digests_and_times(tmp_path: Path) -> None:
    path = tmp_path / "audits.jsonl"
    Ledger(path).record_audit(PLAN, PEOPLE)
    (line,) = map(json.loads, path.read_text().splitlines())
    assert set(line) == {"time", "test_digest", "model_sha256", "plan_sha256", "suite_version"}


def test_broken_lines_are_ignored(tmp_path: Path) -> None:
    path = tmp_path / "audits.jsonl"
    path.write_bytes(b'{"test_digest": \n\xff\xfe\n[1]\n"text"\n')
    reuse = Ledger(path).record_audit(PLAN, PEOPLE)
    assert reuse == Reuse(test_digest=PEOPLE, plans=1, models=1)


def test_missing_ledger_gives_no_count(tmp_path: Path) -> None:
    assert Ledger(None).record_audit(PLAN, PEOPLE) is None
    (tmp_path / "file").write_text("")
    assert Ledger(tmp_path / "file" / "audits.jsonl").record_audit(PLAN, PEOPLE) is None


def test_digest_covers_records_labels_and_persons() -> None:
    x, u = np.arange(6, dtype=np.float32).reshape(3, 2), np.array([0, 1, 0])
    person = np.array(["a", "b", "c"])
    digest = digest_of(Records(x, {"u": u}, person))
    assert digest == digest_of(Records(x.copy(), {"u": u.copy()}, person))
    others = [
        Records(x + 1, {"u": u}, person),
        Records(x, {"u": 1 - u}, person),
        Records(x, {"v": u}, person),
        Records(x, {"u": u}, person[::-1]),
        Records(x.reshape(3, 2, 1), {"u": u}, person),
    ]
    assert len({digest, *map(digest_of, others)}) == 6


def test_ledger_of_the_user_is_in_their_state_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert user_ledger().path == tmp_path / "tiprdc" / "audits.jsonl"
    monkeypatch.setenv("XDG_STATE_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert user_ledger().path == tmp_path / ".local" / "state" / "tiprdc" / "audits.jsonl"
