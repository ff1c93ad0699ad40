"""Prepared statements of psycopg, one connection and many users: one line of standard
input for each of their requests, an access token; a line of output, the user and what
the user sees."""

import os
import sys

import psycopg


def serve(app, token):
    with app.transaction():
        user_id = app.execute("SELECT dualdb.authenticate(%s)", (token,), prepare=True).fetchone()[0]
        rows = app.execute("SELECT p.name FROM app.projects p ORDER BY p.name", prepare=True)
        return user_id, [name for (name,) in rows]


def main(tokens):
    with psycopg.connect(os.environ["APP_DATABASE_URL"], autocommit=True) as app:
        for token in tokens:
            user_id, names = serve(app, token)
            print(user_id, *names)


if __name__ == "__main__":
    main(sys.stdin.read().split())
