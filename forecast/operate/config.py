"""What a nightly forecast is made of: one small file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from forecast.scenario import quantities
from forecast.scenario.errors import ScenarioError
from forecast.scenario.forms import Door, Key, Leaf, Record, choice, positive_duration, text, within
from forecast.scenario.language import GOALS, MONTH_SHAPE
from forecast.scenario.nodes import Node, Table, read_nodes
from forecast.scenario.quantities import QuantityFault

MOST_TRIES = 20


@dataclass(frozen=True)
class Webhook:
    """Where to tell of a forecast: an address, the time to wait, and how often to try."""

    url: str
    timeout: float = 10.0 / 86_400  # days, as all durations of files
    tries: int = 3

    @property
    def timeout_seconds(self) -> float:
        """How long to wait for an answer."""
        return self.timeout * 86_400.0


@dataclass(frozen=True)
class Nightly:
    """A nightly forecast; paths are as seen from its file, but for addresses of archives.

    `scenario` None: assumptions are fitted anew each time. `stale_after` is in days; `goals` is the
    node of the file, `quarters` counts the whole ones after the current one.
    """

    path: Path
    name: str
    mapping: Path
    archive: str
    reports: Path
    scenario: Path | None
    goals: Node | None
    quarters: int
    period: str
    fiscal_year_start: int
    runs: int
    seed: int
    stale_after: float
    webhook: Webhook | None


def _path(what: str) -> Leaf:
    return text(what, f"Write the name of {what}.")


def _whole(low: int, high: int, must: str, mend: str) -> Leaf:
    return within(lambda written: quantities.whole(written), low, high, must, mend)


def _url(written: str) -> str:
    parts = urlsplit(written)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        must = "an address that begins with https:// or http://"
        raise QuantityFault(written, must, "Write url: https://example.com/hook.")
    return written


def _seconds(written: str) -> float:
    amount, _, unit = written.strip().partition(" ")
    if unit.lower() not in ("second", "seconds"):
        raise QuantityFault(written, "a number of seconds", "Write timeout: 10 seconds.")
    return quantities.number(amount) / 86_400


WEBHOOK = Record(
    "a webhook",
    {
        "url": Key(
            Leaf(_url, "an address", "Write url: https://example.com/hook.", {"type": "string"}),
            "where the summary is posted",
            required=True,
            example="https://example.com/hook",
        ),
        "timeout": Key(
            Leaf(
                _seconds,
                "a number of seconds",
                "Write timeout: 10 seconds.",
                {"type": "string"},
                lambda days: (
                    None
                    if 0 < days <= 600 / 86_400
                    else ("between 0 and 600 seconds", "Write timeout: 10 seconds.")
                ),
            ),
            "how long to wait for an answer",
            10.0 / 86_400,
        ),
        "tries": Key(
            _whole(1, MOST_TRIES, f"a number from 1 to {MOST_TRIES}", "Write tries: 3."),
            "how often to try",
            3,
        ),
    },
    Webhook,
)

CONFIG = Record(
    "a nightly forecast",
    {
        "name": Key(
            Leaf(
                lambda written: quantities.name(written, "scenario"),
                "a name",
                "Write name: Weekly sales.",
                {"type": "string"},
            ),
            "what the forecasts are called",
            required=True,
            example="Weekly sales",
        ),
        "mapping": Key(
            _path("the mapping of your records"),
            "what the records mean",
            required=True,
            example="crm.yaml",
        ),
        "archive": Key(
            _path("the folder where forecasts are kept"),
            "where forecasts are kept",
            required=True,
            example="kept",
        ),
        "reports": Key(
            _path("the folder of the reports"),
            "where reports are written",
            required=True,
            example="reports",
        ),
        "scenario": Key(
            _path("a scenario"), "its assumptions hold; fitted anew each time when left out"
        ),
        "goals": Key(GOALS, "what is to be reached, by whole quarters and years"),
        "quarters": Key(
            _whole(1, 40, "a number of quarters from 1 to 40", "Write quarters: 4."),
            "whole quarters ahead, after the current one",
            4,
        ),
        "period": Key(choice("month", "week", "day", what="period"), "one step", "month"),
        "fiscal_year_start": Key(
            Leaf(quantities.month, "a month", "Write january.", MONTH_SHAPE),
            "the first month of the fiscal year",
            1,
        ),
        "runs": Key(
            _whole(1, 10_000_000, "a number of runs", "Write runs: 10_000."), "futures", 10_000
        ),
        "seed": Key(_whole(0, 2**63, "a whole number", "Write seed: 0."), "random numbers", 0),
        "stale_after": Key(
            positive_duration("a time"), "how old records may be before it is said", 3.0
        ),
        "webhook": Key(WEBHOOK, "where to tell of each new forecast"),
    },
    lambda **values: values,
)


def read_config(path: str | Path) -> Nightly:
    """Read what a nightly forecast is made of; raises ``ScenarioError`` with every fault."""
    path = Path(path)
    document, door = read_nodes(path), Door()
    values: dict[str, Any] = CONFIG.read(document, door)
    if door.faults:
        raise ScenarioError(door.faults)
    folder = path.parent
    archive = values["archive"] if "://" in values["archive"] else str(folder / values["archive"])
    return Nightly(
        path=path,
        name=values["name"],
        mapping=folder / values["mapping"],
        archive=archive,
        reports=folder / values["reports"],
        scenario=folder / values["scenario"] if values["scenario"] else None,
        goals=document.get("goals") if isinstance(document, Table) else None,
        quarters=values["quarters"],
        period=values["period"],
        fiscal_year_start=values["fiscal_year_start"],
        runs=values["runs"],
        seed=values["seed"],
        stale_after=values["stale_after"],
        webhook=values["webhook"],
    )
