"""Write the journey of a fit: conversions, lags, what groups do otherwise, what hangs together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from forecast.history.estimates import LagFit, WayFit
from forecast.history.records import LOST, WON
from forecast.history.writing.figures_text import (
    Page,
    count,
    quoted,
    said,
    share,
    share_note,
    spread_of,
    uncertain,
    whole_shares,
)
from forecast.scenario.families import build

SAME_DAY = 0.005  # of days: a mean lag below it is none
NEVER = "1200 months"  # later than any horizon: those who are never seen to leave
LEAST_NEVER = 0.003
NEVER_APART = 0.02  # of those not won: a smaller difference is not written for a group
SLICES = 20
MOST_VALUES = 40
Group = tuple[str, ...]


@dataclass(frozen=True)
class Journey:
    """The ways of a fit, by stage and group."""

    ways: Sequence[WayFit]
    stages: Sequence[str]

    def of(self, stage: str, group: Group = ()) -> dict[str, WayFit]:
        """Give the ways out of a stage for a group, lost last."""
        found = {w.to: w for w in self.ways if w.stage == stage and w.group == group}
        return {to: found[to] for to in sorted(found, key=self._order)}

    def _order(self, to: str) -> tuple[int, int]:
        if to in (WON, LOST):
            return (0, 0) if to == WON else (2, 0)
        return 1, self.stages.index(to)

    def label_of(self, stage: str) -> str:
        """Name the label by which a stage's conversions differ most; the others are left out.

        A scenario takes overrides by channel or by segment; where both say something of one
        conversion the segment has the last word, so only one may.
        """
        base = self.of(stage)
        scores: dict[str, float] = {}
        for way in self.ways:
            if way.stage == stage and len(way.group) == 2 and way.to in base:
                whole = base[way.to].conversion
                sd = max((way.conversion.high - way.conversion.low) / 3.29, 1e-9)
                z = (way.conversion.value - whole.value) / sd
                scores[way.group[0]] = scores.get(way.group[0], 0.0) + z * z
        return max(sorted(scores), key=lambda label: scores[label]) if scores else ""

    def written_groups(self, stage: str) -> list[Group]:
        """The groups whose ways out of a stage are written."""
        label = self.label_of(stage)
        groups = {w.group for w in self.ways if w.stage == stage and len(w.group) == 2}
        return sorted(group for group in groups if group[0] == label)

    def write(self, page: Page) -> None:
        """Write the section of all items."""
        page.add("journey:")
        for stage in self.stages:
            page.add(f"  {quoted(stage)}:")
            ways = self.of(stage)
            if not [to for to in ways if to != LOST]:
                page.add("    lost: {lag: 0 days}", "nothing is known to go on from here")
                continue
            self._write_stage(page, ways, 4)
        page.add()

    def write_group(self, page: Page, group: Group) -> None:
        """Write what is different for a channel or segment."""
        stages = [s for s in self.stages if group in self.written_groups(s) and self.of(s, group)]
        if not stages:
            return
        page.add("    journey:")
        for stage in stages:
            page.add(f"      {quoted(stage)}:")
            base, own = self.of(stage), self.of(stage, group)
            # A stage's ways are counted together, so a group says all of them or none.
            self._write_stage(page, _differing(base, own), 8, base)

    def _write_stage(
        self,
        page: Page,
        ways: Mapping[str, WayFit],
        indent: int,
        base: Mapping[str, WayFit] | None = None,
    ) -> None:
        """Write the ways out of a stage; those of a group leave out the lags of `base`."""
        space = " " * indent
        onward = [way for to, way in ways.items() if to != LOST]
        together = len(onward) > 1
        if together:
            page.add(f"{space}dirichlet: {_dirichlet(onward)}", _dirichlet_note(onward))
        for way in onward:
            lag = way.lag
            if base is not None and (lag is None or lag == base[way.to].lag):
                lag = None
            if not together or lag is not None or base is None:
                page.add(f"{space}{quoted(way.to)}:")
            if not together:
                page.add(f"{space}  conversion: {conversion(way)}", share_note(way.conversion))
            if lag is not None:
                page.add_list(f"{space}  lag: {lag_text(lag)}", lag_note(lag))
            elif together and base is None:
                page.add(f"{space}  lag: 0 days", "no lag is known")
        lost = ways.get(LOST)
        if lost is not None and lost.lag is not None:
            if base is None or _loses_otherwise(ways, base):
                _write_lost(page, lost, lost.lag, _never(ways), space)
        elif base is None:
            page.comment(
                "lost: no day of losing is known, so what is not won counts as lost at once.",
                indent,
            )


def _differing(base: Mapping[str, WayFit], own: Mapping[str, WayFit]) -> dict[str, WayFit]:
    """A stage's ways are counted together, so a group says all of them."""
    return {to: own.get(to, way) for to, way in base.items()}


def _never(ways: Mapping[str, WayFit]) -> float:
    """The share that goes none of the ways."""
    return max(0.0, 1.0 - sum(way.conversion.value for way in ways.values()))


def _loses_otherwise(ways: Mapping[str, WayFit], base: Mapping[str, WayFit]) -> bool:
    """Tell whether a group's items are lost at other times than those of all."""
    if ways[LOST].lag != base[LOST].lag:
        return True
    parts = [_never(w) / max(_never(w) + w[LOST].conversion.value, 1e-9) for w in (ways, base)]
    return abs(parts[0] - parts[1]) > NEVER_APART


def conversion(way: WayFit) -> str:
    """Write a conversion as the beta distribution that is worth as many cases."""
    if way.won <= 0 or way.lost <= 0:
        return share(min(max(way.conversion.value, 0.0), 1.0))
    return f"{{beta: {{won: {count(way.won)}, lost: {count(way.lost)}}}}}"


def _dirichlet(onward: Sequence[WayFit]) -> str:
    """Counts of all ways, worth as many cases as the least known of them."""
    worth = min(way.won + way.lost for way in onward)
    rest = max(1.0 - sum(way.conversion.value for way in onward), 1e-4)
    counts = [f"{quoted(way.to)}: {count(worth * way.conversion.value)}" for way in onward]
    return "{" + ", ".join([*counts, f"{LOST}: {count(worth * rest)}"]) + "}"


def _dirichlet_note(onward: Sequence[WayFit]) -> str:
    each = [f"{way.to} {share_note(way.conversion).split(' | ')[0]}" for way in onward]
    first = onward[0].conversion
    return f"{'; '.join(each)} | n {first.n:,} | {first.method}"


def lag_text(lag: LagFit) -> str:
    """Write a lag; its mean is uncertain where the family has one."""
    if lag.family == "values":
        return values_text(_fewer(lag.values))
    if lag.mean_days.value < SAME_DAY:
        return "0 days"
    mean = uncertain(lag.mean_days, "lognormal", spread_of(lag.mean_days), " days")
    return f"{{{lag.family}: {{mean: {mean}, cv: {min(max(lag.cv, 0.01), 10.0):.3g}}}}}"


def lag_note(lag: LagFit) -> str:
    """Say a lag's mean, interval, cases, method, and by how much the family was chosen."""
    mean = lag.mean_days
    if lag.mean_days.value < SAME_DAY:
        return f"on the day of entering | n {mean.n:,}"
    if not mean.n:  # nothing was seen that one family could fit better than another
        return f"{said(mean, ' days')} | {mean.method}"
    others = sorted((aic - lag.aic[lag.family], name) for name, aic in lag.aic.items()
                    if name != lag.family and lag.family in lag.aic)  # fmt: skip
    chosen = f"; AIC {others[0][0]:.3g} below {others[0][1]}" if others else ""
    return f"{said(mean, ' days')} | {mean.method}{chosen}"


def _write_lost(page: Page, way: WayFit, lag: LagFit, never: float, space: str) -> None:
    page.add(f"{space}{LOST}:")
    if never < LEAST_NEVER:
        page.add_list(f"{space}  lag: {lag_text(lag)}", lag_note(lag))
        return
    lost = way.conversion.value
    values = [(days, part * lost) for days, part in _fewer(slices(lag))]
    page.comment(
        f"{share(lost)} are lost after {lag_note(lag)}. {share(never)} are neither won nor lost in "
        f"the end as far as the records tell: nobody closes them, so they stay open ({NEVER}).",
        len(space) + 2,
    )
    total = lost + never
    whole = values_text([(days, part / total) for days, part in values], never / total)
    page.add_list(f"{space}  lag: {whole}")


def slices(lag: LagFit) -> list[tuple[float, float]]:
    """Cut a lag into parts of equal chance, each at its mean; shape (days, share) each."""
    if lag.family == "values":
        total = sum(part for _, part in lag.values)
        return [(days, part / total) for days, part in lag.values]
    family = build(lag.family, {"mean": max(lag.mean_days.value, 0.01), "cv": max(lag.cv, 0.01)})
    each = 100
    points = family.ppf((np.arange(SLICES * each) + 0.5) / (SLICES * each))
    days = points.reshape(SLICES, each).mean(axis=1)
    days *= lag.mean_days.value / days.mean()
    return [(float(day), 1.0 / SLICES) for day in days]


def _fewer(values: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Join neighbours where there are more values than one wants to read; the mean is kept."""
    ordered = sorted((days, part) for days, part in values if part > 0)
    total = sum(part for _, part in ordered)
    if len(ordered) <= MOST_VALUES:
        return [(days, part / total) for days, part in ordered]
    found: list[list[float]] = [[0.0, 0.0] for _ in range(MOST_VALUES)]
    before = 0.0
    for days, part in ordered:
        bin_ = found[min(int((before + part / 2) / total * MOST_VALUES), MOST_VALUES - 1)]
        bin_[0] += days * part
        bin_[1] += part
        before += part
    return [(days / part, part / total) for days, part in found if part > 0]


def values_text(values: Sequence[tuple[float, float]], never: float = 0.0) -> str:
    """Write days with their shares, which add up to 100%, and perhaps those who never leave."""
    shares = [part for _, part in values] + ([never] if never else [])
    days = [f"{float(f'{max(day, 0.0):.3g}'):g} days" for day, _ in values] + (
        [NEVER] if never else []
    )
    joined: dict[str, float] = {}
    for day, part in zip(days, shares, strict=True):
        joined[day] = joined.get(day, 0.0) + part
    texts = whole_shares(list(joined.values()), 3)
    pairs = [f"{day}: {text}" for day, text in zip(joined, texts, strict=True) if text != "0%"]
    return "{values: {" + ", ".join(pairs) + "}}"
