"""`curate select`: keep the documents a budget has room for."""

from __future__ import annotations

from typing import Any

import click

from ..errors import ConfigError
from ..registry import did_you_mean, names
from . import options
from .console import progress
from .engines import runs_on
from .figures import show, tells
from .tables import print_selection


class _Samplers(click.Choice[str]):
    """Names of samplers; an unknown one is answered with the nearest."""

    def get_invalid_choice_message(self, value: object, ctx: click.Context | None) -> str:  # noqa: ARG002
        return f"{value!r} is none of the samplers. {did_you_mean(str(value), self.choices)}"


@click.command()
@click.argument("method", type=_Samplers(names("samplers")))
@click.option(
    "--scores", required=True, type=click.Path(), help="Directory of one scorer's tables."
)
@click.option("--budget", help="30%, 30%tok, 20000docs, 5Mtok or 2Gbytes; shares count scored.")
@click.option("--by-domain", is_flag=True, help="The same share of every domain.")
@click.option(
    "--quota",
    "quotas",
    multiple=True,
    metavar="DOMAIN=BUDGET",
    help="Of one domain, apart from the others'; repeatable. Without --budget only these.",
)
@click.option(
    "--design",
    type=click.Choice(["sequential-poisson", "pareto", "poisson"]),
    help="Of inverse-propensity; pareto is exact at any size.  [default: sequential-poisson]",
)
@click.option("--temperature", type=float, help="In the unit of the score; for softmax.")
@click.option(
    "--part",
    type=click.Choice(["lowest", "middle", "highest"]),
    help="Of the scores; for band.  [default: middle]",
)
@click.option("--from", "lower", metavar="SHARE", help="20%: where the band begins, in its scores.")
@click.option("--to", "upper", metavar="SHARE", help="50%: where it ends; in place of a budget.")
@options.any_option
@click.option("--column", help="Of the tables, to select by in place of the score; for band.")
@click.option("--at-least", type=float, help="Leave out documents with a lower score.")
@click.option("--at-most", type=float, help="Leave out documents with a higher score.")
@click.option("--max-per-group", type=click.IntRange(1), help="Most documents of one group.")
@click.option(
    "--group-by",
    default="group",
    show_default=True,
    help="Column of whole numbers that says the group, or domain.",
)
@click.option(
    "--sizes-from", type=click.Path(), help="Tables that count tokens, where scores don't."
)
@runs_on(workers=1)
@options.out_directory
@options.seed
@tells
def command(
    method: str,
    out: str,
    budget: str | None,
    quotas: tuple[str, ...],
    lower: str | None,
    upper: str | None,
    design: str | None,
    temperature: float | None,
    part: str | None,
    further: tuple[str, ...],
    **request: Any,
) -> None:
    """Keep the documents that come first in METHOD's order, as far as the budget goes.

    top-k takes the better end of the scores; softmax draws, good ones sooner; inverse-propensity
    draws the rare, by the scores of density; random any. band takes the lowest, the middle or the
    highest scores, or those between two quantiles: lowest is the smallest numbers, whichever end
    is better.
    """
    from ..budget import band
    from ..stages.select import select

    given: dict[str, Any] = {"design": design, "temperature": temperature, "part": part}
    if lower is not None or upper is not None:
        if budget is not None or quotas:
            raise ConfigError("--from and --to say how much is kept: leave out --budget, --quota.")
        ends, budget = band(lower, upper)
        given |= ends
    given |= dict(options.key_value("--option", text) for text in further)
    with progress() as heard:
        manifest = select(
            out=out,
            method=method,
            budget=budget,
            quotas=_quotas(quotas),
            options={name: value for name, value in given.items() if value is not None},
            progress=heard,
            **request,
        )
    show({"directory": out, **manifest}, print_selection, manifest, out)


def _quotas(given: tuple[str, ...]) -> dict[str, str]:
    made: dict[str, str] = {}
    for text in given:
        domain, equals, budget = text.rpartition("=")
        if not equals or not domain:
            raise ConfigError(f"--quota wants DOMAIN=BUDGET, such as code=50%. Got {text!r}.")
        if domain in made:
            raise ConfigError(
                f"--quota names {domain} twice: {made[domain]} and {budget}. Give one."
            )
        made[domain] = budget
    return made
