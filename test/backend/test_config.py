"""What is said about variables that are missing, malformed or contradictory."""

import os
import subprocess
import sys

import pytest

from app.core.config import ConfigurationError, place, read_databases

AUTH = "postgresql+asyncpg://a:planted@auth.example/aisales_auth"
APP = "postgresql://b:planted@app.example:6432/aisales_app"
BOTH = {"AUTH_DATABASE_URL": AUTH, "APP_DATABASE_URL": APP}
ONE = {"DATABASE_URL": "postgres://c@/aisales?host=/run/postgresql&port=5433&sslmode=require"}


def test_two_databases():
    auth, app = read_databases({**BOTH, "DB_MAX_OVERFLOW": "5", "APP_DB_POOL_SIZE": "7"})
    assert place(auth.url) == ("auth.example", 5432, "aisales_auth")
    assert place(app.url) == ("app.example", 6432, "aisales_app")
    assert auth.url.drivername == app.url.drivername == "postgresql+asyncpg"
    assert (auth.pool_size, auth.max_overflow) == (10, 5)
    assert (app.pool_size, app.max_overflow) == (7, 5)
    assert auth.prepared_statements


def test_one_database():
    auth, app = read_databases({**ONE, "DB_POOL_SIZE": "3", "DB_PREPARED_STATEMENTS": "false"})
    assert place(auth.url) == place(app.url) == ("/run/postgresql", 5433, "aisales")
    assert auth.url.query == {"ssl": "require"}
    assert auth.pool_size == app.pool_size == 3
    assert not app.prepared_statements


def test_two_urls_go_before_the_one():
    auth, _ = read_databases({**BOTH, **ONE})
    assert auth.url.database == "aisales_auth"


def test_socket_in_the_place_of_the_host():
    auth, _ = read_databases({"DATABASE_URL": "postgresql://c@%2Frun%2Fpostgresql:5433/aisales"})
    assert place(auth.url) == ("/run/postgresql", 5433, "aisales")


def test_password_files(tmp_path):
    file = tmp_path / "password"
    file.write_text("from the file\n", encoding="utf-8")
    auth, app = read_databases({**ONE, "DATABASE_PASSWORD_FILE": str(file)})
    assert auth.url.password == app.url.password == "from the file"


@pytest.mark.parametrize(
    "env, message",
    [
        ({}, "AUTH_DATABASE_URL and APP_DATABASE_URL are not set, nor DATABASE_URL"),
        ({"AUTH_DATABASE_URL": AUTH}, "AUTH_DATABASE_URL is set, but APP_DATABASE_URL is not"),
        ({"APP_DATABASE_URL": APP}, "APP_DATABASE_URL is set, but AUTH_DATABASE_URL is not"),
        ({"APP_DATABASE_URL": APP, **ONE}, "but AUTH_DATABASE_URL is not"),
        ({**BOTH, "APP_DATABASE_URL": "planted"}, "APP_DATABASE_URL is not of the form"),
        (
            {**BOTH, "APP_DATABASE_URL": APP + "?port=planted"},
            "APP_DATABASE_URL must name one host",
        ),
        ({**BOTH, "AUTH_DATABASE_URL": "mysql://a:planted@h/d"}, "AUTH_DATABASE_URL must begin"),
        ({"DATABASE_URL": "postgresql://c:planted@host"}, "DATABASE_URL names no database"),
        ({**BOTH, "AUTH_DATABASE_PASSWORD_FILE": "/dev/null"}, "but AUTH_DATABASE_URL has a pass"),
        ({**BOTH, "DATABASE_PASSWORD_FILE": "/x"}, "is set, but DATABASE_URL is not"),
        ({**ONE, "DATABASE_PASSWORD_FILE": "/nowhere"}, "the file of DATABASE_PASSWORD_FILE: No"),
        ({**ONE, "DATABASE_PASSWORD_FILE": "/dev/null"}, "DATABASE_PASSWORD_FILE is empty"),
        ({**BOTH, "DB_POOL_SIZE": "many"}, "DB_POOL_SIZE must be a whole number from 1"),
        ({**BOTH, "AUTH_DB_POOL_SIZE": "0"}, "AUTH_DB_POOL_SIZE must be a whole number from 1"),
        (
            {**BOTH, "APP_DB_MAX_OVERFLOW": "-1"},
            "APP_DB_MAX_OVERFLOW must be a whole number from 0",
        ),
        ({**BOTH, "DB_PREPARED_STATEMENTS": "no"}, "DB_PREPARED_STATEMENTS must be true or false"),
    ],
)
def test_mistakes(env, message):
    with pytest.raises(ConfigurationError) as caught:
        read_databases(env)
    assert message in str(caught.value)
    assert "planted" not in str(caught.value)


def test_the_program_ends_with_one_line():
    path = {name: os.environ[name] for name in ("PATH", "PYTHONPATH")}
    done = subprocess.run(
        [sys.executable, "-m", "uvicorn", "app.main:app"],
        env={**path, "AUTH_DATABASE_URL": AUTH},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode != 0
    assert done.stderr.strip() == (
        "configuration: AUTH_DATABASE_URL is set, but APP_DATABASE_URL is not;"
        " set both, or DATABASE_URL alone for one database"
    )
