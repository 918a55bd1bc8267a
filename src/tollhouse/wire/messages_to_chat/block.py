"""One content block of a stream, on its way."""

from dataclasses import dataclass, field

from tollhouse.wire.messages_to_chat.tools import MALFORMED, input_of


@dataclass(slots=True)
class Block:
    """`waiting` is what came and was not sent yet; `arguments` are all that came, of a tool call.

    `origin` is the field that thoughts came by.
    """

    kind: str
    waiting: str = ""
    origin: str = ""
    id: str = ""
    given_id: str = ""
    name: str = ""
    arguments: list[str] = field(default_factory=list)
    is_object: bool = False
    whole: bool = False
    begun: bool = False
    ended: bool = False

    def add_arguments(self, text: str) -> None:
        self.waiting += text
        self.arguments.append(text)
        self.whole = False
        if not self.is_object:
            # Of what does not begin as an object all is still waiting.
            self.is_object = self.waiting.lstrip().startswith("{")

    def is_whole(self) -> bool:
        """Whether nothing more can belong to it, given that something else follows."""
        if self.kind == "tool_use" and not self.whole and self.name and self.is_object:
            self.whole = self.arguments[-1].rstrip().endswith("}") and MALFORMED not in input_of(
                "".join(self.arguments)
            )
        return self.whole or self.kind != "tool_use"
