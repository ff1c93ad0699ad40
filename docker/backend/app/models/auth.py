"""Tables of schema auth, for members of dualdb_auth_orm.

The routes need none of them: they call the functions of the schema, as a role that
can read no table.  Columns that are the database's own (normalised addresses, marks of
the sync) are left out.
"""

from sqlalchemy import Boolean, Column, ForeignKey, LargeBinary, String, Table, Text, text
from sqlalchemy.dialects.postgresql import ARRAY, INET
from sqlalchemy.orm import deferred, relationship

from app.core.base import AuthBase
from app.models.columns import created, id_column, timestamp


def owner() -> Column:
    """The user that a row belongs to."""
    return Column(String, ForeignKey("auth.users.id", ondelete="CASCADE"), nullable=False)


def link(first: str, second: str) -> Table:
    """A table of pairs of ids."""
    return Table(
        f"{first}_{second}s",
        AuthBase.metadata,
        *(
            Column(
                f"{name}_id",
                String,
                ForeignKey(f"auth.{name}s.id", ondelete="CASCADE"),
                primary_key=True,
            )
            for name in (first, second)
        ),
    )


role_permissions = link("role", "permission")
user_roles = link("user", "role")


class User(AuthBase):
    """Who people are; addresses are unique whatever the case of their letters."""

    __tablename__ = "users"
    __mapper_args__ = {"eager_defaults": True}

    id = id_column()
    email = Column(String, unique=True, nullable=False)
    password_hash = Column(String)
    display_name = Column(String)
    is_active = Column(Boolean, nullable=False, default=True, server_default=text("true"))
    email_verified_at = timestamp()
    created_at = created()
    updated_at = created()
    deleted_at = timestamp()
    password_changed_at = timestamp()

    roles = relationship("Role", secondary=user_roles)


class Session(AuthBase):
    """Logins."""

    __tablename__ = "sessions"
    __mapper_args__ = {"eager_defaults": True}

    id = id_column()
    user_id = owner()
    created_at = created()
    refreshed_at = created()
    expires_at = timestamp(nullable=False)
    ended_at = timestamp()
    end_reason = Column(String)
    ip = Column(INET)
    user_agent = Column(String)
    amr = Column(ARRAY(Text), nullable=False, server_default=text("'{pwd}'"))


class RefreshToken(AuthBase):
    """Refresh tokens by keyed hash; the tokens themselves are stored nowhere."""

    __tablename__ = "refresh_tokens"
    __mapper_args__ = {"eager_defaults": True}

    id = id_column()
    session_id = Column(String, ForeignKey("auth.sessions.id", ondelete="CASCADE"), nullable=False)
    token_hash = deferred(Column(LargeBinary, nullable=False, unique=True))
    created_at = created()
    expires_at = timestamp(nullable=False)
    used_at = timestamp()


class ApiKey(AuthBase):
    """API keys by their public ids."""

    __tablename__ = "api_keys"
    __mapper_args__ = {"eager_defaults": True}

    id = Column(String, primary_key=True)
    user_id = owner()
    name = Column(String, nullable=False)
    secret_hash = deferred(Column(LargeBinary, nullable=False))
    scopes = Column(ARRAY(Text), nullable=False)
    created_at = created()
    expires_at = timestamp()
    revoked_at = timestamp()
    last_used_at = timestamp()
    last_used_ip = Column(INET)


class Role(AuthBase):
    """Roles of the application, not of the database."""

    __tablename__ = "roles"

    id = id_column()
    name = Column(String, unique=True, nullable=False)
    description = Column(String)

    permissions = relationship("Permission", secondary=role_permissions)


class Permission(AuthBase):
    """Permissions: resource:action."""

    __tablename__ = "permissions"

    id = id_column()
    name = Column(String, unique=True, nullable=False)
    description = Column(String)
