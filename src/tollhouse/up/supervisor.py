"""Starts parts in order, keeps them running, and stops them in the reverse order."""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Self

from tollhouse.domain.errors import Unavailable
from tollhouse.up.part import Part

POLL = 0.1


class Interrupted(BaseException):
    """Someone asked to stop while the supervisor was doing something else than waiting."""


class Supervisor:
    """All of it in one thread: parts die with the thread that started them.

    `say` gets each sentence about a part. Use it as a context manager: leaving it stops everything.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._groups: list[list[Part]] = []
        self._due: dict[Part, float] = {}
        self._asked = 0
        self._interruptible = False
        self._before: dict[signal.Signals, object] = {}

    def __enter__(self) -> Self:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            before = signal.getsignal(number)
            if number is signal.SIGHUP and before is signal.SIG_IGN:
                continue  # nohup asked for that
            self._before[number] = signal.signal(number, self._on_signal)
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.stop()
        finally:
            for number, before in self._before.items():
                signal.signal(number, before or signal.SIG_DFL)  # type: ignore[arg-type]

    @property
    def stopping(self) -> bool:
        return self._asked > 0

    @contextmanager
    def interruptible(self) -> Iterator[None]:
        """Let the first signal raise Interrupted in the block, which itself does not look for one."""
        if self.stopping:
            raise Interrupted
        self._interruptible = True
        try:
            yield
        finally:
            self._interruptible = False

    def start(self, *parts: Part) -> None:
        """Start these together and return when all of them are ready; they also stop together.

        Unavailable, in a sentence, when one does not get there. Interrupted when asked to stop meanwhile.
        """
        self._groups.append([])
        for part in parts:
            self._raise_if_asked()
            self._groups[-1].append(part)
            try:
                part.start()
            except OSError as error:
                raise Unavailable(_sentence(f"{part.name} cannot be started: {error.strerror}", part)) from error
        for part in parts:
            if part.ready:
                self._wait_for(part, part.ready)

    def watch(self) -> None:
        """Keep the parts running until someone asks to stop.

        Unavailable, in a sentence, when one can never run with the settings that it was given.
        """
        while not self.stopping:
            self._tick()
            time.sleep(POLL)

    def stop(self) -> None:
        """Stop what was started last first. A part that does not end in its grace is killed; a second signal kills
        all at once. Idempotent."""
        while self._groups:
            group = self._groups[-1]
            asked = time.monotonic()
            for part in group:
                part.ask_to_stop()
            while self._asked < 2 and any(
                part.running and time.monotonic() < asked + part.grace_seconds for part in group
            ):
                time.sleep(POLL / 5)
            for part in group:
                if part.running and self._asked < 2:
                    self._say(f"{part.name} did not stop in {part.grace_seconds:g} s and is killed.")
                part.kill()
            self._groups.pop()

    def _wait_for(self, part: Part, ready: Callable[[], bool]) -> None:
        deadline = time.monotonic() + part.ready_seconds
        pause = 0.01
        while not ready():
            self._raise_if_asked()
            if death := part.death():
                raise Unavailable(_sentence(f"{part.name} {death} before it was ready: see what it said above", part))
            if time.monotonic() >= deadline:
                raise Unavailable(_sentence(f"{part.name} was not ready in {part.ready_seconds:g} s", part))
            self._tick(but=part)
            time.sleep(pause)
            pause = min(pause * 1.5, POLL)
        self._raise_if_asked()

    def _tick(self, but: Part | None = None) -> None:
        """Start again what died. A part that never was ready is not for here."""
        now = time.monotonic()
        for part in [part for group in self._groups for part in group if part is not but]:
            part.sweep()
            if death := part.death():
                if part.is_hopeless:
                    raise Unavailable(f"{part.name} cannot run with these settings: see what it said above.")
                self._again(part, death, now)
            elif part in self._due and now >= self._due[part]:
                del self._due[part]
                try:
                    part.start()
                except OSError as error:
                    self._again(part, f"cannot be started ({error.strerror})", now)

    def _again(self, part: Part, what: str, now: float) -> None:
        delay = part.backoff()
        self._due[part] = now + delay
        self._say(f"{part.name} {what}; it is started again in {delay:g} s.")

    def _raise_if_asked(self) -> None:
        if self.stopping:
            raise Interrupted

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._asked += 1
        if self._interruptible:
            self._interruptible = False
            raise Interrupted


def _sentence(what: str, part: Part) -> str:
    return f"{what}; {part.hint}." if part.hint else f"{what}."
