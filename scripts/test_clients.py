"""Run the tests of other people's clients, each client in an environment of its own: they do not all go together.

A client is a folder in tests/clients with its requirements. What is given goes to pytest; CLIENTS names some of them.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import install

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
    python = environment(name)
    # The clients' environments have no gateway: it runs from the project's own.
    surroundings = {**os.environ, "TEST_PYTHON": sys.executable}
    options = ["-c", str(TESTS / "pytest.toml"), "--rootdir", str(install.CHECKOUT)]
    command = [str(python), "-m", "pytest", *options, str(TESTS / name), *arguments]
    status = subprocess.run(command, cwd=install.CHECKOUT, env=surroundings, check=False).returncode
    return status == 0 or (bool(arguments) and status == NO_TEST_WAS_CHOSEN)


def environment(name: str) -> Path:
    """The environment's Python, with what the client's requirements say."""
    folder, requirements = ENVIRONMENTS / name, TESTS / name / "requirements.txt"
    python, stamp = folder / "bin" / "python", folder / "installed"
    mark = f"{folder}\n{sys.version}\n{requirements.read_text(encoding='utf-8')}"
    if python.exists() and stamp.exists() and stamp.read_text(encoding="utf-8") == mark:
        return python
    install.say(f"Installing {name} into {folder.relative_to(install.CHECKOUT)}")
    shutil.rmtree(folder, ignore_errors=True)
    made = install.run([str(install.UV), "venv", "--python", sys.executable, str(folder)])
    # Each line is exact, and the versions fit one another: nothing is resolved anew.
    fill = ["pip", "install", "--no-config", "--no-deps", "--python", str(python), "-r", str(requirements)]
    if not made or not install.run([str(install.UV), *fill]):
        install.fail()
    stamp.write_text(mark, encoding="utf-8")
    return python


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("Interrupted; run the same command again to go on.")
