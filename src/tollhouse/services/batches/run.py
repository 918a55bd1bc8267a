"""The engine of batches: claims lines of all that is due, calls many at once, writes what comes of them.

The tables are the truth: whatever dies here, lines come free again, and each ends with one result.
"""

import queue
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from sqlalchemy.exc import SQLAlchemyError

from tollhouse import logs, metrics
from tollhouse.domain.errors import TollhouseError
from tollhouse.domain.identifiers import new_id
from tollhouse.services.batches.call import Answer, Later
from tollhouse.services.batches.lines import BatchLines, GivenBack, Line, Result, groups
from tollhouse.services.batches.pace import Pace, Wish, shares
from tollhouse.services.batches.tasks import BatchTasks, Due, Task
from tollhouse.wire.batch import answered

KEEP_SECONDS = 3.0
LOOK_SECONDS = 0.5
"""How often it is looked what is due, and which batches were cancelled."""
GATHER_SECONDS = 0.004
"""How long results wait for others to share a transaction with."""
MOST_AHEAD = 4
MOST_DEATHS = 5
"""After so many processes that died over a line, it is the line's fault."""
RETRY_SECONDS = 5.0
SAME_SECONDS = 0.5
"""Many lines are told at the same time to wait: it is written once for all."""

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Ended:
    """What became of a line in a thread, and when its call began."""

    line: Line
    began: float
    outcome: Answer | Later


class BatchRun:
    """One run in one process. `work` it once."""

    def __init__(
        self,
        tasks: BatchTasks,
        lines: BatchLines,
        *,
        concurrency: int,
        attempts: int,
        end_thread: Callable[[], object] = lambda: None,
        asked_to_stop: Callable[[], bool] = lambda: False,
    ) -> None:
        """`concurrency` calls are made at once; a line has so many `attempts`; each thread calls `end_thread` when it
        ends. Once it is `asked_to_stop` no line is called any more.
        """
        self._tasks = tasks
        self._lines = lines
        self._concurrency = concurrency
        self._attempts = attempts
        self._end_thread = end_thread
        self._asked_to_stop = asked_to_stop
        self._ready: queue.SimpleQueue[tuple[Line, Task] | None] = queue.SimpleQueue()
        self._ended: queue.SimpleQueue[Ended] = queue.SimpleQueue()
        self._under_way: Counter[str] = Counter()
        self._paces: dict[str, Pace] = {}
        self._ahead = float(concurrency)
        """How many lines are claimed beside those that are called: more where calls are quick, and the next claim could
        come late."""
        self._idle: dict[str, float] = {}
        """Until when a batch need not be asked for lines."""
        self._over = threading.Event()
        """Nothing more is called: what was claimed and not begun goes back."""
        self._stopped = threading.Event()

    def work(self, seconds: float) -> bool:
        """Work off what is due, for about so long and until what was begun has ended; whether there is more."""
        until = time.monotonic() + seconds
        threads = [
            threading.Thread(target=self._call, name=f"batch-{number}", daemon=True)
            for number in range(self._concurrency)
        ]
        threads.append(threading.Thread(target=self._keep, name="batch-keep", daemon=True))
        for thread in threads:
            thread.start()
        try:
            return self._serve(until)
        finally:
            self._stopped.set()
            for _ in threads:
                self._ready.put(None)
            for thread in threads:
                thread.join()
            self._tasks.close()

    def _serve(self, until: float) -> bool:
        due: Sequence[Due] = ()
        look_at = 0.0
        while True:
            now = time.monotonic()
            over = now >= until or self._asked_to_stop()
            if over:
                self._over.set()
            if not over and (now >= look_at or self._tasks.changed.is_set()):
                self._tasks.changed.clear()
                due = self._patiently(self._tasks.due, ())
                look_at = now + LOOK_SECONDS
                self._tasks.begin(until, busy=frozenset(+self._under_way))
            if not over:
                self._claim(due, now)
            took = self._gather()
            if not +self._under_way and not took:
                if over:
                    return bool(due)
                if not due and not self._tasks.busy:
                    # Nothing at all, or all of it waits for something that takes longer than this run.
                    return False
                time.sleep(0.02)

    # --- Lines out ----------------------------------------------------------------------------------------------

    def _claim(self, due: Sequence[Due], now: float) -> None:
        ahead = round(self._ahead)
        free = self._concurrency + ahead - self._under_way.total()
        if free < ahead // 2 and self._under_way.total():
            return
        calling = [batch for batch in due if batch.calls]
        wishes = [
            Wish(batch.id, batch.team_id, self._pace(batch.id).room(self._under_way[batch.id], now))
            for batch in calling
            if self._idle.get(batch.id, 0.0) <= now
        ]
        places = shares(free, wishes, self._under_way)
        for batch in calling:
            if places[batch.id]:
                self._claim_of(batch, places[batch.id], now)

    def _claim_of(self, batch: Due, places: int, now: float) -> None:
        task = self._patiently(lambda: self._tasks.task(batch), None)
        none: list[Line] = []
        claimed = self._patiently(lambda: self._lines.claim(batch.id, places), none) if task else none
        if len(claimed) < places:
            self._idle[batch.id] = now + LOOK_SECONDS
        if claimed and task:
            self._under_way[batch.id] += len(claimed)
            for line in claimed:
                self._ready.put((line, task))

    def _pace(self, batch_id: str) -> Pace:
        if batch_id not in self._paces:
            self._paces[batch_id] = Pace((1 + MOST_AHEAD) * self._concurrency)
        return self._paces[batch_id]

    # --- In the threads -----------------------------------------------------------------------------------------

    def _call(self) -> None:
        try:
            while (taken := self._ready.get()) is not None:
                line, task = taken
                began = time.monotonic()
                self._ended.put(Ended(line, began, self._outcome(line, task, began)))
        finally:
            self._end_thread()

    def _outcome(self, line: Line, task: Task, began: float) -> Answer | Later:
        if line.deaths >= MOST_DEATHS:
            return task.given_up(f"The gateway's process died {line.deaths} times while this line was called.")
        if self._over.is_set() or began < self._pace(line.batch_id).resumes_at:
            return Later("", slower=False)  # it was claimed before it was known that there is no time for it
        try:
            return task.make(line)
        except Exception as error:  # noqa: BLE001 - a thread that ended would be missed
            logs.event("batch_line_failed", level=logs.ERROR, batch=line.batch_id, line=line.number, error=error)
            return Later(type(error).__name__, slower=True, seconds=RETRY_SECONDS)

    def _keep(self) -> None:
        """Beside everything else, which may take long: what is under way here is nobody else's."""
        while not self._stopped.wait(KEEP_SECONDS):
            if batch_ids := [id for id, calls in list(self._under_way.items()) if calls]:
                self._patiently(lambda ids=batch_ids: self._lines.keep(ids), None)  # type: ignore[misc]

    # --- Results in ---------------------------------------------------------------------------------------------

    def _gather(self) -> bool:
        """Write what has ended; whether anything had."""
        try:
            first = self._ended.get(timeout=0.02)
        except queue.Empty:
            return False
        ended = [first]
        time.sleep(GATHER_SECONDS)
        while True:
            try:
                ended.append(self._ended.get_nowait())
            except queue.Empty:
                break
        least, most = self._concurrency / 2, MOST_AHEAD * self._concurrency
        self._ahead = max(least, 0.9 * self._ahead, min(most, 2.0 * len(ended)))
        results: list[Result] = []
        later: list[GivenBack] = []
        for one in ended:
            result = self._judge(one, later)
            if result is not None:
                results.append(result)
        self._write(results, later)
        for one in ended:
            self._under_way[one.line.batch_id] -= 1
        return True

    def _judge(self, one: Ended, later: list[GivenBack]) -> Result | None:
        """The line's result; None for one that waits again."""
        line, outcome = one.line, one.outcome
        if isinstance(outcome, Later):
            if outcome.slower:
                self._slow_down(one, outcome)
            if outcome.last is None or not outcome.failed or line.failures + 1 < self._attempts:
                later.append(GivenBack(line, RETRY_SECONDS * 2**line.failures if outcome.failed else 0, outcome.failed))
                metrics.BATCH_LINES.labels("later").inc()
                return None
            outcome = outcome.last
        else:
            self._pace(line.batch_id).went()
        metrics.BATCH_LINES.labels("completed" if outcome.succeeded else "failed").inc()
        text = answered(new_id("batch_req"), line.custom_id, outcome.status, outcome.request_id, outcome.body)
        return Result(line, outcome.succeeded, text, outcome.usage, outcome.cost)

    def _slow_down(self, one: Ended, told: Later) -> None:
        batch_id, pace = one.line.batch_id, self._pace(one.line.batch_id)
        before = pace.resumes_at
        seconds = pace.slow_down(one.began, time.monotonic(), told.seconds)
        if pace.resumes_at > before + SAME_SECONDS:
            self._patiently(lambda: self._tasks.pause(batch_id, seconds, told.reason), None)

    def _write(self, results: Sequence[Result], later: Sequence[GivenBack]) -> None:
        """As soon as the database takes it: what was paid for is not thrown away. A process that dies meanwhile leaves
        lines that are called again.
        """
        for group in groups(results):
            self._until_done(lambda group=group: self._lines.finish(group))  # type: ignore[misc]
        if later:
            self._until_done(lambda: self._lines.give_back(later))

    def _until_done(self, work: Callable[[], None]) -> None:
        pause = 0.05
        while True:
            try:
                return work()
            except SQLAlchemyError as error:
                logs.event("batch_results_wait", level=logs.WARNING, error=type(error).__name__)
            time.sleep(pause)
            pause = min(2 * pause, 2.0)

    def _patiently(self, work: Callable[[], _T], otherwise: _T) -> _T:
        """What can be done without for a moment, while the database is away."""
        try:
            return work()
        except (SQLAlchemyError, TollhouseError) as error:
            logs.event("batch_waits", level=logs.WARNING, error=type(error).__name__)
            time.sleep(0.2)
            return otherwise
