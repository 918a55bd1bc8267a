"""Fields by which vendors are told to go on from what they have kept. No host of another format has it, and many ignore
fields that they do not know: without a word the call would come to mean something else.
"""

from collections.abc import Collection, Mapping
from typing import Any

from tollhouse.domain.errors import InvalidField

_FIELDS = ("container", "conversation", "previous_response_id", "thread")


def refuse_kept_elsewhere(body: Mapping[str, Any], own: Collection[str] = ()) -> None:
    """`own` are those of the client's own format. InvalidField names the first of the others."""
    for name in _FIELDS:
        if body.get(name) and name not in own:
            raise InvalidField(
                f"{name}: this model's provider has kept nothing of the kind; send the whole of it.", param=name
            )
