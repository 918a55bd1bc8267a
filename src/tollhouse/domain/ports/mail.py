"""Mail, and what goes with it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that goes with a mail."""

    name: str
    media_type: str
    content: bytes


class Mailer(Protocol):
    """Sends mail."""

    def send(self, to: str, subject: str, text: str) -> None:
        """Return at once: what becomes of the mail is in the log, and takes nobody's time."""

    def deliver(self, to: Sequence[str], subject: str, text: str, files: Sequence[Attachment] = ()) -> None:
        """One mail to all of them; return once the server has it. Raises whatever kept it from that."""

    def close(self) -> None:
        """Wait, not for long, for what is being sent."""
