from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from tollhouse import metrics, worker
from tollhouse.jobs.registry import JobKind


class Services:
    def __init__(self) -> None:
        self.closed = 0

    def close(self) -> None:
        self.closed += 1


@pytest.fixture
def perform(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[Any], None]], Services]:
    """Perform the kind "errand", which does what is given, and return the services that were built for it."""

    def perform(errand: Callable[[Any], None]) -> Services:
        services = Services()
        monkeypatch.setattr(worker, "kinds", lambda: {"errand": JobKind("errand", None, errand)})
        monkeypatch.setattr(worker, "_Inheritance", SimpleNamespace(build=lambda: services, is_asked_to_stop=bool))
        worker.perform("errand")
        return services

    return perform


def performed(outcome: str, kind: str = "errand") -> float:
    return metrics.REGISTRY.get_sample_value("tollhouse_jobs_total", {"kind": kind, "outcome": outcome}) or 0


def test_a_kind_is_run_over_services_that_are_closed_afterwards(
    perform: Callable[[Callable[[Any], None]], Services],
) -> None:
    seen: list[tuple[Any, int]] = []
    before = performed("ok")
    services = perform(lambda given: seen.append((given, given.closed)))
    assert seen == [(services, 0)]
    assert services.closed == 1
    assert performed("ok") - before == 1


def test_a_kind_that_fails_is_counted_its_services_are_closed_and_rq_hears_of_it(
    perform: Callable[[Callable[[Any], None]], Services],
) -> None:
    built: list[Services] = []

    def fail(given: Services) -> None:
        built.append(given)
        raise ValueError("no")

    before = performed("error")
    with pytest.raises(ValueError, match="no"):
        perform(fail)
    assert built[0].closed == 1
    assert performed("error") - before == 1


def test_a_kind_that_is_not_known_builds_nothing_and_names_no_metric(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "_Inheritance", SimpleNamespace(build=lambda: pytest.fail("built")))
    before = performed("refused", "any")
    worker.perform("no_such_kind")
    assert performed("refused", "any") - before == 1
    assert b"no_such_kind" not in metrics.render()
