"""Rows become the tables of docs/auditor.md, and each mutant matches exactly one place."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.auditor import mutants, replications, tables
from benchmarks.csv_rows import append
from tiprdc.attacks.suite import ATTACKS, SUITE_VERSION
from tiprdc.audit.config import AuditConfig
from tiprdc.selftest.fixtures import FIXTURES
from tiprdc.selftest.small_audit import FAST_ATTACKS, AuditSetup

ROOT = Path(__file__).parents[3]


def row(experiment: str, fixture: str, correct: int, low: float, **more: str) -> dict[str, str]:
    return {
        "experiment": experiment, "fixture": fixture, "accuracy": "0.8", "bayes": "0.8",
        "train": "400", "select": "200", "test": "1000", "seed": "0", "suite": SUITE_VERSION,
        "verdict": "PASS", "attack": "kernel", "correct": str(correct), "people": "1000",
        "low": str(low), "high": "0.9", "seconds": "1.0", **more,
    }  # fmt: skip


def test_rows_are_counted_with_bounds(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- auditor -->\nold\n<!-- /auditor -->\nafter\n")
    alarms = [
        row("false alarm", "independent", 500, low, bayes="0.5", accuracy="0.5", seed=str(n))
        for n, low in enumerate([0.48] * 19 + [0.51])
    ]
    rows = [
        *alarms, row("recovered", "xor", 770, 0.7, verdict="FAIL"),
        row("detection", "xor", 540, 0.51), row("detection", "xor", 520, 0.49, seed="1"),
        row("false PASS", "linear", 600, 0.5, seed="1"),
    ]  # fmt: skip
    tables.write_table(rows, page)
    text = page.read_text()
    assert text.startswith("before\n<!-- auditor -->\n|")
    assert text.endswith("<!-- /auditor -->\nafter\n")
    assert "old" not in text
    assert "lower bound above 0.500 | <= 7 % | 5.0 % | 0.3 to 21.6 % | 20 |" in text
    assert "above the lower bound, same audits | >= 95 % | 95.0 % |" in text
    assert "| `xor` | 0.80 | 0.770 | 90 % | 1 FAIL | 1 | `kernel` |" in text
    assert "| `xor` | 0.800 | 400 | 1,000 | 50.0 % | 2.5 to 97.5 % | 2 | 0.530 | `kernel` |" in text
    assert "| 1,000 | 34.1 % |" in text
    tables.write_table(rows, page)
    assert page.read_text() == text


def test_page_without_marks_is_refused(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("nothing here")
    with pytest.raises(ValueError, match="<!-- auditor -->"):
        tables.put(page, "auditor", "text")


def test_existing_rows_are_not_recomputed(tmp_path: Path) -> None:
    out = tmp_path / "auditor.csv"
    setup = AuditSetup(train=60, select=40, test=40, attacks=("logistic_regression",))
    tiny = replications.Experiment(
        name="false alarm", fixture="independent", accuracy=0.5, setup=setup, replications=2
    )
    for seed in (0, 1):
        append(out, replications.COLUMNS, replications._replicate(tiny, seed))
    rows = replications.read(out)
    keys = [replications._key(row) for row in rows]
    assert keys == [replications._key(replications._head(tiny, seed)) for seed in (0, 1)]
    assert {row["verdict"] for row in rows} <= {"PASS", "INCONCLUSIVE", "FAIL"}
    out.write_text(out.read_text().replace(SUITE_VERSION, "0.0.1"))
    assert replications.read(out) == []


def test_experiments_take_turns_without_repeats() -> None:
    selected = list(replications.experiments())
    turns = list(replications._in_turns(selected))
    assert len(turns) == len(set(turns)) == sum(e.replications for e in selected)
    assert {e for e, _ in turns[: sum(e.turn for e in selected)]} == set(selected)
    assert {e.fixture for e in selected} == set(FIXTURES)


def test_benchmarked_attacks_are_in_the_default_suite() -> None:
    """Benchmarks of attacks that an audit does not use would prove nothing about it."""
    assert {*FAST_ATTACKS["flat"]} <= {*AuditConfig().attacks}
    for kind in ("picture", "text"):
        assert all(kind in ATTACKS[name].kinds for name in FAST_ATTACKS[kind])


@pytest.mark.parametrize("mutant", mutants.mutants(), ids=lambda mutant: mutant.description)
def test_each_mutant_matches_its_file_exactly_once(mutant: mutants.Mutant) -> None:
    text = (ROOT / mutant.file).read_text()
    assert text.count(mutant.old) == 1
    compile(text.replace(mutant.old, mutant.new), mutant.file, "exec")
    for argument in mutant.tests:
        if argument.startswith("tests/"):
            assert (ROOT / argument.split("::")[0]).exists()


def test_mutant_descriptions_are_unique() -> None:
    names = [mutant.description for mutant in mutants.mutants()]
    assert len(set(names)) == len(names) >= 20


def test_mutant_without_a_match_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("x = 1\n")
    gone = mutants.Mutant(description="gone", file="a.py", old="y = 1", new="y = 2", tests=())
    with pytest.raises(ValueError, match="0 times"):
        gone.apply(tmp_path)
