"""Rows of a project: reading and adding them under row-level security."""

from typing import Any, Sequence

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.errors import Refused
from app.models import Project


async def require_project(db: AsyncSession, project_id: str) -> None:
    """Without it a list of somebody else's project would be an empty one of nobody's."""
    if await db.scalar(select(Project.id).where(Project.id == project_id)) is None:
        raise Refused("not_found")


async def rows_of(db: AsyncSession, model: Any, project_id: str) -> Sequence[Any]:
    """All rows of a project, the newest last."""
    await require_project(db, project_id)
    statement = select(model).where(model.project_id == project_id)
    return (await db.scalars(statement.order_by(model.created_at, model.id))).all()


async def add_row(db: AsyncSession, row: Any) -> Any:
    """The row as the database has completed it; somebody else's project is refused there."""
    if hasattr(row, "user_id"):
        row.user_id = func.dualdb.user_id()
    db.add(row)
    await db.flush()
    await db.refresh(row)
    await db.commit()
    return row
