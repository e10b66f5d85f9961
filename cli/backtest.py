"""``forecast backtest``: how such forecasts would have done, against what came and baselines."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .files import check_output
from .group import BadInput
from .options import json_option, quiet_option, runs_option, seed_option
from .screen import print_json, progress

if TYPE_CHECKING:
    import xarray as xr

    DayParam = click.ParamType[dt.date]
else:  # click 8.2 has no types of parameters' values
    DayParam = click.ParamType

MOST_HORIZON = 60  # periods


class DayType(DayParam):
    """A month, 2018-03, or a day, 2018-03-01."""

    name = "month"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> dt.date:
        """Read the month's first day, or the day, or fail with what it must be."""
        if isinstance(value, dt.date):
            return value
        text = str(value).strip()
        try:
            if re.fullmatch(r"\d{4}-\d{2}", text):
                text += "-01"
            return dt.date.fromisoformat(text)
        except ValueError:
            must = "a month or a day. Write it as 2018-03 or 2018-03-01."
            self.fail(f"got {value}; must be {must}", param, ctx)


@click.command("backtest", short_help="Score the forecasts that would have been made before.")
@click.argument("mapping", type=click.Path(path_type=Path))
@click.option("--from", "since", type=DayType(), help="The first period to be forecast.")
@click.option("--to", "until", type=DayType(), help="The last period in which a forecast begins.")
@click.option(
    "--every",
    type=click.IntRange(1, 1_000),
    default=1,
    show_default=True,
    help="Make a forecast every so many periods.",
)
@click.option(
    "--horizon",
    type=click.IntRange(1, MOST_HORIZON),
    default=1,
    show_default=True,
    help="How many periods each forecast looks ahead; 3 months are a quarter.",
)
@click.option(
    "--period",
    "unit",
    type=click.Choice(["month", "week"]),
    default="month",
    show_default=True,
    help="What a period is.",
)
@click.option(
    "--known-arrivals",
    is_flag=True,
    help="Tell the forecast which leads arrive: what is left is not the leads' fault.",
)
@click.option(
    "--plots",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Draw forecasts against what came, PIT and coverage into DIR.",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write every forecast and score to FILE (.nc), to be read with xarray.",
)
@runs_option
@seed_option
@json_option
@quiet_option
def command(**asked: Any) -> None:
    """Make the forecasts again that the records of MAPPING would have given, and score them.

    \b
    Examples:
      forecast backtest crm.yaml
      forecast backtest crm.yaml --from 2018-03 --horizon 6
      forecast backtest crm.yaml --plots pictures --json
    """
    document = _document(asked)
    if asked["as_json"]:
        print_json(document)
    elif not asked["quiet"]:
        from .backtest_table import print_backtest

        print_backtest(document)


def _document(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Read, forecast again, score, draw."""
    from forecast.history.backtesting.backtest import Request, backtest
    from forecast.history.backtesting.origins import Plan
    from forecast.history.backtesting.refit import make_scenario
    from forecast.history.backtesting.verdict import summarize_backtest
    from forecast.history.exports.mapping import read_mapping
    from forecast.history.exports.read import read_records

    _check(asked["output"])
    records, _ = read_records(read_mapping(asked["mapping"]))
    plan = Plan(asked["unit"], asked["every"], asked["horizon"], asked["since"], asked["until"])
    request = Request(asked["runs"], asked["seed"], asked["known_arrivals"])
    with progress(asked["quiet"]) as meter:
        found = backtest(records, make_scenario, plan, request, meter)
    _keep(found, asked)
    return summarize_backtest(found)


def _check(output: Path | None) -> None:
    """Refuse a place that figures cannot be written to, before any work."""
    if output is None:
        return
    if output.suffix != ".nc":
        raise BadInput(f"--output {output}: got {output.suffix or 'no suffix'}; must end in .nc.")
    check_output(output)


def _keep(found: xr.Dataset, asked: Mapping[str, Any]) -> None:
    """Write pictures and figures where that is asked for."""
    if asked["plots"] is not None:
        from forecast.history.backtesting.backtest_plots import draw_backtest

        draw_backtest(found, asked["plots"])
    if asked["output"] is not None:
        from forecast.engine.store import replacing, told

        path = asked["output"]
        with replacing(path) as part, told(path):
            found.to_netcdf(part, engine="h5netcdf")
