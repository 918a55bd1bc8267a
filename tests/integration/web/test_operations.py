import pytest

from tests.gateway import Gateway
from tests.running import wait_until
from tollhouse import metrics
from tollhouse.services.models.models import NewModel


def test_healthz_says_that_the_process_lives(gateway: Gateway) -> None:
    assert gateway.get("/healthz").json == {"status": "ok"}


def test_readyz_without_redis_is_200_and_says_so(gateway: Gateway) -> None:
    response = gateway.get("/readyz")
    assert (response.status_code, response.json) == (200, {"status": "ready", "degraded": ["redis"]})


def test_readyz_without_the_database_is_503_and_says_so(gateway: Gateway) -> None:
    path = gateway.settings.home / "tollhouse.db"
    gateway.services.database.close()
    path.rename(path.with_name("away.db"))
    path.mkdir()
    try:
        wait_until(lambda: gateway.get("/readyz").status_code == 503)
        assert gateway.get("/readyz").json["down"] == ["database"]
        assert gateway.get("/healthz").status_code == 200
    finally:
        path.rmdir()
        path.with_name("away.db").rename(path)


def test_metrics_count_calls_and_tokens(gateway: Gateway) -> None:
    gateway.chat()
    gateway.rows()
    text = gateway.get("/metrics").get_data(as_text=True)
    assert 'tollhouse_calls_total{format="chat",model="echo",provider="echo",status="200"}' in text
    assert gateway.key_id() not in text


def test_metrics_that_another_process_keeps_are_to_be_asked_for_again(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    def kept(_: object) -> bytes:
        raise TimeoutError("Another process keeps what was counted to itself.")

    monkeypatch.setattr(metrics, "render", kept)
    assert gateway.get("/metrics").status_code == 503


def test_the_front_page_says_what_runs_here(gateway: Gateway) -> None:
    response = gateway.get("/")
    assert "Tollhouse" in response.get_data(as_text=True)
    assert "default-src 'none'" in response.headers["content-security-policy"]


def test_models_are_listed_in_the_shape_of_the_vendor_whose_sdk_asks(gateway: Gateway) -> None:
    openai = gateway.get("/v1/models").json
    assert openai["data"][0]["object"] == "model"
    anthropic = gateway.get("/v1/models", **{"anthropic-version": "2023-06-01"}).json
    assert anthropic["data"][0]["type"] == "model"
    assert gateway.get("/v1/models/echo").json["id"] == "echo"
    assert gateway.get("/v1/models/ecko").status_code == 404


def models_page(gateway: Gateway, query: str) -> tuple[list[str], bool]:
    page = gateway.get(f"/v1/models?{query}", **{"anthropic-version": "2023-06-01"}).json
    ids = [model["id"] for model in page["data"]]
    assert (page["first_id"], page["last_id"]) == ((ids[0], ids[-1]) if ids else (None, None))
    return ids, page["has_more"]


def test_models_in_anthropics_shape_have_pages_both_ways(gateway: Gateway) -> None:
    for number in range(25):
        gateway.services.models.add(NewModel(f"echo-{number:02}", "echo", "echo"))
    gateway.services.serve().catalogue.refresh()
    names, more = models_page(gateway, "limit=1000")
    assert (len(names) > 25, more) == (True, False)
    assert models_page(gateway, "") == (names[:20], True)
    assert models_page(gateway, f"limit=7&after_id={names[2]}") == (names[3:10], True)
    assert models_page(gateway, f"after_id={names[-3]}") == (names[-2:], False)
    assert models_page(gateway, f"after_id={names[-1]}") == ([], False)
    assert models_page(gateway, f"limit=2&before_id={names[5]}") == (names[3:5], True)
    assert models_page(gateway, f"limit=9&before_id={names[5]}") == (names[:5], False)
    openai = gateway.get("/v1/models?limit=1").json
    assert [model["id"] for model in openai["data"]] == names, "OpenAI's list has no pages"


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("limit=x", "limit"),
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("limit=-1", "limit"),
        ("limit=", "limit"),
        ("after_id=nothing", "after_id"),
        ("before_id=nothing", "before_id"),
        ("after_id=echo&before_id=echo", "before_id"),
    ],
)
def test_a_page_of_models_that_cannot_be_is_a_400_that_names_why(gateway: Gateway, query: str, param: str) -> None:
    response = gateway.get(f"/v1/models?{query}", **{"anthropic-version": "2023-06-01"})
    assert (response.status_code, response.json["type"]) == (400, "error")
    assert response.json["error"]["message"].startswith(f"{param}: ")


def test_what_a_star_stands_for_is_a_model_and_is_listed_for_a_key_that_names_it(gateway: Gateway) -> None:
    gateway.services.models.add(NewModel("star/*", "echo", input_price=0, output_price=0))
    gateway.services.serve().catalogue.refresh()
    key = gateway.services.keys.create("one of them", models=["star/one"]).key or ""
    client = gateway.app.test_client()
    assert [one["id"] for one in client.get("/v1/models", headers={"x-api-key": key}).json["data"]] == ["star/one"]
    for name, status in (("star/one", 200), ("star/two", 404), ("echo", 404)):
        assert client.get(f"/v1/models/{name}", headers={"x-api-key": key}).status_code == status
    shown = gateway.get("/v1/models/star/two").json
    assert (shown["id"], shown["owned_by"]) == ("star/two", "echo")
