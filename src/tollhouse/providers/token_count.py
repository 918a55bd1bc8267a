"""A count of tokens that comes from no host: what stands in for one that counts none."""

from collections.abc import Mapping

from tollhouse.wire import json_text
from tollhouse.wire.token_estimate import estimate_tokens

FORMAT = "count_tokens"
UNKNOWN_THERE = frozenset({404, 405, 501})
"""Statuses of a host that does not know the path, though others of its kind do."""


class EstimatedCount:
    """The exchange. It holds nothing that has to be given back."""

    status = 200
    headers: Mapping[str, str] = {"content-type": "application/json"}
    returned: Mapping[str, str] = {"x-tollhouse-estimated": "true"}

    def __init__(self, body: bytes) -> None:
        """Of a request as it would have been sent."""
        self._answer = json_text.write({"input_tokens": estimate_tokens(json_text.read_object(body))})

    def read(self) -> bytes:
        answer, self._answer = self._answer, b""
        return answer

    def close(self) -> None:
        pass
