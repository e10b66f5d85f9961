"""``forecast schema``: the scenario language as JSON Schema."""

from __future__ import annotations

import click

from .screen import print_json


@click.command("schema")
def command() -> None:
    """Print the JSON Schema of scenario files, for editors.

    Example: forecast schema > scenario.schema.json
    """
    from forecast.scenario.schema import json_schema

    print_json(json_schema())
