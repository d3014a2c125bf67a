"""Writes the rows of replications.csv as the tables of docs/auditor.md."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

from tiprdc.selftest.checks import POWER
from tiprdc.statistics.binomial import interval, lower_bound, pass_probability, prior, upper_bound

Row = dict[str, str]
Groups = dict[tuple[str, ...], list[Row]]
GROUP = ("experiment", "fixture", "accuracy", "train", "select", "test")


def write_table(rows: list[Row], page: Path) -> None:
    """Write the tables between the page's marks; the rest stays."""
    put(page, "auditor", "\n".join(_lines(rows)))


def put(page: Path, mark: str, text: str) -> None:
    """Replace the text between `<!-- mark -->` and `<!-- /mark -->`.

    Raises:
        ValueError: The page has no such marks.
    """
    document = page.read_text()
    between = re.compile(rf"(<!-- {mark} -->\n).*?(<!-- /{mark} -->)", re.DOTALL)
    if not between.search(document):
        raise ValueError(f"{page}: no <!-- {mark} --> ... <!-- /{mark} -->")
    page.write_text(between.sub(lambda match: f"{match[1]}{text}\n{match[2]}", document))


def _lines(rows: list[Row]) -> Iterator[str]:
    groups: Groups = defaultdict(list)
    for row in rows:
        groups[tuple(row[name] for name in GROUP)].append(row)
    yield from _verdicts(groups)
    yield from _alarms(groups)
    yield from _power()
    experiments = {key[0] for key in groups}
    if experiments & {"detection", "exposed"}:
        yield from _detection(_by_size(groups))
    if "recovered" in experiments:
        yield from _recovered(groups)


def _of(groups: Groups, experiment: str) -> Iterator[tuple[tuple[str, ...], list[Row]]]:
    for key, rows in groups.items():
        if key[0] == experiment:
            yield key[1:], rows


def _by_size(groups: Groups) -> Groups:
    """Large leaks first, then small ones among few and among many people."""
    return dict(sorted(groups.items(), key=lambda g: (-float(g[0][2]), int(g[0][3]))))


def _alarms(groups: Groups) -> Iterator[str]:
    yield "| quantity | expected | observed | 95 % bounds | audits |"
    yield "|---|---|---|---|---|"
    for (fixture, _, *people), rows in _of(groups, "false alarm"):
        truth = float(rows[0]["bayes"])
        name = f"on `{fixture}`, {_people(people)}"
        above = sum(float(row["low"]) > truth for row in rows)
        below = sum(float(row["high"]) < truth for row in rows)
        failed = sum(row["verdict"] == "FAIL" for row in rows)
        yield _row(f"false alarm {name}: lower bound above {truth:.3f}", "<= 7 %", above, rows)
        if fixture == "independent":
            # Any attacker is right in half of the cases there, so the true rate is known.
            yield _row("the truth lies above the lower bound, same audits", ">= 95 %",
                       len(rows) - above, rows)  # fmt: skip
            yield _row("the truth lies below the upper bound, same audits", ">= 95 %",
                       len(rows) - below, rows)  # fmt: skip
        yield _row(f"false FAIL {name}, margin 0.10", "0", failed, rows)
    for (fixture, accuracy, *people), rows in _of(groups, "false PASS"):
        passed = sum(row["verdict"] == "PASS" for row in rows)
        name = f"`{fixture}` at {accuracy}, the limit itself, {_people(people)}"
        yield _row(f"false PASS on {name}", "<= 5 %", passed, rows)
    yield ""


def _verdicts(groups: Groups) -> Iterator[str]:
    yield (
        "| features | best possible | people | FAIL | INCONCLUSIVE | PASS | PASS, 95 % bounds |"
        " strongest attack found |"
    )
    yield "|---|---|---|---|---|---|---|---|"
    for (fixture, _, *people), rows in _of(groups, "verdicts"):
        verdicts = Counter(row["verdict"] for row in rows)
        counts = " | ".join(str(verdicts[name]) for name in ("FAIL", "INCONCLUSIVE", "PASS"))
        low, high = (
            lower_bound(verdicts["PASS"], len(rows)),
            upper_bound(verdicts["PASS"], len(rows)),
        )
        yield (
            f"| `{fixture}` | {float(rows[0]['bayes']):.2f} | {_people(people)} | {counts} |"
            f" {100 * low:.0f} to {100 * high:.0f} % | {_rate(rows):.3f} |"
        )
    yield ""


def _power() -> Iterator[str]:
    yield "| people of attacker-test | a model that leaks nothing passes at margin 0.02 |"
    yield "|---|---|"
    for people in POWER:
        yield f"| {people:,} | {100 * pass_probability(prior(2), prior(2) + 0.02, people):.1f} % |"
    yield ""


def _detection(groups: Groups) -> Iterator[str]:
    yield (
        "| leak | best possible | attacker-train | attacker-test | detected (lower bound > 0.5) |"
        " 95 % bounds | audits | mean rate | chosen most often |"
    )
    yield "|---|---|---|---|---|---|---|---|---|"
    for experiment in ("detection", "exposed"):
        for (fixture, accuracy, train, _, test), rows in _of(groups, experiment):
            detected = sum(float(row["low"]) > prior(2) for row in rows)
            attack, _ = Counter(row["attack"] for row in rows).most_common(1)[0]
            yield (
                f"| `{fixture}` | {float(accuracy):.3f} | {int(train):,} | {int(test):,}"
                f" | {_share(detected, rows)} | {len(rows)} | {_rate(rows):.3f} | `{attack}` |"
            )
    yield ""


def _recovered(groups: Groups) -> Iterator[str]:
    yield (
        "| leak | best possible | mean rate | share of the advantage | verdicts | audits |"
        " chosen most often |"
    )
    yield "|---|---|---|---|---|---|---|"
    for (fixture, accuracy, *_), rows in _of(groups, "recovered"):
        share = (_rate(rows) - prior(2)) / (float(accuracy) - prior(2))
        verdicts = Counter(row["verdict"] for row in rows)
        counts = ", ".join(f"{count} {verdict}" for verdict, count in sorted(verdicts.items()))
        attack, _ = Counter(row["attack"] for row in rows).most_common(1)[0]
        yield (
            f"| `{fixture}` | {float(accuracy):.2f} | {_rate(rows):.3f} | {100 * share:.0f} % |"
            f" {counts} | {len(rows)} | `{attack}` |"
        )


def _row(quantity: str, expected: str, count: int, rows: list[Row]) -> str:
    return f"| {quantity} | {expected} | {_share(count, rows)} | {len(rows)} |"


def _share(count: int, rows: list[Row]) -> str:
    low, high = lower_bound(count, len(rows)), upper_bound(count, len(rows))
    value = interval(count, len(rows)).value
    return f"{100 * value:.1f} % | {100 * low:.1f} to {100 * high:.1f} %"


def _rate(rows: list[Row]) -> float:
    return sum(int(r["correct"]) for r in rows) / sum(int(r["people"]) for r in rows)


def _people(sizes: list[str]) -> str:
    return " / ".join(f"{int(size):,}" for size in sizes) + " people"
