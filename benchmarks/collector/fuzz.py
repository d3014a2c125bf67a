"""Fuzzes a collector by its own OpenAPI document, with schemathesis.

    python -m benchmarks.collector.fuzz --examples 1000 [--postgres] [--json]

Each operation gets requests that fit the document, and requests that break it. Batches go with any
id, under the id of their bytes, and as valid batches of which a key is replaced.

    requests        sent
    statuses        how often each status was answered
    server_errors   answers of 500 and above: must be 0
    undocumented    answers that the document does not describe: must be 0
    logged          bytes on the collector's standard error: must be 0
"""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any

import hypothesis
import schemathesis
import typer
from schemathesis import GenerationMode

from benchmarks.collector.batches import document
from benchmarks.collector.fleet import Sender
from benchmarks.collector.postgres import postgres
from benchmarks.collector.server import running
from benchmarks.robustness.outcomes import report
from tiprdc.collect.database import opened
from tiprdc.collect.tokens import Tokens
from tiprdc.formats.feature_batch import batch_id

FAULTS = ("server_errors", "undocumented", "logged")
_NO_INPUT = "GET /v1/release"
_PUT = "PUT /v1/batches/{batch_id}"


def main(
    examples: Annotated[int, typer.Option(min=1, help="Requests of each kind.")] = 200,
    on_postgres: Annotated[bool, typer.Option("--postgres", help="Not on SQLite.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Fuzz and print the counts; exit code 1 if any that must be 0 is not."""
    report(fuzz(examples, on_postgres), FAULTS, as_json=as_json)


def fuzz(examples: int, on_postgres: bool = False) -> dict[str, Any]:
    """Counts of a run with so many requests of each kind."""
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder, database = Path(name), f"sqlite:///{name}/features.db"
        if on_postgres:
            database = stack.enter_context(postgres()).url
        engine = stack.enter_context(opened(database))
        token = Tokens(engine).issue("fuzz")
        log = folder / "log"
        with running(database, log) as url:
            run = _Run(url, token, examples)
            schema = schemathesis.openapi.from_url(f"{url}/openapi.json")
            for result in schema.get_all_operations():
                run.operation(result.ok())
            run.close()
        return {**run.counts(), "logged": log.stat().st_size}


class _Run:
    """Requests to one collector, and what came of them."""

    def __init__(self, url: str, token: str, examples: int) -> None:
        self._sender, self._examples = Sender(url, token), examples
        self._headers = {"Authorization": f"Bearer {token}"}
        self._statuses: Counter[int] = Counter()
        self._undocumented = 0

    def operation(self, operation: Any) -> None:
        """Send requests that fit an operation, and requests that break it."""
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            if operation.label == _NO_INPUT and mode is GenerationMode.NEGATIVE:
                continue
            cases = operation.as_strategy(generation_mode=mode)
            self._each(cases, self._call)
            if operation.label == _PUT:
                self._each(cases, self._put_addressed)
                self._each(cases, self._put_mixed)

    def close(self) -> None:
        """Close its connection."""
        self._sender.close()

    def counts(self) -> dict[str, Any]:
        statuses = {str(status): count for status, count in sorted(self._statuses.items())}
        errors = sum(count for status, count in self._statuses.items() if status >= 500)
        return {
            "requests": self._statuses.total(),
            "statuses": statuses,
            "server_errors": errors,
            "undocumented": self._undocumented,
        }

    def _each(self, cases: Any, act: Callable[[Any], None]) -> None:
        run = hypothesis.settings(
            max_examples=self._examples, deadline=None, database=None,
            suppress_health_check=list(hypothesis.HealthCheck),
        )  # fmt: skip
        run(hypothesis.given(case=cases)(lambda case: act(case)))()

    def _call(self, case: Any) -> None:
        response = case.call(headers=self._headers)
        self._note(response.status_code, case.operation)

    def _put_addressed(self, case: Any) -> None:
        self._put(case, case.body)

    def _put_mixed(self, case: Any) -> None:
        """A valid batch, of which keys in the case's body are replaced in turn."""
        body = case.body if isinstance(case.body, dict) else {"features": case.body}
        for key in body:
            self._put(case, {**document(records=4), key: body[key]})

    def _put(self, case: Any, body: object) -> None:
        data = json.dumps(body, default=repr).encode("utf-8", "surrogatepass")
        batch = (batch_id(data), data)
        # The collector closes a connection that was idle for 5 s, which may cross with a request.
        status = self._sender.put(batch) or self._sender.put(batch)
        self._note(status, case.operation)

    def _note(self, status: int, operation: Any) -> None:
        self._statuses[status] += 1
        # A method that a path does not have is in no OpenAPI document.
        described = {*operation.definition.raw["responses"], "405", "404"}
        self._undocumented += str(status) not in described


if __name__ == "__main__":
    typer.run(main)
