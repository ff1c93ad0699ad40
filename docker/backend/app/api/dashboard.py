"""One page from both databases."""

from typing import Any

from fastapi import APIRouter, Depends
from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.database import get_auth_db
from app.core.identity import current_user_id, get_user_db
from app.models import DirectoryUser, Message, Order, Project
from app.schemas.accounts import Dashboard

router = APIRouter(prefix="/dashboard", tags=["dashboard"])

SESSIONS = text("SELECT count(*) FROM auth.list_sessions(:user_id)")


@router.get("", response_model=Dashboard)
async def dashboard(
    user_id: str = Depends(current_user_id),
    auth_db: AsyncSession = Depends(get_auth_db),
    app_db: AsyncSession = Depends(get_user_db),
) -> Any:
    """Sessions of the one, rows of the other; there is no transaction over both."""
    sums = select(Order.currency, func.sum(Order.total)).group_by(Order.currency)
    return {
        "user_id": user_id,
        "display_name": await app_db.scalar(
            select(DirectoryUser.display_name).where(DirectoryUser.id == user_id)
        ),
        "sessions": await auth_db.scalar(SESSIONS, {"user_id": user_id}),
        "projects": await app_db.scalar(select(func.count()).select_from(Project)),
        "orders": await app_db.scalar(select(func.count()).select_from(Order)),
        "messages": await app_db.scalar(select(func.count()).select_from(Message)),
        "revenue": {name: str(total) for name, total in await app_db.execute(sums)},
    }
