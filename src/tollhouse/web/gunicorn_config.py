"""gunicorn's configuration, used as `-c python:tollhouse.web.gunicorn_config`.

Read in the arbiter, before any worker: nothing of the application may be imported here, for gevent
patches each worker after its fork and before it loads the application.
"""

import hashlib
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from gunicorn.arbiter import Arbiter

from tollhouse.settings import load

_settings = load()
_memory = Path("/dev/shm") if os.access("/dev/shm", os.W_OK) else Path(tempfile.gettempdir())  # noqa: S108
_of_home = hashlib.sha256(str(_settings.home).encode()).hexdigest()[:16]

# Mapped files: on a disk that fills up, writing one kills the process.
_metrics = _memory / f"tollhouse-{os.getuid()}-{_of_home}-web"
shutil.rmtree(_metrics, ignore_errors=True)
_metrics.mkdir(mode=0o700, parents=True)
os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(_metrics)

wsgi_app = "tollhouse.web.create_app:create_app()"
bind = f"[{_settings.host}]:{_settings.port}" if ":" in _settings.host else f"{_settings.host}:{_settings.port}"
workers = _settings.web_processes
worker_class = "tollhouse.web.gunicorn_worker.Worker"
logger_class = "tollhouse.web.gunicorn_worker.Logger"
worker_connections = 10_000
backlog = 2048
# gunicorn bounds the head of a request by this time too, from the first byte of the connection on.
keepalive = int(min(75, _settings.stalled_client_seconds)) or 1
# Streams that are longer than this are cut by a restart. `up` waits for 30 s.
graceful_timeout = 25
timeout = 60
worker_tmp_dir = str(_memory)
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


def child_exit(_arbiter: Arbiter, worker: Any) -> None:
    """Take a dead worker out of the gauges of living processes."""
    from prometheus_client.multiprocess import mark_process_dead

    mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]


def worker_exit(_arbiter: Arbiter, worker: Any) -> None:
    """Write what the ledger of this worker still has."""
    application = getattr(worker, "wsgi", None)
    if application is not None:
        application.extensions["tollhouse"].close()
