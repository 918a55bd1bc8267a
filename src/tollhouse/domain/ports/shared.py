"""What processes tell each other and keep for each other, which may be lost."""

from typing import Protocol


class BreakerNews(Protocol):
    """Tells other processes of breakers; returns at once, and nothing is lost but news where they cannot be told."""

    def opened(self, deployment: str, seconds: float) -> None: ...

    def closed(self, deployment: str) -> None: ...


class ReplyCache(Protocol):
    """Keeps replies for a while. What it loses is made anew."""

    def get(self, key: str) -> bytes | None:
        """What is kept under the key. Waits a quarter of a second at most."""

    def put(self, key: str, value: bytes, seconds: int) -> None:
        """Keep it for so long, or not; in the place of what was kept under the key. Waits as `get` does."""

    def append(self, key: str, record: bytes, seconds: int, most: int) -> None:
        """As `put`, but behind the records of this length that are kept under the key, the last `most` of them with it;
        in the place of what is not made of such.
        """

    def close(self) -> None: ...
