from tests.gateway import Gateway
from tests.running import wait_until


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
