from dataclasses import fields

from tollhouse.jobs.registry import kinds
from tollhouse.settings import Settings


def test_a_file_with_a_kind_is_found_by_itself() -> None:
    assert "roll_up_usage" in kinds()


def test_every_kind_says_its_interval_by_a_setting_or_has_none() -> None:
    settings = {field.name for field in fields(Settings)}
    assert {kind.every for kind in kinds().values()} <= {*settings, None}


def test_every_kind_is_named_as_its_file_and_fits_into_a_wake_up() -> None:
    for name, kind in kinds().items():
        assert kind.name == name == kind.run.__module__.rpartition(".")[2]
        assert name.isidentifier()
        assert name == name.lower()[:64]
