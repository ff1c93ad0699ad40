"""Calls of the functions of schema auth."""

from typing import Any

from sqlalchemy import DateTime, Text, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY, INET
from sqlalchemy.engine import Row
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.errors import Refused, Unavailable, sqlstate

INSUFFICIENT_PRIVILEGE = "42501"
TYPES = {
    "ip": INET(),
    "scopes": ARRAY(Text()),
    "expires_at": DateTime(timezone=True),
}


async def call(db: AsyncSession, function: str, **arguments: Any) -> Row:
    """One row of a function, or Refused when its status is not ok.

    Committed before the status is looked at: a session of a login counts once it is
    committed, and what a refusal writes must stay, too.
    """
    row = await query(db, f"SELECT * FROM auth.{function}({named(arguments)})", arguments)
    await db.commit()
    if row.status != "ok":
        raise Refused(
            row.status, getattr(row, "retry_after", None), getattr(row, "challenge", None)
        )
    return row


async def query(db: AsyncSession, statement: str, arguments: Any) -> Row:
    """One row of a statement with typed arguments."""
    clause = text(statement).bindparams(
        *(bindparam(name, type_=TYPES.get(name, Text())) for name in arguments)
    )
    try:
        return (await db.execute(clause, arguments)).one()
    except DBAPIError as error:
        # the backend has no rights here, as while the database is being moved: the
        # caller is not to blame
        if sqlstate(error) == INSUFFICIENT_PRIVILEGE:
            raise Unavailable("the login role may not call the auth functions") from None
        raise


def named(arguments: Any) -> str:
    """Arguments by name; the names are this program's own."""
    return ", ".join(f"{name} => :{name}" for name in arguments)
