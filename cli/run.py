"""``forecast run``: simulate one scenario and say how sure we are."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from . import interrupt
from .files import check_output
from .group import BELOW_CONFIDENCE, BadInput, Failure
from .options import (
    DEFAULT_RUNS,
    RUNS_HELP,
    PrecisionType,
    RunsType,
    fail_option,
    json_option,
    quiet_option,
    scenario_argument,
    seed_option,
    set_option,
)
from .screen import print_json, progress

if TYPE_CHECKING:
    from forecast.engine.outcome import Outcome
    from forecast.scenario.model import Scenario


@click.command("run", short_help="Simulate SCENARIO: deals, bookings, chances of its goals.")
@scenario_argument
@click.option(
    "--runs",
    type=RunsType(),
    help=RUNS_HELP,
)
@click.option(
    "--precision",
    type=PrecisionType(),
    help="Instead of --runs: as many as bring the error of every goal's chance to this share.",
)
@seed_option
@set_option
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write every run to FILE (.nc or .zarr), to be read with xarray.",
)
@click.option(
    "--keep",
    metavar="FOLDER",
    help="Keep the forecast in FOLDER for good, a folder or an address such as s3://…",
)
@json_option
@quiet_option
@fail_option
@click.pass_context
def command(ctx: click.Context, /, **asked: Any) -> None:
    """Simulate SCENARIO and show deals, bookings and the chance of each goal.

    \b
    Examples:
      forecast run scenario.yaml
      forecast run scenario.yaml --runs 200k --seed 7 --output futures.nc
      forecast run scenario.yaml --set journey.opportunity.won.conversion=35%
      forecast run scenario.yaml --precision 0.5% --json
    """
    if asked["runs"] is not None and asked["precision"] is not None:
        raise click.UsageError("Give --runs or --precision, not both.")
    if asked["output"] is not None and asked["keep"] is not None:
        raise click.UsageError("Give --output or --keep, not both: what is kept is such a file.")
    document = _document(asked)
    if asked["as_json"]:
        print_json(document)
    elif not asked["quiet"]:
        from .run_table import print_run

        print_run(document)
        if "kept" in document:
            _print_kept(document["kept"])
    refuse_unsound(document["check"])
    if asked["fail_below_confidence"] and not all(g["reached"] for g in document["goals"]):
        ctx.exit(BELOW_CONFIDENCE)


def refuse_unsound(check: Mapping[str, Any]) -> None:
    """Fail where simulated means are not what closed forms say."""
    if check["passed"]:
        return
    z = "infinite" if check["largest_z"] is None else f"{check['largest_z']:.1f}"
    raise Failure(
        f"Self-check failed: simulated and expected means differ by z {z} ({check['where']}), "
        f"beyond {check['bound']:.1f}. Do not use this forecast; please report it."
    )


def _document(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Read, simulate, summarise."""
    import forecast
    from forecast.analysis.summary import summarize

    if asked["output"] is not None:
        check_output(asked["output"])
    scenario = forecast.read_scenario(asked["scenario"], asked["sets"])
    if asked["fail_below_confidence"] and not scenario.goals:
        raise BadInput("--fail-below-confidence needs goals. Add goals to the scenario.")
    if asked["keep"] is not None:
        return _kept(scenario, asked)
    return summarize(_simulate(scenario, asked))


def _kept(scenario: Scenario, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Simulate and keep; or read what is kept of the same work."""
    from forecast.operate.archive import Archive, Work

    archive = Archive(asked["keep"])
    with progress(asked["quiet"]) as meter:
        work = Work(scenario, _runs(scenario, asked), asked["seed"])
        kept = archive.keep(work, progress=meter)
    told = {"key": kept.key, "path": kept.path, "new": kept.new}
    return {**archive.summary(kept), "kept": told}


def _print_kept(kept: Mapping[str, Any]) -> None:
    """Say where the forecast is, or that it was there already."""
    from .screen import say

    say()
    say(f"Kept: {kept['path']}" if kept["new"] else f"Kept already, not done again: {kept['path']}")


def _simulate(scenario: Scenario, asked: Mapping[str, Any]) -> Outcome:
    from forecast.engine.run import forecast_run
    from forecast.engine.store import beside

    seed, output = asked["seed"], asked["output"]
    if output is not None:
        interrupt.unfinished(beside(output))
    with progress(asked["quiet"]) as meter:
        runs = _runs(scenario, asked)
        return forecast_run(scenario, runs=runs, seed=seed, output=output, progress=meter)


def _runs(scenario: Scenario, asked: Mapping[str, Any]) -> int:
    """Give the number of runs that is asked for, or that a precision takes."""
    if asked["precision"] is None:
        return asked["runs"] or DEFAULT_RUNS
    from forecast.engine.precision import runs_for_precision

    return runs_for_precision(scenario, precision=asked["precision"], seed=asked["seed"])
