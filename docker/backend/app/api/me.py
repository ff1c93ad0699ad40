"""The caller's own account."""

from typing import Any

from fastapi import APIRouter, Depends, Response
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.auth_api import call
from app.core.database import get_auth_db
from app.core.identity import current_user_id, get_user_db
from app.schemas.accounts import Me, PasswordChange

router = APIRouter(prefix="/me", tags=["me"])

WHO = text(
    """
    SELECT dualdb.user_id() AS user_id, dualdb.session_id() AS session_id,
        (SELECT u.display_name FROM app.users u WHERE u.id = dualdb.user_id()) AS display_name,
        ARRAY(SELECT jsonb_array_elements_text(dualdb.claims() -> 'roles')) AS roles,
        string_to_array(coalesce(dualdb.claims() ->> 'scope', ''), ' ') AS permissions
    """
)


@router.get("", response_model=Me)
async def me(db: AsyncSession = Depends(get_user_db)) -> Any:
    """Who the token says that the caller is."""
    return (await db.execute(WHO)).one()


@router.post("/password", status_code=204)
async def change_password(
    body: PasswordChange,
    user_id: str = Depends(current_user_id),
    db: AsyncSession = Depends(get_auth_db),
) -> Response:
    """Take another password; ends all sessions."""
    await call(
        db,
        "change_password",
        user_id=user_id,
        old_password=body.old_password.get_secret_value(),
        new_password=body.new_password.get_secret_value(),
    )
    return Response(status_code=204)
