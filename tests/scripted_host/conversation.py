"""A conversation as it is read, message by message: what the user asked last, and what the tools have said since."""

from collections.abc import Mapping, Sequence
from typing import Any

from tests.scripted_host.mind import Asked, Refused


class Conversation:
    """Refuses calls that are not answered at once, and answers to none."""

    def __init__(self) -> None:
        self.system = ""
        self._text = ""
        self._turns = 0
        self._attachments: Sequence[str] = ()
        self._called: list[str] = []
        self._results: list[str] = []
        self._open: Mapping[str, str] = {}

    def user(self, words: str, files: Sequence[str], path: str) -> None:
        self.check_answered(path)
        if self._results:
            # What came with a tool's result, or could not be in it, and no question of its own.
            self._results += [said for said in (words, *files) if said]
        else:
            self._text, self._attachments, self._called = words, files, []

    def assistant(self, calls: Mapping[str, str], path: str) -> None:
        """`calls` are the names by their ids."""
        self.check_answered(path)
        self._turns += 1
        self._open = dict(calls)
        if not calls:
            self._results = []

    def result(self, identity: str, said: Sequence[str], path: str) -> None:
        if identity not in self._open:
            raise Refused("a tool's result must answer a call of the message before it", path)
        self._called.append(self._open[identity])
        self._open = {other: name for other, name in self._open.items() if other != identity}
        self._results += said

    def check_answered(self, path: str) -> None:
        if self._open:
            raise Refused(f"the calls {', '.join(self._open)} must be answered in the very next message", path)

    def asked(self, **more: Any) -> Asked:
        self.check_answered("messages")
        return Asked(
            text=self._text,
            system=self.system,
            called=self._called,
            results=self._results,
            attachments=self._attachments,
            turns=self._turns,
            **more,
        )
