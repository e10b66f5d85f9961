"""``forecast journey``: draw the stages and transitions of a scenario."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import click

from .options import json_option, scenario_argument, set_option
from .screen import print_json


@click.command("journey", short_help="Draw the journey of SCENARIO: stages, conversions, lags.")
@scenario_argument
@set_option
@json_option
def command(scenario: Path, sets: Mapping[str, str], as_json: bool) -> None:
    """Draw the journey of SCENARIO: its stages, conversions, lags and loops.

    Example: forecast journey scenario.yaml
    """
    import forecast
    from forecast.analysis.journeys import describe_journey

    document = describe_journey(forecast.read_scenario(scenario, sets))
    if as_json:
        print_json(document)
        return
    from .journey_text import print_journey

    print_journey(document)
