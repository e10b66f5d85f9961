"""``forecast batch``: many scenarios side by side, and one table of all."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .batch_table import print_batch
from .group import FAILED, BadInput
from .options import RUNS_HELP, RunsType, SeedType, json_option, quiet_option, set_option
from .screen import print_json, progress

if TYPE_CHECKING:
    from forecast.operate.batch import Result


@click.command("batch", short_help="Many scenarios, in the same futures: one table of all.")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--runs", type=RunsType(), help=RUNS_HELP)
@click.option("--seed", type=SeedType(), help="Where the random numbers begin.  [default: 0]")
@set_option
@click.option(
    "--detail",
    type=click.Choice(["journey", "outcome"]),
    help="Simulate all stages, or deals and money only; by default what is asked for needs.",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write the table to FILE (.csv, .xlsx, .html, .json or .nc).",
)
@click.option(
    "--keep",
    metavar="FOLDER",
    help="Keep each forecast in FOLDER; what is kept there already is not done again.",
)
@click.option(
    "--workers",
    type=click.IntRange(1, 1_000),
    metavar="N",
    help="Work on N processes of Dask on this machine.",
)
@click.option("--dask", metavar="ADDRESS", help="Work on a Dask cluster, such as tcp://host:8786.")
@click.option("--quarter", metavar="LABEL", help="Show this quarter or year in the table.")
@json_option
@quiet_option
@click.pass_context
def command(ctx: click.Context, /, **asked: Any) -> None:
    """Forecast many scenarios with the same random numbers and compare them in one table.

    FILES are scenarios, or batch files with a base, a grid and cases.

    \b
    Examples:
      forecast batch plans/*.yaml --output plans.xlsx
      forecast batch grid.yaml --keep kept --runs 50k
      forecast batch grid.yaml --dask tcp://10.0.0.5:8786 --json
    """
    if asked["workers"] and asked["dask"]:
        raise click.UsageError("Give --workers or --dask, not both.")
    result = _result(asked)
    document = result.document()
    if asked["output"] is not None:
        from forecast.operate.tables import write_table

        write_table(asked["output"], document)
    if asked["as_json"]:
        print_json(document)
    elif not asked["quiet"]:
        print_batch(result, asked["quarter"])
    for each in result.failed:
        for line in each.error.splitlines():
            click.echo(line if line.startswith(each.name) else f"{each.name}: {line}", err=True)
    if result.failed:
        ctx.exit(FAILED)


def _result(asked: Mapping[str, Any]) -> Result:
    """Read the scenarios and forecast them."""
    from forecast.operate.batch import run_batch
    from forecast.operate.jobs import Asked, read_jobs
    from forecast.operate.worker import Plan

    if asked["output"] is not None:
        _check_output(asked["output"])
    if asked["keep"] is not None:
        from forecast.operate.archive import Archive

        Archive(asked["keep"])  # what is wrong with the name is told before any work
    as_json = asked["as_json"] or getattr(asked["output"], "suffix", "") == ".json"
    send = asked["dask"] is not None
    keep = asked["keep"]
    if keep is not None and "://" not in keep:
        keep = str(Path(keep).absolute())  # for processes that begin elsewhere
    plan = Plan(keep, send=send, whole=as_json)
    jobs = read_jobs(
        asked["files"], Asked(asked["sets"], asked["runs"], asked["seed"], asked["detail"])
    )
    with progress(asked["quiet"]) as meter:
        if not asked["workers"] and not asked["dask"]:
            return run_batch(jobs, plan, progress=meter)
        from forecast.operate.cluster import local_workers, run_on, workers_at

        opened = workers_at(asked["dask"]) if asked["dask"] else local_workers(asked["workers"])
        with opened as client:
            return run_on(client, jobs, plan, meter)


def _check_output(path: Path) -> None:
    """Refuse a place that no table can be written to as bad input, before any work."""
    from forecast.engine.store import OutputError
    from forecast.operate.tables import check_table

    try:
        check_table(path)
    except OutputError as error:
        raise BadInput(f"--output {error}") from None
