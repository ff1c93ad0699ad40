"""Projects and what belongs to them."""

from datetime import datetime
from decimal import Decimal
from typing import Optional

from pydantic import BaseModel

from app.schemas.base import FromRow


class NewProject(BaseModel):
    """A project of the caller's."""

    name: str
    description: Optional[str] = None


class ProjectOut(FromRow):
    """A project."""

    id: str
    user_id: str
    name: str
    description: Optional[str] = None
    created_at: datetime


class NewOrder(BaseModel):
    """An order by the caller."""

    total: Decimal = Decimal(0)
    currency: str = "EUR"


class OrderOut(FromRow):
    """An order."""

    project_id: str
    id: str
    user_id: str
    status: str
    total: Decimal
    currency: str
    created_at: datetime


class NewMessage(BaseModel):
    """A message by the caller."""

    body: str


class MessageOut(FromRow):
    """A message with its author's name, as far as the directory has it."""

    project_id: str
    id: str
    user_id: str
    body: str
    created_at: datetime
    author: Optional[str] = None


class NewProduct(BaseModel):
    """A product."""

    name: str
    sku: Optional[str] = None
    price: Decimal = Decimal(0)
    currency: str = "EUR"


class ProductOut(FromRow):
    """A product."""

    project_id: str
    id: str
    sku: Optional[str] = None
    name: str
    price: Decimal
    currency: str
    is_active: bool
    created_at: datetime
