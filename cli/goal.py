"""``forecast goal``: how sure each goal is, what it would take to be surer, and by when."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from .group import BELOW_CONFIDENCE
from .options import (
    ConfidencesType,
    fail_option,
    json_option,
    metric_option,
    quarter_option,
    quiet_option,
    runs_option,
    scenario_argument,
    seed_option,
    set_option,
    verbose_option,
)
from .run import refuse_unsound
from .screen import print_json, progress, tell_detail


@click.command("goal", short_help="Chance of each goal of SCENARIO, and what it takes.")
@scenario_argument
@click.option(
    "--reach",
    type=ConfidencesType(),
    metavar="SHARES",
    help="How sure to be, as 80%,90%,95%: finds what that takes.  [default: each goal's own]",
)
@click.option(
    "--by",
    "paths",
    multiple=True,
    metavar="PATH",
    help="What to change for it, by its path; may be repeated.  [default: channels.*.leads]",
)
@click.option("--coverage", is_flag=True, help="Tell the pipeline coverage that it takes.")
@metric_option
@quarter_option
@runs_option
@seed_option
@set_option
@json_option
@quiet_option
@verbose_option
@fail_option
@click.pass_context
def command(ctx: click.Context, /, **asked: Any) -> None:
    """Tell how sure each goal of SCENARIO is, why not surer, and what it would take.

    \b
    Examples:
      forecast goal scenario.yaml
      forecast goal scenario.yaml --reach 80%,90%,95% --by channels.web.leads.mean
      forecast goal scenario.yaml --by journey.opportunity.won.conversion --quarter 2027Q4
      forecast goal scenario.yaml --reach 80%,90% --coverage --metric bookings
    """
    document = _document(asked)
    if asked["as_json"]:
        print_json(document)
    elif not asked["quiet"]:
        from .goal_table import print_goals

        print_goals(document)
    refuse_unsound(document["check"])
    if asked["fail_below_confidence"] and not all(g["reached"] for g in document["goals"]):
        ctx.exit(BELOW_CONFIDENCE)


def _document(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Read, simulate, search."""
    import forecast
    from forecast.analysis.goals import Question, goals_document

    scenario = forecast.read_scenario(asked["scenario"], asked["sets"])
    question = Question(
        asked["metrics"], asked["quarters"], asked["paths"], asked["reach"] or (), asked["coverage"]
    )
    tell_detail(scenario, asked["verbose"])
    with progress(asked["quiet"]) as meter:
        return goals_document(
            scenario, question, runs=asked["runs"], seed=asked["seed"], progress=meter
        )
