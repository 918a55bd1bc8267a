"""What is wrong is named, nothing is half-written, and nothing is a 500: of providers, models, budgets, limits."""

from collections.abc import Mapping
from typing import Any

import pytest
from sqlalchemy import select

from tests.integration.api.management import Management, is_problem
from tollhouse.services.models.deployments import NewDeployment
from tollhouse.services.models.models import NewModel
from tollhouse.store.records import (
    AuditEntryRecord,
    Base,
    BudgetRecord,
    BudgetWindowRecord,
    ChangeCounterRecord,
    DeploymentRecord,
    LimitRecord,
    ModelRecord,
    PriceTermsRecord,
    ProviderRecord,
    RouteRecord,
)
from tollhouse.wiring import Services

TABLES: tuple[type[Base], ...] = (
    ProviderRecord,
    ModelRecord,
    DeploymentRecord,
    RouteRecord,
    PriceTermsRecord,
    BudgetRecord,
    BudgetWindowRecord,
    LimitRecord,
    AuditEntryRecord,
    ChangeCounterRecord,
)
LONG = "x" * 3000
PROVIDER = {"name": "new", "format": "openai", "base_url": "https://api.example.com/v1"}
MODEL = {"name": "new", "provider": "echo"}
BUDGET = {"scope": "model", "scope_id": "echo", "usd": "1", "period": "day"}
LIMIT = {"scope": "model", "scope_id": "echo", "rpm": 1}
DEPLOYMENT = {"model": "echo", "provider": "echo"}
GOOD = {
    "providers": PROVIDER,
    "models": MODEL,
    "deployments": DEPLOYMENT,
    "budgets": BUDGET,
    "limits": LIMIT,
}
CHANGES: dict[str, dict[str, Any]] = {
    "providers": {"format": "vllm"},
    "models": {"max_output": 5},
    "deployments": {"weight": 5},
    "budgets": {"usd": "2"},
    "limits": {"rpm": 2},
}
GONE = object()

OF_PROVIDERS: list[tuple[str, Any]] = [
    *(("name", bad) for bad in (GONE, None, 5, True, [], {}, "", " ", LONG, "a b", "a\0b", "a\nb", "ключ", "a\u202eb")),
    *(("format", bad) for bad in (GONE, None, 5, "", "smtp", LONG, "open\0ai")),
    *(("base_url", bad) for bad in (GONE, None, 5, "", LONG, "x", "ftp://a.b", "https://", "https://u:p@a.b/v1")),
    *(("base_url", bad) for bad in ("https://a.b/v1?x=1", "https://a.b/\n", "https://a b.c", "http://[::1", "echo\0:")),
    *(("base_url", f"http://{host}/v1") for host in ("127.0.0.1", "10.1.2.3", "169.254.169.254", "localhost", "[::1]")),
    *(("base_url", f"http://{host}/v1") for host in ("0x7f000001", "127.1", "[::ffff:10.0.0.1]", "192.168.0.1:8080")),
    *(("credential", bad) for bad in (5, True, [], "", "a\r\nx-evil: 1", "sk-\0", "ключ", LONG, " sk ")),
    *(("allow_private", bad) for bad in (None, 1, "true", [])),
    ("id", "prv_1"),
    ("vendor", "openai"),
]
OF_MODELS: list[tuple[str, Any]] = [
    *(("name", bad) for bad in (GONE, None, 5, "", LONG, "a b", "a\0b", "\u0007", "ключ")),
    *(("provider", bad) for bad in (GONE, None, 5, "", LONG, [])),
    *(("upstream_model", bad) for bad in (5, "", LONG, "a\0b", "a\u0007b", "a\u2028b")),
    *(("context_window", bad) for bad in (0, -1, 2**31, "9", 1.5, True, [])),
    *(("max_output", bad) for bad in (0, -1, 2**31, 1e300, "9", 1.5, False)),
    *(("fallbacks", bad) for bad in (None, "echo", 5, ["nothing"], ["new"], ["echo", "echo"], ["echo"] * 21)),
    *(("input_price", bad) for bad in ("-1", "1e3", "NaN", "", "1.0000000001", "1000001", "9" * 39, LONG, 0.15, 1, [])),
    *(("output_price", bad) for bad in ("-0.01", "Infinity", "1,5", "٣", "0x10", " ", 5)),
    *(("unit_price", bad) for bad in ("-1", "1001", "9" * 39, 1, True)),
    ("team_id", "team_default"),
]
OF_TERMS: list[tuple[str, Any]] = [
    *(("weight", bad) for bad in (None, -1, 1_000_001, 0.5, "1", True)),
    *(("priority", bad) for bad in (None, -1, 1001, "0")),
    *(("lacks", bad) for bad in (None, "tools", ["taste"], ["tools", "tools"], [5])),
    *(("rpm", bad) for bad in (0, -1, 10**13, 1.5, "60", True, [])),
    *(("tpm", bad) for bad in (0, 1e300, "x")),
    *(("concurrency", bad) for bad in (0, -5, 0.1)),
]
OF_DEPLOYMENTS: list[tuple[str, Any]] = [
    *(("model", bad) for bad in (GONE, None, 5, "", LONG, [])),
    *(("provider", bad) for bad in (GONE, None, 5, "", LONG, [])),
    *(("upstream_model", bad) for bad in (5, "", LONG, "a\0b", "a\u0007b")),
    *(("context_window", bad) for bad in (0, -1, 2**31, "9", 1.5, True)),
    *(("max_output", bad) for bad in (0, 1e300, "9", False)),
    *(("input_price", bad) for bad in ("-1", "1e3", "NaN", "", "1000001", 0.15, [])),
    *(("output_price", bad) for bad in ("-0.01", "Infinity", "1,5", 5)),
    *OF_TERMS,
    ("unit_price", "1"),
    ("id", "dep_1"),
]
OF_ROUTES: list[tuple[str, Any]] = [
    *(("strategy", bad) for bad in (None, "", "fastest", 5, [])),
    *(("sticky", bad) for bad in ("", "cookie", 5, [])),
    *(("aliases", bad) for bad in (None, "a", [5], [""], ["a b"], ["a\0b"], ["a", "a"], [LONG])),
    *(("aliases", [f"a{number}" for number in range(most)]) for most in (101, 1000)),
    *(("context_fallbacks", bad) for bad in (None, "echo", ["nothing"], ["there"], ["echo"] * 21)),
    *(("refusal_fallbacks", bad) for bad in (None, ["nothing"], ["there"])),
    *(("connect_seconds", bad) for bad in (0, -1, 0.01, 86401, 1e300, "1", True)),
    *((name, bad) for name in ("first_byte_seconds", "idle_seconds", "total_seconds") for bad in (0, 86401, "x", [])),
    *OF_TERMS,
    ("terms", {}),
]
STEP = {"above": 1, "input_price": "1", "output_price": "1"}
OF_PRICES: list[tuple[str, Any]] = [
    *(("cached_input_price", bad) for bad in ("-1", "1e3", "NaN", "", "1000001", LONG, 0.15, [])),
    *(("cache_write_price", bad) for bad in ("-0.01", "ten", 5, True)),
    *(("batch_discount", bad) for bad in (None, -1, 101, 0.5, "5", True)),
    *(("long_context", bad) for bad in (None, {}, [5], [{}], [{**STEP, "above": 0}], [{**STEP, "above": 2**31}])),
    *(
        ("long_context", [{**STEP, name: bad}])
        for name in ("input_price", "cache_write_price")
        for bad in (5, "", "-1")
    ),
    *(("long_context", bad) for bad in ([{**STEP, "rest": 1}], [STEP, STEP], [{**STEP, "above": n} for n in (2, 1)])),
    ("long_context", [{**STEP, "above": number} for number in range(1, 10)]),
    ("input_price", "1"),
]
OF_BUDGETS: list[tuple[str, Any]] = [
    *(("scope", bad) for bad in (GONE, None, 5, "", "planet", [])),
    *(("scope_id", bad) for bad in (GONE, None, 5, "", LONG, "a\0b", [])),
    *(
        ("usd", bad)
        for bad in (GONE, None, 5, 0.5, "", "-1", "1e9", "NaN", "ten", "9" * 11, "9" * 40, LONG, "0.1234567891")
    ),
    *(("period", bad) for bad in (GONE, None, "", "year", 5, "day\0")),
    *(("timezone", bad) for bad in ("Mars/Olympus", "", None, 5, "../../etc/passwd", "America", "UTC\0", LONG, "a\nb")),
    *(("soft", bad) for bad in (None, 1, "yes")),
    ("spent_usd", "0"),
    ("team_id", "team_default"),
]
OF_LIMITS: list[tuple[str, Any]] = [
    *(("scope", bad) for bad in (GONE, None, 5, "tag", "planet")),
    *(("scope_id", bad) for bad in (GONE, None, 5, "", LONG, "a\0b")),
    *(("rpm", bad) for bad in (GONE, None, 0, -1, 10**13, 1.5, "60", True, [])),
    *(("tpm", bad) for bad in (0, -5, 1e300, "x")),
    *(("concurrency", bad) for bad in (0, -5, 10**13, 0.1)),
    ("rph", 5),
]
MATRIX = [
    (kind, field, bad)
    for kind, cases in (
        ("providers", OF_PROVIDERS),
        ("models", OF_MODELS),
        ("deployments", OF_DEPLOYMENTS),
        ("budgets", OF_BUDGETS),
        ("limits", OF_LIMITS),
    )
    for field, bad in cases
]


@pytest.fixture(scope="module")
def owner(api: Management) -> str:
    return api.owner()


@pytest.fixture(scope="module")
def there(api: Management) -> Mapping[str, str]:
    """The path of one of each kind."""
    services = api.services
    return {
        "providers": f"/providers/{services.providers.add('there', 'openai', PROVIDER['base_url']).id}",
        "models": f"/models/{services.models.add(NewModel('there', 'echo', input_price=1, output_price=1)).id}",
        "deployments": f"/deployments/{_deployment(services)}",
        "budgets": f"/budgets/{services.budgets.set(('tag', 'there'), 5, 'day').id}",
        "limits": f"/limits/{services.limits.set(('organisation', 'all'), {'rpm': 10**9}).id}",
    }


def _deployment(services: Services) -> str:
    return services.deployments.add("there", NewDeployment("echo", input_price=1, output_price=1)).id


def everything(api: Management) -> list[list[Any]]:
    """All rows of all tables that could be written."""
    with api.services.database.read() as session:
        return [sorted(map(repr, session.execute(select(*table.__table__.columns)))) for table in TABLES]


@pytest.mark.parametrize(("kind", "field", "bad"), MATRIX)
def test_a_field_that_is_wrong_is_named_and_nothing_is_written(
    api: Management, owner: str, kind: str, field: str, bad: Any
) -> None:
    body = {**GOOD[kind], field: bad}
    if bad is GONE:
        del body[field]
    if field in ("input_price", "output_price"):
        body = {"input_price": "1", "output_price": "1", **body}
    before = everything(api)
    answer = api.post(f"/{kind}", body, owner)
    assert is_problem(answer, 400, "invalid_value")
    assert answer.json["param"].partition("[")[0] == field, answer.json
    assert everything(api) == before
    for quoted in ("x" * 300, "u:p@", "x-evil"):
        assert quoted not in answer.json["detail"]


@pytest.mark.parametrize("kind", GOOD)
def test_so_it_is_in_a_change(api: Management, owner: str, there: Mapping[str, str], kind: str) -> None:
    """Of what is null there, some is good: it takes a thing away."""
    unchanging = {"name", "model", "scope", "scope_id", "period"}
    before = everything(api)
    for of, field, bad in MATRIX:
        if of != kind or bad is GONE or bad is None or bad == ["new"]:
            continue
        answer = api.ask("PATCH", there[kind], owner, {field: bad})
        assert is_problem(answer, 400, "invalid_value"), (field, bad)
        assert answer.json["param"].partition("[")[0] == field, (bad, answer.json)
        assert field not in unchanging or "no such field" in answer.json["detail"]
    assert is_problem(api.ask("PATCH", there[kind], owner, {}), 400, "invalid_value")
    assert everything(api) == before


@pytest.mark.parametrize(
    ("part", "field", "bad"),
    [(part, field, bad) for part, cases in (("route", OF_ROUTES), ("prices", OF_PRICES)) for field, bad in cases],
)
def test_so_it_is_in_a_models_route_and_prices(
    api: Management, owner: str, there: Mapping[str, str], part: str, field: str, bad: Any
) -> None:
    before = everything(api)
    answer = api.ask("PATCH", f"{there['models']}/{part}", owner, {field: bad})
    assert is_problem(answer, 400, "invalid_value")
    assert answer.json["param"].partition("[")[0] == field, answer.json
    assert everything(api) == before


@pytest.mark.parametrize("part", ["route", "prices"])
def test_a_route_and_prices_of_no_model_are_not_there(api: Management, owner: str, part: str) -> None:
    for id in ("mdl_nothing", "%00", "x" * 3000):
        for method, body in (("GET", None), ("PATCH", {"weight": 1} if part == "route" else {"batch_discount": 1})):
            assert api.ask(method, f"/models/{id}/{part}", owner, body).status_code == 404, (method, id)
    assert is_problem(api.ask("PATCH", f"/models/x/{part}", owner, {}), 400, "invalid_value")


MALFORMED = (
    b"",
    b"{",
    b"nonsense",
    b"[]",
    b"null",
    b'"text"',
    b'{"name": "a", "name": "b"',
    b'{"name": "\xff"}',
    b'{"name": NaN}',
    b'{"rpm": 1000000000000000000000000000000}',
    b'{"name": "\\ud800"}',
    b"[" * 10_000,
    b"{" + b'"a":{' * 5_000,
)


@pytest.mark.parametrize("kind", GOOD)
def test_a_body_that_cannot_be_read_is_a_400(api: Management, owner: str, there: Mapping[str, str], kind: str) -> None:
    before = everything(api)
    client, headers = api.gateway.app.test_client(), {"authorization": f"Bearer {owner}"}
    for body in MALFORMED:
        for method, path in (("POST", f"/{kind}"), ("PATCH", there[kind])):
            answer = client.open(f"/api{path}", method=method, data=body, headers=headers)
            assert answer.status_code == 400, (method, body[:40], answer.get_data())
            assert answer.content_type == "application/problem+json"
    large = client.post(f"/api/{kind}", data=b" " * 300_000, headers=headers)
    assert is_problem(large, 413, "request_too_large")
    assert everything(api) == before


def test_a_body_that_is_packed_is_refused_for_that(api: Management, owner: str) -> None:
    client, before = api.gateway.app.test_client(), everything(api)
    for encoding in ("gzip", "br", "deflate, gzip"):
        headers = {"authorization": f"Bearer {owner}", "content-encoding": encoding}
        answer = client.post("/api/budgets", data=b"\x1f\x8b\x08\x00", headers=headers)
        assert is_problem(answer, 415, "unsupported_encoding")
        assert answer.json["param"] == "Content-Encoding"
    assert everything(api) == before
    headers = {"authorization": f"Bearer {owner}", "content-encoding": "identity"}
    assert client.post("/api/budgets", json={}, headers=headers).status_code == 400


@pytest.mark.parametrize("kind", GOOD)
def test_a_query_or_an_id_that_is_wrong_is_told(api: Management, owner: str, kind: str) -> None:
    for query, param in (
        ("limit=0", "limit"),
        ("limit=-1", "limit"),
        ("limit=9999999999", "limit"),
        ("after=", "after"),
        ("after=%00", "after"),
        (f"after={LONG}", "after"),
        ("page=2", "page"),
        ("limit=1&limit=2", "limit"),
    ):
        answer = api.get(f"/{kind}?{query}", owner)
        assert is_problem(answer, 400, "invalid_value")
        assert answer.json["param"] == param
    for id in ("nothing", "%00", "a%00b", "%ff", "x" * 3000, "..%2fothers", "%e2%80%ae"):
        for method, body in (("GET", None), ("PATCH", CHANGES[kind]), ("DELETE", None)):
            assert api.ask(method, f"/{kind}/{id}", owner, body).status_code == 404, (method, id)


def test_what_a_body_names_must_be_there(api: Management, owner: str) -> None:
    before = everything(api)
    for path, body, param in (
        ("/models", {**MODEL, "provider": "nobody"}, "provider"),
        ("/deployments", {**DEPLOYMENT, "provider": "nobody"}, "provider"),
        ("/deployments", {**DEPLOYMENT, "model": "nothing"}, "model"),
        *(
            ("/budgets", {**BUDGET, "scope": kind, "scope_id": "none"}, "scope_id")
            for kind in ("key", "user", "team", "model")
        ),
        ("/limits", {**LIMIT, "scope": "key", "scope_id": "key_none"}, "scope_id"),
    ):
        answer = api.post(path, body, owner)
        assert is_problem(answer, 404, "not_found")
        assert answer.json["param"] == param
    for path, body in (("/budgets", BUDGET), ("/limits", LIMIT)):
        answer = api.post(path, {**body, "scope": "organisation", "scope_id": "mine"}, owner)
        assert is_problem(answer, 400, "invalid_value")
        assert answer.json["param"] == "scope_id"
    one_price = api.post("/models", {**MODEL, "input_price": "1"}, owner)
    assert (one_price.status_code, one_price.json["param"]) == (400, "output_price")
    assert everything(api) == before
