"""What a batch is to forecast: files, and batch files with a base, a grid and cases."""

from __future__ import annotations

import hashlib
import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from forecast.engine.request import DETAILS, MOST_RUNS
from forecast.scenario import pipeline, quantities
from forecast.scenario.attachments import attach
from forecast.scenario.errors import Fault, ScenarioError, shown
from forecast.scenario.forms import (
    BROKEN,
    Door,
    Key,
    Leaf,
    ListOf,
    Record,
    Schema,
    choice,
    describe,
    text,
    within,
)
from forecast.scenario.nodes import Items, Node, Place, Table, Text, read_nodes
from forecast.scenario.paths import overlay, read_document, written
from forecast.scenario.quantities import MAX_NAME_CHARS

MOST_SCENARIOS = 100_000
DEFAULT_RUNS = 10_000
EXAMPLE = "{journey.opportunity.won.conversion: [25%, 30%]}"


@dataclass(frozen=True)
class Job:
    """A scenario of a batch, with all that it takes: it can be sent to another machine.

    ``document`` is None where it could not be read, which ``fault`` tells of. ``detail`` is empty
    where the goals are to decide.
    """

    name: str
    document: Table | None
    sets: Mapping[str, str] = field(default_factory=dict)  # what is told of it in tables
    runs: int = DEFAULT_RUNS
    seed: int = 0
    detail: str = ""
    fault: str = ""


@dataclass(frozen=True)
class Asked:
    """What the command says for all scenarios; None leaves it to the batch file."""

    sets: Mapping[str, str] = field(default_factory=dict)
    runs: int | None = None
    seed: int | None = None
    detail: str | None = None


@dataclass(frozen=True)
class Paths:
    """A mapping of dotted paths to values, or to lists of values."""

    lists: bool = False

    def read(self, node: Node, door: Door) -> Any:
        """Give the table back once every entry is fit; see ``Form``."""
        if not isinstance(node, Table) or not node:
            mend = f"Write {EXAMPLE if self.lists else '{channels.web.leads.mean: 150}'}."
            must = "a mapping of paths to " + ("lists of values" if self.lists else "values")
            return door.fault(node.place, describe(node), must, mend)
        if self.lists:
            for path, values in node.items():
                if not isinstance(values, Items) or not values:
                    must, mend = "a list of values", f"Write {EXAMPLE}."
                    door.fault(node.place_of(path), describe(values), must, mend)
        return node

    def schema(self) -> Schema:
        """Describe the mapping; see ``Form``."""
        return {"type": "object"}


_case_name = Leaf(
    partial(quantities.name, what="case"), "a name for the case", "Write a word or two.",
    {"type": "string"},
)  # fmt: skip
_CASE = Record(
    "a case",
    {
        "name": Key(_case_name, "what the case is called", required=True, example="hire"),
        "set": Key(Paths(), "what is assumed otherwise, by path", Table()),
    },
    dict,
)
BATCH = Record(
    "a batch",
    {
        "base": Key(
            text("a scenario file", "Write base: plan.yaml."),
            "the scenario that all begin with", required=True, example="plan.yaml",
        ),
        "grid": Key(Paths(lists=True), "values by path: every combination is a scenario", Table()),
        "cases": Key(ListOf("cases", _CASE), "scenarios of their own", ()),
        "runs": Key(
            within(quantities.whole, 1, MOST_RUNS, "a number of runs", "Write 10_000."),
            "the runs of each",
        ),
        "seed": Key(
            Leaf(quantities.whole, "a whole number", "Write 0.", {"type": "integer"}),
            "the seed of all",
        ),
        "detail": Key(choice(*DETAILS, what="detail"), "journey or outcome"),
    },
    dict,
)  # fmt: skip


def read_jobs(paths: Sequence[Path], asked: Asked = Asked()) -> list[Job]:
    """Read files and batch files; a scenario that cannot be read is a job with a fault.

    Raises ``ScenarioError`` for a batch file with faults of its own.
    """
    jobs: list[Job] = []
    faults: list[Fault] = []
    for path in paths:
        try:
            jobs += _read(path, asked)
        except ScenarioError as error:
            faults += error.faults
    if faults:
        raise ScenarioError(faults)
    return list(_told_apart(jobs))


def _read(path: Path, asked: Asked) -> list[Job]:
    try:
        top = read_nodes(path)
    except ScenarioError as error:
        return [Job(str(path), None, fault=str(error))]
    if "base" in top or "grid" in top or "cases" in top:
        return list(_of_batch(path, top, asked))
    job = Job(path.stem, None, {}, asked.runs or DEFAULT_RUNS, asked.seed or 0, asked.detail or "")
    try:
        document = standalone(read_document(path, asked.sets))
    except ScenarioError as error:
        return [replace(job, fault=str(error))]
    return [replace(job, name=str(document.get("name", path.stem)), document=document)]


def standalone(document: Table) -> Table:
    """Put the files that a document names in it, so that it can be read anywhere.

    Raises ``ScenarioError``.
    """
    door = Door()
    document = attach(document, door)
    deals = document.get("pipeline")
    if isinstance(deals, Table) and "file" in deals:
        document, _ = pipeline.take_deals(document, door)
    if door.faults:
        raise ScenarioError(door.faults)
    return document


def _of_batch(path: Path, top: Table, asked: Asked) -> Iterator[Job]:
    """Give the scenarios of a batch file; raises ``ScenarioError``."""
    door = Door()
    values = BATCH.read(top, door)
    if not door.faults and not values["grid"] and not values["cases"]:
        door.fault(top.place, "neither grid nor cases", "a batch of one or both", "Add a grid.")
    if not door.faults:
        sizes = [len(each) for each in values["grid"].values() if isinstance(each, Items)]
        if math.prod(sizes) > MOST_SCENARIOS:
            got, must = f"{math.prod(sizes):,} combinations", f"at most {MOST_SCENARIOS:,}"
            door.fault(top.place_of("grid"), got, must, "Take fewer values, or cases.")
    if door.faults or BROKEN in values.values():
        raise ScenarioError(door.faults)
    base = standalone(read_document(path.parent / values["base"], asked.sets))
    runs = asked.runs or values["runs"] or DEFAULT_RUNS
    seed = asked.seed if asked.seed is not None else values["seed"] or 0
    like = Job("", base, {}, runs, seed, asked.detail or values["detail"] or "")
    grid, cases = values["grid"], values["cases"]
    _check_paths(base, [(grid, p) for p in grid] + [(c["set"], p) for c in cases for p in c["set"]])
    for chosen in _combinations(grid):
        yield _changed(like, _label(chosen), chosen, grid)
    for case in cases:
        yield _changed(like, case["name"], case["set"], case["set"])


def _combinations(grid: Table) -> Iterator[dict[str, Node]]:
    every = [list(values) for values in grid.values() if isinstance(values, Items)]
    for values in itertools.product(*every) if every else ():
        yield dict(zip(grid, values, strict=True))


def _check_paths(base: Table, given: Sequence[tuple[Table, str]]) -> None:
    """Refuse every path that leads nowhere, at its line."""
    faults: list[Fault] = []
    for table, path in given:
        at = _place(table, path)
        try:
            if path.split(".")[0] in ("extends", "set", "name"):
                got, must = shown(path), "the path of an assumption"
                raise ScenarioError([at.fault(got, must, "Give a case its name beside set.")])
            overlay(base, path, Text("0", at), at)
        except ScenarioError as error:
            faults += error.faults
    if faults:
        raise ScenarioError(faults)


def _place(table: Table, path: str) -> Place:
    return Place(table.place.file, table.keys_at.get(path, table.place.line), path)


def _changed(like: Job, label: str, chosen: Mapping[str, Node], table: Table) -> Job:
    """Set values in the base; a fault of one is that of its scenario."""
    assert like.document is not None
    sets = {path: written(value) for path, value in chosen.items()}
    document = like.document
    try:
        for path, value in chosen.items():
            document = overlay(document, path, value, _place(table, path))
        name = _full_name(str(document.get("name", "")), label)
        document = overlay(document, "name", Text(name, table.place, True), table.place)
        document = standalone(document)
    except ScenarioError as error:
        return replace(like, name=label, sets=sets, document=None, fault=str(error))
    return replace(like, name=label, sets=sets, document=document)


def _label(chosen: Mapping[str, Node]) -> str:
    """Name a combination by its values, with as much of each path as tells it apart."""
    return ", ".join(f"{tail_of(path, chosen)}={written(v)}" for path, v in chosen.items())


def tail_of(path: str, paths: Mapping[str, object]) -> str:
    """Give the last two keys of a path, or more where these are those of another one too.

    >>> tail_of("a.leads.mean", {"a.leads.mean": 1, "b.leads.mean": 2})
    'a.leads.mean'
    """
    keys = path.split(".")
    for count in range(2, len(keys)):
        tail = ".".join(keys[-count:])
        if sum(f".{other}".endswith(f".{tail}") for other in paths) == 1:
            return tail
    return path


def _full_name(base: str, label: str) -> str:
    """Name the scenario that a case makes of its base, as a name of a scenario may be."""
    name = f"{base}: {label}".replace("/", "-").replace("\\", "-")
    if len(name) <= MAX_NAME_CHARS:
        return name
    digits = hashlib.sha256(name.encode()).hexdigest()[:8]
    return f"{name[: MAX_NAME_CHARS - 9]} {digits}"


def _told_apart(jobs: Sequence[Job]) -> Iterator[Job]:
    """Number the names that occur more than once."""
    seen: dict[str, int] = {}
    taken = {job.name for job in jobs}
    for job in jobs:
        seen[job.name] = seen.get(job.name, 0) + 1
        name, number = job.name, seen[job.name]
        while number > 1 and name in taken:
            name = f"{job.name} ({number})"
            number += 1
        taken.add(name)
        yield replace(job, name=name)
