"""Registration, sessions and the caller's account."""

import pytest

from client import PASSWORD, credentials, get, login, new_user, post, register
from waiting import eventually


def test_register_and_log_in():
    user = register("ann@example.com", display_name="Ann")
    tokens = login(" ANN@Example.com")
    assert tokens["user_id"] == user
    assert tokens["token_type"] == "bearer"
    me = get("/me", tokens)
    assert me.status_code == 200
    assert me.json()["user_id"] == user
    assert me.json()["session_id"] == tokens["session_id"]
    assert me.json()["roles"] == me.json()["permissions"] == []


def test_name_comes_from_the_directory():
    tokens = new_user("name@example.com", display_name="A name")
    assert eventually(lambda: get("/me", tokens).json()["display_name"] == "A name")


@pytest.mark.parametrize(
    "body, code, detail",
    [
        (credentials("taken@example.com"), 409, "email_taken"),
        (credentials("TAKEN@example.com"), 409, "email_taken"),
        (credentials("weak@example.com", "short"), 422, "weak_password"),
        (credentials("no address"), 422, "invalid_email"),
        (credentials("nul@example.com", f"{PASSWORD}\0"), 422, "invalid value"),
    ],
)
def test_refused_registrations(body, code, detail):
    if detail == "email_taken":
        post("/auth/register", credentials("taken@example.com"))
    response = post("/auth/register", body)
    assert (response.status_code, response.json()["detail"]) == (code, detail)


def test_refused_logins_are_alike():
    register("alike@example.com")
    wrong = post("/auth/login", credentials("alike@example.com", "a wrong password"))
    unknown = post("/auth/login", credentials("nobody@example.com", "a wrong password"))
    assert wrong.status_code == unknown.status_code == 401
    assert wrong.json() == unknown.json() == {"detail": "invalid_credentials"}
    assert wrong.headers["www-authenticate"] == "Bearer"
    login("alike@example.com")


def test_malformed_body_is_not_echoed():
    response = post("/auth/login", {"email": "x@example.com", "password": ["planted secret"]})
    assert response.status_code == 422
    assert response.json()["detail"][0]["loc"][:2] == ["body", "password"]
    assert "planted" not in response.text


def test_refresh():
    first = new_user("refresh@example.com")
    second = post("/auth/refresh", {"refresh_token": first["refresh_token"]})
    assert second.status_code == 200
    assert second.json()["session_id"] == first["session_id"]
    assert get("/me", second.json()).status_code == 200
    third = post("/auth/refresh", {"refresh_token": second.json()["refresh_token"]})
    assert third.status_code == 200
    # its successor has been used: somebody else has it, too
    again = post("/auth/refresh", {"refresh_token": first["refresh_token"]})
    assert (again.status_code, again.json()["detail"]) == (401, "reuse_detected")
    ended = post("/auth/refresh", {"refresh_token": third.json()["refresh_token"]})
    assert (ended.status_code, ended.json()["detail"]) == (401, "revoked")
    unknown = post("/auth/refresh", {"refresh_token": "ddbr_unknown"})
    assert (unknown.status_code, unknown.json()["detail"]) == (401, "invalid_credentials")


def test_logout():
    tokens = new_user("logout@example.com")
    other = login("logout@example.com")
    assert get("/me", tokens).status_code == 200
    response = post(
        "/auth/logout", {"refresh_token": tokens["refresh_token"], "scope": "elsewhere"}
    )
    assert (response.status_code, response.json()["detail"]) == (422, "invalid_argument")
    response = post("/auth/logout", {"refresh_token": tokens["refresh_token"]})
    assert (response.status_code, response.json()) == (200, {"sessions_ended": 1})
    refused = post("/auth/refresh", {"refresh_token": tokens["refresh_token"]})
    assert refused.status_code == 401
    # in the auth database at once, in the app database with the next sync
    assert get("/api-keys", tokens).status_code == 401
    assert eventually(lambda: get("/me", tokens).status_code == 401)
    assert get("/me", other).status_code == 200


def test_requests_without_a_good_token():
    tokens = new_user("token@example.com")
    changed = dict(tokens, access_token=tokens["access_token"][:-6] + "AAAAAA")
    for refused in (get("/me"), get("/me", changed), get("/me", dict(access_token="x"))):
        assert refused.status_code == 401
        assert refused.headers["www-authenticate"] == "Bearer"
    assert get("/me", tokens).status_code == 200


def test_change_password():
    tokens = new_user("change@example.com")
    new = "another unlikely long password"
    change = {"old_password": "a wrong password", "new_password": new}
    assert post("/me/password", change, tokens).status_code == 401
    change = {"old_password": PASSWORD, "new_password": "short"}
    assert post("/me/password", change, tokens).status_code == 422
    change = {"old_password": PASSWORD, "new_password": new}
    assert post("/me/password", change, tokens).status_code == 204
    assert post("/auth/login", credentials("change@example.com")).status_code == 401
    login("change@example.com", new)
