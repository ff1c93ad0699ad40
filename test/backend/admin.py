"""What an administrator of the databases does for the tests."""

import asyncio
import os
from typing import Any

import asyncpg

URLS = {"auth": os.environ.get("TEST_AUTH_URL", ""), "app": os.environ.get("TEST_APP_URL", "")}
IS_SINGLE = os.environ.get("BACKEND_MODE") == "single"


def url_of(side: str, database: str = "") -> str:
    """A superuser's URL of a side, or of another database of the same server."""
    return URLS[side].rpartition("/")[0] + "/" + database if database else URLS[side]


async def _value(url: str, statement: str, arguments: Any) -> Any:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(statement, *arguments)
    finally:
        await connection.close()


def value(side: str, statement: str, *arguments: Any) -> Any:
    """The first column of the first row."""
    return asyncio.run(_value(url_of(side), statement, arguments))


def value_in(side: str, database: str, statement: str) -> Any:
    """The same in another database."""
    return asyncio.run(_value(url_of(side, database), statement, ()))
