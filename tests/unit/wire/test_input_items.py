"""Items that are given to be kept: the SDK's own types say which there are."""

from collections.abc import Mapping
from typing import Any, Required, get_args, get_origin, get_type_hints

import pytest
from openai.types.responses.response_input_item_param import ResponseInputItemParam
from openai.types.responses.response_input_message_content_list_param import ResponseInputContentParam

from tollhouse.domain.errors import InvalidField
from tollhouse.wire.input_items import KINDS, PARTS, check_items

EXAMPLES: Mapping[type, Any] = {str: "x", list: [], dict: {}, bool: False}


def kind_of(item: Any) -> str:
    annotation = get_type_hints(item)["type"]
    return next(word for word in [*get_args(annotation), *map(_first, get_args(annotation))] if isinstance(word, str))


def _first(annotation: Any) -> Any:
    return next(iter(get_args(annotation)), None)


def required(item: Any) -> set[str]:
    hints = get_type_hints(item, include_extras=True)
    return {name for name, hint in hints.items() if get_origin(hint) is Required} - {"type"}


ITEMS = {item: kind_of(item) for item in get_args(ResponseInputItemParam) if kind_of(item) != "item_reference"}


def test_every_item_that_the_sdk_knows_can_be_kept_and_no_other() -> None:
    assert set(ITEMS.values()) == set(KINDS)


@pytest.mark.parametrize("item", ITEMS, ids=lambda item: item.__name__)
def test_an_item_needs_no_more_than_the_sdk_says(item: Any) -> None:
    assert set(KINDS[ITEMS[item]]) <= required(item)


@pytest.mark.parametrize("part", get_args(ResponseInputContentParam), ids=lambda part: part.__name__)
def test_every_part_that_the_sdk_knows_can_be_kept(part: Any) -> None:
    assert set(PARTS[kind_of(part)]) <= required(part)


@pytest.mark.parametrize("kind", KINDS)
def test_each_field_that_an_item_cannot_do_without_is_named(kind: str) -> None:
    whole = {"type": kind, **{field: EXAMPLES[types[0]] for field, types in KINDS[kind].items()}}
    check_items([whole], "items")
    for field in KINDS[kind]:
        for wrong in ({**whole, field: 7}, {name: value for name, value in whole.items() if name != field}):
            with pytest.raises(InvalidField) as refused:
                check_items([whole, wrong], "items")
            assert refused.value.param == f"items[1].{field}"
