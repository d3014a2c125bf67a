"""Answers of the collector in JSON: what succeeded, and what every kind of failure looks like."""

from __future__ import annotations

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException

from tiprdc.collect.metrics import CollectorMetrics
from tiprdc.collect.refusals import Refused

_RETRY_SECONDS = 5


class Refusal(BaseModel):
    """Why a request was refused."""

    detail: str


class Receipt(BaseModel):
    """A batch that is on the disk."""

    batch: str
    records: int


class Deleted(BaseModel):
    """How many batches were deleted."""

    batches: int


class ReleaseInfo(BaseModel):
    """The version whose features are taken; `blocked` says why none are."""

    artifact: str
    version: str
    model_sha256: str
    shape: list[int]
    codes: int
    most_bytes: int
    blocked: str


def add_handlers(app: FastAPI, metrics: CollectorMetrics) -> None:
    """Answer every failure with a sentence that quotes nothing of the request, and count it."""

    async def refuse(_: Request, error: Exception) -> Response:
        assert isinstance(error, Refused)
        return _refusal(metrics, error)

    async def refuse_id(_: Request, __: Exception) -> Response:
        detail = "a batch's id is a sha256, 64 hex digits"
        return _refusal(metrics, Refused(422, "id", detail))

    async def refuse_route(_: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return _refusal(
            metrics, Refused(error.status_code, "route", error.detail, error.headers or {})
        )

    async def refuse_now(_: Request, __: Exception) -> Response:
        headers = {"Retry-After": str(_RETRY_SECONDS)}
        return _refusal(metrics, Refused(503, "database", "the database does not answer", headers))

    async def fail(_: Request, __: Exception) -> Response:
        return _refusal(metrics, Refused(500, "fault", "an internal error"))

    app.add_exception_handler(Refused, refuse)
    app.add_exception_handler(RequestValidationError, refuse_id)
    app.add_exception_handler(HTTPException, refuse_route)
    app.add_exception_handler(SQLAlchemyError, refuse_now)
    app.add_exception_handler(Exception, fail)


def _refusal(metrics: CollectorMetrics, refused: Refused) -> Response:
    metrics.refused.labels(refused.reason).inc()
    return JSONResponse({"detail": refused.detail}, refused.status, refused.headers)
