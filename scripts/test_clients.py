"""Run the tests of other people's clients, each client in an environment of its own: they do not all go together.

A client is a folder in tests/clients with its requirements. What is given goes to pytest; CLIENTS names some of them.
"""

import os
import subprocess
import sys

import install
from environments import environment

TESTS = install.CHECKOUT / "tests" / "clients"
ENVIRONMENTS = install.CHECKOUT / ".venv-clients"
NO_TEST_WAS_CHOSEN = 5


def main() -> None:
    known = sorted(path.parent.name for path in TESTS.glob("*/requirements.txt"))
    wanted = os.environ.get("CLIENTS", "").replace(",", " ").split() or known
    if unknown := sorted(set(wanted) - set(known)):
        sys.exit(f"There is no client {unknown[0]}: CLIENTS may name {', '.join(known)}.")
    failed = [name for name in wanted if not passes(name, sys.argv[1:])]
    if failed:
        sys.exit(f"Failed: {', '.join(failed)}.")


def passes(name: str, arguments: list[str]) -> bool:
    install.say(f"== {name}")
    python = environment(ENVIRONMENTS / name, TESTS / name / "requirements.txt")
    # The clients' environments have no gateway: it runs from the project's own.
    surroundings = {**os.environ, "TEST_PYTHON": sys.executable}
    options = ["-c", str(TESTS / "pytest.toml"), "--rootdir", str(install.CHECKOUT)]
    command = [str(python), "-m", "pytest", *options, str(TESTS / name), *arguments]
    status = subprocess.run(command, cwd=install.CHECKOUT, env=surroundings, check=False).returncode
    return status == 0 or (bool(arguments) and status == NO_TEST_WAS_CHOSEN)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("Interrupted; run the same command again to go on.")
