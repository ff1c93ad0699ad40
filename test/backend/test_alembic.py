"""Alembic: empty databases and those that are set up, and what it would change."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config

from admin import IS_SINGLE, url_of, value, value_in

BACKEND = Path(__file__).parents[2] / "docker" / "backend"
SIDES = ("auth", "app")
# the names of the set up ones: those of one database are equal
SET_UP = {side: url_of(side).rpartition("/")[2] for side in SIDES}
EMPTY = {side: "empty" if IS_SINGLE else f"empty_{side}" for side in SIDES}


def admin_env(databases):
    """The variables of an administrator."""
    if IS_SINGLE:
        return {"ADMIN_URL": url_of("auth", databases["auth"])}
    return {f"{side.upper()}_ADMIN_URL": url_of(side, databases[side]) for side in SIDES}


def alembic(databases, *arguments):
    """The command, with nothing but an administrator's variables."""
    env = {name: os.environ[name] for name in ("PATH", "PYTHONDONTWRITEBYTECODE")}
    return subprocess.run(
        [sys.executable, "-m", "alembic", *arguments],
        cwd=BACKEND,
        env={**env, **admin_env(databases)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def differences(databases, side, monkeypatch):
    """What autogenerate would write."""
    found = []

    def collect(_context, _revision, directives):
        found.extend(directives[0].upgrade_ops.as_diffs())
        directives[:] = []

    for name, url in admin_env(databases).items():
        monkeypatch.setenv(name, url)
    config = Config(str(BACKEND / "alembic.ini"), ini_section=side)
    command.revision(config, autogenerate=True, process_revision_directives=collect)
    return found


@pytest.mark.parametrize("databases", [EMPTY, SET_UP], ids=["empty", "set up"])
def test_upgrade_head(databases, monkeypatch):
    if databases is EMPTY:
        for side in SIDES[IS_SINGLE:]:
            value(side, f"CREATE DATABASE {databases[side]} TEMPLATE template0 ENCODING 'UTF8'")
    for side in SIDES:
        for _ in range(2):
            done = alembic(databases, "-n", side, "upgrade", "head")
            assert done.returncode == 0, done.stderr
        current = alembic(databases, "-n", side, "current")
        assert current.stdout.strip() == "0001 (head)"
        assert differences(databases, side, monkeypatch) == []
        if hasattr(command, "check"):
            assert alembic(databases, "-n", side, "check").returncode == 0


def test_difference_is_found(monkeypatch):
    assert value_in("app", EMPTY["app"], "ALTER TABLE app.products DROP COLUMN sku") is None
    [found] = differences(EMPTY, "app", monkeypatch)
    assert (found[0], found[1:3], found[3].name) == ("add_column", ("app", "products"), "sku")
    value_in("app", EMPTY["app"], "ALTER TABLE app.products ADD COLUMN sku text")
    value_in("app", EMPTY["app"], "CREATE TABLE app.of_somebody_else (id text)")
    assert differences(EMPTY, "app", monkeypatch) == []
    value_in("app", EMPTY["app"], "DROP TABLE app.of_somebody_else")


def test_nothing_is_dropped():
    done = alembic(EMPTY, "-n", "auth", "downgrade", "base")
    assert done.returncode != 0
    assert "the tables of dualdb are not dropped by Alembic" in done.stderr
    assert alembic(EMPTY, "-n", "auth", "current").stdout.strip() == "0001 (head)"


def test_mistakes_are_named():
    env = {name: os.environ[name] for name in ("PATH",)}
    env["APP_ADMIN_URL"] = "postgresql://a:planted@h/d"
    done = subprocess.run(
        [sys.executable, "-m", "alembic", "-n", "app", "current"],
        cwd=BACKEND,
        env=env,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode != 0
    assert "APP_ADMIN_URL is set, but AUTH_ADMIN_URL is not" in done.stderr
    assert "planted" not in done.stderr
