"""Products of a project."""

from typing import Any, List

from fastapi import APIRouter, Depends
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.identity import user_db
from app.core.rows import add_row, rows_of
from app.models import Product
from app.schemas.projects import NewProduct, ProductOut

router = APIRouter(prefix="/projects/{project_id}/products", tags=["products"])


@router.get("", response_model=List[ProductOut])
async def list_products(
    project_id: str, db: AsyncSession = Depends(user_db("products:read"))
) -> Any:
    """All products, the newest last."""
    return await rows_of(db, Product, project_id)


@router.post("", response_model=ProductOut, status_code=201)
async def add_product(
    project_id: str, body: NewProduct, db: AsyncSession = Depends(user_db("products:write"))
) -> Any:
    """Add a product."""
    product = Product(
        project_id=project_id,
        name=body.name,
        sku=body.sku,
        price=body.price,
        currency=body.currency,
    )
    return await add_row(db, product)
