"""Become a command that dies with the process that started it: tether.py PARENT COMMAND ARGUMENT...

A program of its own, run before the command in the same process, because between fork and exec a
Python process may safely do next to nothing. Linux only; elsewhere it only becomes the command.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1
"""From linux/prctl.h. The setting survives exec."""
NOT_STARTED = 126


def main(arguments: list[str]) -> int:
    """Returns only when there is nothing to become."""
    parent, *command = arguments
    if sys.platform == "linux":
        # SIGKILL, so that not even a part that hangs is left behind.
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    if os.getppid() != int(parent):
        return NOT_STARTED  # it died before the kernel was told
    try:
        os.execvp(command[0], command)  # noqa: S606 - a shell is what is not wanted
    except OSError as error:
        sys.stderr.write(f"{command[0]} cannot be started: {error.strerror}.\n")
    return NOT_STARTED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
