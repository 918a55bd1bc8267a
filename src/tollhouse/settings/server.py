"""Settings of the gateway itself: where it keeps its data, where it listens, what it says."""

import hashlib
import os
import tempfile
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path

from tollhouse.settings.kinds import address, folder, networks, one_of, origins, setting, whole, words


@dataclass(frozen=True)
class ServerSettings:
    """What every process of the gateway needs to know."""

    home: Path = setting(
        "TOLLHOUSE_HOME",
        "Folder of the data: database, secret key, logs.",
        lambda: Path.home() / ".tollhouse",
        folder,
    )
    database_url: str = setting(
        "TOLLHOUSE_DATABASE_URL",
        "SQLAlchemy URL of SQLite or PostgreSQL; empty: SQLite in the home.",
        "",
        secret=True,
    )
    redis_url: str = setting(
        "TOLLHOUSE_REDIS_URL", "Redis or Valkey; empty: an embedded server in the home.", "", secret=True
    )
    host: str = setting("TOLLHOUSE_HOST", "Address to listen on.", "127.0.0.1")
    port: int = setting("TOLLHOUSE_PORT", "Port to listen on.", 8000, whole(1, 65535))
    secret_key: str = setting(
        "TOLLHOUSE_SECRET_KEY",
        "Key that seals provider keys and checks API keys, 32 characters or more; made in the home at the "
        "first start, required when the database is not the embedded one.",
        "",
        secret=True,
    )
    previous_secret_keys: tuple[str, ...] = setting(
        "TOLLHOUSE_PREVIOUS_SECRET_KEYS",
        "Secret keys beside the current one with which what was made before is still good, by comma: those before it, "
        "and while hosts are changed one by one the one that comes next.",
        (),
        words,
        secret=True,
    )
    admin_email: str = setting("TOLLHOUSE_ADMIN_EMAIL", "E-mail of the first administrator.", "admin@localhost")
    admin_password: str = setting(
        "TOLLHOUSE_ADMIN_PASSWORD",
        "Password of the first administrator; empty: made and printed once.",
        "",
        secret=True,
    )
    web_processes: int = setting(
        "TOLLHOUSE_WEB_PROCESSES",
        "Web processes; one carries thousands of open calls.",
        lambda: min(4, os.cpu_count() or 1),
        whole(1, 64),
    )
    workers: int = setting(
        "TOLLHOUSE_WORKERS",
        "Processes that work off batches in `up`; with any, one more does short work and one makes responses in the "
        "background. 0: none of these.",
        1,
        whole(0, 64),
    )
    local_model: str = setting(
        "TOLLHOUSE_LOCAL_MODEL", "Whether `up` serves the small local model.", "on", one_of("on", "off")
    )
    log_format: str = setting(
        "TOLLHOUSE_LOG_FORMAT",
        "Logstash JSON lines, readable text, or text on a terminal and JSON elsewhere.",
        "auto",
        one_of("auto", "json", "text"),
    )
    log_level: str = setting(
        "TOLLHOUSE_LOG_LEVEL",
        "The least level that is logged.",
        "INFO",
        one_of("DEBUG", "INFO", "WARNING", "ERROR"),
    )
    public_url: str = setting(
        "TOLLHOUSE_PUBLIC_URL",
        "Where people's browsers find this gateway, as links in mails say it; empty: its own address and port.",
        "",
        address,
    )
    trusted_proxies: tuple[IPv4Network | IPv6Network, ...] = setting(
        "TOLLHOUSE_TRUSTED_PROXIES",
        "Addresses and networks of proxies that are believed about whom a request comes from (X-Forwarded-For); by "
        "comma. Nobody else is.",
        (),
        networks,
    )
    cors_origins: tuple[str, ...] = setting(
        "TOLLHOUSE_CORS_ORIGINS",
        "Origins whose pages may use the management API from a browser, by comma; empty: none.",
        (),
        origins,
    )
    search_seconds: int = setting(
        "TOLLHOUSE_SEARCH_SECONDS",
        "How long a report or a search of the ledger may take over HTTP; the shell's may take longer.",
        10,
        whole(1, 60),
    )
    crash_file: str = setting(
        "TOLLHOUSE_CRASH_FILE",
        "For tests only: a process that reaches the point which this file names removes it and dies.",
        "",
    )

    @property
    def embedded_database(self) -> bool:
        """Whether the database is the SQLite file in the home."""
        return not self.database_url

    @property
    def own_url(self) -> str:
        """Where a client on this machine finds the gateway."""
        anywhere = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - compared, not bound
        host = anywhere.get(self.host, self.host)
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"

    @property
    def metrics_folder(self) -> Path:
        """Where the processes of this home count. On memory: a mapped file on a full disk kills its process."""
        memory = Path("/dev/shm")  # noqa: S108 - the folder is the user's own, mode 0700
        base = memory if os.access(memory, os.W_OK) else Path(tempfile.gettempdir())
        of_home = hashlib.sha256(str(self.home).encode()).hexdigest()[:16]
        return base / f"tollhouse-{os.getuid()}-{of_home}"

    @property
    def embedded_redis(self) -> bool:
        """Whether `up` starts the Redis-compatible server itself."""
        return not self.redis_url
