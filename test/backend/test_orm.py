"""Existing code: models, sessions of the login roles, and create_all().

The login has dualdb_auth_orm besides what the routes need.
"""

import asyncio
import uuid

import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.orm import undefer

from app import models
from app.core.database import (
    AppBase,
    AppSessionLocal,
    AuthBase,
    AuthSessionLocal,
    app_engine,
    auth_engine,
    init_db,
)
from app.models import (
    ApiLog,
    DirectoryUser,
    Integration,
    Message,
    ModelTraining,
    Order,
    Permission,
    Product,
    Project,
    Report,
    Role,
    Session,
    User,
)
from client import credentials, login, new_user, post
from waiting import eventually

# the reference implementation's own: "password", salt "somesalt", 2 passes over 64 MiB
ARGON2 = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"


def run(work):
    """Run a coroutine function; pools are the loop's, so they end with it."""

    async def whole():
        try:
            return await work()
        finally:
            await auth_engine.dispose()
            await app_engine.dispose()

    return asyncio.run(whole())


def test_create_all_on_databases_that_are_set_up():
    run(init_db)


@pytest.mark.parametrize("name", [name for name in models.__all__])
def test_every_table_can_be_read(name):
    model = getattr(models, name)
    session_of = AuthSessionLocal if issubclass(model, AuthBase) else AppSessionLocal
    assert issubclass(model, (AuthBase, AppBase))

    async def read():
        async with session_of() as db:
            return (await db.scalars(select(model).limit(1))).all()

    assert len(run(read)) <= 1


def test_a_user_with_a_hash_of_its_own_logs_in():
    email = f"{uuid.uuid4()}@example.com"

    async def add():
        async with AuthSessionLocal() as db:
            user = User(id=str(uuid.uuid4()), email=email, password_hash=ARGON2, is_active=True)
            db.add(user)
            await db.commit()
        async with AuthSessionLocal() as db:
            found = (await db.scalars(select(User).where(User.email == email))).one()
            assert (found.id, found.password_hash) == (user.id, ARGON2)
            return found.id

    user_id = run(add)
    assert post("/auth/login", credentials(email, "passwort")).status_code == 401
    assert login(email, "password")["user_id"] == user_id

    async def deactivate():
        async with AuthSessionLocal() as db:
            user = await db.get(User, user_id)
            # at its first login it has got a hash of this server's parameters
            assert user.password_hash.startswith("$argon2id$") and user.password_hash != ARGON2
            sessions = select(func.count()).select_from(Session).where(Session.user_id == user_id)
            assert await db.scalar(sessions) == 1
            user.is_active = False
            await db.commit()

    run(deactivate)
    assert post("/auth/login", credentials(email, "password")).status_code == 401


def test_addresses_are_unique():
    email = f"{uuid.uuid4()}@example.com"

    async def add(address):
        async with AuthSessionLocal() as db:
            user = User(email=address)
            db.add(user)
            await db.commit()
            assert user.id and user.is_active and user.created_at

    run(lambda: add(email))
    with pytest.raises(IntegrityError):
        run(lambda: add(email.upper()))


def test_roles_and_permissions():
    async def grant():
        async with AuthSessionLocal() as db:
            read = Permission(name=f"{uuid.uuid4()}:read")
            role = Role(name=f"role {uuid.uuid4()}", permissions=[read])
            user = User(email=f"{uuid.uuid4()}@example.com", roles=[role])
            db.add(user)
            await db.commit()
            may = select(func.auth.has_permission(user.id, read.name))
            return await db.scalar(may)

    assert run(grant) is True


def test_rows_of_every_kind():
    user = new_user(f"{uuid.uuid4()}@example.com", display_name="Rows")["user_id"]

    async def add():
        async with AppSessionLocal() as db:
            project = Project(id=str(uuid.uuid4()), user_id=user, name="Existing code's")
            db.add(project)
            await db.flush()
            mine = {"project_id": project.id, "user_id": user}
            db.add_all(
                [
                    Order(**mine, total=3),
                    Message(**mine, body="text"),
                    Integration(project_id=project.id, kind="mail", name="Mail", config={"a": 1}),
                    Product(project_id=project.id, name="Widget"),
                    Report(**mine, title="Report"),
                    ModelTraining(**mine, model="m", parameters={"epochs": 3}),
                    ApiLog(**mine, method="GET", path="/"),
                ]
            )
            await db.commit()
            return project.id

    project_id = run(add)

    async def directory():
        async with AppSessionLocal() as db:
            statement = (
                select(Order, DirectoryUser)
                .join(DirectoryUser, DirectoryUser.id == Order.user_id)
                .where(Order.project_id == project_id)
                .options(undefer(DirectoryUser.email))
            )
            return (await db.execute(statement)).all()

    assert eventually(lambda: len(run(directory)) == 1)
    order, owner = run(directory)[0]
    assert (order.status, order.currency, owner.display_name) == ("new", "EUR", "Rows")
    assert owner.email.endswith("@example.com")


def test_the_directory_is_not_written():
    async def write():
        async with AppSessionLocal() as db:
            db.add(DirectoryUser(id="x", is_active=True))
            await db.commit()

    with pytest.raises(DBAPIError):
        run(write)
