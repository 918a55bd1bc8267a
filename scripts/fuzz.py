"""Make requests up from the descriptions of both APIs, and send them to a gateway that runs as a user runs it.

None may be answered with a status of 500 or above, or as the description does not say. What is given goes to
Schemathesis.
"""

import json
import os
import secrets
import subprocess
import sys
import tempfile
from pathlib import Path
from urllib.request import Request, urlopen

import install
from environments import environment

sys.path.insert(0, str(install.CHECKOUT))
from tests.running import RunningGateway
from tests.servers.postgres import start_postgres

FOLDER = install.CHECKOUT / "tests" / "fuzz"
ENVIRONMENT = install.CHECKOUT / ".venv-fuzz"
PASSWORD = "a password for fuzzing"  # noqa: S105 - of a gateway that is gone in some minutes
SECONDS = os.environ.get("SECONDS", "180")
"""Of each API, however many requests that makes."""
MODELS = ("gpt-4o-mini", "gpt-4o", "claude-sonnet-4-5")
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "unsupported_method",
    "use_after_free",
)
# The other of each knows no 204 without a content type, and takes the schema of a stream for that of an event.
OF_CALLS = "content_type_conformance"
OF_MANAGEMENT = "response_schema_conformance"
SPARED = [f"--exclude-operation-id={name}" for name in ("logout", "change_password", "refresh")]
"""These would end the session that all of it is asked in."""


def main() -> None:
    python = environment(ENVIRONMENT, FOLDER / "requirements.txt")
    with tempfile.TemporaryDirectory(prefix="tollhouse-fuzz-", dir="/tmp", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o711)  # PostgreSQL runs as another account where this one is root
        # It refuses more than SQLite does, such as NUL in a text.
        server = start_postgres(folder / "postgres")
        try:
            failed = fuzz(python, folder / "home", server.create_database())
        finally:
            server.stop()
    if failed:
        sys.exit(f"Failed: {', '.join(failed)}.")


def fuzz(python: Path, home: Path, database_url: str) -> list[str]:
    """The APIs of which something failed."""
    gateway = RunningGateway(
        home,
        TOLLHOUSE_DATABASE_URL=database_url,
        TOLLHOUSE_SECRET_KEY=secrets.token_hex(32),
        TOLLHOUSE_ADMIN_PASSWORD=PASSWORD,
        TOLLHOUSE_ACCESS_TOKEN_SECONDS="86400",  # noqa: S106 - a number
        TOLLHOUSE_INVITATIONS_PER_HOUR="1000000",
        TOLLHOUSE_WEB_PROCESSES="1",
    )
    try:
        for model in MODELS:
            gateway.command("models", "add", model, "--provider", "echo", "--input-price", "1", "--output-price", "1")
        # The management API comes last: it finds keys in its own lists, and revokes them.
        calls = passes(python, gateway, "/openapi.json", gateway.key, OF_CALLS)
        manages = passes(python, gateway, "/api/swagger.json", access_token(gateway), OF_MANAGEMENT, *SPARED)
    finally:
        gateway.stop()
    return [path for path, passed in (("/openapi.json", calls), ("/api/swagger.json", manages)) if not passed]


def passes(python: Path, gateway: RunningGateway, path: str, token: str, check: str, *more: str) -> bool:
    install.say(f"== {path}")
    options = (
        f"--checks={','.join([*CHECKS, check])}",
        "--phases=examples,coverage,fuzzing,stateful",
        "--continue-on-failure",
        "--max-examples=40",
        f"--max-time={SECONDS}",
        f"--header=Authorization: Bearer {token}",
        *more,
    )
    command = [str(python.with_name("schemathesis")), "run", f"{gateway.url}{path}", *options, *sys.argv[1:]]
    return subprocess.run(command, cwd=gateway.home, check=False).returncode == 0


def access_token(gateway: RunningGateway) -> str:
    body = json.dumps({"email": "admin@localhost", "password": PASSWORD}).encode()
    headers = {"content-type": "application/json"}
    with urlopen(Request(f"{gateway.url}/api/auth/login", body, headers)) as answer:  # noqa: S310 - of this machine
        return str(json.load(answer)["access_token"])


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("Interrupted; run the same command again to go on.")
