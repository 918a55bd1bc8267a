"""What `tollhouse models` has of prices beyond input and output."""

from typing import TYPE_CHECKING, Any

import click

from tollhouse.cli.administration import administration
from tollhouse.cli.output import json_option, print_json, usd
from tollhouse.cli.parameters import USD
from tollhouse.domain.actor import SHELL
from tollhouse.domain.money import nanos_from_usd
from tollhouse.domain.price_terms import LongContext

if TYPE_CHECKING:
    from tollhouse.domain.price_terms import PriceTerms

_NAMES = {"input": "input", "output": "output", "cached-input": "cached_input", "cache-write": "cache_write"}
_PUBLISHED = "default"


class UsdOrDefault(click.ParamType[Any]):
    """US dollars per million tokens, or `default`."""

    name = "usd|default"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return value if value == _PUBLISHED else USD.convert(value, param, ctx)


class Step(click.ParamType[Any]):
    """As above=200000,input=6,output=22.5,cached-input=0.6,cache-write=7.5; the last two may be left out."""

    name = "step"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if isinstance(value, LongContext) or value == "none":
            return value
        stated = dict(part.strip().partition("=")[::2] for part in value.split(","))
        if not {"above", "input", "output"} <= stated.keys() <= {"above", *_NAMES}:
            self.fail(
                "it must be like above=200000,input=6,output=22.5[,cached-input=0.6][,cache-write=7.5].", param, ctx
            )
        try:
            prices = {_NAMES[name]: nanos_from_usd(text) for name, text in stated.items() if name != "above"}
            return LongContext(int(stated["above"]), **prices)
        except ValueError as error:
            self.fail(f"{error}.", param, ctx)


@click.command()
@click.argument("name")
@click.option("--cached-input-price", type=UsdOrDefault(), metavar="USD_PER_MTOK", help="Of input read from a cache.")
@click.option("--cache-write-price", type=UsdOrDefault(), metavar="USD_PER_MTOK", help="Of input written to a cache.")
@click.option("--batch-discount", type=int, metavar="PERCENT", help="Of what goes to the provider's own batches.")
@click.option(
    "--long-context",
    type=Step(),
    multiple=True,
    metavar="STEP",
    help="Prices of a prompt above so many tokens, as above=200000,input=6,output=22.5[,cached-input=0.6]"
    "[,cache-write=7.5]; may be repeated; none takes the steps away.",
)
@json_option
def prices(name: str, as_json: bool, **given: Any) -> None:
    """Show what is said of the prices of NAME beyond input and output, or change it: what is not given stays.
    `default` takes a price back to what it is without one.
    """
    stated: dict[str, Any] = {
        field: None if given[option] == _PUBLISHED else given[option]
        for field, option in (("cached_input", "cached_input_price"), ("cache_write", "cache_write_price"))
        if given[option] is not None
    }
    if given["batch_discount"] is not None:
        stated["batch_discount"] = given["batch_discount"]
    if given["long_context"]:
        stated["long_context"] = tuple(step for step in given["long_context"] if step != "none")
    with administration() as services:
        prices = services.model_prices
        terms = prices.change(name, stated, by=SHELL) if stated else prices.of(name)
    shown = _shown(terms)
    if as_json:
        print_json(shown)
        return
    click.echo(f"cached input: {shown['cached_input_usd_per_mtok'] or _PUBLISHED}")
    click.echo(f"cache write: {shown['cache_write_usd_per_mtok'] or _PUBLISHED}")
    click.echo(f"batch discount: {terms.batch_discount} %")
    for step in shown["long_context"]:
        rest = ", ".join(f"{field} {value}" for field, value in step.items() if field != "above" and value is not None)
        click.echo(f"above {step['above']} tokens: {rest}")


def _shown(terms: "PriceTerms") -> dict[str, Any]:
    return {
        "cached_input_usd_per_mtok": usd(terms.cached_input),
        "cache_write_usd_per_mtok": usd(terms.cache_write),
        "batch_discount": terms.batch_discount,
        "long_context": [
            {"above": step.above, **{name: usd(getattr(step, name)) for name in _NAMES.values()}}
            for step in terms.long_context
        ],
    }
