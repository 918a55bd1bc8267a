"""The management API of a gateway in this process, and people who use it."""

import time
from typing import Any

from werkzeug.test import TestResponse

from tests.gateway import Gateway
from tollhouse.domain.rights import Role
from tollhouse.services.people.tokens import Session
from tollhouse.store.records import UserRecord
from tollhouse.web.tokens import pair

EMAIL = "admin@localhost"
PASSWORD = "a password for tests"


class Management:
    """Requests to `/api`, as somebody or nobody."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        self.services = gateway.services
        self._client = gateway.app.test_client()

    def ask(self, method: str, path: str, token: str | None = None, body: Any = None, **headers: str) -> TestResponse:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if token is not None:
            sent["authorization"] = f"Bearer {token}"
        return self._client.open(f"/api{path}", method=method, headers=sent, **({} if body is None else {"json": body}))

    def get(self, path: str, token: str | None = None, **headers: str) -> TestResponse:
        return self.ask("GET", path, token, **headers)

    def post(self, path: str, body: Any = None, token: str | None = None, **headers: str) -> TestResponse:
        return self.ask("POST", path, token, body, **headers)

    def login(self, email: str = EMAIL, password: str = PASSWORD, **fields: Any) -> TestResponse:
        return self.post("/auth/login", {"email": email, "password": password, **fields})

    def add(self, email: str, role: str | None = None, team_id: str | None = None) -> str:
        """A new person's id; the password is PASSWORD."""
        given = None if role is None else Role(role)
        return self.services.users.create(email, PASSWORD, role=given, team_id=team_id).user.id

    def begin(self, user_id: str) -> Session:
        """A session as signing in begins it, without the 0.1 s that hashing takes."""
        with self.services.database.write() as session:
            user = session.get(UserRecord, user_id)
            assert user is not None
            return self.services.tokens.begin(session, user)

    def pair(self, user_id: str) -> dict[str, Any]:
        session = self.begin(user_id)
        with self.gateway.app.app_context():
            return pair(session)

    def token(self, user_id: str) -> str:
        """An access token."""
        return str(self.pair(user_id)["access_token"])

    def owner(self) -> str:
        """An access token of the first administrator."""
        return self.token(self.services.users.named(EMAIL).id)


def is_problem(response: TestResponse, status: int, code: str) -> bool:
    assert response.content_type == "application/problem+json", (response.status, response.get_data())
    assert set(response.json) <= {"type", "title", "status", "detail", "code", "param"}
    assert (response.status_code, response.json["status"], response.json["code"]) == (status, status, code), (
        response.json
    )
    return True


def within_a_second(true: Any, what: str = "it did not come true within a second") -> float:
    """Wait until `true()` is; the seconds that it took."""
    began = time.monotonic()
    while not true():
        assert time.monotonic() - began < 1, what
        time.sleep(0.01)
    return time.monotonic() - began
