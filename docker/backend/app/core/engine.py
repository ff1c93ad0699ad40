"""Engines that work with and without PgBouncer, and log no secret."""

import logging
from typing import Any, Dict

import asyncpg
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from app.core.config import Database

CONNECT_TIMEOUT = 30


class UnnamedStatements(asyncpg.Connection):
    """A connection for PgBouncer in transaction mode without max_prepared_statements.

    A statement's name would outlive the transaction on a server connection that the
    next client gets.  SQLAlchemy 1.4 has asyncpg name every statement, so the name is
    taken away here, where it is made.
    """

    def _get_unique_id(self, prefix: str) -> str:
        return "" if prefix == "stmt" else super()._get_unique_id(prefix)

    def _maybe_gc_stmt(self, stmt: Any) -> None:
        # closing the last unnamed statement would close the one that has replaced it
        if stmt.name:
            super()._maybe_gc_stmt(stmt)

    async def set_type_codec(self, *args: Any, **kwargs: Any) -> None:
        """Parse and execute are two messages: in a transaction they reach one server."""
        async with self.transaction():
            await super().set_type_codec(*args, **kwargs)


def connect_args(prepared_statements: bool) -> Dict[str, Any]:
    """Arguments of asyncpg.connect() and of SQLAlchemy's adapter for it."""
    arguments: Dict[str, Any] = {"timeout": CONNECT_TIMEOUT}
    if not prepared_statements:
        arguments.update(
            connection_class=UnnamedStatements,
            statement_cache_size=0,
            prepared_statement_cache_size=0,
        )
    return arguments


def make_engine(database: Database) -> AsyncEngine:
    """Parameters are passwords and tokens here, so errors and logs do without them."""
    return create_async_engine(
        database.url,
        pool_size=database.pool_size,
        max_overflow=database.max_overflow,
        pool_timeout=database.pool_timeout,
        pool_pre_ping=True,
        hide_parameters=True,
        connect_args=connect_args(database.prepared_statements),
    )


def _is_no_row(record: logging.LogRecord) -> bool:
    return not str(record.msg).startswith("Row ")


# hide_parameters does not cover what comes back, which echo="debug" prints: a
# row of login() is a pair of tokens
logging.getLogger("sqlalchemy.engine.Engine").addFilter(_is_no_row)
