"""The questions about goals: how sure, why not surer, what would it take, by when.

``goals_document`` answers all of them as one document; ``goal_chances`` and ``goal_reach`` give the
same as xarray datasets.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from forecast.analysis import Document
from forecast.analysis.coverage import Opportunities, check_coverage
from forecast.analysis.goal_chance import GoalChances, as_deals
from forecast.analysis.goal_curve import Curves
from forecast.analysis.goal_reach import NO_EFFECT, Answer, answers
from forecast.analysis.goal_split import (
    Span,
    Split,
    second_futures,
    shortfall,
    split_known,
    split_pairs,
)
from forecast.analysis.goal_when import Arriving, Timing
from forecast.analysis.levers import Lever, lever
from forecast.analysis.select import goals_named
from forecast.analysis.summary import summarize
from forecast.engine.chance import GoalSpan
from forecast.engine.outcome import Exact, Outcome
from forecast.engine.request import check_request
from forecast.engine.run import Progress, forecast_run
from forecast.scenario.model import MONEY_METRICS, Scenario
from forecast.scenario.uncertain import uncertain_numbers

if TYPE_CHECKING:
    import xarray

ALL_LEADS = "channels.*.leads"
KEPT = ("scenario", "runs", "seed", "version", "currency", "as_of", "start", "check")


@dataclass(frozen=True)
class Question:
    """What is asked about the goals of a scenario.

    ``metrics`` and ``quarters`` choose goals, all where they are empty. ``paths`` are the levers to
    be moved, one at a time; ``confidences`` are to be reached, each goal's own where none is given.
    """

    metrics: tuple[str, ...] = ()
    quarters: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    confidences: tuple[float, ...] = ()
    coverage: bool = False


def goals_document(
    scenario: Scenario,
    question: Question = Question(),
    *,
    runs: int = 10_000,
    seed: int = 0,
    progress: Progress | None = None,
) -> Document:
    """Answer a question about the goals of a scenario, as ``forecast goal --json`` does.

    Raises ``ScenarioError`` for a path that cannot be moved, ``RequestError`` for goals that are
    not there or runs that are too many.
    """
    spans = goals_named(scenario, question.metrics, question.quarters)
    levers = [lever(scenario, path) for path in _paths(question)]
    if question.coverage:
        for span in spans:
            check_coverage(span)  # refused before the work begins
    outcome = forecast_run(scenario, runs=runs, seed=seed, progress=progress)
    document = _chances(outcome, spans)
    plans = [plan for each in levers for plan in _plans(each, spans, question.confidences, outcome)]
    if question.paths or question.confidences:
        document["reach"] = [_reach(plan) for plan in plans]
    if question.coverage:
        document["coverage"] = [_coverage(plan) for plan in plans]
    return document


def goal_chances(scenario: Scenario, *, runs: int = 10_000, seed: int = 0) -> xarray.Dataset:
    """Give the chance of every goal, split into luck and not knowing, and its shortfall.

    Dim ``goal``. Chances and shares are fractions, the shortfall is in the goal's units; nan where
    there is none. Raises ``RequestError``.

    >>> from forecast import read_scenario
    >>> found = goal_chances(read_scenario("scenarios/lean-consulting-uncertain.yaml"), runs=1_000)
    >>> found.exact.round(4).item(), found.luck.round(4).item()
    (0.5363, 0.5611)
    """
    entries = goals_document(scenario, runs=runs, seed=seed)["goals"]
    return _dataset(entries, {"goal": [_name(entry) for entry in entries]})


def goal_reach(
    scenario: Scenario,
    paths: Sequence[str] = (ALL_LEADS,),
    confidences: Sequence[float] = (0.8, 0.9, 0.95),
    *,
    runs: int = 10_000,
    seed: int = 0,
) -> xarray.Dataset:
    """Give the value of each assumption at which each goal reaches each confidence.

    Dims ``goal``, ``confidence``, ``assumption``; ``value`` is nan where there is none, and then
    ``best_possible`` says how far one can get. Raises ``ScenarioError``, ``RequestError``.

    >>> from forecast import read_scenario
    >>> found = goal_reach(read_scenario("scenarios/lean-consulting.yaml"))
    >>> found.value.values.ravel().tolist()
    [40.0, 45.0, 49.0]
    """
    check_request(runs, seed)
    spans = goals_named(scenario)
    entries = []
    for each in [lever(scenario, path) for path in paths]:
        curves, timings = Curves(each, spans, runs, seed), _Timings(each, runs, seed)
        for span in spans:
            found = zip(confidences, answers(curves, span, confidences), strict=True)
            entries += [_reach(_Plan(each, span, c, a, timings)) for c, a in found]
    names = [_name(_about(span)) for span in spans]
    order: dict[str, Sequence[Any]] = {"assumption": paths, "goal": names}
    order["confidence"] = confidences
    return _dataset(entries, order).transpose("goal", "confidence", "assumption")


def _paths(question: Question) -> tuple[str, ...]:
    if question.paths:
        return tuple(dict.fromkeys(question.paths))
    return (ALL_LEADS,) if question.confidences or question.coverage else ()


# --- how sure, and why not surer


def _chances(outcome: Outcome, spans: Sequence[Span]) -> Document:
    """The document of the goals' chances."""
    scenario, runs, seed = outcome.scenario, outcome.runs, outcome.seed
    known = GoalChances(scenario, seed, runs).known([span[:2] for span in spans])
    exact: dict[GoalSpan, Exact | None] = dict(outcome.exact)
    for key, given in known.items():
        how = given.how + _as_so_many_deals(scenario, key)
        exact[key] = Exact(given.probability, how, given.standard_error)
    outcome = dataclasses.replace(outcome, exact=exact)
    whole = summarize(outcome)
    every = [(goal, label) for goal in scenario.goals for label, _ in goal.quarters]
    entries = dict(zip(every, whole["goals"], strict=True))
    unknown = [span for span in spans if span[:2] not in known]
    splits = {span: split_known(known[span[:2]]) for span in spans if span[:2] in known}
    splits |= _unknown_splits(outcome, unknown)
    for span in spans:
        entries[span[:2]] |= _split(splits[span]) | _shortfall(outcome, span)
    return {**{key: whole[key] for key in KEPT}, "goals": [entries[span[:2]] for span in spans]}


def _unknown_splits(outcome: Outcome, spans: Sequence[Span]) -> dict[Span, Split]:
    """Split the variance of goals whose chance given the assumptions is not known."""
    first = [outcome.reached(goal, quarters) for goal, _, quarters in spans]
    if not uncertain_numbers(outcome.scenario):  # the assumptions leave nothing but luck
        sure = [hit.all() or not hit.any() for hit in first]
        return {
            span: Split(None, None) if certain else Split(1.0, 0.0)
            for span, certain in zip(spans, sure, strict=True)
        }
    again = second_futures(outcome.scenario, spans, outcome.runs, outcome.seed) if spans else []
    return {
        span: split_pairs(one, other) for span, one, other in zip(spans, first, again, strict=True)
    }


def _as_so_many_deals(scenario: Scenario, span: GoalSpan) -> str:
    goal, _ = span
    if goal.metric not in MONEY_METRICS:
        return ""
    counted = as_deals(scenario).goals[scenario.goals.index(goal)]
    return f", as {counted.target:,.0f} deals of one size"


def _split(split: Split) -> Document:
    luck = split.luck
    return {
        "luck": luck,
        "not_knowing": None if luck is None else 1.0 - luck,
        "luck_standard_error": split.standard_error,
    }


def _shortfall(outcome: Outcome, span: Span) -> Document:
    goal, _, quarters = span
    short = shortfall(outcome, goal, quarters)
    quantiles = {f"shortfall_p{p}": value for p, value in short.quantiles.items()}
    intervals = {f"shortfall_p{p}_interval": list(pair) for p, pair in short.intervals.items()}
    return {
        "runs_missed": short.runs,
        "shortfall_mean": short.mean,
        "shortfall_standard_error": short.standard_error,
        **quantiles,
        **intervals,
    }


# --- what would it take, and by when


class _Timings:
    """The expected flow of a scenario by values of a lever; each is worked out once."""

    def __init__(self, lever: Lever, runs: int, seed: int) -> None:
        self.lever, self.runs, self.seed = lever, runs, seed
        self._known: dict[float, Timing] = {}

    def at(self, value: float) -> Timing:
        """Give the flow at a value."""
        if value not in self._known:
            self._known[value] = Timing(self.lever.at(value), self.seed, self.runs)
        return self._known[value]


@dataclass(frozen=True)
class _Plan:
    """A scenario with a lever at what a goal and a confidence take; as it is where nothing does."""

    lever: Lever
    span: Span
    confidence: float
    answer: Answer
    timings: _Timings

    @property
    def value(self) -> float:
        """Where the lever is."""
        return self.lever.now if self.answer.value is None else self.answer.value

    @property
    def about(self) -> Document:
        """What every entry says first."""
        return {
            **_about(self.span),
            "confidence": self.confidence,
            "assumption": self.lever.path,
        }


def _plans(
    each: Lever, spans: Sequence[Span], confidences: Sequence[float], outcome: Outcome
) -> Iterator[_Plan]:
    """What each goal takes for each confidence, its own where none is given."""
    curves = Curves(each, spans, outcome.runs, outcome.seed)
    timings = _Timings(each, outcome.runs, outcome.seed)
    for span in spans:
        wanted = tuple(confidences) or (span[0].confidence,)
        for confidence, answer in zip(wanted, answers(curves, span, wanted), strict=True):
            yield _Plan(each, span, confidence, answer, timings)


def _about(span: Span) -> Document:
    goal, label, _ = span
    target = int(goal.target) if goal.target == int(goal.target) else goal.target
    return {"metric": goal.metric, "quarter": label, "target": target}


def _reach(plan: _Plan) -> Document:
    """One entry of ``reach``; when it can be reached, with the schedule at that plan."""
    each, answer = plan.lever, plan.answer

    def figure(value: float | None) -> float | None:
        return value if value is None or not each.whole else int(value)

    arriving = plan.timings.at(plan.value).arriving(each.path, plan.span)
    return {
        **plan.about,
        "now": figure(each.now),
        "value": figure(answer.value),
        "low": figure(answer.low),
        "high": figure(answer.high),
        "exact": answer.exact,
        "best_possible": answer.best,
        "latest_period": None if answer.which == NO_EFFECT else arriving.latest,
        "which": answer.which,
        "unit": each.kind,
        "total": each.total,
        "chance": answer.chance,
        "arriving": arriving.what,
        "schedule": [] if answer.value is None else _schedule(arriving),
        "opening": arriving.opening,
        "schedule_from": arriving.how,
    }


def _schedule(arriving: Arriving) -> list[Document]:
    """What arrives in each period that matters, with what has arrived of all that counts."""
    least = 1e-9 * max(float(arriving.counting.sum()), 1e-300)
    return [
        {"period": label, "items": float(n), "counting": float(counting), "share": float(share)}
        for label, n, counting, share in zip(
            arriving.periods, arriving.items, arriving.counting, arriving.shares, strict=True
        )
        if counting > least
    ]


def _coverage(plan: _Plan) -> Document:
    found = Opportunities(plan.lever.at(plan.value)).coverage(plan.span)
    reached = plan.answer.value is not None
    return {
        **plan.about,
        "coverage": found.coverage if reached else None,
        "usual": found.usual,
        "win_rate": found.win_rate,
        "opportunities": found.opportunities if reached else None,
        "value": found.value if reached else None,
        "open_opportunities": found.of_open if reached else None,
        "open_value": found.value_of_open if reached else None,
    }


# --- datasets


def _name(entry: Mapping[str, Any]) -> str:
    return f"{entry['metric']} {entry['quarter']} ≥ {entry['target']:,}"


def _dataset(entries: Sequence[Document], dims: Mapping[str, Sequence[Any]]) -> xarray.Dataset:
    """Lay entries, one for each point in the order of the dims, into a dataset."""
    import xarray

    shape = [len(labels) for labels in dims.values()]
    variables = {}
    for key, first in entries[0].items():
        column = [entry[key] for entry in entries]
        if key in dims or isinstance(first, list | dict):
            continue
        if all(isinstance(value, bool) for value in column):
            array = np.array(column)
        elif all(value is None or isinstance(value, int | float) for value in column):
            array = np.array([np.nan if v is None else v for v in column], dtype=np.float64)
        else:
            array = np.array(["" if v is None else v for v in column])
        variables[key] = (tuple(dims), array.reshape(shape))
    return xarray.Dataset(variables, coords={key: list(labels) for key, labels in dims.items()})
