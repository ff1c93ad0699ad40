"""Tables of schema app.

Rows of a project are named by the project and an id of their own, so that the tables
can be distributed by project: session.get(Order, (project_id, id)).
"""

from sqlalchemy import Boolean, Column, ForeignKey, Integer, Numeric, String, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import deferred

from app.core.base import AppBase
from app.models.columns import created, id_column, timestamp

MONEY = Numeric(14, 2)


def project_key() -> Column:
    """The project, first in the key of all that belongs to it."""
    return Column(String, ForeignKey("app.projects.id", ondelete="CASCADE"), primary_key=True)


def json_object() -> Column:
    """A JSON object, empty by default."""
    return Column(JSONB, nullable=False, server_default=text("'{}'"))


def currency() -> Column:
    """ISO 4217."""
    return Column(String, nullable=False, server_default=text("'EUR'"))


def active() -> Column:
    """In use, by default."""
    return Column(Boolean, nullable=False, server_default=text("true"))


class DirectoryUser(AppBase):
    """The directory of users, to join: local rows, kept by the database, nobody writes them.

    A user of a moment ago may not be in it yet.  Addresses are not for dualdb_app_user,
    so they are read on demand: options(undefer(DirectoryUser.email)).
    """

    __tablename__ = "users"

    id = Column(String, primary_key=True)
    email = deferred(Column(String))
    display_name = Column(String)
    is_active = Column(Boolean, nullable=False)


class Project(AppBase):
    """Projects; user_id is the owner."""

    __tablename__ = "projects"
    __mapper_args__ = {"eager_defaults": True}

    id = id_column()
    user_id = Column(String, nullable=False)
    name = Column(String, nullable=False)
    description = Column(String)
    created_at = created()
    updated_at = created()


class Order(AppBase):
    """Orders; user_id is who placed it."""

    __tablename__ = "orders"
    __mapper_args__ = {"eager_defaults": True}

    project_id = project_key()
    id = id_column()
    user_id = Column(String, nullable=False)
    status = Column(String, nullable=False, server_default=text("'new'"))
    total = Column(MONEY, nullable=False, server_default=text("0"))
    currency = currency()
    created_at = created()
    updated_at = created()


class Message(AppBase):
    """Messages; user_id is the author."""

    __tablename__ = "messages"
    __mapper_args__ = {"eager_defaults": True}

    project_id = project_key()
    id = id_column()
    user_id = Column(String, nullable=False)
    body = Column(String, nullable=False)
    created_at = created()


class Integration(AppBase):
    """Connections to other systems; their secrets do not belong here."""

    __tablename__ = "integrations"
    __mapper_args__ = {"eager_defaults": True}

    project_id = project_key()
    id = id_column()
    kind = Column(String, nullable=False)
    name = Column(String, nullable=False)
    config = json_object()
    is_active = active()
    created_at = created()


class Product(AppBase):
    """Products that a project sells."""

    __tablename__ = "products"
    __mapper_args__ = {"eager_defaults": True}

    project_id = project_key()
    id = id_column()
    sku = Column(String)
    name = Column(String, nullable=False)
    price = Column(MONEY, nullable=False, server_default=text("0"))
    currency = currency()
    is_active = active()
    created_at = created()


class Report(AppBase):
    """Reports; user_id is who asked for it."""

    __tablename__ = "reports"
    __mapper_args__ = {"eager_defaults": True}

    project_id = project_key()
    id = id_column()
    user_id = Column(String, nullable=False)
    title = Column(String, nullable=False)
    content = json_object()
    created_at = created()


class ModelTraining(AppBase):
    """Training runs; user_id is who started it."""

    __tablename__ = "model_trainings"
    __mapper_args__ = {"eager_defaults": True}

    project_id = project_key()
    id = id_column()
    user_id = Column(String, nullable=False)
    model = Column(String, nullable=False)
    status = Column(String, nullable=False, server_default=text("'queued'"))
    parameters = json_object()
    metrics = Column(JSONB)
    started_at = timestamp()
    finished_at = timestamp()
    created_at = created()


class ApiLog(AppBase):
    """API calls; user_id is the caller, and nobody when anonymous."""

    __tablename__ = "api_logs"
    __mapper_args__ = {"eager_defaults": True}

    project_id = project_key()
    id = id_column()
    user_id = Column(String)
    method = Column(String, nullable=False)
    path = Column(String, nullable=False)
    status_code = Column(Integer)
    duration_ms = Column(Integer)
    # the key of a partitioned table includes what it is partitioned by
    created_at = timestamp(primary_key=True, server_default=text("now()"))
