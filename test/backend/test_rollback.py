"""What must outlive a request that raises, and what must not."""

from admin import value
from client import PASSWORD, bearer, credentials, get, login, new_user, post, register, send
from waiting import eventually

MAX_FAILURES = 4


def raising_login(email, password, route="/test/login-and-raise"):
    """The login's own row; the request around it has failed, and by default is rolled back."""
    response = post(route, credentials(email, password))
    assert response.status_code == 500
    return send("GET", "/test/last-login").json()


def failures(email):
    """Logins that count until so many have failed; those that have to wait are repeated."""
    counted = 0

    def fail_once():
        nonlocal counted
        counted += raising_login(email, "a wrong password")["status"] == "invalid_credentials"
        return True

    def fail_until_locked():
        return fail_once() and counted == MAX_FAILURES

    assert eventually(fail_until_locked)


def test_failures_of_requests_that_raise_lock_the_account():
    assert value("auth", "SHOW dualdb.max_login_failures") == str(MAX_FAILURES)
    register("guessed@example.com")
    failures("guessed@example.com")
    locked = post("/auth/login", credentials("guessed@example.com"))
    assert (locked.status_code, locked.json()["detail"]) == (429, "throttled")
    assert int(locked.headers["retry-after"]) > 60


def test_fewer_failures_do_not():
    register("mistyped@example.com")
    for _ in range(MAX_FAILURES // 2):
        raising_login("mistyped@example.com", "a wrong password")
    login("mistyped@example.com")


def test_a_login_that_is_rolled_back_is_none():
    register("rolled.back@example.com")
    lost = raising_login("rolled.back@example.com", PASSWORD)
    assert lost["status"] == "ok"
    refused = post("/auth/refresh", {"refresh_token": lost["refresh_token"]})
    assert (refused.status_code, refused.json()["detail"]) == (401, "invalid_credentials")
    kept = raising_login("rolled.back@example.com", PASSWORD, "/test/call-and-raise")
    assert post("/auth/refresh", {"refresh_token": kept["refresh_token"]}).status_code == 200


def test_identity_survives_savepoint_and_commit_of_its_session():
    other = new_user("savepoint.other@example.com")
    assert post("/projects", {"name": "Not mine"}, other).status_code == 201
    tokens = new_user("savepoint@example.com")
    for name in ("One", "Two"):
        assert post("/projects", {"name": name}, tokens).status_code == 201
    seen = send("GET", "/test/after-a-savepoint", headers=bearer(tokens))
    assert seen.json() == [2, 2, 2, 2]
    assert len(get("/projects", tokens).json()) == 2
