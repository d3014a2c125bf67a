"""Progress on standard error: a few lines in a pipe, bars on a terminal."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from tiprdc.cli import progress as module
from tiprdc.cli.progress import Progress, format_time_left


class Clock:
    """A clock that moves only when it is told to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        monkeypatch.setattr(module.time, "monotonic", lambda: self.now)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def make_console(*, terminal: bool = False) -> tuple[Console, io.StringIO]:
    stream = io.StringIO()
    return Console(file=stream, force_terminal=terminal, width=120), stream


def test_counted_task_prints_first_last_and_due_lines_in_a_pipe(clock: Clock) -> None:
    console, stream = make_console()
    with Progress("part", console=console) as progress:
        progress.add("Writing [shards]", 500)
        for done in range(1, 501):
            progress.update("Writing [shards]", done)
            clock.now += 0.03
    lines = stream.getvalue().splitlines()
    assert lines[0] == "Writing [shards]: part 1 of 500"
    assert lines[1].startswith("Writing [shards]: part 335 of 500, 33 parts a second, about 5 s")
    assert lines[2].startswith("Writing [shards]: part 500 of 500")
    assert len(lines) == 3


def test_share_prints_no_line_before_ten_seconds(clock: Clock) -> None:
    console, stream = make_console()
    with Progress(console=console) as progress:
        for share in (0.0, 0.1, 0.5, 1.0):
            progress("audit", share)
            clock.now += 6.0
    assert stream.getvalue().splitlines() == ["audit: 50 %, about 12 s left", "audit: 100 %"]


def test_no_lines_in_a_pipe_if_disabled(clock: Clock) -> None:
    console, stream = make_console()
    with Progress("record", console=console, lines=False) as progress:
        progress.add("records", 2)
        progress.update("records", 2)
    assert stream.getvalue() == ""


def test_terminal_shows_a_bar_with_the_position() -> None:
    console, stream = make_console(terminal=True)
    with Progress("epoch", console=console) as progress:
        progress.add("protected", 2)
        progress.update("protected", 2)
    assert "epoch 2 of 2" in stream.getvalue()


def test_changes_are_reported_once() -> None:
    changes: list[tuple[str, int, int]] = []
    console, _ = make_console()
    with Progress("x", console=console, on_change=lambda *c: changes.append(c)) as progress:
        progress.add("a", 3)
        for done in (0, 1, 1, 3):
            progress.update("a", done)
    assert changes == [("a", 0, 3), ("a", 1, 3), ("a", 3, 3)]


def test_reused_work_does_not_speed_up_the_estimate(clock: Clock) -> None:
    console, stream = make_console()
    with Progress("record", console=console) as progress:
        progress.add("records", 1000)
        progress.update("records", 900)
        clock.now += 20
        progress.update("records", 950)
    assert stream.getvalue().splitlines()[1].endswith("2 records a second, about 20 s left")


@pytest.mark.parametrize(
    ("elapsed", "share", "text"),
    [
        (1.0, 0.5, ""),
        (60.0, 0.01, ""),
        (60.0, 1.0, ""),
        (60.0, 0.5, "about 60 s left"),
        (300.0, 0.5, "about 5 min left"),
    ],
)
def test_time_left_in_words(elapsed: float, share: float, text: str) -> None:
    assert format_time_left(elapsed, share) == text
