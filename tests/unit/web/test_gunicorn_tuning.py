"""What gunicorn is spared is what does not change."""

import time
from email.utils import parsedate_to_datetime

import pytest
from gunicorn import util
from gunicorn.config import Config
from gunicorn.http import wsgi

from tollhouse.web.gunicorn_tuning import tune


@pytest.fixture
def config(monkeypatch: pytest.MonkeyPatch) -> Config:
    monkeypatch.setattr(util, "http_date", util.http_date)  # puts back what tuning replaces
    monkeypatch.setattr(wsgi, "WSGIErrorsWrapper", wsgi.WSGIErrorsWrapper)
    config = Config()
    config.set("limit_request_fields", 42)
    config.set("forwarded_allow_ips", "")
    config.set("bind", ["127.0.0.1:0"])
    return config


def test_settings_are_what_they_were(config: Config) -> None:
    before = {name: getattr(config, name) for name in [*config.settings, "address", "is_ssl"]}
    tune(config)
    assert {name: getattr(config, name) for name in before} == before
    assert config.limit_request_fields == 42


def test_a_date_is_that_of_its_second(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    tune(config)
    now = time.time()
    assert abs(parsedate_to_datetime(util.http_date()).timestamp() - now) <= 1
    monkeypatch.setattr(time, "time", lambda: now + 3600)
    assert abs(parsedate_to_datetime(util.http_date()).timestamp() - now - 3600) <= 1
    assert util.http_date(0) == "Thu, 01 Jan 1970 00:00:00 GMT"


def test_one_stream_takes_the_errors_of_all_requests(config: Config) -> None:
    tune(config)
    assert wsgi.base_environ(config)["wsgi.errors"] is wsgi.base_environ(config)["wsgi.errors"]
