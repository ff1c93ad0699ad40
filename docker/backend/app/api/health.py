"""Whether both databases can do their part."""

import asyncio
import logging
from typing import Any, Dict

import asyncpg
from fastapi import APIRouter, Response
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from app.core.database import app_engine, auth_engine

router = APIRouter(tags=["health"])
log = logging.getLogger("uvicorn.error")

TIMEOUT = 5
KEYS = "jsonb_array_length(dualdb.jwks() -> 'keys') > 0"
# what the routes need: a connection, the rights, and keys to verify tokens with
AUTH = text(f"SELECT CASE WHEN {KEYS} THEN 'ok' ELSE 'no signing keys' END")
APP = text(
    f"""
    SELECT CASE
        WHEN NOT pg_has_role('dualdb_app_user', 'MEMBER') THEN 'login is not in dualdb_app_user'
        WHEN NOT {KEYS} THEN 'no keys synced yet'
        ELSE 'ok' END
    """
)


async def ask(engine: AsyncEngine, question: Any) -> str:
    """What the database answers."""
    async with engine.connect() as connection:
        return await connection.scalar(question)


async def check(name: str, engine: AsyncEngine, question: Any) -> str:
    """The state of one database; why it fails is in the log, by the kind of error alone."""
    try:
        return await asyncio.wait_for(ask(engine, question), TIMEOUT)
    except (SQLAlchemyError, asyncpg.PostgresError, OSError, asyncio.TimeoutError) as error:
        log.error("health of %s: %s", name, type(getattr(error, "orig", None) or error).__name__)
        return "failed"


@router.get("/health")
async def health(response: Response) -> Dict[str, str]:
    """200 when both work, else 503."""
    auth, app = await asyncio.gather(
        check("auth", auth_engine, AUTH), check("app", app_engine, APP)
    )
    status = "ok" if auth == app == "ok" else "failed"
    if status != "ok":
        response.status_code = 503
    return {"status": status, "auth": auth, "app": app}
