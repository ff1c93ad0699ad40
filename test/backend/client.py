"""A client of the application that notes every secret it sends or gets."""

import os
from typing import Any, Dict, Optional

import httpx

URL = os.environ.get("BACKEND_URL", "")
PASSWORD = "correct horse battery staple"
# shorter ones are words that logs have for other reasons
SHORTEST_SECRET = 10
# a server that has raised closes the connection behind its answer
HTTP = httpx.Client(timeout=60, limits=httpx.Limits(max_keepalive_connections=0))
SECRETS = ("password", "old_password", "new_password", "access_token", "refresh_token", "api_key")


def note(fields: Any) -> None:
    """Write secrets down, for the test that looks for them in the logs."""
    if not isinstance(fields, dict):
        return
    with open(os.environ["BACKEND_SECRETS"], "a", encoding="utf-8") as file:
        for name in SECRETS:
            secret = fields.get(name)
            if isinstance(secret, str) and len(secret) >= SHORTEST_SECRET:
                file.write(secret + "\n")


def bearer(tokens: Dict[str, str]) -> Dict[str, str]:
    """The header of a session."""
    return {"Authorization": "Bearer " + tokens["access_token"]}


def send(
    method: str, path: str, body: Any = None, headers: Optional[Dict[str, str]] = None
) -> httpx.Response:
    """One request."""
    note(body)
    response = HTTP.request(method, URL + path, json=body, headers=headers)
    if response.headers.get("content-type", "").startswith("application/json"):
        note(response.json())
    return response


def get(path: str, tokens: Optional[Dict[str, str]] = None) -> httpx.Response:
    """GET as the user of a session."""
    return send("GET", path, headers=bearer(tokens) if tokens else None)


def post(path: str, body: Any = None, tokens: Optional[Dict[str, str]] = None) -> httpx.Response:
    """POST as the user of a session."""
    return send("POST", path, body, bearer(tokens) if tokens else None)


def credentials(email: str, password: str = PASSWORD) -> Dict[str, str]:
    """What login and registration take."""
    return {"email": email, "password": password}


def register(email: str, **more: str) -> str:
    """A new user's id."""
    response = post("/auth/register", {**credentials(email), **more})
    assert response.status_code == 201, response.text
    return response.json()["user_id"]


def login(email: str, password: str = PASSWORD) -> Dict[str, str]:
    """The tokens of a login that must succeed."""
    response = post("/auth/login", credentials(email, password))
    assert response.status_code == 200, response.text
    return response.json()


def new_user(email: str, **more: str) -> Dict[str, str]:
    """Registered and logged in."""
    register(email, **more)
    return login(email)
