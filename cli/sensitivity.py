"""``forecast sensitivity``: what a metric, or the chance of a goal, depends on most."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from .options import (
    json_option,
    quiet_option,
    runs_option,
    scenario_argument,
    seed_option,
    set_option,
    verbose_option,
)
from .screen import print_json, progress, tell_detail


@click.command("sensitivity", short_help="What SCENARIO's figures depend on most.")
@scenario_argument
@click.option(
    "--metric",
    default="deals",
    show_default=True,
    metavar="NAME",
    help="What to explain: deals, bookings, revenue, leads, spend or a stage.",
)
@click.option(
    "--quarter",
    default="",
    metavar="LABEL",
    help="Of which quarter, such as 2027Q4, or year.  [default: the last whole year]",
)
@click.option(
    "--goal",
    type=click.IntRange(min=1),
    metavar="NUMBER",
    help="Instead: the chance of this goal, counted as `forecast run` lists them.",
)
@click.option(
    "--by",
    "paths",
    multiple=True,
    metavar="PATHS",
    help="Only move the assumptions at or below these paths, between commas; may be repeated.",
)
@runs_option
@seed_option
@set_option
@json_option
@quiet_option
@verbose_option
def command(**asked: Any) -> None:
    """Tell what a figure of SCENARIO depends on most: each assumption moved, shares of variance.

    \b
    Examples:
      forecast sensitivity scenario.yaml
      forecast sensitivity scenario.yaml --metric bookings --quarter 2027Q4
      forecast sensitivity scenario.yaml --goal 1 --by channels,journey.opportunity
    """
    document = _document(asked)
    if asked["as_json"]:
        print_json(document)
    elif not asked["quiet"]:
        from .sensitivity_table import print_sensitivity

        print_sensitivity(document)


def _document(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Read, move, measure."""
    import forecast
    from forecast.analysis.sensitivity import sensitivity_document
    from forecast.analysis.tornado import measure_named

    scenario = forecast.read_scenario(asked["scenario"], asked["sets"])
    measure = measure_named(scenario, asked["metric"], asked["quarter"], asked["goal"] or 0)
    paths = [path.strip() for text in asked["paths"] for path in text.split(",") if path.strip()]
    tell_detail(scenario, asked["verbose"])
    with progress(asked["quiet"]) as meter:
        return sensitivity_document(
            scenario,
            measure,
            paths=paths,
            runs=asked["runs"],
            seed=asked["seed"],
            progress=meter,
        )
