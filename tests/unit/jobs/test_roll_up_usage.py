from datetime import date
from types import SimpleNamespace

import pytest

from tollhouse.jobs import roll_up_usage


@pytest.mark.parametrize("days", [[], [date(2026, 11, 19), date(2026, 11, 20)]])
def test_it_rolls_up_what_is_due_and_says_which_days(days: list[date], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    roll_up_usage.run(SimpleNamespace(roll_up=SimpleNamespace(run=lambda: days)))
    said = [record.fields for record in caplog.records if record.msg == "usage_rolled_up"]
    assert said == ([{"first": days[0], "last": days[-1], "days": 2}] if days else [])
