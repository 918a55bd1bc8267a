"""The options that name what a budget or a limit is for."""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

import click

_Command = TypeVar("_Command", bound=Callable[..., Any])

_OPTIONS = {
    "key": ("ID", "A key, by its id."),
    "user": ("ID", "A person, by their id."),
    "team": ("ID", "A team, by its id."),
    "model": ("NAME", "A model, by its public name."),
    "tag": ("TAG", "All calls with this tag."),
}


def scope_options(*kinds: str) -> Callable[[_Command], _Command]:
    """Give a command the options of these kinds and --organisation, of which one must be used, and `scope`: what
    that one says.
    """

    def decorate(command: _Command) -> _Command:
        @wraps(command)
        def scoped(**given: Any) -> Any:
            chosen = [(kind, id) for kind in kinds if (id := given.pop(kind)) is not None]
            chosen += [("organisation", "all")] if given.pop("organisation") else []
            if len(chosen) != 1:
                names = ", ".join(f"--{kind}" for kind in kinds)
                raise click.UsageError(f"Say what it is for, by one of {names} and --organisation.")
            return command(scope=chosen[0], **given)

        decorated: Any = click.option("--organisation", is_flag=True, help="All calls there are.")(scoped)
        for kind in reversed(kinds):
            metavar, text = _OPTIONS[kind]
            decorated = click.option(f"--{kind}", metavar=metavar, help=text)(decorated)
        return decorated  # type: ignore[no-any-return]

    return decorate
