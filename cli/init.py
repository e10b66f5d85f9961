"""``forecast init``: write a commented scenario to begin with."""

from __future__ import annotations

from pathlib import Path

import click

from .group import BadInput


@click.command("init")
@click.argument("file", type=click.Path(path_type=Path), default=Path("scenario.yaml"))
@click.option("--force", is_flag=True, help="Replace the file if it is there.")
def command(file: Path, force: bool) -> None:
    """Write a commented scenario to FILE (scenario.yaml) to begin with.

    Example: forecast init my-plan.yaml
    """
    from importlib.resources import files

    if file.is_dir():
        raise BadInput(f"{file}: got a folder; must be a file. Write {file / 'scenario.yaml'}.")
    if file.exists() and not force:
        raise BadInput(f"{file}: is there already. Choose another name, or use --force.")
    if not file.absolute().parent.is_dir():
        raise BadInput(f"{file}: the folder {file.parent} is not there. Create it first.")
    text = files("forecast.scenario").joinpath("starter.yaml").read_text(encoding="utf-8")
    beside = file.with_name(f".{file.name}.part")
    try:
        beside.write_text(text, encoding="utf-8", newline="\n")
        beside.replace(file)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise BadInput(f"{file}: cannot be written ({error.strerror}).") from None
    click.echo(f"Wrote {file}. Next: forecast check {file}, forecast run {file}.")
