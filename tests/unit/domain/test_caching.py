"""What a model and a call say together of a reply that was made before."""

import pytest

from tollhouse.domain.caching import LONGEST_SECONDS, Freshness, freshness
from tollhouse.domain.errors import InvalidField
from tollhouse.wire.cache_control import read_cache_control


@pytest.mark.parametrize(
    ("of_model", "said", "expected"),
    [
        (None, "", None),
        (None, "max-age=60", Freshness(60, 60)),
        (None, "max-age=60, no-cache", Freshness(0, 60)),
        (None, "no-cache", None),
        (None, "max-age=0", None),
        (None, f"max-age={10**9}", Freshness(LONGEST_SECONDS, LONGEST_SECONDS)),
        (0, "max-age=60", None),
        (600, "", Freshness(600, 600)),
        (600, "max-age=60", Freshness(60, 600)),
        (600, "max-age=6000", Freshness(600, 600)),
        (600, "Max-Age=60 , No-Store", None),
        (600, "no-cache", Freshness(0, 600)),
        (600, "max-age=0", Freshness(0, 600)),
        (600, "only-if-cached, max-stale=9", Freshness(600, 600)),
    ],
)
def test_the_model_says_how_long_and_the_call_how_old(
    of_model: int | None, said: str, expected: Freshness | None
) -> None:
    assert freshness(of_model, read_cache_control(said)) == expected


@pytest.mark.parametrize("said", ["max-age", "max-age=", "max-age=soon", "max-age=-1", "max-age=1.5"])
def test_an_age_that_is_no_number_of_seconds_is_refused_by_name(said: str) -> None:
    with pytest.raises(InvalidField, match="max-age is a whole number") as refused:
        read_cache_control(said)
    assert refused.value.param == "cache-control"
