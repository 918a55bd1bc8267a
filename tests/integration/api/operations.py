"""A request for each operation of the management API, made so that only rights can refuse it.

A new route needs an entry here, and its lines in `rights.txt`: the walks say so.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from typing import Any

from tests.integration.api.management import PASSWORD, Management
from tollhouse.domain.identifiers import new_id
from tollhouse.domain.rights import Role
from tollhouse.services.models.deployments import NewDeployment
from tollhouse.services.models.models import NewModel
from tollhouse.store.records import LedgerRecord

_number = count()


@dataclass(frozen=True)
class Request:
    path: str
    body: Any = None
    open: bool = False
    """Whether it is for those who are not signed in."""
    of_team: bool = False
    """Whether it names what belongs to a team, which then is a 404 to all others."""


Maker = Callable[[Management, str], Request]
"""Given the team, which may be the caller's or another."""


def _email() -> str:
    return f"somebody-{next(_number)}@example.com"


def _key(api: Management, team: str) -> str:
    return api.services.keys.create("walk", team_id=team).id


def _member(api: Management, team: str) -> str:
    return api.services.users.create(_email(), PASSWORD, role=Role.VIEWER, team_id=team).user.id


def _call(api: Management, team: str) -> str:
    """A booked call's id."""
    now = datetime.now(UTC)
    row = LedgerRecord(
        id=new_id("led"), kind="call", request_id=new_id("req"), attempt=1, booked_at=now, started_at=now, team_id=team,
        key_id="key_walk", model="m", provider="p", upstream_model="m", format="chat", streamed=False, status=200,
        outcome="ok", attempts=1, input_tokens=1, cache_read_tokens=0, cache_write_tokens=0, output_tokens=1,
        reasoning_tokens=0, estimated=False, cost=1, latency_us=1,
    )  # fmt: skip
    with api.services.database.write() as session:
        session.add(row)
    return row.request_id


def _invitation(api: Management, team: str) -> str:
    return api.services.invitations.invite(_email(), Role.VIEWER, team).id


def _team(api: Management) -> str:
    return api.services.teams.create(f"walk {next(_number)}").id


def _provider(api: Management) -> str:
    return api.services.providers.add(f"walk-{next(_number)}", "echo", "echo:").id


def _provider_with_key(api: Management) -> str:
    return api.services.providers.add(f"walk-{next(_number)}", "echo", "echo:", credential="x").id


def _model(api: Management) -> str:
    return api.services.models.add(NewModel(f"walk-{next(_number)}", "echo")).id


def _deployment(api: Management) -> str:
    return api.services.deployments.add(_model(api), NewDeployment("echo")).id


def _budget(api: Management, team: str) -> str:
    return api.services.budgets.set(("key", _key(api, team)), 10**9, "month").id


def _limit(api: Management, team: str) -> str:
    return api.services.limits.set(("key", _key(api, team)), {"rpm": 60}).id


def _webhook(api: Management, team: str) -> str:
    return api.services.webhooks.create("walk", "https://hooks.example.com/x", ["*"], team_id=team).id


def _delivery(api: Management, team: str) -> str:
    """The part of a path that names one."""
    delivery = api.services.webhook_deliveries.test(_webhook(api, team))
    return f"{delivery.webhook_id}/deliveries/{delivery.id}"


def _schedule(api: Management, team: str) -> str:
    work = {"model": "echo", "input": "hello"}
    key = _key(api, team)
    return api.services.schedules.create("walk", "prompt", work, "0 0 1 1 *", key_id=key).id


def _job(api: Management, team: str) -> str:
    """A run that waits to be started."""
    return api.services.schedule_runs.run_now(_schedule(api, team)).id


OPERATIONS: dict[str, Maker] = {
    "POST /api/auth/login": lambda api, team: Request("/auth/login", {"email": _email(), "password": "x"}, open=True),
    "POST /api/auth/refresh": lambda api, team: Request("/auth/refresh", {"refresh_token": "x"}, open=True),
    "GET /api/auth/oidc/login": lambda api, team: Request("/auth/oidc/login", open=True),
    "GET /api/auth/oidc/callback": lambda api, team: Request("/auth/oidc/callback?state=x", open=True),
    "POST /api/auth/logout": lambda api, team: Request("/auth/logout"),
    "GET /api/auth/me": lambda api, team: Request("/auth/me"),
    "POST /api/auth/password": lambda api, team: Request(
        "/auth/password", {"password": PASSWORD, "new_password": PASSWORD}
    ),
    "POST /api/auth/password-reset": lambda api, team: Request("/auth/password-reset", {"email": _email()}, open=True),
    "POST /api/auth/password-reset/confirm": lambda api, team: Request(
        "/auth/password-reset/confirm", {"token": "x", "password": PASSWORD}, open=True
    ),
    "POST /api/auth/invitation": lambda api, team: Request(
        "/auth/invitation", {"token": "x", "password": PASSWORD}, open=True
    ),
    "GET /api/users": lambda api, team: Request("/users"),
    "POST /api/users": lambda api, team: Request(
        "/users", {"email": _email(), "role": "member", "team_id": team}, of_team=True
    ),
    "GET /api/users/<id>": lambda api, team: Request(f"/users/{_member(api, team)}"),
    "PATCH /api/users/<id>": lambda api, team: Request(f"/users/{_member(api, team)}", {"disabled": True}),
    "DELETE /api/users/<id>": lambda api, team: Request(f"/users/{_member(api, team)}"),
    "GET /api/users/<id>/export": lambda api, team: Request(f"/users/{_member(api, team)}/export"),
    "GET /api/invitations": lambda api, team: Request(f"/invitations?team_id={team}", of_team=True),
    "GET /api/invitations/<id>": lambda api, team: Request(f"/invitations/{_invitation(api, team)}", of_team=True),
    "DELETE /api/invitations/<id>": lambda api, team: Request(f"/invitations/{_invitation(api, team)}", of_team=True),
    "GET /api/teams": lambda api, team: Request("/teams"),
    "POST /api/teams": lambda api, team: Request("/teams", {"name": f"walk {next(_number)}"}),
    "GET /api/teams/<id>": lambda api, team: Request(f"/teams/{team}", of_team=True),
    "PATCH /api/teams/<id>": lambda api, team: Request(
        f"/teams/{team}", {"name": f"walk {next(_number)}"}, of_team=True
    ),
    "GET /api/teams/<id>/members": lambda api, team: Request(f"/teams/{team}/members", of_team=True),
    "PUT /api/teams/<id>/members/<user_id>": lambda api, team: Request(
        f"/teams/{team}/members/{_member(api, team)}", {"role": "member"}, of_team=True
    ),
    "DELETE /api/teams/<id>/members/<user_id>": lambda api, team: Request(
        f"/teams/{team}/members/{_member(api, team)}", of_team=True
    ),
    "GET /api/keys": lambda api, team: Request(f"/keys?team_id={team}", of_team=True),
    "POST /api/keys": lambda api, team: Request("/keys", {"name": "walk", "team_id": team}, of_team=True),
    "GET /api/keys/<id>": lambda api, team: Request(f"/keys/{_key(api, team)}", of_team=True),
    "PATCH /api/keys/<id>": lambda api, team: Request(f"/keys/{_key(api, team)}", {"name": "new"}, of_team=True),
    "DELETE /api/keys/<id>": lambda api, team: Request(f"/keys/{_key(api, team)}", of_team=True),
    "POST /api/keys/<id>/rotate": lambda api, team: Request(f"/keys/{_key(api, team)}/rotate", {}, of_team=True),
    "GET /api/usage": lambda api, team: Request(f"/usage?team_id={team}", of_team=True),
    "GET /api/reports/<report>": lambda api, team: Request(f"/reports/usage?team_id={team}", of_team=True),
    "GET /api/requests": lambda api, team: Request(f"/requests?team_id={team}", of_team=True),
    "GET /api/requests/<id>": lambda api, team: Request(f"/requests/{_call(api, team)}", of_team=True),
    "GET /api/providers": lambda api, team: Request("/providers"),
    "POST /api/providers": lambda api, team: Request(
        "/providers", {"name": f"walk-{next(_number)}", "format": "echo", "base_url": "echo:"}
    ),
    "GET /api/providers/<id>": lambda api, team: Request(f"/providers/{_provider(api)}"),
    "PATCH /api/providers/<id>": lambda api, team: Request(f"/providers/{_provider(api)}", {"allow_private": True}),
    "DELETE /api/providers/<id>": lambda api, team: Request(f"/providers/{_provider(api)}"),
    "POST /api/providers/<id>/check": lambda api, team: Request(f"/providers/{_provider(api)}/check"),
    "GET /api/providers/<id>/keys": lambda api, team: Request(f"/providers/{_provider(api)}/keys"),
    "POST /api/providers/<id>/keys": lambda api, team: Request(
        f"/providers/{_provider(api)}/keys", {"name": "default", "credential": "x"}
    ),
    "PATCH /api/providers/<id>/keys/<name>": lambda api, team: Request(
        f"/providers/{_provider_with_key(api)}/keys/default", {"credential": "y"}
    ),
    "DELETE /api/providers/<id>/keys/<name>": lambda api, team: Request(
        f"/providers/{_provider_with_key(api)}/keys/default"
    ),
    "GET /api/models": lambda api, team: Request("/models"),
    "POST /api/models": lambda api, team: Request("/models", {"name": f"walk-{next(_number)}", "provider": "echo"}),
    "GET /api/models/<id>": lambda api, team: Request(f"/models/{_model(api)}"),
    "PATCH /api/models/<id>": lambda api, team: Request(f"/models/{_model(api)}", {"max_output": 9}),
    "DELETE /api/models/<id>": lambda api, team: Request(f"/models/{_model(api)}"),
    "GET /api/models/<id>/route": lambda api, team: Request(f"/models/{_model(api)}/route"),
    "PATCH /api/models/<id>/route": lambda api, team: Request(f"/models/{_model(api)}/route", {"weight": 2}),
    "GET /api/models/<id>/prices": lambda api, team: Request(f"/models/{_model(api)}/prices"),
    "PATCH /api/models/<id>/prices": lambda api, team: Request(f"/models/{_model(api)}/prices", {"batch_discount": 5}),
    "GET /api/deployments": lambda api, team: Request("/deployments"),
    "POST /api/deployments": lambda api, team: Request("/deployments", {"model": _model(api), "provider": "echo"}),
    "GET /api/deployments/<id>": lambda api, team: Request(f"/deployments/{_deployment(api)}"),
    "PATCH /api/deployments/<id>": lambda api, team: Request(f"/deployments/{_deployment(api)}", {"weight": 2}),
    "DELETE /api/deployments/<id>": lambda api, team: Request(f"/deployments/{_deployment(api)}"),
    "GET /api/budgets": lambda api, team: Request(f"/budgets?team_id={team}", of_team=True),
    "POST /api/budgets": lambda api, team: Request(
        "/budgets", {"scope": "key", "scope_id": _key(api, team), "usd": "1", "period": "day"}, of_team=True
    ),
    "GET /api/budgets/<id>": lambda api, team: Request(f"/budgets/{_budget(api, team)}", of_team=True),
    "PATCH /api/budgets/<id>": lambda api, team: Request(
        f"/budgets/{_budget(api, team)}", {"usd": "2.5"}, of_team=True
    ),
    "DELETE /api/budgets/<id>": lambda api, team: Request(f"/budgets/{_budget(api, team)}", of_team=True),
    "GET /api/limits": lambda api, team: Request(f"/limits?team_id={team}", of_team=True),
    "POST /api/limits": lambda api, team: Request(
        "/limits", {"scope": "key", "scope_id": _key(api, team), "rpm": 60}, of_team=True
    ),
    "GET /api/limits/<id>": lambda api, team: Request(f"/limits/{_limit(api, team)}", of_team=True),
    "PATCH /api/limits/<id>": lambda api, team: Request(f"/limits/{_limit(api, team)}", {"rpm": 5}, of_team=True),
    "DELETE /api/limits/<id>": lambda api, team: Request(f"/limits/{_limit(api, team)}", of_team=True),
    "GET /api/webhooks": lambda api, team: Request(f"/webhooks?team_id={team}", of_team=True),
    "POST /api/webhooks": lambda api, team: Request(
        "/webhooks",
        {"name": "walk", "url": "https://hooks.example.com/x", "event_types": ["*"], "team_id": team},
        of_team=True,
    ),
    "GET /api/webhooks/<id>": lambda api, team: Request(f"/webhooks/{_webhook(api, team)}", of_team=True),
    "PATCH /api/webhooks/<id>": lambda api, team: Request(
        f"/webhooks/{_webhook(api, team)}", {"name": "new"}, of_team=True
    ),
    "DELETE /api/webhooks/<id>": lambda api, team: Request(f"/webhooks/{_webhook(api, team)}", of_team=True),
    "POST /api/webhooks/<id>/rotate": lambda api, team: Request(
        f"/webhooks/{_webhook(api, team)}/rotate", {}, of_team=True
    ),
    "POST /api/webhooks/<id>/test": lambda api, team: Request(
        f"/webhooks/{_webhook(api, team)}/test", {}, of_team=True
    ),
    "POST /api/webhooks/<id>/redeliver": lambda api, team: Request(
        f"/webhooks/{_webhook(api, team)}/redeliver", {"since": "2026-01-01T00:00:00Z"}, of_team=True
    ),
    "GET /api/webhooks/<id>/deliveries": lambda api, team: Request(
        f"/webhooks/{_webhook(api, team)}/deliveries", of_team=True
    ),
    "GET /api/webhooks/<id>/deliveries/<delivery_id>": lambda api, team: Request(
        f"/webhooks/{_delivery(api, team)}", of_team=True
    ),
    "POST /api/webhooks/<id>/deliveries/<delivery_id>/redeliver": lambda api, team: Request(
        f"/webhooks/{_delivery(api, team)}/redeliver", of_team=True
    ),
    "GET /api/schedules": lambda api, team: Request(f"/schedules?team_id={team}", of_team=True),
    "POST /api/schedules": lambda api, team: Request(
        "/schedules",
        {
            "name": "walk",
            "kind": "prompt",
            "work": {"model": "echo", "input": "hello"},
            "cron": "0 0 1 1 *",
            "team_id": team,
        },
        of_team=True,
    ),
    "GET /api/schedules/<id>": lambda api, team: Request(f"/schedules/{_schedule(api, team)}", of_team=True),
    "PATCH /api/schedules/<id>": lambda api, team: Request(
        f"/schedules/{_schedule(api, team)}", {"paused": True}, of_team=True
    ),
    "DELETE /api/schedules/<id>": lambda api, team: Request(f"/schedules/{_schedule(api, team)}", of_team=True),
    "GET /api/schedules/<id>/runs": lambda api, team: Request(f"/schedules/{_schedule(api, team)}/runs", of_team=True),
    "POST /api/schedules/<id>/runs": lambda api, team: Request(f"/schedules/{_schedule(api, team)}/runs", of_team=True),
    "GET /api/jobs": lambda api, team: Request(f"/jobs?team_id={team}", of_team=True),
    "GET /api/jobs/<id>": lambda api, team: Request(f"/jobs/{_job(api, team)}", of_team=True),
    "POST /api/jobs/<id>/cancel": lambda api, team: Request(f"/jobs/{_job(api, team)}/cancel", of_team=True),
    "GET /api/audit": lambda api, team: Request("/audit"),
}

UNGUARDED = ("/api/", "/api/docs", "/api/docs/<name>", "/api/swagger.json")
"""Rules under `/api` that are no operations: the documentation, and the root, where there is nothing."""


def routes(api: Management) -> list[str]:
    """Every operation of the url map, as "GET /api/keys/<id>"."""
    return sorted(
        f"{method} {rule.rule.replace('<string:', '<')}"
        for rule in api.gateway.app.url_map.iter_rules()
        if rule.rule.startswith("/api") and rule.rule not in UNGUARDED
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    )
