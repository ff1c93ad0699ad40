"""dualdb with psycopg 3: python3 psycopg_example.py ann@example.com"""

import getpass
import os
import sys

import psycopg
from psycopg.rows import namedtuple_row


def connect(url):
    return psycopg.connect(url, autocommit=True, row_factory=namedtuple_row)


def log_in(auth, email, password):
    return auth.execute(
        "SELECT status, access_token, refresh_token FROM auth.login(%s, %s)",
        (email, password)).fetchone()


def refresh(auth, refresh_token):
    return auth.execute(
        "SELECT status, access_token, refresh_token FROM auth.refresh(%s)",
        (refresh_token,)).fetchone()


def add_project(app, token, name):
    with app.transaction():
        user = app.execute("SELECT dualdb.authenticate(%s) AS id", (token,)).fetchone()
        app.execute("INSERT INTO app.projects (user_id, name) VALUES (%s, %s)", (user.id, name))
        return user.id


def projects(app, token):
    """In one round trip: with autocommit, a pipeline is a transaction."""
    with app.pipeline():
        app.execute("SELECT dualdb.authenticate(%s)", (token,))
        rows = app.execute("SELECT p.name FROM app.projects p ORDER BY p.name")
    return [row.name for row in rows]


def main(email, password):
    with connect(os.environ["AUTH_DATABASE_URL"]) as auth:
        row = auth.execute(
            "SELECT status, user_id FROM auth.register_user(%s, %s)", (email, password)).fetchone()
        print("registered:", row.status, row.user_id)
        print("wrong password:", log_in(auth, email, "not the password").status)
        session = log_in(auth, email, password)
        print("logged in:", session.status)
        session = refresh(auth, session.refresh_token)
        print("refreshed:", session.status)

    with connect(os.environ["APP_DATABASE_URL"]) as app:
        print("authenticated:", add_project(app, session.access_token, "First project"))
        for name in projects(app, session.access_token):
            print("project:", name)
        row = app.execute("SELECT dualdb.user_id() AS id, count(*) FROM app.projects").fetchone()
        print(f"afterwards: {row.id or 'nobody'}, {row.count}")
        try:
            projects(app, "not a token")
        except psycopg.errors.InvalidAuthorizationSpecification as error:
            print("wrong token:", error.sqlstate)


if __name__ == "__main__":
    main(sys.argv[1], getpass.getpass() if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n"))
