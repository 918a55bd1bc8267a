"""Every setting, once: its name, type, default and what it is for.

A setting comes from the environment, else from `.env` in the working directory, else from its
default. `docs/reference/settings.md` and `tollhouse settings` are made from this file.
"""

import hashlib
import os
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field, fields
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Any

from tollhouse.domain.errors import InvalidSetting
from tollhouse.setting_kinds import address as _address
from tollhouse.setting_kinds import addresses as _addresses
from tollhouse.setting_kinds import folder as _folder
from tollhouse.setting_kinds import networks as _networks
from tollhouse.setting_kinds import one_of as _one_of
from tollhouse.setting_kinds import origins as _origins
from tollhouse.setting_kinds import seconds as _seconds
from tollhouse.setting_kinds import web_address as _web_address
from tollhouse.setting_kinds import whole as _whole
from tollhouse.setting_kinds import words as _words

SECRET_MARK = "********"


def _setting(name: str, doc: str, default: Any, read: Callable[[str], Any] = str, *, secret: bool = False) -> Any:
    metadata = {"name": name, "doc": doc, "read": read, "secret": secret}
    if callable(default):
        return field(default_factory=default, metadata=metadata, repr=not secret)
    return field(default=default, metadata=metadata, repr=not secret)


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of one process, read once at its start."""

    home: Path = _setting(
        "TOLLHOUSE_HOME",
        "Folder of the data: database, secret key, logs.",
        lambda: Path.home() / ".tollhouse",
        _folder,
    )
    database_url: str = _setting(
        "TOLLHOUSE_DATABASE_URL",
        "SQLAlchemy URL of SQLite or PostgreSQL; empty: SQLite in the home.",
        "",
        secret=True,
    )
    redis_url: str = _setting(
        "TOLLHOUSE_REDIS_URL", "Redis or Valkey; empty: an embedded server in the home.", "", secret=True
    )
    host: str = _setting("TOLLHOUSE_HOST", "Address to listen on.", "127.0.0.1")
    port: int = _setting("TOLLHOUSE_PORT", "Port to listen on.", 8000, _whole(1, 65535))
    secret_key: str = _setting(
        "TOLLHOUSE_SECRET_KEY",
        "Key that seals provider keys and checks API keys, 32 characters or more; made in the home at the "
        "first start, required when the database is not the embedded one.",
        "",
        secret=True,
    )
    previous_secret_keys: tuple[str, ...] = _setting(
        "TOLLHOUSE_PREVIOUS_SECRET_KEYS",
        "Secret keys beside the current one with which what was made before is still good, by comma: those before it, "
        "and while hosts are changed one by one the one that comes next.",
        (),
        _words,
        secret=True,
    )
    admin_email: str = _setting("TOLLHOUSE_ADMIN_EMAIL", "E-mail of the first administrator.", "admin@localhost")
    admin_password: str = _setting(
        "TOLLHOUSE_ADMIN_PASSWORD",
        "Password of the first administrator; empty: made and printed once.",
        "",
        secret=True,
    )
    web_processes: int = _setting(
        "TOLLHOUSE_WEB_PROCESSES",
        "Web processes; one carries thousands of open calls.",
        lambda: min(4, os.cpu_count() or 1),
        _whole(1, 64),
    )
    workers: int = _setting("TOLLHOUSE_WORKERS", "Processes for background work.", 1, _whole(0, 64))
    openai_api_key: str = _setting("OPENAI_API_KEY", "Registers the provider `openai` and its models.", "", secret=True)
    openai_base_url: str = _setting(
        "OPENAI_BASE_URL", "Where `openai` is, with its version.", "https://api.openai.com/v1"
    )
    anthropic_api_key: str = _setting(
        "ANTHROPIC_API_KEY", "Registers the provider `anthropic` and its models.", "", secret=True
    )
    anthropic_base_url: str = _setting("ANTHROPIC_BASE_URL", "Where `anthropic` is.", "https://api.anthropic.com")
    local_model: str = _setting(
        "TOLLHOUSE_LOCAL_MODEL", "Whether `up` serves the small local model.", "on", _one_of("on", "off")
    )
    log_format: str = _setting(
        "TOLLHOUSE_LOG_FORMAT",
        "Logstash JSON lines, readable text, or text on a terminal and JSON elsewhere.",
        "auto",
        _one_of("auto", "json", "text"),
    )
    log_level: str = _setting(
        "TOLLHOUSE_LOG_LEVEL",
        "The least level that is logged.",
        "INFO",
        _one_of("DEBUG", "INFO", "WARNING", "ERROR"),
    )
    max_body_bytes: int = _setting(
        "TOLLHOUSE_MAX_BODY_BYTES", "Longest request body.", 32 * 1024 * 1024, _whole(1024, 1 << 32)
    )
    max_upload_bytes: int = _setting(
        "TOLLHOUSE_MAX_UPLOAD_BYTES",
        "Longest upload: images and sound. What is not small waits on the home's disk until it is sent on.",
        200 * 1000 * 1000,
        _whole(1024, 1 << 40),
    )
    max_file_bytes: int = _setting(
        "TOLLHOUSE_MAX_FILE_BYTES", "Longest file of `POST /v1/files`.", 512 * 1024 * 1024, _whole(1024, 1 << 40)
    )
    body_memory_bytes: int = _setting(
        "TOLLHOUSE_BODY_MEMORY_BYTES",
        "Memory of one process for request bodies, of which one takes about three times its length until it is "
        "sent; bodies wait up to 10 s for it.",
        256 * 1024 * 1024,
        _whole(1 << 20, 1 << 40),
    )
    max_reply_bytes: int = _setting(
        "TOLLHOUSE_MAX_REPLY_BYTES",
        "Longest whole reply of a provider.",
        64 * 1024 * 1024,
        _whole(1024, 1 << 32),
    )
    connect_seconds: float = _setting(
        "TOLLHOUSE_CONNECT_SECONDS", "Longest wait for a provider's connection.", 5.0, _seconds(0.05, 60)
    )
    first_byte_seconds: float = _setting(
        "TOLLHOUSE_FIRST_BYTE_SECONDS",
        "Longest wait for a provider's first byte.",
        120.0,
        _seconds(0.05, 3600),
    )
    idle_seconds: float = _setting(
        "TOLLHOUSE_IDLE_SECONDS", "Longest silence in the middle of a reply.", 60.0, _seconds(0.05, 3600)
    )
    total_seconds: float = _setting(
        "TOLLHOUSE_TOTAL_SECONDS", "Longest time for one upstream call.", 900.0, _seconds(0.05, 86400)
    )
    stalled_client_seconds: float = _setting(
        "TOLLHOUSE_STALLED_CLIENT_SECONDS",
        "How long a client may leave a reply unread, or a request unsent.",
        30.0,
        _seconds(0.5, 3600),
    )
    upstream_connections: int = _setting(
        "TOLLHOUSE_UPSTREAM_CONNECTIONS",
        "Open connections of one process to one host.",
        4096,
        _whole(1, 65536),
    )
    https_proxy: str = _setting(
        "TOLLHOUSE_HTTPS_PROXY",
        "HTTP proxy through which https providers are reached, as http://user:password@proxy:3128. HTTPS_PROXY "
        "is not read.",
        "",
        secret=True,
    )
    no_proxy: str = _setting(
        "TOLLHOUSE_NO_PROXY",
        "Hosts that are reached without the proxy: names with all under them, addresses, networks; by comma.",
        "",
    )
    ca_bundle: str = _setting(
        "TOLLHOUSE_CA_BUNDLE",
        "PEM file of authorities whose certificates are trusted beside the system's.",
        "",
    )
    unknown_price: str = _setting(
        "TOLLHOUSE_UNKNOWN_PRICE",
        "What to do with a model without a price: book it without a cost and flag it, or refuse it. A hard "
        "budget refuses it always.",
        "flag",
        _one_of("flag", "refuse"),
    )
    unknown_calls: str = _setting(
        "TOLLHOUSE_UNKNOWN_CALLS",
        "What is charged of a call whose process died before anything was known of it: the bound of its input, "
        "all that was held for it, or nothing.",
        "input",
        _one_of("input", "hold", "nothing"),
    )
    store_responses: str = _setting(
        "TOLLHOUSE_STORE_RESPONSES",
        "Whether Responses are stored when their caller does not say otherwise, and conversations kept; off: what "
        "asks for either is refused.",
        "on",
        _one_of("on", "off"),
    )
    responses_days: int = _setting(
        "TOLLHOUSE_RESPONSES_DAYS",
        "Days that a stored response is kept after it, or the last one that went on from it, was made.",
        30,
        _whole(1, 36500),
    )
    expire_responses_seconds: float = _setting(
        "TOLLHOUSE_EXPIRE_RESPONSES_SECONDS",
        "How often stored responses whose days are over are deleted.",
        3600.0,
        _seconds(0.2, 86400),
    )
    run_batch_seconds: float = _setting(
        "TOLLHOUSE_RUN_BATCH_SECONDS", "How often a worker looks for batches at least.", 15.0, _seconds(0.2, 86400)
    )
    batch_concurrency: int = _setting(
        "TOLLHOUSE_BATCH_CONCURRENCY", "Calls of batches that one worker makes at once.", 32, _whole(1, 1024)
    )
    batch_attempts: int = _setting(
        "TOLLHOUSE_BATCH_ATTEMPTS", "Calls of a batch's line before its failure is its result.", 3, _whole(1, 20)
    )
    expire_files_seconds: float = _setting(
        "TOLLHOUSE_EXPIRE_FILES_SECONDS",
        "How often files whose time is over are deleted.",
        3600.0,
        _seconds(0.2, 86400),
    )
    expire_idempotency_seconds: float = _setting(
        "TOLLHOUSE_EXPIRE_IDEMPOTENCY_SECONDS",
        "How often the answers to requests with an Idempotency-Key, which are kept for 24 hours, are deleted.",
        3600.0,
        _seconds(0.2, 86400),
    )
    roll_up_seconds: float = _setting(
        "TOLLHOUSE_ROLL_UP_SECONDS", "How often the ledger is added up by day.", 300.0, _seconds(0.2, 86400)
    )
    budget_alert_seconds: float = _setting(
        "TOLLHOUSE_BUDGET_ALERT_SECONDS",
        "How often it is looked which budgets are spent in part.",
        15.0,
        _seconds(0.2, 86400),
    )
    budget_alert_emails: tuple[str, ...] = _setting(
        "TOLLHOUSE_BUDGET_ALERT_EMAILS",
        "Who is mailed when 50, 80 and 100 % of a budget are spent; by comma.",
        (),
        _addresses,
    )
    budget_alert_url: str = _setting(
        "TOLLHOUSE_BUDGET_ALERT_URL",
        "Where the same is posted as JSON, with the `text` that Slack and its like show.",
        "",
        _web_address,
        secret=True,
    )
    budget_alert_private: str = _setting(
        "TOLLHOUSE_BUDGET_ALERT_PRIVATE",
        "Whether that may be an address inside this network.",
        "off",
        _one_of("on", "off"),
    )
    public_url: str = _setting(
        "TOLLHOUSE_PUBLIC_URL",
        "Where people's browsers find this gateway, as links in mails say it; empty: its own address and port.",
        "",
        _address,
    )
    trusted_proxies: tuple[IPv4Network | IPv6Network, ...] = _setting(
        "TOLLHOUSE_TRUSTED_PROXIES",
        "Addresses and networks of proxies that are believed about whom a request comes from (X-Forwarded-For); by "
        "comma. Nobody else is.",
        (),
        _networks,
    )
    cors_origins: tuple[str, ...] = _setting(
        "TOLLHOUSE_CORS_ORIGINS",
        "Origins whose pages may use the management API from a browser, by comma; empty: none.",
        (),
        _origins,
    )
    access_token_seconds: int = _setting(
        "TOLLHOUSE_ACCESS_TOKEN_SECONDS", "How long an access token is good.", 900, _whole(5, 86400)
    )
    session_seconds: int = _setting(
        "TOLLHOUSE_SESSION_SECONDS",
        "How long after they signed in people must do so again, however often they renew their token.",
        30 * 86400,
        _whole(60, 400 * 86400),
    )
    invitation_seconds: int = _setting(
        "TOLLHOUSE_INVITATION_SECONDS", "How long an invitation is good.", 7 * 86400, _whole(60, 90 * 86400)
    )
    password_reset_seconds: int = _setting(
        "TOLLHOUSE_PASSWORD_RESET_SECONDS", "How long a link for a new password is good.", 3600, _whole(60, 86400)
    )
    smtp_url: str = _setting(
        "TOLLHOUSE_SMTP_URL",
        "Mail server, as smtp://user:password@mail.example.com:587 or smtps://…; empty: mails are printed to the log.",
        "",
        secret=True,
    )
    mail_from: str = _setting("TOLLHOUSE_MAIL_FROM", "Who mails are from.", "tollhouse@localhost")
    search_seconds: int = _setting(
        "TOLLHOUSE_SEARCH_SECONDS",
        "How long a report or a search of the ledger may take over HTTP; the shell's may take longer.",
        10,
        _whole(1, 60),
    )
    crash_file: str = _setting(
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


def load(environ: Mapping[str, str] | None = None, dotenv: Path | None = None) -> Settings:
    """Read the settings. InvalidSetting names the one that is wrong, and what it takes.

    `dotenv` is the file to read beside the environment, by default `.env` in the working directory.
    """
    given = {**_dotenv(dotenv or Path(".env")), **(os.environ if environ is None else environ)}
    values: dict[str, Any] = {}
    for one in fields(Settings):
        name, read = one.metadata["name"], one.metadata["read"]
        text = given.get(name, "").strip()
        if not text:
            continue
        try:
            values[one.name] = read(text)
        except ValueError:
            shown = "the value given" if one.metadata["secret"] else repr(text[:100])
            raise InvalidSetting(f"{name} must be {read.__doc__}; {shown} is not.", param=name) from None
    return Settings(**values)


def variable(name: str, dotenv: Path | None = None) -> str | None:
    """A variable that is no setting, from the same places: how `providers add --api-key-env` reads a key."""
    return os.environ.get(name) or _dotenv(dotenv or Path(".env")).get(name) or None


def default_of(name: str) -> str:
    """The default of the setting of this name, as text."""
    return str(next(one.default for one in fields(Settings) if one.metadata["name"] == name))


def describe(settings: Settings) -> list[dict[str, str]]:
    """Name, value, default and meaning of each setting, secrets masked."""
    rows = []
    for one in fields(Settings):
        value = _text(getattr(settings, one.name))
        default = "" if one.default is MISSING else _text(one.default)
        shown = SECRET_MARK if one.metadata["secret"] and value else value
        rows.append({"name": one.metadata["name"], "value": shown, "default": default, "doc": one.metadata["doc"]})
    return rows


def _text(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _dotenv(path: Path) -> dict[str, str]:
    try:
        if not path.is_file():
            return {}
        from dotenv import dotenv_values

        return {name: value for name, value in dotenv_values(path).items() if value is not None}
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidSetting(f"{path} cannot be read: {error}") from error
