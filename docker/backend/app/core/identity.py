"""Who a request is from."""

from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, AsyncIterator, Callable, Optional

from fastapi import Depends, Request
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer
from sqlalchemy import event, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session, sessionmaker

from app.core.auth_api import call, query
from app.core.database import app_engine, get_auth_db
from app.core.errors import Refused

bearer_token = HTTPBearer(auto_error=False)
api_key_header = APIKeyHeader(name="X-API-Key", auto_error=False)


@dataclass(frozen=True)
class Client:
    """Where a request comes from, for sessions and the audit log."""

    ip: Optional[str]
    user_agent: Optional[str]


def client_of(request: Request) -> Client:
    """The peer; behind a proxy as uvicorn's --forwarded-allow-ips makes it out."""
    try:
        address = str(ip_address(request.client.host)) if request.client else None
    except ValueError:
        address = None
    return Client(address, request.headers.get("user-agent"))


async def access_token(
    bearer: Optional[HTTPAuthorizationCredentials] = Depends(bearer_token),
    api_key: Optional[str] = Depends(api_key_header),
    client: Client = Depends(client_of),
    auth_db: AsyncSession = Depends(get_auth_db),
) -> str:
    """The request's token; an API key is exchanged for one and goes no further."""
    if bearer:
        return bearer.credentials
    if api_key:
        row = await call(auth_db, "exchange_api_key", api_key=api_key, ip=client.ip)
        return row.access_token
    raise Refused("invalid_credentials")


class UserSession(Session):
    """A session whose every transaction begins as the user of info["token"]."""


# the role, too: that of the login may see all rows
AUTHENTICATE = text(
    "SELECT set_config('role', 'dualdb_app_user', true), dualdb.authenticate(:token)"
)


@event.listens_for(UserSession, "after_begin")
def _authenticate(session: Session, transaction: Any, connection: Any) -> None:
    # an identity that a savepoint has set would end with it
    if not transaction.nested:
        connection.execute(AUTHENTICATE, {"token": session.info["token"]})


UserSessionLocal = sessionmaker(
    app_engine, class_=AsyncSession, sync_session_class=UserSession, expire_on_commit=False
)


async def get_user_db(token: str = Depends(access_token)) -> AsyncIterator[AsyncSession]:
    """A session in the app database that sees the rows of the request's user."""
    async with UserSessionLocal(info={"token": token}) as session:
        # begins, and so refuses a bad token before the route runs
        await session.connection()
        yield session


def user_db(permission: str) -> Callable[..., Any]:
    """get_user_db for a route that an API key needs a permission for; a login needs none."""

    async def permitted(db: AsyncSession = Depends(get_user_db)) -> AsyncSession:
        # only a login says how it was authenticated (RFC 8176)
        allowed = await db.scalar(
            text("SELECT dualdb.claims() -> 'amr' IS NOT NULL OR dualdb.has_permission(:name)"),
            {"name": permission},
        )
        if not allowed:
            raise Refused("not_permitted")
        return db

    return permitted


async def current_user_id(
    token: str = Depends(access_token), auth_db: AsyncSession = Depends(get_auth_db)
) -> str:
    """Who has logged in, as the auth database says, where revocations count at once."""
    row = await query(
        auth_db,
        "SELECT c ->> 'sub' AS user_id, c -> 'amr' IS NOT NULL AS has_logged_in"
        " FROM dualdb.jwt_verify(:token) c",
        {"token": token},
    )
    # an API key must not make another one that outlives it
    if not row.has_logged_in:
        raise Refused("not_permitted")
    return row.user_id
