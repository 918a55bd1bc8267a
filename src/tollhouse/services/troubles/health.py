"""Whether the gateway can serve, and what to do where it cannot."""

import os
import shutil
import stat
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError

from tollhouse.domain.errors import TollhouseError
from tollhouse.domain.ports import JobQueue
from tollhouse.services.models.providers import Providers
from tollhouse.services.troubles.survey import Survey
from tollhouse.settings import Settings
from tollhouse.store.changes import current_version
from tollhouse.store.database import Database
from tollhouse.store.records import LeaseRecord, LedgerRecord
from tollhouse.store.secret_key import FILE

if TYPE_CHECKING:
    from tollhouse.store.schema import Schema

LEAST_FREE_BYTES = 200 * 1024 * 1024
MOST_CLOCK_SKEW = 5.0
SCHEDULER = "scheduler"
"""The lease of the scheduler that leads."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One check. `advice` says what to do when it is not `ok`."""

    name: str
    ok: bool
    detail: str
    advice: str = ""


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether calls can be served. `down` stops them; `degraded` does not."""

    down: tuple[str, ...]
    degraded: tuple[str, ...]

    @property
    def ready(self) -> bool:
        return not self.down


class Health:
    """Quick checks for `/readyz`, thorough ones for `tollhouse doctor`."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        schema: Callable[[], "Schema"],
        queue: JobQueue,
        providers: Providers,
        *,
        survey: Survey,
        serves: Callable[[], bool],
        shares_limits: Callable[[], bool] = lambda: True,
    ) -> None:
        """`serves` says whether this process can make calls, `shares_limits` whether Redis decides its limits; both
        ask nobody.
        """
        self._settings = settings
        self._database = database
        self._schema = schema
        self._queue = queue
        self._providers = providers
        self._survey = survey
        self._serves = serves
        self._shares_limits = shares_limits

    def readiness(self) -> Readiness:
        """What this process has seen of the database; it is not asked, for it may hang. Sends Redis one ping."""
        down = () if self._serves() else ("database",)
        degraded = () if self._queue.ping() and self._shares_limits() else ("redis",)
        return Readiness(down, degraded)

    def examine(self) -> list[Finding]:
        """Everything that can be wrong on this machine, each with what to do."""
        problem = self._database_answers()
        where = self._database.engine.url.render_as_string(hide_password=True)
        findings = [
            self._home(),
            self._secret_file(),
            self._disk(),
            Finding("database", problem is None, where, problem or ""),
        ]
        if problem is None:
            findings += [self._migrations(), self._clock(), *self._work(), *self._provider_findings()]
        findings += self._log_file()
        findings.append(
            Finding(
                "redis",
                self._queue.ping(),
                "background work",
                "Start `tollhouse up`, or set TOLLHOUSE_REDIS_URL.",
            )
        )
        return findings

    def _database_answers(self) -> str | None:
        try:
            with self._database.read() as session:
                current_version(session)
        except SQLAlchemyError as error:
            cause = str(getattr(error, "orig", None) or error).splitlines()[0]
            if "not a database" in cause or "malformed" in cause:
                return f"{cause}: put a backup in its place, or move the file away to start anew."
            return f"{cause}: start the database, or run `tollhouse db upgrade`."
        return None

    def _home(self) -> Finding:
        home = self._settings.home
        ok = home.is_dir() and os.access(home, os.W_OK)
        return Finding("home", ok, str(home), "Make the folder writable, or set TOLLHOUSE_HOME to another.")

    def _secret_file(self) -> Finding:
        path = self._settings.home / FILE
        if self._settings.secret_key or not path.exists():
            return Finding(
                "secret key",
                True,
                "from TOLLHOUSE_SECRET_KEY" if self._settings.secret_key else "not made yet",
            )
        mode = stat.S_IMODE(path.stat().st_mode)
        return Finding("secret key", mode & 0o077 == 0, f"{path}, mode {mode:04o}", f"Run `chmod 600 {path}`.")

    def _disk(self) -> Finding:
        home = self._settings.home
        free = shutil.disk_usage(home if home.exists() else home.anchor).free
        return Finding(
            "disk",
            free >= LEAST_FREE_BYTES,
            f"{free // 2**20} MiB free",
            "Make room on the disk of the home.",
        )

    def _migrations(self) -> Finding:
        schema = self._schema()
        current, newest = schema.current(), schema.newest()
        return Finding("migrations", current == newest, f"at {current} of {newest}", "Run `tollhouse db upgrade`.")

    def _clock(self) -> Finding:
        with self._database.read() as session:
            skew = abs((self._database.now(session) - datetime.now(UTC)).total_seconds())
            last = session.scalar(select(func.max(LedgerRecord.booked_at)))
        ahead = last is not None and (last - datetime.now(UTC)).total_seconds() > MOST_CLOCK_SKEW
        ok = skew <= MOST_CLOCK_SKEW and not ahead
        return Finding("clock", ok, f"{skew:.1f} s from the database's", "Set this machine's clock by NTP.")

    def _work(self) -> list[Finding]:
        """What waits although it is due, and whether anybody sees to that. Older tables say nothing of it."""
        try:
            standing = self._survey.look()
            with self._database.read() as session:
                leads = session.scalar(
                    select(LeaseRecord.until).where(
                        LeaseRecord.name == SCHEDULER, LeaseRecord.until >= self._database.now(session)
                    )
                )
        except SQLAlchemyError:
            return []
        late = {name: one for name, one in standing.queues.items() if one.age >= self._settings.alert_queue_seconds}
        told = [f"{one.depth} of {name} wait, the oldest for {one.age:.0f} s" for name, one in late.items()]
        depth = sum(one.depth for one in standing.queues.values())
        advice = (
            "Start workers: `tollhouse worker`, and `tollhouse worker --responses` for responses; `up` has both."
            if leads
            else "Start `tollhouse scheduler`, which wakes the workers: none runs. `up` has one."
        )
        return [Finding("queue", not late, "; ".join(told) or f"{depth} waiting, none for long", advice)]

    def _log_file(self) -> list[Finding]:
        path = Path(self._settings.log_file)
        if not self._settings.log_file:
            return []
        ok = os.access(path if path.exists() else path.parent, os.W_OK)
        return [Finding("log file", ok, str(path), "Make it and its folder writable, or set TOLLHOUSE_LOG_FILE anew.")]

    def _provider_findings(self) -> list[Finding]:
        try:
            checks = self._providers.check()
        except TollhouseError as error:
            return [Finding("providers", False, "cannot be read", error.message)]
        return [
            Finding(
                f"provider {check.name}",
                check.ok,
                f"{len(check.models)} models in {check.milliseconds} ms" if check.ok else "does not answer",
                check.problem or "",
            )
            for check in checks
        ]
