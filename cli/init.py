"""``forecast init``: write a commented scenario to begin with."""

from __future__ import annotations

from pathlib import Path

import click

from .files import check_target, write_files


@click.command("init")
@click.argument("file", type=click.Path(path_type=Path), default=Path("scenario.yaml"))
@click.option("--force", is_flag=True, help="Replace the file if it is there.")
def command(file: Path, force: bool) -> None:
    """Write a commented scenario to FILE (scenario.yaml) to begin with.

    Example: forecast init my-plan.yaml
    """
    from importlib.resources import files

    check_target(file, force, "scenario.yaml")
    text = files("forecast.scenario").joinpath("starter.yaml").read_text(encoding="utf-8")
    write_files({file: text})
    click.echo(f"Wrote {file}. Next: forecast check {file}, forecast run {file}.")
