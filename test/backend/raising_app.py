"""The application with routes that fail after their work, and with every log turned on."""

import logging
from typing import Any

from fastapi import Depends
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.auth_api import call, query
from app.core.database import app_engine, auth_engine, get_auth_db, init_db
from app.core.identity import get_user_db
from app.main import app
from app.models import Project
from app.schemas.accounts import Credentials

logging.basicConfig(level=logging.DEBUG)
for engine in (auth_engine, app_engine):
    engine.sync_engine.echo = "debug"

# as existing code does it
app.router.on_startup.append(init_db)


@app.post("/test/login-and-raise")
async def login_and_raise(body: Credentials, db: AsyncSession = Depends(get_auth_db)) -> Any:
    """A login whose transaction is rolled back, whatever came of it."""
    row = await query(
        db,
        "SELECT * FROM auth.login(email => :email, password => :password)",
        {"email": body.email, "password": body.password.get_secret_value()},
    )
    app.state.last_login = {"status": row.status, "refresh_token": row.refresh_token}
    raise RuntimeError(f"after a login that was {row.status}")


@app.post("/test/call-and-raise")
async def call_and_raise(body: Credentials, db: AsyncSession = Depends(get_auth_db)) -> Any:
    """A login as the application's route does it, whose answer is lost."""
    row = await call(db, "login", email=body.email, password=body.password.get_secret_value())
    app.state.last_login = {"status": row.status, "refresh_token": row.refresh_token}
    raise RuntimeError("after a login that is kept")


@app.get("/test/last-login")
async def last_login() -> Any:
    """What the routes above have got."""
    return app.state.last_login


@app.get("/test/after-a-savepoint")
async def after_a_savepoint(db: AsyncSession = Depends(get_user_db)) -> Any:
    """How many projects the caller sees around a savepoint, and after a commit."""
    seen = []

    async def look() -> None:
        seen.append(await db.scalar(select(func.count()).select_from(Project)))

    await look()
    savepoint = await db.begin_nested()
    await look()
    await savepoint.rollback()
    await look()
    await db.commit()
    await look()
    return seen
