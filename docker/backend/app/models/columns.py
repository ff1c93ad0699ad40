"""Columns that tables of both databases have."""

from typing import Any

from sqlalchemy import Column, DateTime, String, func, text


def id_column() -> Column:
    """A text key; the database makes one where the application gives none."""
    return Column(String, primary_key=True, server_default=text("dualdb.new_id()"))


def timestamp(**options: Any) -> Column:
    """A point in time, which is timestamptz everywhere."""
    return Column(DateTime(timezone=True), **options)


def created() -> Column:
    """When the row was made."""
    return timestamp(nullable=False, server_default=func.now())
