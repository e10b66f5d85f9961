"""Write a fit as a scenario: every figure with where it comes from."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from forecast.history.estimates import ArrivalFit, Estimate
from forecast.history.fitting.open_items import COLUMNS, write_open
from forecast.history.writing.figures_text import (
    Page,
    figure,
    quoted,
    said,
    share,
    share_note,
    spread_of,
    uncertain,
    whole_shares,
)
from forecast.history.writing.write_correlation import write_correlation
from forecast.history.writing.write_journey import Journey
from forecast.history.writing.write_sizes import write_products

if TYPE_CHECKING:
    from forecast.history.fitting.fit import Fit
    from forecast.scenario.model import Scenario

LEAST_DISPERSION = 1e-4
MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]


@dataclass(frozen=True)
class Sheet:
    """Say what a scenario is called and read from, and where its open deals are.

    `pipeline` is the name of their file as seen from the scenario; None writes them into it.
    """

    name: str = "Fitted"
    pipeline: str | None = None
    source: Sequence[str] = ()  # sentences for its head: files, rows


def write_scenario(fit: Fit, sheet: Sheet | None = None) -> str:
    """Write a fit as the text of a scenario file; the same fit gives the same text."""
    sheet = sheet or Sheet()
    page = Page()
    _write_head(page, fit, sheet)
    journey = Journey(fit.ways, fit.stages)
    _write_channels(page, fit, journey)
    _write_segments(page, fit, journey)
    journey.write(page)
    write_products(page, fit.sizes, fit.open_items)
    _write_closing(page, fit)
    write_correlation(page, journey, channel_names(fit))
    _write_pipeline(page, fit, sheet)
    _write_throughput(page, fit)
    _write_goals(page, fit)
    return page.text()


def scenario_of(fit: Fit, name: str = "Fitted") -> Scenario:
    """Make the scenario of a fit without a file, its open deals in it."""
    import tempfile
    from pathlib import Path

    from forecast.scenario.reader import read_scenario

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "fitted.yaml"
        path.write_text(write_scenario(fit, Sheet(name)), encoding="utf-8")
        return read_scenario(path)


def _write_head(page: Page, fit: Fit, sheet: Sheet) -> None:
    page.comment(
        f"{sheet.name}: fitted to {fit.items:,} items ({fit.won:,} won) recorded from {fit.begin} "
        f"to {fit.as_of}."
    )
    for sentence in sheet.source:
        page.comment(sentence)
    page.add("#")
    page.comment(
        "Behind each figure: the estimate (its 90% interval) | n, the cases it is read from | "
        "method. All cases since the first record are used unless a note says otherwise. What is "
        "not known well stands as a distribution, so that the forecast knows it too. Change what "
        "you know better."
    )
    for stage, gap in fit.gaps.items():
        what = "is missing" if gap.complete else "is missing, with the items that it happened to"
        known = getattr(gap, "said", "")
        page.comment(
            f"GAP  What became of items in {stage} before {gap.since} {what}; allowed for. {known}"
        )
    for note in fit.notes:
        page.comment(f"NOTE  {note}")
    page.add()
    page.add(f"name: {quoted(sheet.name)}")
    page.add(f"start: {fit.start}", f"the day after {fit.as_of}, the last day of the records")
    page.add(f"horizon: {fit.horizon}")
    page.add(f"period: {fit.period}")
    page.add(f"fiscal_year_start: {fit.fiscal_year_start}")
    page.add(f"currency: {fit.currency}")
    page.add()


def channel_names(fit: Fit) -> Mapping[str, tuple[str, ...]]:
    """Name the channels of the scenario by the label they come from: one for each stage of entry.

    The first of a label has its name and the open items.
    """
    found: dict[str, tuple[str, ...]] = {}
    for arrival in _by_channel(fit.arrivals):
        names = found.get(arrival.channel, ())
        name = f"{arrival.channel} ({arrival.enters})" if names else arrival.channel
        found[arrival.channel] = (*names, name)
    for label in sorted(set(fit.open_items["channel"])):
        found.setdefault(label, (label,))
    return found


def _by_channel(arrivals: Sequence[ArrivalFit]) -> list[ArrivalFit]:
    """In the order of the fits; of one channel the largest first."""
    order = {arrival.channel: i for i, arrival in reversed(list(enumerate(arrivals)))}
    return sorted(arrivals, key=lambda a: (order[a.channel], -a.mean.n))


def _write_channels(page: Page, fit: Fit, journey: Journey) -> None:
    page.add("channels:")
    used: dict[str, int] = {}
    names = channel_names(fit)
    for arrival in _by_channel(fit.arrivals):
        place = used[arrival.channel] = used.get(arrival.channel, -1) + 1
        page.add(f"  {quoted(names[arrival.channel][place])}:")
        _write_arrivals(page, arrival)
        if arrival.enters and arrival.enters != fit.stages[0]:
            page.add(f"    enters: {quoted(arrival.enters)}", "where its items begin")
        journey.write_group(page, ("channel", arrival.channel))
    for label in names:
        if label not in used:
            page.add(f"  {quoted(label)}:")
            page.add("    leads: {mean: 0, per: month}", "none arrive; some are open")
            journey.write_group(page, ("channel", label))
    page.add()


def _write_arrivals(page: Page, arrival: ArrivalFit) -> None:
    mean, per = arrival.mean, arrival.per
    page.add(
        f"    leads: {{mean: {uncertain(mean, 'gamma', arrival.cv)}, per: {per}}}",
        f"{said(mean, f' a {per}')} | {mean.method}",
    )
    if arrival.growth is not None and arrival.growth.value:
        page.add(f"    growth: {_growth(arrival.growth, per)}", share_note(arrival.growth))
    if arrival.seasonality:
        factors = [f"{m}: {arrival.seasonality[m]:.3g}" for m in MONTHS if m in arrival.seasonality]
        page.add(f"    seasonality: {{{', '.join(factors)}}}", "factors of calendar months")
    if arrival.dispersion >= LEAST_DISPERSION:
        page.add(
            f"    dispersion: {figure(arrival.dispersion)}",
            f"variance = mean + dispersion x mean^2 of a {per}'s leads",
        )


def _growth(growth: Estimate, per: str) -> str:
    """Growth as a normal distribution where it cannot come near a loss of everything."""
    sd = spread_of(growth) * abs(growth.value)
    mean = share(growth.value, growth.low, growth.high)
    if sd < 1e-5:
        return f"{mean} per {per}"
    if growth.value - 6.1 * sd <= -0.98:
        low, high = share(max(growth.low, -0.98)), share(growth.high)
        return f"{{amount: {{uniform: {{low: {low}, high: {high}}}}}, per: {per}}}"
    return f"{{amount: {{normal: {{mean: {mean}, sd: {figure(100 * sd)}%}}}}, per: {per}}}"


def _write_segments(page: Page, fit: Fit, journey: Journey) -> None:
    if not fit.segments:
        return
    page.add("segments:")
    texts = whole_shares([each.value for each in fit.segments.values()])
    for (name, estimate), text in zip(fit.segments.items(), texts, strict=True):
        page.add(f"  {quoted(name)}:")
        page.add(f"    share: {text}", share_note(estimate))
        journey.write_group(page, ("segment", name))
    page.add()


def _write_closing(page: Page, fit: Fit) -> None:
    factors = getattr(fit.clock, "month_of_quarter", None)
    if factors is None:
        return
    text = ", ".join(figure(each) for each in factors)
    page.add(f"closing: {{month_of_quarter: [{text}]}}", getattr(fit.clock, "said", ""))
    page.add()


def _write_pipeline(page: Page, fit: Fit, sheet: Sheet) -> None:
    opened = fit.open_items
    if not len(opened):
        left = fit.left_open
        page.comment(
            f"pipeline: {left:,} open items, of which none is expected to go onward, are left out."
            if left
            else "pipeline: no items were open."
        )
        page.add()
        return
    unknown = int(opened["amount"].isna().sum())
    page.comment(
        f"{len(opened):,} items were open at the end of {fit.as_of}. Each goes on from its stage, "
        "given how long it has been there."
    )
    if unknown and fit.sizes:
        page.comment(
            f"The amounts of {unknown:,} are not known and left blank: each of them has a size "
            "drawn like that of a new deal of its product."
        )
    page.add("pipeline:")
    if sheet.pipeline is None:
        page.add("  csv: |")
        page.add(textwrap.indent(write_open(opened, open_columns(fit)).rstrip("\n"), "    "))
    else:
        page.add(f"  file: {quoted(sheet.pipeline)}")
    _write_stale(page, fit)
    page.add()


def open_columns(fit: Fit) -> tuple[str, ...]:
    """Name the columns of the open items that the scenario asks for."""
    unasked = {
        "segment": not fit.segments,
        "product": len(fit.sizes) < 2,
        "amount": False,
    }
    return tuple(name for name in COLUMNS if not unasked.get(name))


def _write_stale(page: Page, fit: Fit) -> None:
    if fit.stale_after_days is None:
        page.add("  # stale_after: 12 months", "the records are too short to say what is too old")
        return
    age = fit.as_of.toordinal() + 1 - fit.open_items["entered"]
    stale = int((age > fit.stale_after_days).sum())
    page.add(
        f"  stale_after: {fit.stale_after_days:g} days",
        f"no item ever went onward later; {stale:,} of {len(fit.open_items):,} are older and "
        "count as dead",
    )


def _write_throughput(page: Page, fit: Fit) -> None:
    if not fit.throughput:
        return
    page.comment(
        "CAPACITY  What the stages got through in a month. Nothing of it is applied: take the "
        "block below in if you know that no more can be worked."
    )
    for each in fit.throughput:
        verdict = (
            "as if there were a limit: the outflow hardly varies while more and more wait"
            if each.flat
            else "no sign of a limit"
        )
        page.comment(
            f"- {each.stage}: {each.entered:.4g} entered a month (variance/mean "
            f"{each.entered_dispersion:.2g}), {each.onward:.4g} went onward "
            f"({each.onward_dispersion:.2g}), at most {each.most_onward:,} in "
            f"{each.most_onward_month}; {each.inside[0]:,} inside at first, {each.inside[1]:,} "
            f"at last; {each.months} months | {verdict}"
        )
    moved = [each for each in fit.throughput if each.most_onward]
    if moved:
        page.add("# capacity:")
    for each in moved:
        page.add(f"#   {quoted(each.stage)}: {{per_period: {_a_period(each.entered, fit)}}}")
    page.add()


def _a_period(a_month: float, fit: Fit) -> str:
    days = {"day": 1.0, "week": 7.0}.get(fit.period, 365.25 / 12)
    return figure(max(a_month * days / (365.25 / 12), 0.1))


def _write_goals(page: Page, fit: Fit) -> None:
    target = max(1, round(fit.won_last_quarter))
    page.comment("Write your own goals, for example (as many as were won in the last 91 days):")
    page.add("# goals:")
    page.add(f"#   - {{metric: deals, every: quarter, target: {target}, confidence: 80%}}")
