"""`tollhouse models explain`: the order in which a call would try its targets, and why."""

from typing import TYPE_CHECKING, Any

import click

from tollhouse.cli.administration import administration
from tollhouse.cli.output import json_option, print_json, print_table

if TYPE_CHECKING:
    from tollhouse.domain.call import Call
    from tollhouse.services.routing.explanation import Explained


@click.command()
@click.argument("name")
@click.option("--format", "format_name", default="chat", show_default=True, help="What the call is written in.")
@click.option("--images", type=click.IntRange(0), default=0, metavar="N", help="How many images it has.")
@click.option("--tools", type=click.IntRange(0), default=0, metavar="N", help="How many tools it may call.")
@click.option("--schema", is_flag=True, help="It asks for an answer by a schema.")
@click.option("--tokens", type=click.IntRange(0), default=0, metavar="N", help="About how long its prompt is.")
@click.option("--stream", is_flag=True, help="It is streamed.")
@click.option("--session", default="", help="What it sends as X-Tollhouse-Session.")
@json_option
def explain(name: str, as_json: bool, **wanted: Any) -> None:
    """Show where a call for NAME would go, in the order in which it would be tried, and why.

    It is this program's own view: what web processes have measured, they know.
    """
    with administration() as services:
        from tollhouse.domain.principal import Principal
        from tollhouse.services.routing.explanation import explain as explained
        from tollhouse.services.routing.routing import route_of
        from tollhouse.services.routing.vitals import Watch
        from tollhouse.wire import FORMATS

        if wanted["format_name"] not in FORMATS:
            raise click.BadParameter(f"it must be one of {', '.join(FORMATS)}.", param_hint="--format")
        somebody = Principal("key_explained", "explain")
        route = route_of(services.snapshot.current, somebody, name)
        steps = explained(route, somebody, _call(name, **wanted), Watch())
    if as_json:
        print_json({"model": name, "booked_as": route.name, "targets": [_shown(step) for step in steps]})
        return
    print_table(
        [
            {
                "": step.place or "-",
                "model": step.target.model,
                "provider": step.target.host.name,
                "upstream model": step.target.upstream_model,
                "why": step.why,
            }
            for step in steps
        ],
        flexible=("model", "upstream model", "why"),
        empty="",
    )


def _call(
    name: str, *, format_name: str, images: int, tools: int, schema: bool, tokens: int, stream: bool, session: str
) -> "Call":
    from tollhouse.domain.call import Call, Facts
    from tollhouse.services.routing.routing import SESSION_HEADER

    body = {"response_format": {"type": "json_schema"}} if schema else {}
    # What a prompt of so many tokens surely has of bytes.
    facts = Facts(name, 8 * tokens, stream=stream, messages=1, tools=tools, media=images, images=images)
    return Call("req_explain", format_name, body, facts, {SESSION_HEADER: session} if session else {})


def _shown(step: "Explained") -> dict[str, Any]:
    target = step.target
    return {
        "place": step.place,
        "model": target.model,
        "provider": target.host.name,
        "upstream_model": target.upstream_model,
        "deployment": target.deployment,
        "why": step.why,
    }
