"""The collector over HTTP, in a process of its own with a real database."""

from __future__ import annotations

import sqlite3
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from benchmarks.collector.batches import BAD, BAD_BYTES, changed, document, encode
from benchmarks.collector.server import RELEASE
from tests.tiprdc.collect.conftest import Served, serving
from tiprdc.collect.batch_check import check_batch
from tiprdc.collect.metrics import FAULTS
from tiprdc.collect.origins import check_origins
from tiprdc.collect.refusals import Refused
from tiprdc.errors import ConfigError
from tiprdc.formats.feature_batch import batch_id, public_name


def test_same_batch_is_stored_once(collector: Served) -> None:
    before, batch = collector.stored(), document()
    first, second = collector.put(batch), collector.put(batch)
    assert (first[0], second[0]) == (201, 200)
    assert first[1] == second[1] == {"batch": batch_id(encode(batch)), "records": 8}
    assert collector.stored() == before + 1


@pytest.mark.parametrize("kind", BAD)
def test_bad_batch_is_refused(collector: Served, kind: str) -> None:
    status, change = BAD[kind]
    before = collector.stored()
    answer = collector.put(change(document()))
    assert answer[0] == status, answer
    assert set(answer[1]) == {"detail"}
    assert "Alice" not in answer[1]["detail"]
    assert collector.stored() == before


@pytest.mark.parametrize("kind", BAD_BYTES)
def test_bad_body_is_refused(collector: Served, kind: str) -> None:
    status, body = BAD_BYTES[kind]
    assert collector.put(body)[0] == status


def test_largest_body_follows_from_the_release(collector: Served) -> None:
    most = collector.request("GET", "/v1/release")[1]["most_bytes"]
    assert most < 2**20
    full = encode(document(records=1024))
    assert len(full) < most
    assert collector.put(full)[0] == 201
    assert collector.put(full + b" " * (most - len(full)))[0] == 201
    assert collector.put(full + b" " * (most - len(full) + 1))[0] == 413


def test_body_without_a_length_is_limited_while_it_is_read(collector: Served) -> None:
    body = (b" " * 2**16 for _ in range(2**23 // 2**16 + 2))
    headers = {"Authorization": f"Bearer {collector.token}", "Content-Type": "application/json"}
    url = f"{collector.url}/v1/batches/{'0' * 64}"
    request = urllib.request.Request(url, body, headers, method="PUT")
    with pytest.raises(urllib.error.HTTPError) as ended:
        urllib.request.urlopen(request, timeout=60)
    assert ended.value.code == 413
    ended.value.close()


def test_changed_body_does_not_fit_its_id(collector: Served) -> None:
    body = encode(document())
    status, answer, _ = collector.request("PUT", f"/v1/batches/{batch_id(body)}", body + b" ")
    assert status == 400
    assert "sha256" in answer["detail"]


@pytest.mark.parametrize(
    ("path", "status"), [("/v1/batches/..%2f..%2fetc%2fpasswd", 404), ("/v1/batches/abc", 422)]
)
def test_id_that_is_no_digest_is_refused(collector: Served, path: str, status: int) -> None:
    assert collector.request("PUT", path, b"{}")[0] == status


@pytest.mark.parametrize(
    "value", ["", "Basic abc", "Bearer", "Bearer x", "Bearer 0123456789abcdef.x", "Bearer {id}.x"]
)
def test_without_a_valid_token_nothing_is_taken(collector: Served, value: str) -> None:
    value = value.format(id=collector.token.split(".")[0])
    status, answer, headers = collector.put(document(), Authorization=value)
    assert (status, headers["www-authenticate"]) == (401, "Bearer")
    assert answer == {"detail": "no token that this collector knows"}
    body = encode({"contributor": "ab" * 32})
    assert collector.request("POST", "/v1/deletions", body, Authorization=value)[0] == 401


@pytest.mark.parametrize(
    "headers", [{"Content_Type": "application/octet-stream"}, {"Content_Encoding": "gzip"}]
)
def test_other_types_are_refused(collector: Served, headers: dict[str, str]) -> None:
    assert collector.put(document(), **headers)[0] == 415


def test_contributor_deletes_its_features_for_good(collector: Served) -> None:
    other = document()
    assert collector.put(other)[0] == 201
    before, contributor = collector.stored(), "5e" * 32
    batches = [document(contributor=contributor) for _ in range(3)]
    assert [collector.put(batch)[0] for batch in batches] == [201] * 3
    body = encode({"contributor": contributor})
    assert collector.request("POST", "/v1/deletions", body)[:2] == (200, {"batches": 3})
    assert collector.stored() == before
    # What was under way, and what comes later.
    assert collector.put(batches[0])[0] == 410
    assert collector.put(document(contributor=contributor))[0] == 410
    assert collector.request("POST", "/v1/deletions", body)[:2] == (200, {"batches": 0})
    assert collector.put(other)[0] == 200


def test_public_name_deletes_nothing(collector: Served) -> None:
    contributor = "6f" * 32
    assert collector.put(document(contributor=contributor))[0] == 201
    before = collector.stored()
    body = encode({"contributor": public_name(contributor)})
    assert collector.request("POST", "/v1/deletions", body)[:2] == (200, {"batches": 0})
    assert collector.stored() == before


def test_deleted_features_are_in_no_file(collector: Served) -> None:
    batch = document(contributor="7a" * 32, seed=5)
    ids = bytes.fromhex("".join(batch["ids"]))
    folder = collector.log.parent

    def files_hold() -> bool:
        return any(ids[:64] in file.read_bytes() for file in folder.glob("features.db*"))

    assert collector.put(batch)[0] == 201
    assert files_hold()
    collector.request("POST", "/v1/deletions", encode({"contributor": "7a" * 32}))
    assert not files_hold()


def test_database_has_no_trace_of_the_sender(collector: Served) -> None:
    batch = document(contributor="8b" * 32)
    assert collector.put(batch, X_Forwarded_For="203.0.113.7")[0] == 201
    path = collector.log.parent / "features.db"
    columns = {
        "tokens": ["id", "name", "sha256"],
        "batches": ["id", "contributor", "ids", "features", "codes"],
        "contributors": ["name", "deleted"],
    }
    with closing(sqlite3.connect(path)) as db:
        dump = "\n".join(db.iterdump())
        for table, names in columns.items():
            assert [row[1] for row in db.execute(f"PRAGMA table_info({table})")] == names
    for text in ("127.0.0.1", "203.0.113.7", collector.token.split(".")[1], "8b" * 32):
        assert text not in dump
    assert public_name("8b" * 32) in dump


def test_nothing_is_logged(collector: Served) -> None:
    collector.put(document())
    collector.put(b"{")
    collector.request("GET", "/nothing")
    assert collector.log.read_text() == ""


def test_metrics_count_without_naming_anybody(collector: Served) -> None:
    collector.put(document())
    collector.put(changed(version="v9.9.9")(document()))
    text = collector.metrics()
    assert 'tiprdc_collector_batches_total{outcome="stored"}' in text
    assert 'tiprdc_collector_refused_total{reason="version"}' in text
    assert collector.token.split(".")[0] not in text


def test_faults_are_counted_from_zero(collector: Served) -> None:
    """Else the first one would be no increase."""
    text = collector.metrics()
    for reason in FAULTS:
        assert f'tiprdc_collector_refused_total{{reason="{reason}"}} 0.0' in text


def test_release_is_stated(collector: Served) -> None:
    status, answer, _ = collector.request("GET", "/v1/release")
    assert status == 200
    assert (answer["version"], answer["shape"], answer["blocked"]) == ("v1.0.0", [64], "")


@pytest.mark.parametrize(
    ("codes", "change", "status"),
    [
        (4, changed(codes=[0, 1, 2, 3, 0, 1, 2, 3]), 422),
        (4, lambda batch: batch, 422),
        (8, changed(codes=list(range(8))), 201),
        (7, changed(codes=list(range(8))), 422),
        (8, changed(codes=[0]), 422),
        (8, changed(codes=[2**70] * 8), 422),
    ],
    ids=["other features of a code", "none", "right", "beyond", "fewer", "huge"],
)
def test_codes_are_checked(
    codes: int, change: Callable[[dict[str, Any]], object], status: int
) -> None:
    release = structs.replace(RELEASE, output=structs.replace(RELEASE.output, codes=codes))
    body = encode(change(document()))
    if status == 201:
        assert check_batch(body, batch_id(body), release).codes == tuple(range(8))
    else:
        with pytest.raises(Refused) as ended:
            check_batch(body, batch_id(body), release)
        assert ended.value.status == status


def test_too_many_requests_of_one_token_wait(tmp_path: Path) -> None:
    database = f"sqlite:///{tmp_path / 'f.db'}"
    with serving(database, tmp_path / "stderr", "--rate", "2/minute") as limited:
        assert [limited.put(document())[0] for _ in range(3)] == [201, 201, 429]
        status, _, headers = limited.put(document())
        assert (status, 1 <= int(headers["retry-after"]) <= 60) == (429, True)
        assert limited.request("GET", "/v1/release")[0] == 200


def test_deprecated_version_is_refused_with_the_reason_but_deletes(tmp_path: Path) -> None:
    database, reason = f"sqlite:///{tmp_path / 'f.db'}", "was deprecated: it leaks"
    with serving(database, tmp_path / "stderr", "--blocked", reason) as blocked:
        status, answer, _ = blocked.put(document())
        assert (status, answer["detail"]) == (403, "extractor@v1.0.0 was deprecated: it leaks")
        assert blocked.stored() == 0
        body = encode({"contributor": "ab" * 32})
        assert blocked.request("POST", "/v1/deletions", body)[0] == 200


def test_page_of_an_allowed_origin_alone_may_send(tmp_path: Path) -> None:
    database, page = f"sqlite:///{tmp_path / 'f.db'}", "https://app.example"
    asked = {
        "Access-Control-Request-Method": "PUT",
        "Access-Control-Request-Headers": "authorization,content-type",
    }
    with serving(database, tmp_path / "stderr", "--origin", page) as served:
        for origin, allowed in ((page, page), ("https://other.example", None)):
            body = encode(document())
            request = urllib.request.Request(
                f"{served.url}/v1/batches/{batch_id(body)}", method="OPTIONS",
                headers={"Origin": origin, **asked},
            )  # fmt: skip
            try:
                with urllib.request.urlopen(request, timeout=60) as answer:
                    preflight = answer.headers
            except urllib.error.HTTPError as error:
                preflight = error.headers
                error.close()
            assert preflight["Access-Control-Allow-Origin"] == allowed
            assert served.put(body, Origin=origin)[2].get("access-control-allow-origin") == allowed


@pytest.mark.parametrize("origin", ["*", "https://app.example/page", "http://app.example", "null"])
def test_what_is_no_origin_of_a_page_is_refused(origin: str) -> None:
    with pytest.raises(ConfigError, match="not the origin of a page"):
        check_origins([origin])


def test_origins_of_pages_are_taken() -> None:
    origins = ("https://app.example", "https://app.example:8443", "http://127.0.0.1:8000")
    assert check_origins(origins) == origins
