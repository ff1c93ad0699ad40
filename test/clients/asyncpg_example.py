"""dualdb with asyncpg: python3 asyncpg_example.py ann@example.com"""

import asyncio
import getpass
import os
import sys

import asyncpg


async def log_in(auth, email, password):
    return await auth.fetchrow(
        "SELECT status, access_token, refresh_token FROM auth.login($1, $2)", email, password)


async def refresh(auth, refresh_token):
    return await auth.fetchrow(
        "SELECT status, access_token, refresh_token FROM auth.refresh($1)", refresh_token)


async def add_project(app, token, name):
    async with app.transaction():
        user_id = await app.fetchval("SELECT dualdb.authenticate($1)", token)
        await app.execute("INSERT INTO app.projects (user_id, name) VALUES ($1, $2)", user_id, name)
        return user_id


async def projects(app, token):
    async with app.transaction():
        await app.execute("SELECT dualdb.authenticate($1)", token)
        rows = await app.fetch("SELECT p.name FROM app.projects p ORDER BY p.name")
        return [row["name"] for row in rows]


async def main(email, password):
    auth = await asyncpg.connect(os.environ["AUTH_DATABASE_URL"])
    row = await auth.fetchrow(
        "SELECT status, user_id FROM auth.register_user($1, $2)", email, password)
    print("registered:", row["status"], row["user_id"])
    print("wrong password:", (await log_in(auth, email, "not the password"))["status"])
    session = await log_in(auth, email, password)
    print("logged in:", session["status"])
    session = await refresh(auth, session["refresh_token"])
    print("refreshed:", session["status"])
    await auth.close()

    app = await asyncpg.connect(os.environ["APP_DATABASE_URL"])
    print("authenticated:", await add_project(app, session["access_token"], "First project"))
    for name in await projects(app, session["access_token"]):
        print("project:", name)
    async with app.transaction():
        row = await app.fetchrow("SELECT dualdb.user_id() AS id, count(*) FROM app.projects")
        print(f"afterwards: {row['id'] or 'nobody'}, {row['count']}")
    try:
        await projects(app, "not a token")
    except asyncpg.InvalidAuthorizationSpecificationError as error:
        print("wrong token:", error.sqlstate)
    await app.close()


if __name__ == "__main__":
    asyncio.run(main(
        sys.argv[1], getpass.getpass() if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")))
