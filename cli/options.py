"""Options that several commands share, and how their values are read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])

if TYPE_CHECKING:
    WholeParam = click.ParamType[int]
    ShareParam = click.ParamType[float]
    SharesParam = click.ParamType[tuple[float, ...]]
else:  # click 8.2 has no types of parameters' values
    WholeParam = ShareParam = SharesParam = click.ParamType

DEFAULT_RUNS = 10_000
RUNS_HELP = f"How many futures to simulate, also as 200k or 1M.  [default: {DEFAULT_RUNS:,}]"


class RunsType(WholeParam):
    """A number of runs, also as 10_000, 200k or 1M."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Read the number, or fail with what it must be."""
        from forecast.engine.request import MOST_RUNS
        from forecast.scenario.quantities import QuantityFault, whole

        if isinstance(value, int):
            return value
        must = f"a whole number from 1 to {MOST_RUNS:,}. Write it as 10000, 10_000 or 200k."
        try:
            runs = whole(str(value))
        except QuantityFault:
            runs = 0
        if not 1 <= runs <= MOST_RUNS:
            self.fail(f"got {value}; must be {must}", param, ctx)
        return runs


class PrecisionType(ShareParam):
    """A standard error to be reached, as 0.5% or 0.005."""

    name = "share"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Read the share, or fail with what it must be."""
        from forecast.scenario.quantities import QuantityFault, number

        if isinstance(value, float):
            return value
        try:
            share = number(str(value))
        except QuantityFault:
            share = 0.0
        if not 5e-5 <= share <= 0.2:
            must = "a share from 0.005% to 20%. Write it as 0.5%."
            self.fail(f"got {value}; must be {must}", param, ctx)
        return share


class ConfidencesType(SharesParam):
    """Confidences between commas, as 80%,90%,95%."""

    name = "shares"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[float, ...]:
        """Read the confidences in order, or fail with what they must be."""
        from forecast.scenario.quantities import QuantityFault, number

        if isinstance(value, tuple):
            return value
        found = []
        for text in str(value).split(","):
            try:
                share = number(text.strip())
            except QuantityFault:
                share = 0.0
            if not 0.0 < share < 1.0:
                must = "confidences between 0% and 100%. Write them as 80%,90%,95%."
                self.fail(f"got {value}; must be {must}", param, ctx)
            found.append(share)
        return tuple(dict.fromkeys(found))


class SeedType(WholeParam):
    """Any whole number."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Read the number, or fail with what it must be."""
        if isinstance(value, int):
            return value
        text = str(value).strip()
        digits = text.lstrip("+-").replace("_", "")
        if len(digits) > 40 or not digits.isascii() or not digits.isdigit():
            self.fail(f"got {value}; must be a whole number. Write it as 1 or 2027.", param, ctx)
        try:
            return int(text)
        except ValueError:
            self.fail(f"got {value}; must be a whole number. Write it as 1 or 2027.", param, ctx)


def read_sets(
    ctx: click.Context,  # noqa: ARG001
    param: click.Parameter,  # noqa: ARG001
    values: tuple[str, ...],
) -> dict[str, str]:
    """Split every PATH=VALUE; a path may be given once."""
    sets: dict[str, str] = {}
    for text in values:
        path, equals, value = text.partition("=")
        path = path.strip()
        if not equals or not path:
            example = "journey.opportunity.won.conversion=35%"
            raise click.BadParameter(f"got {text}; must be PATH=VALUE. Write {example}.")
        if path in sets:
            raise click.BadParameter(f"got {path} twice; must be given once. Keep one of the two.")
        sets[path] = value.strip()
    return sets


def scenario_argument(function: F) -> F:
    """Add the argument SCENARIO, a file that the reader of scenarios looks at itself."""
    return click.argument("scenario", type=click.Path(path_type=Path))(function)


def set_option(function: F) -> F:
    """Add --set PATH=VALUE."""
    return click.option(
        "--set",
        "sets",
        multiple=True,
        metavar="PATH=VALUE",
        callback=read_sets,
        help="Change an assumption by its path; may be repeated.",
    )(function)


def json_option(function: F) -> F:
    """Add --json."""
    return click.option(
        "--json", "as_json", is_flag=True, help="Print one JSON document and nothing else."
    )(function)


def quiet_option(function: F) -> F:
    """Add --quiet."""
    return click.option(
        "--quiet", is_flag=True, help="Print no progress and no table, only errors."
    )(function)


def verbose_option(function: F) -> F:
    """Add --verbose."""
    return click.option(
        "--verbose", is_flag=True, help="Say on stderr how scenarios are simulated."
    )(function)


def metric_option(function: F) -> F:
    """Add --metric NAME, which may be repeated."""
    return click.option(
        "--metric",
        "metrics",
        multiple=True,
        metavar="NAME",
        help="Only deals, bookings, revenue, leads or a stage; may be repeated.",
    )(function)


def quarter_option(function: F) -> F:
    """Add --quarter LABEL, which may be repeated."""
    return click.option(
        "--quarter",
        "quarters",
        multiple=True,
        metavar="LABEL",
        help="Only a quarter such as 2027Q4, or a year; may be repeated.",
    )(function)


def runs_option(function: F) -> F:
    """Add --runs."""
    return click.option("--runs", type=RunsType(), default=DEFAULT_RUNS, help=RUNS_HELP)(function)


def fail_option(function: F) -> F:
    """Add --fail-below-confidence."""
    return click.option(
        "--fail-below-confidence",
        is_flag=True,
        help="Exit with 5 if a goal's chance is below its confidence.",
    )(function)


def seed_option(function: F) -> F:
    """Add --seed."""
    return click.option(
        "--seed",
        type=SeedType(),
        default=0,
        show_default=True,
        help="Where the random numbers begin: the same seed gives the same figures.",
    )(function)
