"""What refusals and errors of the databases are in HTTP."""

import logging
from typing import Dict, Optional

import asyncpg
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

log = logging.getLogger("uvicorn.error")

REFUSALS = {
    "invalid_credentials": 401,
    "mfa_required": 401,
    "expired": 401,
    "revoked": 401,
    "reuse_detected": 401,
    "not_permitted": 403,
    "not_found": 404,
    "email_taken": 409,
    "weak_password": 422,
    "invalid_email": 422,
    "invalid_argument": 422,
    "throttled": 429,
    "busy": 503,
}

# by SQLSTATE, or by its class
ERRORS = {
    "28000": (401, "token is not valid"),
    "42501": (403, "not_permitted"),
    "23505": (409, "already exists"),
    "22": (422, "invalid value"),
    "23": (422, "invalid value"),
    "40": (503, "busy"),
    "53": (503, "busy"),
    "08": (503, "database is not available"),
    "57": (503, "database is not available"),
}

RETRY_AFTER = 1


class Refused(Exception):
    """A status other than ok."""

    def __init__(
        self, status: str, retry_after: Optional[int] = None, challenge: Optional[str] = None
    ) -> None:
        super().__init__(status)
        self.status = status
        self.retry_after = RETRY_AFTER if status == "busy" else retry_after
        self.challenge = challenge


class Unavailable(Exception):
    """A database that cannot do its part now, through no fault of the caller."""


def sqlstate(error: DBAPIError) -> str:
    """SQLSTATE of an error of the server, else an empty text."""
    return getattr(error.orig, "sqlstate", None) or ""


def answer(code: int, detail: str, retry_after: Optional[int] = None, **more: str) -> JSONResponse:
    """A refusal as JSON, with the headers that go with its code."""
    headers: Dict[str, str] = {}
    if code == 401:
        headers["WWW-Authenticate"] = "Bearer"
    if retry_after is not None:
        headers["Retry-After"] = str(retry_after)
    return JSONResponse({"detail": detail, **more}, status_code=code, headers=headers)


async def on_refusal(_: Request, refusal: Refused) -> JSONResponse:
    """A status of an API function."""
    more = {"challenge": refusal.challenge} if refusal.challenge else {}
    return answer(REFUSALS.get(refusal.status, 500), refusal.status, refusal.retry_after, **more)


async def on_database_error(request: Request, error: DBAPIError) -> JSONResponse:
    """An error of the server; its text stays out of answer and log, as it can quote values."""
    state = sqlstate(error)
    # without a statement it is the backend's own login that was refused
    if error.statement is None or error.connection_invalidated:
        return await on_unavailable(request, error)
    code, detail = ERRORS.get(state) or ERRORS.get(state[:2]) or (500, "internal error")
    if code >= 500:
        log.error("%s %s: SQLSTATE %s", request.method, request.url.path, state or "unknown")
    return answer(code, detail, RETRY_AFTER if code == 503 else None)


async def on_full_pool(request: Request, _: PoolTimeout) -> JSONResponse:
    """All connections are at work."""
    log.error("%s %s: no connection of the pool became free", request.method, request.url.path)
    return answer(503, "busy", RETRY_AFTER)


async def on_unavailable(request: Request, error: Exception) -> JSONResponse:
    """No connection: the server is away, or refuses the backend."""
    log.error("%s %s: %s", request.method, request.url.path, type(error).__name__)
    return answer(503, "database is not available", RETRY_AFTER)


async def on_invalid_request(_: Request, error: RequestValidationError) -> JSONResponse:
    """Which fields are wrong, without what was in them."""
    fields = [{key: item[key] for key in ("loc", "msg", "type")} for item in error.errors()]
    return JSONResponse({"detail": fields}, status_code=422)


def install(app: FastAPI) -> None:
    """Register all handlers."""
    app.add_exception_handler(Refused, on_refusal)
    app.add_exception_handler(DBAPIError, on_database_error)
    app.add_exception_handler(RequestValidationError, on_invalid_request)
    app.add_exception_handler(PoolTimeout, on_full_pool)
    for error in (Unavailable, asyncpg.PostgresError, OSError):
        app.add_exception_handler(error, on_unavailable)
