"""Writes the pages of docs/reference/ that are made from the code; a test checks that they are up to date."""

import sys
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import click
from prometheus_client.metrics import MetricWrapperBase

from tollhouse import metrics
from tollhouse.logs.fields import FIELDS
from tollhouse.settings import Settings
from tollhouse.wire import PAIRS

FOLDER = Path(__file__).parent.parent / "docs" / "reference"


def settings_page() -> str:
    rows = []
    for one in fields(Settings):
        default = one.default if isinstance(one.default, (str, int, float)) else "see the text"
        if one.default == ():
            default = ""
        rows.append(f"| `{one.metadata['name']}` | {f'`{default}`' if default != '' else ''} | {one.metadata['doc']} |")
    return _page(
        "Settings",
        "From the environment, else from `.env` in the working directory, else the default. "
        "`tollhouse settings` shows those in force.",
        ["| setting | default | meaning |", "| --- | --- | --- |", *rows],
    )


def metrics_page() -> str:
    rows = []
    for one in (value for value in vars(metrics).values() if isinstance(value, MetricWrapperBase)):
        labels = ", ".join(f"`{label}`" for label in one._labelnames)
        rows.append(f"| `{one._name}` | {one._type} | {labels} | {one._documentation} |")
    return _page(
        "Metrics",
        "At `/metrics`, added up over the processes of one machine. Counters end in `_total`. Labels are bounded: no "
        "key, user or request is ever one.",
        ["| metric | type | labels | meaning |", "| --- | --- | --- | --- |", *rows],
    )


def logs_page() -> str:
    rows = [f"| `{name}` | {kind} | {text} |" for name, (kind, text) in FIELDS.items()]
    return _page(
        "Log fields",
        "Each line is one JSON object in Logstash's form. The first eight fields are in every line, `request_id` in "
        "each that is about a request. Types are those of `deploy/elk/index-template.json`.",
        ["| field | type | meaning |", "| --- | --- | --- |", *rows],
    )


def commands_page() -> str:
    from tollhouse.cli import program

    lines = []
    for context in _commands(click.Context(program, info_name="tollhouse", **program.context_settings)):
        lines += [f"## {context.command_path}", "", "```", context.get_help().strip(), "```", ""]
    return _page("Command line", "Exit codes: 0 done, 1 the work failed, 2 wrong usage.", lines)


_FORMAT_NAMES = {
    "chat": "Chat Completions",
    "completions": "Completions",
    "messages": "Messages",
    "responses": "Responses",
}


def translation_page() -> str:
    lines = []
    for (client, upstream), pair in PAIRS.items():
        if client == upstream:
            continue
        lines += [
            f"## Clients of {_FORMAT_NAMES[client]}, hosts of {_FORMAT_NAMES[upstream]}",
            "",
            "| field | what becomes of it |",
            "| --- | --- |",
            *(f"| `{loss.field}` | {loss.why} |" for loss in pair.losses),
            "",
        ]
    return _page(
        "Translation",
        "A model can be called in each format that its provider speaks, byte for byte, and in those that translate to "
        "one. These tables have what a translation cannot carry. Of such a field that a call had, its path is in the "
        "response's `x-tollhouse-dropped`; with `X-Tollhouse-Strict: true` the call is refused instead. What would "
        "mean something else without it is always refused, with 400 and the field's path. `*` is any field that the "
        "client's own format does not document.",
        lines,
    )


def _commands(context: click.Context) -> Iterator[click.Context]:
    """Of each command below this one, in contexts as the program itself makes them: a command keeps the help option
    of the first that it meets.
    """
    if not isinstance(context.command, click.Group):
        yield context
        return
    for name in context.command.list_commands(context):
        found = context.command.get_command(context, name)
        if found is not None:
            yield from _commands(click.Context(found, info_name=name, parent=context, **found.context_settings))


def _page(title: str, text: str, lines: list[str]) -> str:
    return (
        "\n".join([f"# {title}", "", "<!-- Written by scripts/write_reference.py -->", "", text, "", *lines]).rstrip()
        + "\n"
    )


PAGES = {
    "settings.md": settings_page,
    "metrics.md": metrics_page,
    "log-fields.md": logs_page,
    "commands.md": commands_page,
    "translation.md": translation_page,
}


def main() -> int:
    for name, page in PAGES.items():
        (FOLDER / name).write_text(page())
    return 0


if __name__ == "__main__":
    sys.exit(main())
