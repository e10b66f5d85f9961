"""Scenarios like R1, but larger or smaller in one respect."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import yaml
from workloads import SCENARIOS, leads_times

from forecast import read_scenario
from forecast.scenario.model import Scenario

FILE = SCENARIOS / "reference-r1.yaml"
# A horizon may end before the goals of R1 begin; they take no time in a simulation.
SOON = "[{metric: deals, quarter: 2027Q1, target: 1, confidence: 80%}]"
WON = 0.02  # of all leads, however many the stages between
MONTHS = 4.4  # from lead to won, likewise; both as in R1


def with_leads(factor: int) -> Scenario:
    """R1 with so many times its leads."""
    return read_scenario(FILE, leads_times(factor))


def with_quarters(quarters: int) -> Scenario:
    """R1 with another horizon."""
    return read_scenario(FILE, {"horizon": f"{quarters} quarters", "goals": SOON})


def with_channels(channels: int) -> Scenario:
    """R1 with so many channels like its second, of 150 leads a month."""
    document = _document()
    partner = document["channels"]["partner"]
    document["channels"] = {f"c{i}": partner for i in range(channels)}
    return _read(document)


def with_stages(stages: int) -> Scenario:
    """R1's channels, but a chain of stages without loop; as much is won in the end, as fast."""
    document = _document()
    names = [f"s{i}" for i in range(stages)]
    rate = {"beta": {"mean": WON ** (1.0 / stages), "n": 200}}
    lag = {"lognormal": {"mean": f"{MONTHS / stages:.4f} months", "cv": 0.8}}
    step = {"conversion": rate, "lag": lag}
    chain = {name: {after: step} for name, after in zip(names, [*names[1:], "won"], strict=True)}
    document["journey"] = chain
    for channel in document["channels"].values():
        channel["journey"] = {
            name: {next(iter(chain[name])): {"conversion": rate}} for name in names
        }
    return _read(document)


def _document() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(FILE.read_text("utf-8"))
    return document


class _Plain(yaml.SafeDumper):
    """Writes what occurs twice twice: the scenario file knows no aliases."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
        return True


def _read(document: dict[str, Any]) -> Scenario:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "scaled.yaml"
        path.write_text(yaml.dump(document, Dumper=_Plain, sort_keys=False), encoding="utf-8")
        return read_scenario(path)
