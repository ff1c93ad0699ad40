"""ORM models of both databases."""

from app.models.app import (
    ApiLog,
    DirectoryUser,
    Integration,
    Message,
    ModelTraining,
    Order,
    Product,
    Project,
    Report,
)
from app.models.auth import ApiKey, Permission, RefreshToken, Role, Session, User

__all__ = [
    "ApiKey",
    "ApiLog",
    "DirectoryUser",
    "Integration",
    "Message",
    "ModelTraining",
    "Order",
    "Permission",
    "Product",
    "Project",
    "RefreshToken",
    "Report",
    "Role",
    "Session",
    "User",
]
