"""Projects and what belongs to them, of one user and not of another."""

import pytest

from client import bearer, get, new_user, post, send
from waiting import eventually

PARTS = {
    "orders": {"total": "19.90"},
    "products": {"name": "Widget", "sku": "W-1", "price": "4.50"},
    "messages": {"body": "Hello"},
}


@pytest.fixture(name="users", scope="module")
def two_users():
    """Ann with a project and one row of each kind, and Bob without."""
    ann = new_user("ann.projects@example.com", display_name="Ann")
    bob = new_user("bob.projects@example.com")
    project = post("/projects", {"name": "Hers", "description": "All of it"}, ann)
    assert project.status_code == 201
    ann["project"] = project.json()["id"]
    for part, body in PARTS.items():
        row = post(f"/projects/{ann['project']}/{part}", body, ann)
        assert row.status_code == 201, row.text
        assert body.items() <= row.json().items()
        assert row.json()["project_id"] == ann["project"]
    return ann, bob


def test_own_rows(users):
    ann, _ = users
    assert [row["name"] for row in get("/projects", ann).json()] == ["Hers"]
    project = get(f"/projects/{ann['project']}", ann).json()
    assert project["user_id"] == ann["user_id"]
    for part, body in PARTS.items():
        rows = get(f"/projects/{ann['project']}/{part}", ann).json()
        assert len(rows) == 1
        assert body.items() <= rows[0].items()
        assert rows[0].get("user_id", ann["user_id"]) == ann["user_id"]


def test_author_comes_from_the_directory(users):
    ann, _ = users
    path = f"/projects/{ann['project']}/messages"
    assert eventually(lambda: get(path, ann).json()[0]["author"] == "Ann")


def test_rows_of_others_are_not_there(users):
    ann, bob = users
    assert get("/projects", bob).json() == []
    assert get(f"/projects/{ann['project']}", bob).status_code == 404
    response = send("DELETE", f"/projects/{ann['project']}", headers=bearer(bob))
    assert response.status_code == 404
    for part in PARTS:
        assert get(f"/projects/{ann['project']}/{part}", bob).status_code == 404
        assert len(get(f"/projects/{ann['project']}/{part}", ann).json()) == 1


@pytest.mark.parametrize("part", PARTS)
def test_nothing_is_added_to_projects_of_others(users, part):
    ann, bob = users
    theirs = post(f"/projects/{ann['project']}/{part}", PARTS[part], bob)
    none = post(f"/projects/no-such-project/{part}", PARTS[part], bob)
    assert theirs.status_code == none.status_code == 403
    assert theirs.json() == none.json() == {"detail": "not_permitted"}
    mine = post("/projects", {"name": "His"}, bob).json()["id"]
    assert post(f"/projects/{mine}/{part}", PARTS[part], bob).status_code == 201
    assert send("DELETE", f"/projects/{mine}", headers=bearer(bob)).status_code == 204


def test_values_that_do_not_fit(users):
    ann, _ = users
    path = f"/projects/{ann['project']}/orders"
    response = post(path, {"total": "1e20"}, ann)
    assert (response.status_code, response.json()["detail"]) == (422, "invalid value")
    assert post(path, {"total": "much"}, ann).status_code == 422
    assert len(get(path, ann).json()) == 1


def test_delete(users):
    ann, _ = users
    project = post("/projects", {"name": "For a moment"}, ann).json()["id"]
    assert get(f"/projects/{project}", ann).status_code == 200
    assert send("DELETE", f"/projects/{project}", headers=bearer(ann)).status_code == 204
    assert get(f"/projects/{project}", ann).status_code == 404


def test_dashboard(users):
    ann, bob = users
    page = get("/dashboard", ann)
    assert page.status_code == 200
    assert page.json()["user_id"] == ann["user_id"]
    assert (page.json()["projects"], page.json()["orders"], page.json()["messages"]) == (1, 1, 1)
    assert page.json()["revenue"] == {"EUR": "19.90"}
    assert page.json()["sessions"] == 1
    assert get("/dashboard", bob).json()["revenue"] == {}
    assert get("/dashboard").status_code == 401


def test_pages_about_the_application():
    assert get("/docs").status_code == 200
    paths = get("/openapi.json").json()["paths"]
    assert {"/auth/login", "/dashboard", "/projects/{project_id}/orders"} <= paths.keys()
    assert get("/health").json() == {"status": "ok", "auth": "ok", "app": "ok"}
