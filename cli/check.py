"""``forecast check``: validate a scenario and explain what it says."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import click

from .options import json_option, quiet_option, scenario_argument, set_option
from .screen import print_json


@click.command("check")
@scenario_argument
@set_option
@json_option
@quiet_option
def command(scenario: Path, sets: Mapping[str, str], as_json: bool, quiet: bool) -> None:
    """Check SCENARIO and explain what was read, without simulating.

    Every fault is told with its line and how to mend it.

    \b
    Examples:
      forecast check scenario.yaml
      forecast check scenario.yaml --set channels.web.leads.mean=150
    """
    import forecast
    from forecast.analysis.describe import describe_scenario

    document = describe_scenario(forecast.read_scenario(scenario, sets))
    if as_json:
        print_json(document)
    elif not quiet:
        from .check_text import print_check

        print_check(document)
