import pytest

from tollhouse.domain.errors import InvalidField
from tollhouse.domain.tags import checked, joined, split, together


def test_tags_are_kept_in_order_each_once_in_lower_case() -> None:
    assert checked([" Red", "blue", "", "RED"], "tags") == ("blue", "red")


def test_what_is_no_tag_is_refused_by_the_name_of_its_field() -> None:
    for words in (["a b"], ["a,b"], ["-a"], ["x" * 65], ["é"], ["a\x00"], ["%"]):
        with pytest.raises(InvalidField, match=r"X-Tags: .* is no tag") as refused:
            checked(words, "X-Tags")
        assert refused.value.param == "X-Tags"
    with pytest.raises(InvalidField, match="more than 16"):
        checked([f"t{n}" for n in range(17)], "X-Tags")


def test_a_call_has_its_own_tags_and_its_keys_and_no_more_than_it_may() -> None:
    assert together(("b", "c"), ("a", "b")) == ("a", "b", "c")
    many = checked([f"t{n}" for n in range(16)], "tags")
    assert together(many, many) == many
    with pytest.raises(InvalidField, match="more than 16") as refused:
        together(many, ("one-more",))
    assert refused.value.param == "X-Tollhouse-Tags"


def test_joined_tags_are_split_into_the_same() -> None:
    for tags in ((), ("a",), ("a", "b_c")):
        assert split(joined(tags)) == tags
