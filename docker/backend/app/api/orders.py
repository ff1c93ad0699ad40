"""Orders of a project."""

from typing import Any, List

from fastapi import APIRouter, Depends
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.identity import user_db
from app.core.rows import add_row, rows_of
from app.models import Order
from app.schemas.projects import NewOrder, OrderOut

router = APIRouter(prefix="/projects/{project_id}/orders", tags=["orders"])


@router.get("", response_model=List[OrderOut])
async def list_orders(project_id: str, db: AsyncSession = Depends(user_db("orders:read"))) -> Any:
    """All orders, the newest last."""
    return await rows_of(db, Order, project_id)


@router.post("", response_model=OrderOut, status_code=201)
async def place_order(
    project_id: str, body: NewOrder, db: AsyncSession = Depends(user_db("orders:write"))
) -> Any:
    """Place an order."""
    order = Order(project_id=project_id, total=body.total, currency=body.currency)
    return await add_row(db, order)
