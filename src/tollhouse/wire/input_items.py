"""Items of Responses that a caller gives to be kept: which there are, and what each cannot do without.

What is kept is sent with calls that come later, to whatever host: what none would take is refused when it is given.
Of what comes with a call itself its host is the judge, for it may know more than is written here.
https://platform.openai.com/docs/api-reference/conversations/create-items
"""

from collections.abc import Mapping, Sequence
from typing import Any

from tollhouse.domain.errors import InvalidField

_TEXT = (str,)
_LIST = (list,)
_OBJECT = (dict,)
_SAID = (str, list)

KINDS: Mapping[str, Mapping[str, tuple[type, ...]]] = {
    "message": {"role": _TEXT, "content": _SAID},
    "reasoning": {"summary": _LIST},
    "compaction": {"encrypted_content": _TEXT},
    "compaction_trigger": {},
    "configuration_update": {},
    "additional_tools": {"tools": _LIST},
    "function_call": {"call_id": _TEXT, "name": _TEXT, "arguments": _TEXT},
    "function_call_output": {"output": _SAID},
    "custom_tool_call": {"call_id": _TEXT, "name": _TEXT, "input": _TEXT},
    "custom_tool_call_output": {"call_id": _TEXT, "output": _SAID},
    "file_search_call": {"queries": _LIST},
    "web_search_call": {"action": _OBJECT},
    "tool_search_call": {},
    "tool_search_output": {"tools": _LIST},
    "image_generation_call": {},
    "code_interpreter_call": {"container_id": _TEXT},
    "computer_call": {"call_id": _TEXT},
    "computer_call_output": {"call_id": _TEXT, "output": _OBJECT},
    "local_shell_call": {"call_id": _TEXT, "action": _OBJECT},
    "local_shell_call_output": {"output": _TEXT},
    "shell_call": {"call_id": _TEXT, "action": _OBJECT},
    "shell_call_output": {"call_id": _TEXT, "output": _LIST},
    "apply_patch_call": {"call_id": _TEXT, "operation": _OBJECT},
    "apply_patch_call_output": {"call_id": _TEXT, "status": _TEXT},
    "mcp_list_tools": {"server_label": _TEXT, "tools": _LIST},
    "mcp_approval_request": {"server_label": _TEXT, "name": _TEXT, "arguments": _TEXT},
    "mcp_approval_response": {"approval_request_id": _TEXT, "approve": (bool,)},
    "mcp_call": {"server_label": _TEXT, "name": _TEXT, "arguments": _TEXT},
    "program": {"call_id": _TEXT, "code": _TEXT, "fingerprint": _TEXT},
    "program_output": {"call_id": _TEXT, "result": _TEXT},
}
"""The types of items, and the fields without which hosts refuse them. Ids and states are filled in where they are not
given. A reference to another item is none to be kept.
"""

PARTS: Mapping[str, Mapping[str, tuple[type, ...]]] = {
    **{kind: {"text": _TEXT} for kind in ("input_text", "output_text", "text", "summary_text", "reasoning_text")},
    "refusal": {"refusal": _TEXT},
    "input_image": {},
    "input_file": {},
    "input_audio": {"input_audio": _OBJECT},
    "computer_screenshot": {},
}
"""The parts of what a message says."""

_WORDS = {str: "a string", list: "a list", dict: "an object", bool: "true or false"}


def check_items(items: Sequence[Mapping[str, Any]], path: str) -> None:
    """InvalidField names the first that is wrong, as `items[2].type`."""
    for number, item in enumerate(items):
        _check(item, KINDS, "item", f"{path}[{number}]", otherwise="message")
        if (item.get("type") or "message") == "message" and isinstance(content := item["content"], list):
            for place, part in enumerate(content):
                _check(part, PARTS, "part of a message", f"{path}[{number}].content[{place}]")


def _check(
    given: Mapping[str, Any],
    kinds: Mapping[str, Mapping[str, tuple[type, ...]]],
    noun: str,
    path: str,
    otherwise: str | None = None,
) -> None:
    kind = given.get("type") or otherwise
    if kind is None:
        raise _refuse(f"{path}.type", "this field is required")
    if not isinstance(kind, str) or kind not in kinds:
        raise _refuse(f"{path}.type", f"there is no {noun} of the type {str(kind)[:60]!r}")
    for field, types in kinds[kind].items():
        value = given.get(field)
        if value is None:
            raise _refuse(f"{path}.{field}", "this field is required")
        if not isinstance(value, types):
            raise _refuse(f"{path}.{field}", f"{' or '.join(_WORDS[one] for one in types)} is required")


def _refuse(path: str, complaint: str) -> InvalidField:
    return InvalidField(f"{path}: {complaint}.", param=path)
