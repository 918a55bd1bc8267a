"""`tollhouse up`: the steps, in order."""

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from urllib.parse import urlsplit

from tollhouse.domain.errors import TollhouseError, Unavailable
from tollhouse.services.bootstrap import LOCAL_MODEL, Prepared
from tollhouse.settings import Settings
from tollhouse.up.banner import banner, program, secrets
from tollhouse.up.embedded_redis import redis_part
from tollhouse.up.local_model import LocalModel, local_model_available
from tollhouse.up.part import Part
from tollhouse.up.preflight import HomeLock, check_port, check_redis_url, explain, make_home
from tollhouse.up.supervisor import Interrupted, Supervisor
from tollhouse.up.terminal import Terminal
from tollhouse.up.workers import COMMAND, worker_parts

READY_SECONDS = 120.0
"""It takes two on a machine that is not busy; on one that is, patience serves better than a start that is given up."""
WEB_GRACE_SECONDS = 30.0


def run(settings: Settings) -> int:
    """Run everything until someone asks to stop. The exit status: 0 then, 1 when something did not come up."""
    terminal = Terminal(sys.stdout)
    try:
        with Supervisor(terminal.mention) as supervisor, _alone(settings, supervisor):
            check_port(settings.host, settings.port)
            check_redis_url(settings.redis_url)
            _start(settings, supervisor, terminal)
            supervisor.watch()
            terminal.mention("Stopping: open calls are finished first. Ctrl-C again stops at once.")
        terminal.mention("Everything is stopped.")
    except Interrupted:
        terminal.mention("Everything is stopped.")
    except TollhouseError as error:
        return _failed(error)
    except OSError as error:
        return _failed(explain(error, settings.home))
    return 0


@contextmanager
def _alone(settings: Settings, supervisor: Supervisor) -> Iterator[None]:
    """Have the home to itself until the last part has stopped."""
    make_home(settings.home)
    lock = HomeLock(settings.home)
    try:
        yield
    finally:
        supervisor.stop()
        shutil.rmtree(settings.metrics_folder, ignore_errors=True)  # it is memory
        lock.release()


def _start(settings: Settings, supervisor: Supervisor, terminal: Terminal) -> None:
    terminal.say(f"Tollhouse starts with {settings.home}")
    if settings.embedded_redis:
        with terminal.step("redis: the embedded server"):
            supervisor.start(redis_part(settings.home))
    model = _local_model(settings, supervisor, terminal)
    with terminal.step("database: schema, administrator, providers"), supervisor.interruptible():
        prepared = _prepare(settings, model)
    try:
        with terminal.step("gateway: web, workers, scheduler"):
            _gateway(settings, supervisor, terminal)
    except BaseException:
        # What is shown once must be shown, or nobody ever has it.
        for line in secrets(prepared):
            terminal.say(line)
        raise
    for notice in prepared.notices:
        terminal.say(f"  {notice}")
    terminal.say("\n" + banner(address(settings), prepared, program()) + "\n")


def _gateway(settings: Settings, supervisor: Supervisor, terminal: Terminal) -> None:
    env = _environment(settings, terminal)
    # What an earlier run counted is no more: counters of processes begin at nothing.
    shutil.rmtree(settings.metrics_folder, ignore_errors=True)
    settings.metrics_folder.mkdir(mode=0o700)
    supervisor.start(
        Part("scheduler", [*COMMAND, "scheduler"], env=env),
        *(worker_parts(settings, env, settings.workers, COMMAND) if settings.workers else ()),
    )
    supervisor.start(_web(settings, env))


def _local_model(settings: Settings, supervisor: Supervisor, terminal: Terminal) -> LocalModel | None:
    if settings.local_model == "off":
        terminal.say("  model: off (TOLLHOUSE_LOCAL_MODEL), so the built-in model is `echo`")
        return None
    if not local_model_available():
        terminal.say("  model: not installed (`make install` brings it), so the built-in model is `echo`")
        return None
    with terminal.step(f"model: {LOCAL_MODEL}, on this machine"):
        model = LocalModel(settings.home)
        supervisor.start(model.part())
    return model


def _prepare(settings: Settings, model: LocalModel | None) -> Prepared:
    from sqlalchemy.exc import SQLAlchemyError

    from tollhouse import wiring

    try:
        return wiring.prepare(settings, model.url if model else None, model.key if model else None)
    except SQLAlchemyError as error:
        cause = str(getattr(error, "orig", None) or error).strip().partition("\n")[0]
        raise Unavailable(f"The database cannot be made ready ({cause}): `tollhouse doctor` looks closer.") from error


def _environment(settings: Settings, terminal: Terminal) -> dict[str, str]:
    """What the gateway's own processes get beside the environment: they are to read the settings that are used here."""
    env = {
        "TOLLHOUSE_HOME": str(settings.home),
        "TOLLHOUSE_HOST": settings.host,
        "TOLLHOUSE_PORT": str(settings.port),
        "PROMETHEUS_MULTIPROC_DIR": str(settings.metrics_folder),
    }
    if settings.log_format == "auto" and terminal.is_terminal:
        env["TOLLHOUSE_LOG_FORMAT"] = "text"
    return env


def _web(settings: Settings, env: dict[str, str]) -> Part:
    return Part(
        "web",
        [*COMMAND, "web"],
        env=env,
        ready=lambda: _is_ready(settings),
        ready_seconds=READY_SECONDS,
        grace_seconds=WEB_GRACE_SECONDS,
        hint="`tollhouse doctor` says what it lacks",
    )


def _is_ready(settings: Settings) -> bool:
    connection = HTTPConnection(urlsplit(settings.own_url).hostname or "", settings.port, timeout=1)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def address(settings: Settings) -> str:
    """Where a client on this machine finds the gateway."""
    return settings.own_url


def _failed(error: TollhouseError) -> int:
    sys.stderr.write(f"{error.message}\n")
    return 1
