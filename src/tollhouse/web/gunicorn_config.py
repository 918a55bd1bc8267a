"""gunicorn's configuration, used as `-c python:tollhouse.web.gunicorn_config`.

Read in the arbiter, before any worker: nothing of the application may be imported here, for gevent
patches each worker after its fork and before it loads the application.
"""

import os
import resource
import shutil
import signal
import sys
from contextlib import suppress
from typing import Any

from gunicorn.arbiter import Arbiter

from tollhouse.domain.errors import InvalidSetting
from tollhouse.settings import load
from tollhouse.web.client_socket import BETWEEN_REQUESTS_SECONDS
from tollhouse.web.server import announce, check_address

try:
    _settings = load()
except InvalidSetting as error:
    sys.exit(f"tollhouse web: {error}")
_counts_alone = "PROMETHEUS_MULTIPROC_DIR" not in os.environ
if _counts_alone:
    # Started by itself, it counts by itself; `up` has one folder for all that it starts. It is emptied only
    # once the addresses are known to be free: until then it may be that of a server that runs.
    _settings.metrics_folder.mkdir(mode=0o700, exist_ok=True)
    if _settings.metrics_folder.lstat().st_uid != os.getuid():
        sys.exit(f"tollhouse web: {_settings.metrics_folder} belongs to another user: remove it.")
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(_settings.metrics_folder)


def _most_connections() -> int:
    """Raise the limit of open files: a call takes one for its client and one for its upstream.

    A client too many then waits to be accepted, where otherwise each accept would fail with a traceback.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = 65_536 if hard == resource.RLIM_INFINITY else min(65_536, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        with suppress(OSError, ValueError):  # macOS may refuse what it says is allowed
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
            soft = most
    return 10_000 if soft == resource.RLIM_INFINITY else max(16, min(10_000, soft // 2 - 64))


wsgi_app = "tollhouse.web.create_app:create_app()"
bind = f"[{_settings.host}]:{_settings.port}" if ":" in _settings.host else f"{_settings.host}:{_settings.port}"
workers = _settings.web_processes
worker_class = "tollhouse.web.gunicorn_worker.Worker"
logger_class = "tollhouse.web.gunicorn_worker.Logger"
worker_connections = _most_connections()
backlog = 2048
# Our worker's sockets bound their waits themselves; to gunicorn this only says that connections are kept.
keepalive = int(BETWEEN_REQUESTS_SECONDS)
# Streams that are longer than this are cut by a restart. `up` waits for 30 s.
graceful_timeout = 25
timeout = 60
worker_tmp_dir = str(_settings.metrics_folder.parent)
control_socket_disable = True
preload_app = False
# One socket for all workers: with SO_REUSEPORT, calls that wait for a worker that dies are lost.
reuse_port = False
accesslog = None
limit_request_line = 8190
limit_request_fields = 100
limit_request_field_size = 16_384
# Nobody is believed about whom a call comes from.
forwarded_allow_ips = ""
secure_scheme_headers: dict[str, str] = {}
_announced: Any = None


def on_starting(arbiter: Arbiter) -> None:
    """Refuse an address that is taken, before gunicorn tries it for 5 s; then forget what a predecessor counted."""
    inherited = "GUNICORN_PID" in os.environ or os.environ.get("LISTEN_PID") == str(os.getpid())
    try:
        for address in [] if inherited else arbiter.cfg.address:
            if isinstance(address, tuple):
                check_address(*address[:2])
    except InvalidSetting as error:
        sys.exit(f"tollhouse web: {error}")
    if _counts_alone:
        _forget_counts()
    global _announced  # noqa: PLW0603 - open for as long as the arbiter lives
    _announced = announce(_settings)


def on_reload(arbiter: Arbiter) -> None:
    """New workers are about to be started. Those that are there go on until one of these takes over."""
    from tollhouse.web.gunicorn_worker import replaced

    replaced.value = arbiter.worker_age


def _forget_counts() -> None:
    own = str(os.getpid())  # the logger has opened these already
    for file in _settings.metrics_folder.glob("*.db"):
        if file.stem.rpartition("_")[2] != own:
            file.unlink(missing_ok=True)


def post_fork(_arbiter: Arbiter, _worker: Any) -> None:
    """Until a worker has handlers of its own it has the arbiter's, which put a signal where nobody looks."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def child_exit(_arbiter: Arbiter, worker: Any) -> None:
    """Take a dead worker out of the gauges of living processes."""
    from prometheus_client.multiprocess import mark_process_dead

    mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]


def worker_exit(_arbiter: Arbiter, worker: Any) -> None:
    """Write what the ledger of this worker still has."""
    application = getattr(worker, "wsgi", None)
    if application is not None:
        application.extensions["tollhouse"].close()


def on_exit(_arbiter: Arbiter) -> None:
    if _counts_alone:
        shutil.rmtree(_settings.metrics_folder, ignore_errors=True)
