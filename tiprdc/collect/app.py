"""The collector's HTTP interface.

PUT  /v1/batches/{sha256}   a batch of features; the answer means that it is on the disk
POST /v1/deletions          delete all features of a contributor
GET  /v1/release            the version whose features are taken
GET  /metrics               for Prometheus
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, Path, Request, Response
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from limits import RateLimitItem
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter
from starlette.concurrency import run_in_threadpool
from starlette.middleware.cors import CORSMiddleware

from tiprdc import __version__
from tiprdc.collect.answers import Deleted, Receipt, Refusal, ReleaseInfo, add_handlers
from tiprdc.collect.batch_check import check_batch, parse
from tiprdc.collect.body_limit import BodyLimit, NoTraceback
from tiprdc.collect.metrics import CONTENT_TYPE, CollectorMetrics
from tiprdc.collect.refusals import Refused
from tiprdc.collect.store import Outcome, Store
from tiprdc.collect.tokens import Tokens
from tiprdc.formats.feature_batch import (
    AcceptedRelease,
    Deletion,
    FeatureBatch,
    json_schema,
    public_name,
)

BODY_SECONDS = 60.0
_JSON = "application/json"


@dataclass(frozen=True, kw_only=True)
class Collector:
    """What the interface works with.

    Args:
        release: The version that is accepted.
        store: Where batches go.
        tokens: Of devices.
        rate: Requests of one token in a time.
        blocked_reason: Gives why the version is not accepted any more, or "".
        origins: Of pages in browsers that may send.
        metrics: What is counted.
    """

    release: AcceptedRelease
    store: Store
    tokens: Tokens
    rate: RateLimitItem
    blocked_reason: Callable[[], str] = str
    origins: tuple[str, ...] = ()
    metrics: CollectorMetrics = field(default_factory=CollectorMetrics)
    limiter: MovingWindowRateLimiter = field(
        default_factory=lambda: MovingWindowRateLimiter(MemoryStorage())
    )


_router = APIRouter()
_bearer = HTTPBearer(auto_error=False, description="A token of `tiprdc collect token`.")


def _refusals(*codes: int) -> dict[int | str, dict[str, Any]]:
    return {code: {"model": Refusal} for code in codes}


def _body_of(model: Any) -> dict[str, Any]:
    """The part of OpenAPI about a body that FastAPI does not parse."""
    content = {_JSON: {"schema": json_schema(model)}}
    return {"requestBody": {"required": True, "content": content}}


def _collector(request: Request) -> Collector:
    collector: Collector = request.app.state.collector
    return collector


Served = Annotated[Collector, Depends(_collector)]


def _check_token(
    collector: Served,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
) -> None:
    token = collector.tokens.id_of(credentials.credentials) if credentials else None
    if token is None:
        headers = {"WWW-Authenticate": "Bearer"}
        raise Refused(401, "token", "no token that this collector knows", headers)
    if not collector.limiter.hit(collector.rate, token):
        window = collector.limiter.get_window_stats(collector.rate, token)
        seconds = max(1, math.ceil(window.reset_time - time.time()))
        detail = f"more than {collector.rate} of one token"
        raise Refused(429, "rate", detail, {"Retry-After": str(seconds)})


@_router.put(
    "/v1/batches/{batch_id}",
    status_code=201,
    response_model=Receipt,
    dependencies=[Depends(_check_token)],
    openapi_extra=_body_of(FeatureBatch),
    responses={
        200: {"model": Receipt, "description": "The batch was there already"},
        **_refusals(400, 401, 403, 408, 409, 410, 413, 415, 422, 429, 500, 503),
    },
)
async def put_batch(
    request: Request,
    response: Response,
    collector: Served,
    batch_id: Annotated[str, Path(pattern="^[0-9a-f]{64}$", min_length=64, max_length=64)],
) -> Receipt:
    """Store a batch whose id is the sha256 of its bytes; the same batch is stored once."""
    with collector.metrics.seconds.time():
        reason = collector.blocked_reason()
        if reason:
            raise Refused(403, "blocked", f"{collector.release.name} {reason}")
        body = await _read(request, collector)
        batch, outcome = await run_in_threadpool(_store, collector, batch_id, body)
    if outcome is Outcome.DELETED:
        raise Refused(410, "deleted", "this contributor's features were deleted on request")
    collector.metrics.batches.labels(outcome.value).inc()
    if outcome is Outcome.STORED:
        collector.metrics.records.inc(len(batch.ids))
    else:
        response.status_code = 200
    return Receipt(batch=batch_id, records=len(batch.ids))


@_router.post(
    "/v1/deletions",
    response_model=Deleted,
    dependencies=[Depends(_check_token)],
    openapi_extra=_body_of(Deletion),
    responses=_refusals(401, 408, 413, 415, 422, 429, 500, 503),
)
async def post_deletion(request: Request, collector: Served) -> Deleted:
    """Delete all features of a contributor, and take none of it from now on."""
    body = await _read(request, collector)
    contributor = parse(body, Deletion).contributor
    batches = await run_in_threadpool(collector.store.delete, public_name(contributor))
    collector.metrics.deletions.inc()
    return Deleted(batches=batches)


@_router.get("/v1/release", response_model=ReleaseInfo)
def get_release(collector: Served) -> ReleaseInfo:
    """The version whose features are taken."""
    release = collector.release
    return ReleaseInfo(
        artifact=release.artifact,
        version=release.version,
        model_sha256=release.model_sha256,
        shape=list(release.features),
        codes=release.output.codes,
        most_bytes=release.most_body,
        blocked=collector.blocked_reason(),
    )


@_router.get("/metrics", include_in_schema=False)
def get_metrics(collector: Served) -> Response:
    """Metrics for Prometheus."""
    collector.metrics.blocked.set(bool(collector.blocked_reason()))
    return Response(collector.metrics.text(), media_type=CONTENT_TYPE)


def _store(collector: Collector, batch_id: str, body: bytes) -> tuple[FeatureBatch, Outcome]:
    batch = check_batch(body, batch_id, collector.release)
    return batch, collector.store.add(batch_id, batch)


async def _read(request: Request, collector: Collector) -> bytes:
    """The body, whose size `BodyLimit` limits while it arrives."""
    if request.headers.get("content-type", "").split(";")[0].strip().lower() != _JSON:
        raise Refused(415, "type", f"expected Content-Type: {_JSON}")
    if request.headers.get("content-encoding"):
        raise Refused(415, "encoding", "a compressed body is not read")
    length, most = request.headers.get("content-length", ""), collector.release.most_body
    if length.isdecimal() and int(length) > most:
        raise Refused(413, "large", f"a body has at most {most:,} bytes")
    return await request.body()


def make_app(collector: Collector) -> Any:
    """The ASGI application of a collector."""
    app = FastAPI(
        title="TIPRDC collector", version=__version__, docs_url=None, redoc_url=None,
        description="Takes features of one released extractor from devices.",
    )  # fmt: skip
    app.state.collector = collector
    app.include_router(_router)
    if collector.origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=collector.origins,
            allow_methods=["PUT", "POST"],
            allow_headers=["Authorization", "Content-Type"],
            expose_headers=["Retry-After"],
        )
    add_handlers(app, collector.metrics)
    return NoTraceback(BodyLimit(app, collector.release.most_body, BODY_SECONDS))
