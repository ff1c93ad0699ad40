"""The two databases, under the names that applications import."""

import os
from typing import AsyncIterator

from sqlalchemy import MetaData
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession
from sqlalchemy.orm import sessionmaker

from app.core.base import AppBase, AuthBase
from app.core.config import ConfigurationError, read_databases
from app.core.engine import make_engine
from app.core.errors import sqlstate

__all__ = [
    "AppBase",
    "AppSessionLocal",
    "AuthBase",
    "AuthSessionLocal",
    "app_engine",
    "auth_engine",
    "get_app_db",
    "get_auth_db",
    "init_db",
]

INVALID_SCHEMA_NAME = "3F000"

try:
    _auth, _app = read_databases(os.environ)
except ConfigurationError as error:
    raise SystemExit(f"configuration: {error}") from None

auth_engine = make_engine(_auth)
app_engine = make_engine(_app)

AuthSessionLocal = sessionmaker(auth_engine, class_=AsyncSession, expire_on_commit=False)
AppSessionLocal = sessionmaker(app_engine, class_=AsyncSession, expire_on_commit=False)


async def get_auth_db() -> AsyncIterator[AsyncSession]:
    """A session in the auth database for one request."""
    async with AuthSessionLocal() as session:
        yield session
        await session.commit()


async def get_app_db() -> AsyncIterator[AsyncSession]:
    """A session in the app database for one request, with the rights of the login role.

    For one with the rights of the request's user see app.core.identity.get_user_db().
    """
    async with AppSessionLocal() as session:
        yield session
        await session.commit()


async def init_db() -> None:
    """create_all() in both databases: what is there is left alone.

    The tables of dualdb are made by its setup functions, that is by Alembic's first
    revision, as an administrator; a backend's role cannot and need not make them.
    """
    # here, because models import this module
    from app import models  # noqa: F401

    await _create_all(auth_engine, AuthBase.metadata)
    await _create_all(app_engine, AppBase.metadata)


async def _create_all(engine: AsyncEngine, metadata: MetaData) -> None:
    try:
        async with engine.begin() as connection:
            await connection.run_sync(metadata.create_all)
    except ProgrammingError as error:
        if sqlstate(error) != INVALID_SCHEMA_NAME:
            raise
        raise RuntimeError(
            f"database {engine.url.database} has no schema {metadata.schema};"
            f" run: alembic -n {metadata.schema} upgrade head"
        ) from None
