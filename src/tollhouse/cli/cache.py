"""`tollhouse models cache`."""

from typing import TYPE_CHECKING, Any

import click

from tollhouse.cli.administration import administration
from tollhouse.cli.output import json_option, print_json
from tollhouse.domain.actor import SHELL
from tollhouse.domain.caching import DEFAULT_SIMILARITY

if TYPE_CHECKING:
    from tollhouse.services.models.models import Model

OFF = "default"


class SecondsOrDefault(click.ParamType[Any]):
    """A number of seconds, or `default`."""

    name = "seconds|default"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return value if value == OFF else click.INT.convert(value, param, ctx)


@click.command()
@click.argument("name")
@click.argument("seconds", type=SecondsOrDefault(), required=False)
@click.option("--embedding-model", metavar="NAME", help="Find similar questions too, by the vectors of this model.")
@click.option("--similarity", type=float, metavar="COSINE", help="From which on they are similar; by default 0.95.")
@click.option("--exact", is_flag=True, help="Find only what is the same, as at first.")
@json_option
def cache(
    name: str,
    seconds: int | str | None,
    embedding_model: str | None,
    similarity: float | None,
    exact: bool,
    as_json: bool,
) -> None:
    """Show for how long replies of the model NAME are kept to be given again, or change it.

    0 is never; `default` is where a call asks for it, by `cache-control: max-age=…`.
    """
    if exact and (embedding_model is not None or similarity is not None):
        raise click.UsageError("--exact goes neither with --embedding-model nor with --similarity.")
    changes: dict[str, Any] = {}
    if seconds is not None:
        changes["cache_seconds"] = None if seconds == OFF else seconds
    if exact or embedding_model is not None:
        changes["cache_embedding_model"] = embedding_model
    if exact or similarity is not None:
        changes["cache_similarity"] = similarity
    with administration() as services:
        model = services.models.change(name, changes, by=SHELL) if changes else services.models.get(name, by=SHELL)
    if as_json:
        fields = ("name", "cache_seconds", "cache_embedding_model", "cache_similarity")
        print_json({field: getattr(model, field) for field in fields})
    else:
        click.echo(_told(model))


def _told(model: "Model") -> str:
    kept = model.cache_seconds
    if kept is None:
        said = f"Replies of {model.name} are kept where a call asks for it."
    else:
        said = f"Replies of {model.name} are {f'kept for {kept} s' if kept else 'never kept'}."
    if model.cache_embedding_model is None or kept == 0:
        return said
    least = DEFAULT_SIMILARITY if model.cache_similarity is None else model.cache_similarity
    return (
        f"{said} They are given to who asks something similar too: from {least:g} on, by {model.cache_embedding_model}."
    )
