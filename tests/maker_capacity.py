"""The section ``capacity`` of a random scenario: stages that take up only so many items."""

from __future__ import annotations

import datetime as dt
from typing import Any

from maker_rules import DAYS, LEADS


def add_capacity(maker: Any, made: dict) -> None:
    """Let one or two stages take up only so many items, and some change how many."""
    chosen = maker.rng.sample(maker.stages, min(len(maker.stages), maker.rng.choice([1, 2, 2])))
    made["capacity"] = {stage: _capacity_of_stage(maker) for stage in chosen}
    for channel in made["channels"].values():
        if "cost" in channel and maker.maybe():
            channel["cost"]["worked"] = {maker.rng.choice(maker.stages): maker.positive(20)}
    plain = [s for s in chosen if isinstance(made["capacity"][s].get("per_period"), float)]
    if plain and maker.maybe():
        day = maker.start + dt.timedelta(maker.horizon_days // 3)
        value = maker.between(0.0, 4.0)
        change = {"from": day.isoformat(), "set": {f"capacity.{plain[0]}.per_period": value}}
        made.setdefault("changes", []).append(change)


def _capacity_of_stage(maker: Any) -> dict:
    """A limit below what comes, or none; a plan, or reps of whom some are new."""
    each = LEADS / maker.horizon_days * DAYS[maker.period] * maker.between(0.1, 0.9)
    made: dict[str, Any] = {}
    kind = maker.rng.choice(["figure", "figure", "plan", "reps", "none"])
    if kind == "figure":
        made["per_period"] = maker.rng.choice([round(each, 3), maker.positive(each)])
    elif kind == "plan":
        figures = [maker.positive(2 * each), 0.0, round(each, 3)]
        made |= {"per_period": figures, "then": maker.rng.choice(["repeat", "last"])}
    elif kind == "reps":
        made["reps"] = _reps(maker, each)
    if made and maker.maybe():
        amount = maker.rng.choice([0.2, maker.share(0.3)])
        made["waiting"] = {"give_up": {"amount": amount, "per": maker.rng.choice([*DAYS])}}
    if made and maker.maybe(0.4):
        made["priority"] = maker.rng.sample(maker.channels, 1)
    if not made or maker.maybe(0.4):
        made["follow_up"] = maker.share(0.6)
    return made


def _reps(maker: Any, each: float) -> dict:
    days = sorted(maker.rng.randrange(-40, maker.horizon_days) for _ in range(2))
    first, last = (maker.start + dt.timedelta(day) for day in days)
    per = maker.rng.choice([*DAYS])
    return {
        "each": {"amount": maker.positive(each * DAYS[per] / DAYS[maker.period] / 2), "per": per},
        "now": maker.rng.choice([1, 2]),
        "hires": [
            {"from": first.isoformat(), "count": maker.rng.choice([1, maker.positive(1.5)])},
            {"from": last.isoformat(), "count": -1},
        ],
        "ramp": [0.0, maker.share(0.4), 1.0],
    }
