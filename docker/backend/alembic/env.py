"""Alembic's entry: the section of alembic.ini (-n) says which database."""

from alembic import context

from app.core.migrations import run

run(context, context.config.config_ini_section)
