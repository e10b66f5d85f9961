"""Our own forecast of a backtest: what is known is fitted anew, and written as a scenario."""

from __future__ import annotations

from forecast.history.fit import Options, fit_records
from forecast.history.model import Known
from forecast.history.origins import BacktestError
from forecast.history.write import scenario_of
from forecast.scenario.model import Scenario


def make_scenario(known: Known) -> Scenario:
    """Fit what was known and give its scenario; raises ``BacktestError`` where that is too little.

    It is the scenario that ``forecast fit`` would have written on that day.
    """
    calendar = known.calendar
    horizon = f"{calendar.periods} {calendar.unit}{'s' if calendar.periods > 1 else ''}"
    options = Options(horizon=horizon, period=calendar.unit)
    try:
        fit = fit_records(known.records, options=options)
    except ValueError as error:
        raise BacktestError(str(error)) from error
    return scenario_of(fit)
