"""API keys: made and ended by their owner, and what they may do."""

import pytest

from admin import value
from client import bearer, get, new_user, post, send
from waiting import eventually


def with_key(method, path, key, body=None):
    """A request by an API key."""
    return send(method, path, body, {"X-API-Key": key})


@pytest.fixture(name="owner", scope="module")
def owner_with_rights():
    """A user who may read projects and read and write orders."""
    tokens = new_user("owner@example.com")
    value("auth", "SELECT auth.create_role('clerk', '{projects:read,orders:*}')")
    value("auth", "SELECT auth.grant_role($1, 'clerk')", tokens["user_id"])
    tokens = send("POST", "/auth/refresh", {"refresh_token": tokens["refresh_token"]}).json()
    tokens["project"] = post("/projects", {"name": "Mine"}, tokens).json()["id"]
    return tokens


def new_key(owner, *scopes):
    """A key's id and secret."""
    made = post("/api-keys", {"name": "test", "scopes": scopes}, owner)
    assert made.status_code == 201, made.text
    return made.json()["key_id"], made.json()["api_key"]


def test_rights_are_in_the_token(owner):
    me = get("/me", owner).json()
    assert me["roles"] == ["clerk"]
    assert sorted(me["permissions"]) == ["orders:*", "projects:read"]


def test_a_key_may_do_what_it_names(owner):
    _, key = new_key(owner, "projects:read", "orders:write")
    assert [row["name"] for row in with_key("GET", "/projects", key).json()] == ["Mine"]
    orders = f"/projects/{owner['project']}/orders"
    assert with_key("POST", orders, key, {"total": "1"}).status_code == 201
    for refused in (
        with_key("GET", orders, key),
        with_key("POST", "/projects", key, {"name": "By a key"}),
        with_key("GET", f"/projects/{owner['project']}/messages", key),
    ):
        assert (refused.status_code, refused.json()) == (403, {"detail": "not_permitted"})


def test_a_key_may_not_do_more_than_its_owner(owner):
    _, key = new_key(owner, "*")
    assert with_key("GET", "/projects", key).status_code == 200
    assert with_key("GET", f"/projects/{owner['project']}/messages", key).status_code == 403


def test_a_key_does_not_manage_the_account(owner):
    _, key = new_key(owner, "*")
    assert with_key("GET", "/me", key).json()["user_id"] == owner["user_id"]
    for path in ("/api-keys", "/dashboard"):
        assert with_key("GET", path, key).status_code == 403
        assert get(path, owner).status_code == 200


def test_refused_keys(owner):
    key_id, key = new_key(owner, "projects:read")
    assert with_key("GET", "/projects", key).status_code == 200
    assert with_key("GET", "/projects", key[:-1] + "!").status_code == 401
    value("auth", "UPDATE auth.api_keys SET expires_at = now() WHERE id = $1 RETURNING id", key_id)
    expired = with_key("GET", "/projects", key)
    assert (expired.status_code, expired.json()["detail"]) == (401, "expired")
    bad = post("/api-keys", {"name": "test", "scopes": ["not a permission"]}, owner)
    assert (bad.status_code, bad.json()["detail"]) == (422, "invalid_argument")


def test_list_rotate_and_revoke(owner):
    key_id, key = new_key(owner, "projects:read")
    listed = {row["id"]: row for row in get("/api-keys", owner).json()}
    assert listed[key_id]["scopes"] == ["projects:read"]
    assert "secret" not in str(listed)
    rotated = post(f"/api-keys/{key_id}/rotate", None, owner)
    assert rotated.status_code == 201
    assert with_key("GET", "/projects", rotated.json()["api_key"]).status_code == 200
    assert with_key("GET", "/projects", key).status_code == 200
    gone = send("DELETE", f"/api-keys/{key_id}", headers=bearer(owner))
    assert gone.status_code == 204
    revoked = with_key("GET", "/projects", key)
    assert (revoked.status_code, revoked.json()["detail"]) == (401, "revoked")
    assert with_key("GET", "/projects", rotated.json()["api_key"]).status_code == 200


def test_an_expiry_can_be_given(owner):
    made = post(
        "/api-keys", {"name": "short", "expires_at": "2999-01-01T00:00:00+00:00"}, owner
    ).json()
    listed = {row["id"]: row for row in get("/api-keys", owner).json()}
    assert listed[made["key_id"]]["expires_at"].startswith("2999-01-01")


def test_keys_of_others(owner):
    other = new_user("no.owner@example.com")
    key_id, key = new_key(owner, "projects:read")
    assert send("DELETE", f"/api-keys/{key_id}", headers=bearer(other)).status_code == 404
    assert post(f"/api-keys/{key_id}/rotate", None, other).status_code == 404
    assert get("/api-keys", other).json() == []
    assert with_key("GET", "/projects", key).status_code == 200


def test_rights_that_are_taken_away(owner):
    _, key = new_key(owner, "projects:read")
    assert with_key("GET", "/projects", key).status_code == 200
    value("auth", "SELECT auth.revoke_role($1, 'clerk')", owner["user_id"])
    assert eventually(lambda: with_key("GET", "/projects", key).status_code == 403)
