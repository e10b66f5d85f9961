"""``forecast evaluate``: what came of a plan, why, and whether luck explains it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .files import check_target, write_files
from .options import json_option, quiet_option, runs_option, seed_option, set_option
from .screen import print_json

if TYPE_CHECKING:
    from forecast.analysis.actuals import Actuals
    from forecast.analysis.realised import Realised
    from forecast.scenario.model import Scenario


@click.command("evaluate", short_help="A plan against what came: by what it missed, and luck.")
@click.argument("plan", type=click.Path(path_type=Path))
@click.argument("actuals", type=click.Path(path_type=Path))
@click.option(
    "--metric", default="deals", show_default=True, help="deals, bookings, leads or a stage."
)
@click.option("--quarter", "quarters", multiple=True, help="One quarter; all of them if not named.")
@click.option(
    "--updated",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write the plan with its uncertain assumptions as they are known now.",
)
@click.option("--force", is_flag=True, help="Replace the file of --updated if it is there.")
@runs_option
@seed_option
@set_option
@json_option
@quiet_option
def command(**asked: Any) -> None:
    """Split what came of PLAN, told in ACTUALS, over what may have made it.

    ACTUALS is a file of counts by quarter, or the mapping of a CRM's export, as for fit.

    \b
    Examples:
      forecast evaluate plan.yaml actuals.yaml
      forecast evaluate plan.yaml actuals.yaml --metric bookings --quarter 2027Q1
      forecast evaluate plan.yaml actuals.yaml --updated next-plan.yaml
    """
    import forecast
    from forecast.analysis.evaluate import describe, evaluate

    if asked["updated"]:
        check_target(asked["updated"], asked["force"], "updated.yaml")
    plan = forecast.read_scenario(asked["plan"], asked["sets"])
    actuals = _actuals(asked["actuals"], plan)
    found = evaluate(
        plan,
        actuals,
        metric=asked["metric"],
        quarters=asked["quarters"],
        runs=asked["runs"],
        seed=asked["seed"],
    )
    document = describe(found, plan, asked["runs"], asked["seed"])
    if asked["updated"]:
        document["updated"] = _update(found.realised, asked["updated"], asked["seed"])
    if asked["as_json"]:
        print_json(document)
    elif not asked["quiet"]:
        from .evaluate_table import print_evaluation

        print_evaluation(found, document)


def _actuals(path: Path, plan: Scenario) -> Actuals:
    """Read counts, or records by their mapping."""
    from forecast.analysis.actuals import are_actuals, read_actuals

    if are_actuals(path):
        return read_actuals(path, plan)
    from forecast.history.came import actuals_of
    from forecast.history.exports.read import read_records

    records, _ = read_records(path)
    return actuals_of(records, plan, str(path))


def _update(realised: Realised, path: Path, seed: int) -> dict[str, Any]:
    """Write the plan as it is known now; says what changed."""
    from forecast.analysis.posterior import update

    found = update(realised, seed)
    write_files({path: found.scenario.text})
    return {
        "file": str(path),
        "assumptions": [
            {
                "assumption": each.path,
                "mean_before": each.before[0],
                "sd_before": each.before[1],
                "mean": each.after[0],
                "sd": each.after[1],
            }
            for each in found.updates
        ],
        "kept": list(found.kept),
    }
