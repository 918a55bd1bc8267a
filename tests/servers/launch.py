"""Become a command, as some account, that dies with its parent: launch.py PARENT SIGNAL ACCOUNT COMMAND...

A program of its own, since between fork and exec Python may safely do next to nothing once there are threads.
"""

import ctypes
import os
import pwd
import signal
import sys

PR_SET_PDEATHSIG = 1  # linux/prctl.h


def main() -> None:
    parent, last_signal, account, *command = sys.argv[1:]
    if account:
        entry = pwd.getpwnam(account)
        os.setgroups([])
        os.setgid(entry.pw_gid)
        os.setuid(entry.pw_uid)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(last_signal))  # after setuid, which clears it
        if os.getppid() != int(parent):
            os.kill(os.getpid(), signal.SIGKILL)  # the parent died before the kernel was told
    os.execv(command[0], command)  # noqa: S606 - no shell is wanted


if __name__ == "__main__":
    main()
