"""The limit of open files, which is often lower than the streams of this bench."""

import resource


def allow_many() -> None:
    """Raise this process's limit as far as this user may."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
