"""``forecast compare``: which plan is better, by how much, how surely, and why."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .options import (
    json_option,
    metric_option,
    quarter_option,
    quiet_option,
    read_sets,
    runs_option,
    seed_option,
    set_option,
    verbose_option,
)
from .screen import print_json, progress, tell_detail

if TYPE_CHECKING:
    from forecast.scenario.model import Scenario


@click.command("compare", short_help="Scenarios against the first: difference, and what makes it.")
@click.argument("scenarios", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--with",
    "changes",
    multiple=True,
    metavar="PATH=VALUE",
    callback=read_sets,
    help="Compare the first scenario with itself, so changed; may be repeated, for one plan.",
)
@metric_option
@quarter_option
@click.option("--each", is_flag=True, help="Each against each, not only against the first.")
@click.option("--by-path", is_flag=True, help="Explain by single paths, however many differ.")
@click.option("--no-bridge", is_flag=True, help="Do not explain differences, which takes longer.")
@runs_option
@seed_option
@set_option
@json_option
@quiet_option
@verbose_option
def command(**asked: Any) -> None:
    """Compare SCENARIOS with the first of them, in the same futures, and explain what differs.

    \b
    Examples:
      forecast compare base.yaml plan.yaml
      forecast compare base.yaml --with journey.opportunity.won.conversion=35%
      forecast compare base.yaml a.yaml b.yaml --each --metric deals --quarter 2027Q4
    """
    document = _document(asked)
    if asked["as_json"]:
        print_json(document)
    elif not asked["quiet"]:
        from .compare_table import print_comparison

        print_comparison(document)


def _document(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Read, simulate, explain."""
    from forecast.analysis.compare import Comparison, compare_document

    question = Comparison(
        asked["metrics"],
        asked["quarters"],
        asked["each"],
        not asked["no_bridge"],
        asked["by_path"],
    )
    scenarios = _read(asked)
    for scenario in scenarios.values():
        tell_detail(scenario, asked["verbose"])
    with progress(asked["quiet"]) as meter:
        return compare_document(
            scenarios, question, runs=asked["runs"], seed=asked["seed"], progress=meter
        )


def _changed(path: Path, sets: Mapping[str, str], changes: Mapping[str, str]) -> Scenario:
    """Read the first scenario as changed; faults are those of the option that says it."""
    import forecast
    from forecast.scenario.paths import FROM_COMMAND

    try:
        return forecast.read_scenario(path, {**sets, **changes})
    except forecast.ScenarioError as error:
        faults = [
            dataclasses.replace(fault, file="--with")
            if fault.file == FROM_COMMAND and fault.path.startswith(tuple(changes))
            else fault
            for fault in error.faults
        ]
        raise forecast.ScenarioError(faults) from None


def _read(asked: Mapping[str, Any]) -> dict[str, Scenario]:
    """Read all scenarios, told apart by name, else by file, else by number."""
    import forecast

    paths, changes = asked["scenarios"], asked["changes"]
    if len(paths) < 2 and not changes:
        raise click.UsageError("Name two scenarios or more, or say what to change --with.")
    read = [forecast.read_scenario(path, asked["sets"]) for path in paths]
    names = [scenario.name for scenario in read]
    if len(set(names)) < len(names):
        names = [path.stem for path in paths]
    if len(set(names)) < len(names):
        names = [str(path) for path in paths]
    before = [names[:i].count(name) for i, name in enumerate(names)]
    names = [f"{n} ({k + 1})" if k else n for n, k in zip(names, before, strict=True)]
    found = dict(zip(names, read, strict=True))
    if changes:
        told = ", ".join(f"{path}={value}" for path, value in changes.items())
        found[f"with {told}"] = _changed(paths[0], asked["sets"], changes)
    return found
