"""Alembic's side of both databases: what it compares, and the first revision."""

import asyncio
import os
import warnings
from typing import Any, Mapping, Optional

from sqlalchemy import String, text
from sqlalchemy.engine import URL, Connection
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from app import models  # noqa: F401
from app.core.base import AppBase, AuthBase
from app.core.config import ConfigurationError, place, read_urls


def admin_urls(env: Mapping[str, str]) -> Mapping[str, URL]:
    """URLs of an administrator, or where there are none the application's own."""
    names = ("AUTH_ADMIN_URL", "APP_ADMIN_URL", "ADMIN_URL")
    kind = "ADMIN" if any(env.get(name) for name in names) else "DATABASE"
    return dict(zip(("auth", "app"), read_urls(env, kind)))


def run(context: Any, side: str) -> None:
    """Migrate or compare one of the databases; called by env.py."""
    if context.is_offline_mode():
        raise SystemExit("without a database see SELECT dualdb.setup_script('auth') and ('app')")
    try:
        url = admin_urls(os.environ)[side]
    except ConfigurationError as error:
        raise SystemExit(f"configuration: {error}") from None
    base = AuthBase if side == "auth" else AppBase
    asyncio.run(_run(context, side, url, base.metadata))


async def _run(context: Any, side: str, url: URL, metadata: Any) -> None:
    engine = create_async_engine(url, poolclass=NullPool, hide_parameters=True)
    async with engine.connect() as connection:
        await connection.run_sync(_migrate, context, side, metadata)
        await connection.commit()
    await engine.dispose()


def _migrate(connection: Connection, context: Any, side: str, metadata: Any) -> None:
    # types of columns that no model has
    warnings.filterwarnings("ignore", "Did not recognize type")
    # comments are the setup functions' to write
    connection.dialect.supports_comments = False
    context.configure(
        connection=connection,
        target_metadata=metadata,
        # one database has both
        version_table=f"alembic_version_{side}",
        include_schemas=True,
        include_name=lambda name, kind, parents: kind != "schema" or name == side,
        include_object=include_object,
        compare_type=compare_type,
    )
    with context.begin_transaction():
        context.run_migrations()


def include_object(item: Any, name: str, kind: str, reflected: bool, other: Any) -> bool:
    """What is compared: what a model declares.

    What is in the database alone is dualdb's or somebody else's, and never proposed to
    be dropped.  That an address is unique follows from its normalised form's being so,
    and the directory is a view in one database.
    """
    if reflected and other is None:
        return False
    if kind == "unique_constraint" and item.table.fullname == "auth.users":
        return [column.name for column in item.columns] != ["email"]
    return not (kind == "table" and item.fullname == "app.users")


def compare_type(
    _context: Any, _inspected: Any, _declared: Any, inspected: Any, declared: Any
) -> Optional[bool]:
    """False: the same; None: Alembic decides.  String without a length is text."""
    if isinstance(inspected, String) and isinstance(declared, String):
        return inspected.length != declared.length
    return None


def set_up(connection: Connection, side: str) -> None:
    """The first revision: whatever is there already stays, so it can be run at any time."""
    urls = admin_urls(os.environ)
    connection.execute(text("CREATE EXTENSION IF NOT EXISTS dualdb"))
    if place(urls["auth"]) == place(urls["app"]):
        connection.execute(text("SELECT dualdb.setup_single()"))
    elif side == "auth":
        connection.execute(text("SELECT dualdb.setup_auth()"))
    else:
        connection.execute(
            text("SELECT dualdb.setup_app(:name, :host, CAST(:port AS integer))"),
            bridge_to(connection, urls),
        )


def bridge_to(connection: Connection, urls: Mapping[str, URL]) -> Mapping[str, Any]:
    """Where the bridge is to lead; one that is there stays as it is.

    On one server it is that server's own socket.
    """
    there = connection.scalar(
        text("SELECT EXISTS (SELECT FROM pg_foreign_server s WHERE s.srvname = 'dualdb_auth')")
    )
    if there:
        return {"name": None, "host": None, "port": None}
    host, port, name = place(urls["auth"])
    if (host, port) == place(urls["app"])[:2]:
        return {"name": name, "host": None, "port": None}
    return {"name": name, "host": host, "port": port}
