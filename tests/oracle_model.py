"""Forecasts of made histories by somebody who knows their truth: no fit, only the engine."""

import dataclasses
import textwrap

import numpy as np
from open_deals import with_deals

import forecast
from forecast.history.records import OPEN

# The default ``Truth`` of histories.py as a scenario; `{leads}` and `{won}` may be beside it.
TEXT = """
name: Truth
start: {start}
horizon: {periods} {unit}s
period: {unit}
channels:
  web: {{leads: {{mean: {leads}, per: day}}}}
journey:
  opportunity:
    won: {{conversion: {won}, lag: {{gamma: {{mean: 60 days, cv: 0.7}}}}}}
    lost: {{lag: {{gamma: {{mean: 40 days, cv: 0.9}}}}}}
products:
  unknown: {{size: {{lognormal: {{mu: 9.0, sigma: 0.8}}}}}}
"""


def knows_the_truth(folder, leads=2.0, won=0.3, pipeline=True):
    """Give a maker of scenarios for ``backtest``, which writes its files into a folder."""

    def make(known):
        calendar, records = known.calendar, known.records
        text = textwrap.dedent(TEXT).format(
            start=calendar.start,
            periods=calendar.periods,
            unit=calendar.unit,
            leads=leads,
            won=won,
        )
        file = folder / "truth.yaml"
        file.write_text(text, encoding="utf-8")
        scenario = forecast.read_scenario(file)
        stays = records.stays[(records.stays["left"] == OPEN).to_numpy()]
        first = calendar.start.toordinal()
        rows = [
            {
                "stage": stage,
                "age_days": float(first - entered),
                "id": f"D-{item}",
                "amount": np.nan,
            }
            for item, stage, entered in zip(
                stays["item"], stays["stage"].astype(str), stays["entered"], strict=True
            )
        ]
        assert records.as_of.toordinal() == first - 1
        assert max(r["age_days"] for r in rows) < 4_000
        if not pipeline:
            return dataclasses.replace(scenario, pipeline=None)
        return with_deals(scenario, [{**row, "age_periods": 1} for row in rows])

    return make
