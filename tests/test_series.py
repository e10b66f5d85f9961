"""Figures by period against sums day by day, and lists that go on."""

import datetime as dt

import numpy as np
import pytest
from scenario_maker import random_scenario_text, read_text

from forecast.engine.assumptions import Values
from forecast.engine.series import by_month, by_unit, spread
from forecast.scenario.model import Planned, Uncertain
from forecast.scenario.uncertain import uncertain_numbers


@pytest.mark.parametrize(
    ("then", "wanted"),
    [(None, [5, 7, 7, 7, 7]), ("zero", [5, 7, 0, 0, 0]), ("repeat", [5, 7, 5, 7, 5])],
)
def test_a_list_goes_on_as_it_says(then, wanted):
    plan = Planned((5.0, 7.0), "month", then)
    assert [list(plan.first(count)) for count in range(1, 6)] == [wanted[:n] for n in range(1, 6)]


def value_of(number, values):
    return values[number] if isinstance(number, Uncertain) else number


def day_by_day(scenario, plans, seasons, values):
    """Sum over the days: the unit's figure, divided by its days, times the month's factor."""
    calendar = scenario.calendar
    periods = calendar.period_of_days()
    total = np.zeros(calendar.periods)
    for i, day in enumerate(calendar.days().tolist()):
        version = sum(v.since.toordinal() <= day for v in scenario.versions) - 1
        units = calendar.units(plans[version].per)
        unit = int(units.index[i])
        figure = value_of(plans[version].first(unit + 1)[unit], values)
        season = seasons[version].get(dt.date.fromordinal(day).month, 1.0)
        total[periods[i]] += figure / units.length_days[unit] * value_of(season, values)
    return total


@pytest.mark.parametrize("seed", range(40))
def test_figures_are_sums_day_by_day(seed):
    scenario = read_text(random_scenario_text(seed))
    numbers = uncertain_numbers(scenario).values()
    values = {number: 1.5 + i for i, number in enumerate(numbers)}
    given = Values({number: np.array([value]) for number, value in values.items()})
    for name in scenario.channels:
        of = [version.channels[name] for version in scenario.versions]
        seasons = [channel.seasonality for channel in of]
        for plans in ([channel.leads for channel in of], [channel.cost.fixed for channel in of]):
            if not all(plan.figures for plan in plans):  # leads that answer to money have none
                continue
            found = spread(
                scenario,
                [plan.per for plan in plans],
                lambda spans, plans=plans, seasons=seasons: [
                    by_unit(plans, spans),
                    by_month(seasons, spans),
                ],
                np.ones(scenario.calendar.periods),
            )
            wanted = day_by_day(scenario, plans, seasons, values)
            np.testing.assert_allclose(found(given)[0], wanted, rtol=1e-12, atol=1e-12)
