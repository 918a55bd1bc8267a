"""The strict JSON reader: what it refuses, what it takes, and that it can write again whatever it took."""

import json
import time
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tollhouse.domain.errors import InvalidJSON
from tollhouse.wire import json_text
from tollhouse.wire.json_text import DEEPEST, MOST_VALUES, read_leniently, read_object, weigh, write

MEGABYTE = 1024 * 1024


def nested(levels: int) -> bytes:
    """An object that is this many levels deep, itself counted."""
    return b'{"a":' + b"[" * (levels - 1) + b"]" * (levels - 1) + b"}"


@pytest.mark.parametrize("value", [b"NaN", b"Infinity", b"-Infinity", b"01", b"+1", b".5", b"'a'", b"True", b"[1,]"])
def test_what_is_no_json_value_is_refused(value: bytes) -> None:
    with pytest.raises(InvalidJSON, match="not valid JSON at line 1, column"):
        read_object(b'{"a":' + value + b"}")


@pytest.mark.parametrize(
    "text",
    [
        b'{"a":"\xff"}',
        b'{"a":"\xed\xa0\x80"}',  # a surrogate written in UTF-8
        b'{"a":"\\ud800"}',
        b'{"a":"\\udc00\\ud800"}',
        b'{"\\ud83d":1}',
        b"\xef\xbb\xbf{}",
        '{"a":1}'.encode("utf-16"),
        b'{"a":"line\nbreak"}',
        b'{"a":1',
        b'{"a":1} {"b":2}',
    ],
)
def test_text_that_is_not_one_json_document_in_utf8_is_refused(text: bytes) -> None:
    with pytest.raises(InvalidJSON, match="not valid JSON"):
        read_object(text)


@pytest.mark.parametrize("text", [b"[]", b'[{"model":"m"}]', b'"model"', b"1", b"null", b"true"])
def test_a_document_that_is_no_object_is_refused(text: bytes) -> None:
    with pytest.raises(InvalidJSON, match="must be a JSON object"):
        read_object(text)


def test_an_empty_body_is_said_to_be_empty() -> None:
    with pytest.raises(InvalidJSON, match="because it is empty"):
        read_object(b"")


@pytest.mark.parametrize("number", [2**64 - 1, 2**63, -(2**63), 2**53 + 1, 10**18, -(10**18)])
def test_an_integer_of_64_bits_is_kept_exactly(number: int) -> None:
    body = read_object(b'{"a":[%d]}' % number)
    assert body == {"a": [number]}
    assert write(body) == b'{"a":[%d]}' % number


@pytest.mark.parametrize(
    "number",
    ["18446744073709551616", "-9223372036854775809", "-18446744073709551615", "1" + "0" * 29, "-1" + "0" * 299],
    ids=["2**64", "-2**63-1", "-2**64+1", "30 digits", "minus 300 digits"],
)
@pytest.mark.parametrize("around", ['{"a":%s}', '{"a" : %s }', '{"s":"\\"","a":%s,"t":"12345678901234567890"}'])
def test_an_integer_beyond_64_bits_is_refused(around: str, number: str) -> None:
    with pytest.raises(InvalidJSON, match=r"^a: The number -?[0-9]{19,40} in the body does not fit in 64 bits\.$"):
        read_object((around % number).encode())


@pytest.mark.parametrize(
    "value",
    [
        b'"123456789012345678901234567890"',
        b'"\\"123456789012345678901234567890"',
        b'"\\\\\\",:123456789012345678901234567890,"',
        b"0.123456789012345678901234567890",
        b"123456789012345678901234567890.5",
        b"123456789012345678901234567890e-10",
        b"1e-123456789012345678901234567890",
    ],
)
def test_long_digits_that_are_no_integer_are_taken(value: bytes) -> None:
    body = read_object(b'{"a":' + value + b',"b":0}')
    assert body == json.loads(b'{"a":' + value + b',"b":0}')


def test_long_digits_in_a_key_are_taken() -> None:
    key = "1" * 30
    assert read_object(b'{"%s":1}' % key.encode()) == {key: 1}


def test_nesting_is_allowed_to_a_depth_and_no_further() -> None:
    assert write(read_object(nested(DEEPEST))) == nested(DEEPEST)
    with pytest.raises(InvalidJSON, match="deeper than 100 levels"):
        read_object(nested(DEEPEST + 1))


def test_many_brackets_side_by_side_are_not_depth() -> None:
    assert len(read_object(b'{"a":[' + b"[],{}," * 500 + b'"[[[["]}')["a"]) == 1001


@pytest.mark.parametrize(
    "text",
    [
        b"[" * 100_000,
        b'{"a":' * 100_000,
        nested(100_000),
        nested(1000),
        nested(200).replace(b"[]", b"[123456789012345678901]"),
    ],
)
def test_hostile_nesting_is_refused_quickly(text: bytes) -> None:
    began = time.process_time()
    with pytest.raises(InvalidJSON):
        read_object(text)
    assert time.process_time() - began < 0.2


def test_of_duplicate_keys_the_last_is_what_is_read_and_what_is_written() -> None:
    body = read_object(b'{"model":"a","n":1,"model":"b"}')
    assert body["model"] == "b"
    assert write(body).count(b"model") == 1


def test_a_string_of_ten_megabytes_passes() -> None:
    text = "é1" * (10 * MEGABYTE // 3)
    body = read_object(b'{"a":"' + text.encode() + b'"}')
    assert body["a"] == text
    assert len(write(body)) > 10 * MEGABYTE - 100


@pytest.mark.parametrize(
    "value", [b"9" * 19 + b"," + b"1," * (2 * MEGABYTE) + b"1", b"9" * 19 + b',"a"' * MEGABYTE], ids=["digits", "texts"]
)
def test_looking_for_large_integers_takes_no_second(value: bytes) -> None:
    began = time.process_time()
    assert read_object(b'{"a":[' + value + b"]}")["a"][0] == 9_999_999_999_999_999_999
    assert time.process_time() - began < 1


def test_an_error_quotes_no_more_than_a_little_of_the_body() -> None:
    for text in (b'{"a":' + b"9" * 10_000 + b"}", b'{"a":"' + b"secret" * 1000, b"secret" * 1000):
        with pytest.raises(InvalidJSON) as raised:
            read_object(text)
        assert len(raised.value.message) < 250
        assert "secret" not in raised.value.message


def test_what_an_upstream_sends_is_a_value_or_none() -> None:
    assert read_leniently(b'{"a":[1]}') == {"a": [1]}
    for text in (b"", b"{", b"\xff", b"[" * 100_000, b"NaN"):
        assert read_leniently(text) is None


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner),
)  # fmt: skip


@settings(max_examples=30)
@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), VALUES))
def test_what_is_written_reads_back_in_the_same_order(body: dict[str, Any]) -> None:
    again = read_object(write(body))
    assert again == body
    assert list(again) == list(body)


JSONISH = st.sampled_from(
    [
        b'{"a":',
        b"}",
        b"[",
        b"]",
        b",",
        b'"',
        b"\\",
        b"\\ud83d",
        b"\\ude00",
        b"1e5",
        b"-",
        b".",
        b'"k":',
        b"null",
        b"\xc3",
    ]
    + [b"9" * digits for digits in (19, 20, 21)]
)


@given(
    st.binary()
    | st.lists(JSONISH, max_size=12).map(b"".join)
    | st.lists(JSONISH).map(lambda t: b'{"a":"' + b"".join(t))
)
def test_any_bytes_are_refused_or_can_be_written_again(text: bytes) -> None:
    try:
        body = read_object(text)
    except InvalidJSON:
        return
    assert read_object(write(body)) == body


@pytest.mark.parametrize("number", ["1e999", "-1e400", "1" + "0" * 40, "-1" + "0" * 400])
@pytest.mark.parametrize(
    ("around", "name"),
    [
        ('{"é":"é","max_tokens":%s}', "max_tokens"),
        ('{"a":"max","b":{"c" :\n %s},"d":1}', "c"),
        ('{"a":[%s]}', None),
        ('{"a":{"\\"":%s}}', None),
    ],
)
def test_a_number_that_nobody_can_read_is_refused_by_the_name_of_its_field(
    around: str, name: str | None, number: str
) -> None:
    with pytest.raises(InvalidJSON) as raised:
        read_object((around % number).encode())
    assert raised.value.param == name
    assert raised.value.message.startswith(f"{name}: T" if name else "The ")


@pytest.mark.parametrize("before", [0, 65_530, 65_535, 65_536, 131_060])
def test_a_number_that_does_not_fit_is_found_wherever_it_stands(before: int) -> None:
    with pytest.raises(InvalidJSON, match="64 bits"):
        read_object(b'{"a":"%b","b":%d}' % (b"x" * before, 2**64))


def test_a_body_of_too_many_values_is_refused_before_it_is_parsed() -> None:
    text = b'{"a":[' + b"[]," * MOST_VALUES + b"[]]}"
    started = time.monotonic()
    with pytest.raises(InvalidJSON, match="values"):
        weigh(text)
    assert time.monotonic() - started < 1


@settings(deadline=None)
@given(st.lists(st.text(alphabet='[{,\\"\n x', max_size=12), max_size=30), st.integers(1, 40))
def test_marks_in_strings_are_no_values(strings: list[str], piece: int) -> None:
    text = write({"a": strings})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_text, "_PIECE", piece)
        patch.setattr(json_text, "MOST_VALUES", len(strings) + 2)
        weigh(text)
        if len(strings) > 1:
            patch.setattr(json_text, "MOST_VALUES", len(strings))
            with pytest.raises(InvalidJSON):
                weigh(text)


@pytest.mark.parametrize("text", [b"", b'"', b"\\", b'{"a":"\\', b'"' * 1001, b"\\" * 1001, b'[,\\"' * 999])
def test_what_is_no_json_has_a_weight_all_the_same(text: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_text, "MOST_VALUES", 0)
    monkeypatch.setattr(json_text, "_PIECE", 7)
    with suppress(InvalidJSON):
        weigh(text)


@pytest.mark.parametrize(("text", "times"), [(b'{"a":"x"}', 2), ('{"a":"é"}'.encode(), 4), (b'{"a":"\\u00e9"}', 4)])
def test_wide_characters_weigh_more(text: bytes, times: int) -> None:
    assert weigh(text) == times * len(text) + 64
