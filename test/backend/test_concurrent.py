"""Fifty clients at once: each sees itself and nobody else."""

import asyncio
import uuid

import httpx

from client import URL, bearer, credentials, note

CLIENTS = 50
# the test can be run again on the same databases
RUN = uuid.uuid4()
ROUNDS = 2


class Client:
    """One of many."""

    def __init__(self, http, number):
        self.http = http
        self.name = f"client {number}"
        self.credentials = credentials(f"client{number}@{RUN}.example.com")
        self.tokens = {}

    async def send(self, method, path, body=None):
        """A request that must succeed."""
        headers = bearer(self.tokens) if self.tokens else None
        response = await self.http.request(method, URL + path, json=body, headers=headers)
        assert response.status_code < 300, f"{method} {path}: {response.status_code}"
        note(response.json())
        return response.json()

    async def start(self):
        """Register, log in, and make a project with an order."""
        self.credentials["user_id"] = (
            await self.send("POST", "/auth/register", self.credentials)
        )["user_id"]
        self.tokens = await self.send("POST", "/auth/login", self.credentials)
        project = await self.send("POST", "/projects", {"name": self.name})
        self.path = f"/projects/{project['id']}/orders"
        await self.send("POST", self.path, {"total": "1.00"})

    async def go_on(self):
        """Refresh, and read what is there."""
        used = {"refresh_token": self.tokens["refresh_token"]}
        self.tokens = {}
        self.tokens = await self.send("POST", "/auth/refresh", used)
        me, projects, orders, page = await asyncio.gather(
            *(self.send("GET", path) for path in ("/me", "/projects", self.path, "/dashboard"))
        )
        user = self.credentials["user_id"]
        assert me["user_id"] == self.tokens["user_id"] == page["user_id"] == user
        assert me["session_id"] == self.tokens["session_id"]
        assert [row["name"] for row in projects] == [self.name]
        assert [row["user_id"] for row in orders] == [user]
        assert (page["projects"], page["orders"]) == (1, 1)


async def run():
    """All of them, in step only where they wait for each other."""
    limits = httpx.Limits(max_connections=CLIENTS)
    async with httpx.AsyncClient(timeout=120, limits=limits) as http:
        clients = [Client(http, number) for number in range(CLIENTS)]
        await asyncio.gather(*(client.start() for client in clients))
        for _ in range(ROUNDS):
            await asyncio.gather(*(client.go_on() for client in clients))


def test_fifty_clients():
    asyncio.run(run())
