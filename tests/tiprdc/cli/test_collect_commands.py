"""`tiprdc collect`, `extract --send` and `forget` in a shell, with a real server."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.helpers.pictures import save_picture
from tests.helpers.pulled_release import write_pulled
from tests.tiprdc.cli.test_main import run
from tests.tiprdc.runtime.test_http_client import write_certificate

COLLECT = [sys.executable, "-c", "from tiprdc.cli.main import app; app()", "collect"]


@pytest.fixture(autouse=True)
def _argv(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", sys.argv)


@dataclass(frozen=True)
class Served:
    folder: Path
    url: str
    database: str

    @property
    def to_collector(self) -> tuple[str, ...]:
        return "--send", self.url, "--token-file", str(self.folder / "token")

    @property
    def release(self) -> str:
        return str(self.folder / "release")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("collector")
    release = write_pulled(folder / "release", folder / "work")
    database = f"sqlite:///{folder / 'features.db'}"
    words = [*COLLECT, "token", "phone", "--database", database]
    token = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    (folder / "token").write_text(token)
    with serving(release, database) as url:
        yield Served(folder, url, database)


@contextmanager
def serving(release: Path, database: str, *options: str) -> Iterator[str]:
    """Run `tiprdc collect`; yields its URL, and checks that it logs nothing."""
    with subprocess.Popen(
        [*COLLECT, str(release), "--port", "0", *options], stderr=subprocess.PIPE, text=True,
        env={**os.environ, "TIPRDC_COLLECT_DATABASE": database},
    ) as process:  # fmt: skip
        try:
            assert process.stderr
            assert "Without --repo" in process.stderr.readline()
            line = process.stderr.readline().split()
            assert line[:4] == ["Taking", "features", "of", "extractor@v1.0.0"]
            yield line[-1]
            process.send_signal(signal.SIGTERM)
            assert process.stderr.read() == ""
            assert process.wait(60) in (0, -signal.SIGTERM)
        finally:
            process.kill()


def pictures(folder: Path, count: int) -> Path:
    for number in range(count):
        save_picture(folder / f"{number}.png", 20 * number + 50)
    return folder


def test_session_of_a_device_and_of_a_collector(
    served: Served, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, output = pictures(tmp_path / "pictures", 5), tmp_path / "z.parquet"
    words = ("extract", served.release, str(source), "-o", str(output), *served.to_collector)
    code, out, err = run(capsys, *words)
    assert (code, err) == (0, "")
    assert "Batches sent: 1" in out
    code, out, err = run(capsys, *words, "--json")
    document = json.loads(out)
    assert (code, document["sent_batches"], document["records_sent_before"]) == (0, 0, 5)

    collected = tmp_path / "all.parquet"
    export = ("collect", "export", "--database", served.database, "-o", str(collected))
    code, out, _ = run(capsys, *export)
    assert (code, out) == (0, f"5 records of 1 contributors: {collected}\n")
    here, there = pq.read_table(output), pq.read_table(collected)
    assert here.schema == there.schema
    assert here.schema.metadata == there.schema.metadata
    rows = (tmp_path / "z.parquet.sent.csv").read_text().splitlines()[1:]
    names = {f"{device}/{id_}": record for record, device, id_ in (row.split(",") for row in rows)}
    by_name = dict(zip(here["id"].to_pylist(), here["features"].to_pylist(), strict=True))
    for id_, z in zip(there["id"].to_pylist(), there["features"].to_pylist(), strict=True):
        assert z == by_name[names[id_]]

    forget = ("forget", served.url, "--token-file", str(served.folder / "token"))
    assert run(capsys, *forget)[0] == 0
    code, _, err = run(capsys, *export)
    assert (code, err) == (2, "--database: it has no features\n")


def test_operator_deletes_a_contributor(
    served: Served, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state, database = ("--state", str(tmp_path / "state")), ("--database", served.database)
    words = ("extract", served.release, str(pictures(tmp_path / "pictures", 2)))
    run(capsys, *words, "-o", str(tmp_path / "z.npz"), *served.to_collector, *state)
    name = (tmp_path / "z.npz.sent.csv").read_text().splitlines()[1].split(",")[1]
    code, _, err = run(capsys, "collect", "delete", name, *database)
    assert (code, err) == (0, "Batches deleted: 1\n")
    code, _, err = run(capsys, "collect", "delete", "Alice", *database)
    assert code == 2
    assert "64 hex digits" in err
    pictures(tmp_path / "pictures", 3)
    words = (*words, "-o", str(tmp_path / "z.npz"), *served.to_collector, *state)
    code, _, err = run(capsys, *words)
    assert code == 3
    assert "deleted on request" in err
    assert "`tiprdc forget` starts anew" in err


def test_revoked_token_is_refused_and_features_wait(
    served: Served, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    database = ("--database", served.database)
    _, token, _ = run(capsys, "collect", "token", "lost", *database)
    (tmp_path / "token").write_text(token)
    assert run(capsys, "collect", "token", "lost", "--revoke", *database)[0] == 0
    words = ("extract", served.release, str(pictures(tmp_path / "pictures", 2)))
    words = (*words, "-o", str(tmp_path / "z.npz"), "--state", str(tmp_path / "state"))
    code, _, err = run(
        capsys, *words, "--send", served.url, "--token-file", str(tmp_path / "token")
    )
    assert code == 3
    assert err.splitlines() == [
        "Batches that wait: 1",
        "The collector: no token that this collector knows",
        "  hint: ask the collector for a new token",
    ]
    assert token.strip() not in err
    assert run(capsys, *words, *served.to_collector)[0] == 0


@pytest.mark.slow
def test_features_go_over_verified_tls(
    served: Served, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    file = write_certificate(tmp_path)
    tls = ("--tls-cert", str(file), "--tls-key", str(file))
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    with serving(Path(served.release), served.database, *tls) as url:
        assert url.startswith("https://127.0.0.1:")
        words = ("extract", served.release, str(pictures(tmp_path / "pictures", 2)))
        words = (*words, "-o", str(tmp_path / "z.npz"), "--state", str(tmp_path / "state"))
        to = ("--send", url, "--token-file", str(served.folder / "token"))
        code, out, err = run(capsys, *words, *to)
    assert (code, err) == (0, "")
    assert "Batches sent: 1" in out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--token-file", "x"], "--token-file: given without --send"),
        (["--send", "https://h"], "--token-file: not given"),
        (["--send", "http://h", "--token-file", "x"], "--send: plain http to h"),
        (["--send", "https://h", "--token-file", "/dev/null"], "a folder, a device or a pipe"),
    ],
)
def test_wrong_options_are_refused_before_any_work(
    served: Served, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    words: list[str], message: str,
) -> None:  # fmt: skip
    source, output = pictures(tmp_path / "pictures", 1), tmp_path / "z.npz"
    code, _, err = run(capsys, "extract", served.release, str(source), "-o", str(output), *words)
    assert code == 2
    assert message in err
    assert not output.exists()


@pytest.mark.parametrize(
    ("database", "message"),
    [
        ("sqlite://", "SQLite without a file"),
        ("mysql://root:secret@h/d", "sqlite or postgresql"),
        ("features.db", "not an address"),
        ("sqlite:////nowhere/features.db", "cannot be opened"),
        ("postgresql://u:secret@127.0.0.1:1/d", "cannot be opened (OperationalError)"),
    ],
)
def test_database_that_cannot_be_used_is_refused(
    database: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = run(capsys, "collect", "token", "a", "--database", database)
    assert code == 2
    assert message in err
    assert "secret" not in err


def test_folder_that_was_not_pulled_has_no_version(
    served: Served, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = served.folder / "work" / "artifacts" / "release"
    for words in (
        ("collect", str(folder), "--database", f"sqlite:///{tmp_path / 'f.db'}"),
        ("extract", str(folder), str(folder), "-o", str(tmp_path / "z.npz"), *served.to_collector),
    ):
        code, _, err = run(capsys, *words)
        assert code == 2
        assert "release.json: no such file" in err
        assert "tiprdc pull" in err
