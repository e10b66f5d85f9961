"""``forecast fit``: read an export by its mapping, fit a scenario to it, and write it."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .files import check_target, write_files
from .group import BadInput
from .options import json_option, quiet_option
from .screen import print_json

if TYPE_CHECKING:
    from forecast.history.exports.data_report import DataReport
    from forecast.history.fitting.fit import Fit, Options
    from forecast.history.records import Records

EXAMPLE = "scenario.yaml"
MONTHS = (
    "january", "february", "march", "april", "may", "june",
    "july", "august", "september", "october", "november", "december",
)  # fmt: skip


@click.command("fit", short_help="Fit a scenario to what really happened.")
@click.argument("mapping", type=click.Path(path_type=Path), nargs=-1)
@click.option(
    "--suggest",
    type=click.Path(path_type=Path),
    multiple=True,
    metavar="FILE",
    help="Propose a mapping for FILE, and others behind it, and say what is not sure.",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
    metavar="FILE",
    help="Where the scenario goes, its open deals beside it; - prints it with them in it.  "
    "[default: scenario.yaml]",
)
@click.option(
    "--as-of",
    "as_of",
    metavar="DAY",
    help="Fit to what was known at the end of that day; by default to all.",
)
@click.option("--horizon", default="4 quarters", show_default=True, help="How far to look ahead.")
@click.option(
    "--period",
    type=click.Choice(["month", "week", "day"]),
    default="month",
    show_default=True,
    help="One step of simulated time.",
)
@click.option(
    "--fiscal-year-start",
    type=click.Choice(MONTHS),
    default="january",
    metavar="MONTH",
    help="The first month of the fiscal year.  [default: january]",
)
@click.option(
    "--plots",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Draw the fit against the data into DIR.",
)
@click.option("--force", is_flag=True, help="Replace files that are there.")
@json_option
@quiet_option
def command(**asked: Any) -> None:
    """Fit a scenario to the records that MAPPING describes, every number with where it comes from.

    The data report goes to stderr: what was read, set aside and why, and what looks strange.

    \b
    Examples:
      forecast fit --suggest deals.csv --output crm.yaml
      forecast fit --suggest leads.csv deals.csv
      forecast fit crm.yaml --output scenario.yaml
      forecast fit crm.yaml --as-of 2026-09-30 --plots pictures
    """
    if asked["suggest"]:
        _suggest(asked)
    elif len(asked["mapping"]) == 1:
        _fit({**asked, "mapping": asked["mapping"][0]})
    else:
        raise click.UsageError("Give one mapping, or --suggest FILE to have one proposed")


def _suggest(asked: Mapping[str, Any]) -> None:
    """Propose a mapping, on stdout or in a file."""
    from forecast.history.exports.suggest import suggest_mapping

    output = asked["output"]
    printed = output is None or str(output) == "-"
    folder = Path() if printed else output.parent
    text = suggest_mapping([*asked["suggest"], *asked["mapping"]], folder)
    if printed:
        click.echo(text, nl=False)
        return
    check_target(output, asked["force"], EXAMPLE)
    write_files({output: text})
    if not asked["quiet"]:
        click.echo(f"Wrote {output}. Look at its questions, then: forecast fit {output}.")


def _fit(asked: Mapping[str, Any]) -> None:
    """Read, fit, write; nothing is written before all is made."""
    output = asked["output"] or Path(EXAMPLE)
    printed = str(output) == "-"
    opened = None if printed else output.with_name(f"{output.stem}-open.csv")
    for path in [output, opened] if opened else []:
        check_target(path, asked["force"], EXAMPLE)
    from forecast.history.exports.read import read_as_of

    records, report = read_as_of(asked["mapping"], _day(asked["as_of"]))
    if not asked["quiet"] and not asked["as_json"]:
        click.echo(report.text(), err=True)
    fit = _fitted(records, _options(asked), asked["mapping"])
    pictures = _draw(fit, records, asked["plots"])
    texts = _texts(fit, report, output, opened, asked["mapping"])
    if not printed:
        write_files(texts)  # the scenario is renamed last, for it names the others
    if asked["as_json"]:
        from forecast.history.writing.document import fit_document

        files: dict[str, Any] = {"scenario": str(output), "plots": [str(path) for path in pictures]}
        files["pipeline"] = str(opened) if len(texts) > 1 else None
        text = {"text": texts[output]} if printed else {}
        print_json({"report": report.document(), **fit_document(fit), "files": files, **text})
    elif printed:
        click.echo(texts[output], nl=False)
    elif not asked["quiet"]:
        from .fit_text import print_fit

        print_fit(fit, output, pictures)


def _draw(fit: Fit, records: Records, folder: Path | None) -> list[Path]:
    if folder is None:
        return []
    from forecast.history.writing.fit_plots import draw_fit

    return draw_fit(fit, records, folder)


def _options(asked: Mapping[str, Any]) -> Options:
    """Check what was asked about the time ahead."""
    from forecast.history.fitting.fit import Options
    from forecast.scenario.quantities import QuantityFault, duration_days

    try:
        duration_days(asked["horizon"])
    except QuantityFault as fault:
        message = f"got {asked['horizon']}; must be {fault.must}. {fault.mend}"
        raise click.BadParameter(message, param_hint="--horizon") from None
    return Options(
        horizon=asked["horizon"],
        period=asked["period"],
        fiscal_year_start=asked["fiscal_year_start"],
    )


def _day(text: str | None) -> dt.date | None:
    if text is None:
        return None
    from forecast.scenario.quantities import QuantityFault, day

    try:
        return day(text)
    except QuantityFault as fault:
        message = f"got {text}; must be {fault.must}. {fault.mend}"
        raise click.BadParameter(message, param_hint="--as-of") from None


def _fitted(records: Records, options: Options, mapping: Path) -> Fit:
    from forecast.history.fitting.fit import fit_records

    try:
        return fit_records(records, options=options)
    except ValueError as error:
        raise BadInput(f"{mapping}: cannot be fitted: {error}.") from None


def _texts(
    fit: Fit, report: DataReport, output: Path, opened: Path | None, mapping: Path
) -> dict[Path, str]:
    """What is written: the scenario, and its open deals where they have a file of their own."""
    from forecast.history.fitting.open_items import write_open
    from forecast.history.writing.write import Sheet, open_columns, write_scenario

    read = [
        f"Read from {table.source}: {table.used:,} of {table.rows:,} rows used."
        for table in report.tables
    ]
    named = output if opened else mapping
    name = " ".join(re.sub(r"[-_.]", " ", named.stem).split())
    where = opened.name if opened else None
    sheet = Sheet(name or "Fitted", where, [*read, f"Mapping: {mapping.name}."])
    texts = {output: write_scenario(fit, sheet)}
    if opened and len(fit.open_items):
        texts[opened] = write_open(fit.open_items, open_columns(fit))
    return texts
