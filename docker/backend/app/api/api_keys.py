"""The caller's API keys."""

from typing import Any, Dict, List

from fastapi import APIRouter, Depends, Response
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.auth_api import call
from app.core.database import get_auth_db
from app.core.errors import Refused
from app.core.identity import current_user_id
from app.schemas.accounts import ApiKeyInfo, CreatedApiKey, NewApiKey

router = APIRouter(prefix="/api-keys", tags=["API keys"])


async def own_keys(
    user_id: str = Depends(current_user_id), db: AsyncSession = Depends(get_auth_db)
) -> List[Dict[str, Any]]:
    """The keys of the caller, as export_user() tells them."""
    return (await call(db, "export_user", user_id=user_id)).data["api_keys"]


async def own_key(key_id: str, keys: List[Dict[str, Any]] = Depends(own_keys)) -> str:
    """The id of a key of the caller's: the functions take anybody's."""
    if key_id not in (key["id"] for key in keys):
        raise Refused("not_found")
    return key_id


@router.get("", response_model=List[ApiKeyInfo])
async def list_keys(keys: List[Dict[str, Any]] = Depends(own_keys)) -> Any:
    """All keys, without their secrets."""
    return keys


@router.post("", response_model=CreatedApiKey, status_code=201)
async def create_key(
    body: NewApiKey,
    user_id: str = Depends(current_user_id),
    db: AsyncSession = Depends(get_auth_db),
) -> Any:
    """Make a key; without expires_at it is good for as long as the database says."""
    limit = {"expires_at": body.expires_at} if body.expires_at else {}
    return await call(
        db, "create_api_key", user_id=user_id, name=body.name, scopes=body.scopes, **limit
    )


@router.post("/{key_id}/rotate", response_model=CreatedApiKey, status_code=201)
async def rotate_key(
    key_id: str = Depends(own_key), db: AsyncSession = Depends(get_auth_db)
) -> Any:
    """Make a successor; the key itself goes on for a day."""
    row = await call(db, "rotate_api_key", key_id=key_id)
    return CreatedApiKey(key_id=row.new_key_id, api_key=row.api_key)


@router.delete("/{key_id}", status_code=204)
async def revoke_key(
    key_id: str = Depends(own_key), db: AsyncSession = Depends(get_auth_db)
) -> Response:
    """End a key and its tokens."""
    await call(db, "revoke_api_key", key_id=key_id)
    return Response(status_code=204)
