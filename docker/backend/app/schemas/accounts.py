"""Accounts, sessions and API keys.

Passwords and refresh tokens are SecretStr, which no log prints.
"""

from datetime import datetime
from typing import Any, Dict, List, Optional

from pydantic import BaseModel, SecretStr

from app.schemas.base import FromRow


class Registration(BaseModel):
    """A new account; the database judges address and password."""

    email: str
    password: SecretStr
    display_name: Optional[str] = None


class Registered(FromRow):
    """The id of a new account."""

    user_id: str


class Credentials(BaseModel):
    """What a login takes."""

    email: str
    password: SecretStr


class SecondFactor(BaseModel):
    """The second step of a login that was answered mfa_required."""

    challenge: SecretStr
    code: SecretStr


class Refresh(BaseModel):
    """A refresh token, good once."""

    refresh_token: SecretStr


class Logout(Refresh):
    """Ends the token's session (local), the others, or all (global)."""

    scope: str = "local"


class LoggedOut(FromRow):
    """How many sessions have ended."""

    sessions_ended: int


class Tokens(FromRow):
    """A session's tokens; expires_at is the access token's."""

    user_id: str
    session_id: str
    access_token: str
    refresh_token: str
    expires_at: datetime
    token_type: str = "bearer"


class Me(FromRow):
    """Who the token says that the caller is; the name may follow a moment after registration."""

    user_id: str
    session_id: str
    display_name: Optional[str] = None
    roles: List[str]
    permissions: List[str]


class PasswordChange(BaseModel):
    """Ends all sessions."""

    old_password: SecretStr
    new_password: SecretStr


class NewApiKey(BaseModel):
    """Scopes are permissions; a key has those that its owner has, too."""

    name: str
    scopes: List[str] = []
    expires_at: Optional[datetime] = None


class CreatedApiKey(FromRow):
    """The key is shown here only."""

    key_id: str
    api_key: str


class ApiKeyInfo(BaseModel):
    """A key without its secret."""

    id: str
    name: str
    scopes: List[str]
    created_at: datetime
    expires_at: Optional[datetime] = None
    revoked_at: Optional[datetime] = None
    last_used_at: Optional[datetime] = None


class Dashboard(BaseModel):
    """What both databases know of the user."""

    user_id: str
    display_name: Optional[str] = None
    sessions: int
    projects: int
    orders: int
    messages: int
    revenue: Dict[str, Any]
