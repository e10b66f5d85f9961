"""``forecast nightly``: tonight's forecast, kept, compared with the last one, and told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from .group import BELOW_CONFIDENCE
from .options import json_option, quiet_option
from .screen import print_json, progress

DAY = click.DateTime(["%Y-%m-%d"])


@click.command("nightly", short_help="Tonight's forecast: kept, compared with the last, told.")
@click.argument("config", type=click.Path(path_type=Path))
@click.option("--as-of", type=DAY, metavar="DATE", help="Forecast from what was known on DATE.")
@click.option(
    "--today",
    type=DAY,
    metavar="DATE",
    help="Measure the age of the records from DATE.",
    hidden=True,
)
@click.option(
    "--fail-below-confidence",
    is_flag=True,
    help="Exit with 5 if a goal's chance is below its confidence.",
)
@json_option
@quiet_option
@click.pass_context
def command(ctx: click.Context, /, **asked: Any) -> None:
    """Make the forecast that CONFIG describes: for cron, systemd or Kubernetes.

    Reads the records, fits a scenario or takes one, simulates, keeps the forecast, explains what
    changed since the last one, writes reports and tells a webhook. It may be run twice, at the same
    time, or be killed. Each step is a line of JSON on stderr.

    \b
    Examples:
      forecast nightly nightly.yaml
      forecast nightly nightly.yaml --as-of 2026-09-30 --json
    """
    from forecast.operate.config import read_config
    from forecast.operate.nightly import run_nightly
    from forecast.operate.tell import Log

    as_of, today = (asked[name].date() if asked[name] else None for name in ("as_of", "today"))
    config = read_config(asked["config"])
    with progress(asked["quiet"]) as meter:
        document = run_nightly(
            config, as_of=as_of, today=today, log=Log(quiet=asked["quiet"]), progress=meter
        )
    if asked["as_json"]:
        print_json(document)
    elif not asked["quiet"]:
        from .nightly_table import print_night

        print_night(document)
    if asked["fail_below_confidence"] and not all(goal["reached"] for goal in document["goals"]):
        ctx.exit(BELOW_CONFIDENCE)
