"""Messages of a project, with their authors' names from the local directory."""

from typing import Any, List

from fastapi import APIRouter, Depends
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.identity import user_db
from app.core.rows import add_row, require_project
from app.models import DirectoryUser, Message
from app.schemas.projects import MessageOut, NewMessage

router = APIRouter(prefix="/projects/{project_id}/messages", tags=["messages"])

COLUMNS = (Message.project_id, Message.id, Message.user_id, Message.body, Message.created_at)


@router.get("", response_model=List[MessageOut])
async def list_messages(
    project_id: str, db: AsyncSession = Depends(user_db("messages:read"))
) -> Any:
    """All messages, the newest last."""
    await require_project(db, project_id)
    # an outer join: the directory can be a moment behind
    statement = (
        select(*COLUMNS, DirectoryUser.display_name.label("author"))
        .outerjoin(DirectoryUser, DirectoryUser.id == Message.user_id)
        .where(Message.project_id == project_id)
        .order_by(Message.created_at, Message.id)
    )
    return (await db.execute(statement)).all()


@router.post("", response_model=MessageOut, status_code=201)
async def write_message(
    project_id: str, body: NewMessage, db: AsyncSession = Depends(user_db("messages:write"))
) -> Any:
    """Write a message."""
    return await add_row(db, Message(project_id=project_id, body=body.body))
