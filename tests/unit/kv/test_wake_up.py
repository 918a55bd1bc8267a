import json
import pickle
import zlib
from typing import Any

import pytest

from tollhouse.kv.wake_up import FUNCTION, kind_in


class Bomb:
    def __reduce__(self) -> tuple[Any, ...]:
        return (pytest.fail, ("unpickled",))


@pytest.mark.parametrize("pack", [bytes, zlib.compress])
def test_a_wake_up_names_its_kind(pack: Any) -> None:
    assert kind_in(pack(json.dumps([FUNCTION, None, ["roll_up_usage"], {}]).encode())) == "roll_up_usage"


@pytest.mark.parametrize(
    "call",
    [
        ["os.system", None, ["roll_up_usage"], {}],
        ["tollhouse.worker.run", None, ["roll_up_usage"], {}],
        ["tollhouse.worker.perform ", None, ["roll_up_usage"], {}],
        [FUNCTION, "instance", ["roll_up_usage"], {}],
        [FUNCTION, None, [], {}],
        [FUNCTION, None, ["roll_up_usage", "more"], {}],
        [FUNCTION, None, "roll_up_usage", {}],
        [FUNCTION, None, [["roll_up_usage"]], {}],
        [FUNCTION, None, [1], {}],
        [FUNCTION, None, ["../../etc/passwd"], {}],
        [FUNCTION, None, ["roll_up_usage\n"], {}],
        [FUNCTION, None, ["a" * 65], {}],
        [FUNCTION, None, ["roll_up_usage"], {"kind": "x"}],
        [FUNCTION, None, ["roll_up_usage"], []],
        [FUNCTION, None, ["roll_up_usage"]],
        {"func": FUNCTION},
        FUNCTION,
        None,
    ],
)
def test_any_other_call_is_none(call: Any) -> None:
    assert kind_in(json.dumps(call).encode()) is None


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\xfe",
        b"[" * 10_000,
        zlib.compress(b"[" * 10_000_000),
        zlib.compress(json.dumps([FUNCTION, None, ["roll_up_usage"], {}]).encode() + b" " * 10_000_000 + b"x"),
        pickle.dumps((FUNCTION, None, ("roll_up_usage",), {})),
        zlib.compress(pickle.dumps(Bomb())),
    ],
)
def test_what_is_no_short_json_is_none(data: bytes) -> None:
    assert kind_in(data) is None
