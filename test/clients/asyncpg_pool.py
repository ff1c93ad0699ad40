"""A pool of asyncpg that serves many users: one line of standard input for each of
their requests, an access token; a line of output, the user and what the user sees."""

import asyncio
import os
import sys

import asyncpg

# 0 for a PgBouncer without prepared statements
STATEMENT_CACHE_SIZE = int(os.environ.get("STATEMENT_CACHE_SIZE", "100"))


async def serve(pool, token):
    async with pool.acquire() as app, app.transaction():
        user_id = await app.fetchval("SELECT dualdb.authenticate($1)", token)
        # prepared once for each connection, whoever the users are
        rows = await app.fetch("SELECT p.name FROM app.projects p ORDER BY p.name")
        return user_id, [row["name"] for row in rows]


async def main(tokens):
    async with asyncpg.create_pool(
            os.environ["APP_DATABASE_URL"], min_size=1, max_size=4,
            statement_cache_size=STATEMENT_CACHE_SIZE) as pool:
        for user_id, names in await asyncio.gather(*(serve(pool, token) for token in tokens)):
            print(user_id, *names)


if __name__ == "__main__":
    asyncio.run(main(sys.stdin.read().split()))
