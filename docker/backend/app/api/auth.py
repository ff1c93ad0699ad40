"""Registration and sessions: the functions of schema auth."""

from typing import Any

from fastapi import APIRouter, Depends
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.auth_api import call
from app.core.database import get_auth_db
from app.core.identity import Client, client_of
from app.schemas.accounts import (
    Credentials,
    LoggedOut,
    Logout,
    Refresh,
    Registered,
    Registration,
    SecondFactor,
    Tokens,
)

router = APIRouter(prefix="/auth", tags=["auth"])


@router.post("/register", response_model=Registered, status_code=201)
async def register(body: Registration, db: AsyncSession = Depends(get_auth_db)) -> Any:
    """Make an account."""
    return await call(
        db,
        "register_user",
        email=body.email,
        password=body.password.get_secret_value(),
        display_name=body.display_name,
    )


@router.post("/login", response_model=Tokens)
async def login(
    body: Credentials,
    db: AsyncSession = Depends(get_auth_db),
    client: Client = Depends(client_of),
) -> Any:
    """Open a session; with a second factor the answer is 401 with a challenge."""
    return await call(
        db,
        "login",
        email=body.email,
        password=body.password.get_secret_value(),
        ip=client.ip,
        user_agent=client.user_agent,
    )


@router.post("/login/totp", response_model=Tokens)
async def login_totp(
    body: SecondFactor,
    db: AsyncSession = Depends(get_auth_db),
    client: Client = Depends(client_of),
) -> Any:
    """The second step of a login."""
    return await call(
        db,
        "login_totp",
        challenge=body.challenge.get_secret_value(),
        code=body.code.get_secret_value(),
        ip=client.ip,
        user_agent=client.user_agent,
    )


@router.post("/refresh", response_model=Tokens)
async def refresh(
    body: Refresh,
    db: AsyncSession = Depends(get_auth_db),
    client: Client = Depends(client_of),
) -> Any:
    """Exchange a refresh token for new tokens."""
    return await call(
        db,
        "refresh",
        refresh_token=body.refresh_token.get_secret_value(),
        ip=client.ip,
        user_agent=client.user_agent,
    )


@router.post("/logout", response_model=LoggedOut)
async def logout(body: Logout, db: AsyncSession = Depends(get_auth_db)) -> Any:
    """End sessions."""
    return await call(
        db,
        "logout",
        refresh_token=body.refresh_token.get_secret_value(),
        scope=body.scope,
    )
