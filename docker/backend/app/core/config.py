"""What the environment says about the databases.

Messages name the variable and never its value: a URL may hold a password.
"""

from dataclasses import dataclass
from typing import Mapping, Sequence, Tuple
from urllib.parse import unquote

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

SCHEMES = ("postgresql+asyncpg", "postgresql", "postgres")
BOOLEANS = {"true": True, "on": True, "1": True, "false": False, "off": False, "0": False}


class ConfigurationError(ValueError):
    """A variable is missing, malformed, or contradicts another one."""


@dataclass(frozen=True)
class Database:
    """Where a database is and how many connections it gets."""

    url: URL
    pool_size: int
    max_overflow: int
    pool_timeout: int
    prepared_statements: bool


def read_databases(env: Mapping[str, str]) -> Tuple[Database, Database]:
    """The auth and the app database, which can be one."""
    auth_url, app_url = read_urls(env, "DATABASE")
    both = (
        read_integer(env, ("DB_POOL_TIMEOUT",), 30, 1),
        read_boolean(env, "DB_PREPARED_STATEMENTS", True),
    )
    return (
        Database(auth_url, *read_pool(env, "AUTH", 10), *both),
        Database(app_url, *read_pool(env, "APP", 30), *both),
    )


def read_pool(env: Mapping[str, str], side: str, size: int) -> Tuple[int, int]:
    """Size and overflow of a pool; what is said of one side goes before what is said of both."""
    return (
        read_integer(env, (f"{side}_DB_POOL_SIZE", "DB_POOL_SIZE"), size, 1),
        read_integer(env, (f"{side}_DB_MAX_OVERFLOW", "DB_MAX_OVERFLOW"), 10, 0),
    )


def read_urls(env: Mapping[str, str], kind: str) -> Tuple[URL, URL]:
    """URLs of the auth and the app database; kind is DATABASE or ADMIN."""
    auth, app, single = f"AUTH_{kind}_URL", f"APP_{kind}_URL", f"{kind}_URL"
    given = [name for name in (auth, app) if env.get(name)]
    if len(given) == 1:
        missing = app if given == [auth] else auth
        raise ConfigurationError(
            f"{given[0]} is set, but {missing} is not;"
            f" set both, or {single} alone for one database"
        )
    if not given and not env.get(single):
        raise ConfigurationError(f"{auth} and {app} are not set, nor {single} for one database")
    check_password_files(env, kind)
    return read_url(env, auth if given else single), read_url(env, app if given else single)


def check_password_files(env: Mapping[str, str], kind: str) -> None:
    """A password without its URL is a typing error that would show as a refused login."""
    for side in ("AUTH_", "APP_", ""):
        if env.get(f"{side}{kind}_PASSWORD_FILE") and not env.get(f"{side}{kind}_URL"):
            raise ConfigurationError(
                f"{side}{kind}_PASSWORD_FILE is set, but {side}{kind}_URL is not"
            )


def read_url(env: Mapping[str, str], variable: str) -> URL:
    """A URL for asyncpg, with the password of its file if there is one."""
    try:
        url = make_url(env[variable])
    except (ArgumentError, ValueError):
        raise ConfigurationError(
            f"{variable} is not of the form postgresql://user@host:5432/database"
        ) from None
    if url.drivername not in SCHEMES:
        raise ConfigurationError(f"{variable} must begin with one of {', '.join(SCHEMES)}")
    if not url.database:
        raise ConfigurationError(f"{variable} names no database")
    url = for_asyncpg(variable, url)
    file_variable = variable[: -len("URL")] + "PASSWORD_FILE"
    if not env.get(file_variable):
        return url
    if url.password:
        raise ConfigurationError(f"{file_variable} is set, but {variable} has a password")
    return url.set(password=read_password(file_variable, env[file_variable]))


def for_asyncpg(variable: str, url: URL) -> URL:
    """The same place in the words of asyncpg, whose ssl is libpq's sslmode."""
    query = dict(url.query)
    if "sslmode" in query:
        query["ssl"] = query.pop("sslmode")
    # the folder of a Unix socket, in the two ways that libpq knows
    host = query.pop("host", None) or unquote(url.host or "") or None
    port = query.pop("port", None) or url.port
    if not isinstance(host, (str, type(None))) or not str(port or 0).isdigit():
        raise ConfigurationError(f"{variable} must name one host and one port")
    return url.set(drivername=SCHEMES[0], host=host, port=int(port) if port else None, query=query)


def read_password(variable: str, path: str) -> str:
    """The first line of a file."""
    try:
        with open(path, encoding="utf-8") as file:
            password = file.readline().rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8"
        raise ConfigurationError(f"cannot read the file of {variable}: {reason}") from None
    if not password:
        raise ConfigurationError(f"the file of {variable} is empty")
    return password


def read_integer(
    env: Mapping[str, str], variables: Sequence[str], default: int, minimum: int
) -> int:
    """The first of the variables that is set."""
    for variable in variables:
        if env.get(variable):
            try:
                number = int(env[variable])
            except ValueError:
                number = minimum - 1
            if number < minimum:
                raise ConfigurationError(f"{variable} must be a whole number from {minimum}")
            return number
    return default


def read_boolean(env: Mapping[str, str], variable: str, default: bool) -> bool:
    """True or false, in the usual words."""
    word = env.get(variable, "").lower()
    if word and word not in BOOLEANS:
        raise ConfigurationError(f"{variable} must be true or false")
    return BOOLEANS.get(word, default)


def place(url: URL) -> Tuple[str, int, str]:
    """What tells two databases apart: who logs in does not."""
    return (url.host or "", int(url.port or 5432), url.database or "")
