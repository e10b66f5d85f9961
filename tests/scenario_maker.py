"""Small random scenarios that use every part of the language, as the text of a file.

They stay small (about 60 leads a run at most), for a simulator that follows every single lead.
"""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Callable
from functools import partial
from random import Random
from typing import Any

import yaml
from maker_capacity import add_capacity
from maker_journey import Journeys
from maker_products import Products
from maker_rules import DAYS, LEADS, Rules

from forecast.scenario.errors import ScenarioError
from forecast.scenario.model import Scenario
from forecast.scenario.nodes import Place, parse_value
from forecast.scenario.reader import build_scenario
from forecast.scenario.uncertain import uncertain_numbers

MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]


def random_scenario_text(seed: int, *, capacity: bool = False) -> str:
    """Write a valid random scenario, with or without stages that take up only so many."""
    for attempt in range(20):
        maker = _Maker(f"scenario {seed}, attempt {attempt}")
        made = maker.scenario()
        if capacity:
            add_capacity(maker, made)
        try:
            draft = read_text(_write(made))
        except ScenarioError:
            continue  # a rare clash, such as ways that can sum up to more than 100%
        known = [path for path in uncertain_numbers(draft) if "@" not in path]
        if len(known) > 1 and maker.maybe(0.7):
            made["correlation"] = maker.correlations(known)
        return _write(made)
    raise AssertionError(f"no valid scenario for seed {seed}")


def recurring_scenario_text(seed: int) -> str:
    """Write a valid random scenario some of whose products are recurring."""
    rng = Random(f"recurring {seed}")
    for attempt in itertools.count(1_000 * seed):
        made = yaml.safe_load(random_scenario_text(attempt))
        if "products" not in made:
            continue
        names = rng.sample([*made["products"]], rng.randint(1, len(made["products"])))
        maker = _Maker(f"recurring {seed}, {attempt}")
        for name in names:
            made["products"][name]["recurring"] = maker.recurring()
            if maker.maybe():
                made["products"][name]["margin"] = maker.share(0.6)
        channel = made["channels"][maker.rng.choice([*made["channels"]])]
        if maker.maybe(0.4):
            churn = {"amount": maker.share(0.2), "per": "quarter"}
            own = channel.setdefault("products", {}).setdefault(names[0], {})
            own["recurring"] = {"churn": churn}
        if maker.maybe(0.4):
            day = maker.start.replace(day=1) + dt.timedelta(60)
            path = f"products.{names[0]}.recurring"
            change = {"from": day.isoformat(), "set": {path: maker.recurring()}}
            made.setdefault("changes", []).append(change)
        made["name"] = f"Recurring {seed}"
        try:
            read_text(_write(made))
        except ScenarioError:
            continue
        return _write(made)
    raise AssertionError("never")


def read_text(text: str) -> Scenario:
    """Read a scenario from text."""
    return build_scenario(parse_value(text, Place("made.yaml", 1, "")))


def _write(made: dict) -> str:
    return yaml.dump(made, Dumper=_Plain, sort_keys=False, width=1000)


class _Plain(yaml.SafeDumper):
    """Writes without aliases, which scenarios refuse, and without exponents."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
        return True


_Plain.add_representer(
    float, lambda dumper, x: dumper.represent_scalar("tag:yaml.org,2002:float", f"{x:.10f}")
)


class _Maker(Journeys, Products, Rules):
    """One random scenario in the making."""

    def __init__(self, seed: str) -> None:
        self.seed = seed
        self.rng = Random(seed)
        self.period = self.rng.choice(["month", "month", "month", "week", "day"])
        self.start, self.horizon_days, self.horizon = self._time()
        self.channels = [f"c{i}" for i in range(self.rng.randint(1, 3))]
        self.segments = [f"s{i}" for i in range(self.rng.choice([0, 0, 1, 2, 3]))]
        self.stages = [f"g{i}" for i in range(self.rng.randint(1, 4))]
        self.products = [f"p{i}" for i in range(self.rng.choice([0, 1, 1, 2, 3]))]

    def maybe(self, chance: float = 0.5) -> bool:
        return self.rng.random() < chance

    def between(self, low: float, high: float) -> float:
        return round(self.rng.uniform(low, high), 6)

    def scenario(self) -> dict:
        """Make the whole document."""
        made: dict[str, Any] = {
            "name": "Random",
            "start": self.start.isoformat(),
            "horizon": self.horizon,
            "period": self.period,
        }
        if self.maybe():
            made["fiscal_year_start"] = self.rng.choice(["february", "april", "july", "october"])
        made["channels"] = {name: self._channel(name) for name in self.channels}
        journey = {stage: self._stage(i) for i, stage in enumerate(self.stages)}
        products = self._products()
        if self.segments:
            made["segments"] = self._segments(journey, products)
        made["journey"] = journey
        for channel in made["channels"].values():
            self._override(channel, journey, products)
        if products:
            made["products"] = products
        if self.maybe(0.4):
            made["market"] = self.positive(1.0)
        if self.maybe(0.4):
            self._qualify(made)
        if self.maybe(0.3):
            made["closing"] = self._closing()
        if self.maybe(0.7):
            made["changes"] = [self._change(made) for _ in range(self.rng.choice([1, 1, 2, 3]))]
        self._refer(made)
        return made

    def _time(self) -> tuple[dt.date, int, str]:
        start = dt.date(2027, 1, 1) + dt.timedelta(self.rng.randrange(0, 700))
        if self.maybe(0.4):
            start = start.replace(day=1)
        if self.period == "month":
            months = self.rng.randint(4, 13)
            return start, 30 * months, f"{months} months"
        if self.period == "week":
            weeks = self.rng.randint(10, 24)
            return start, 7 * weeks, f"{weeks} weeks"
        days = self.rng.randint(40, 110)
        return start, days, f"{days} days"

    # --- numbers ------------------------------------------------------------------------------

    def positive(self, centre: float) -> Any:
        """A positive figure, mostly uncertain."""
        if self.maybe(0.4):
            return round(centre, 6)
        return self.distribution(centre, spread=0.35)

    def share(self, centre: float) -> Any:
        """A probability near a centre."""
        if self.maybe(0.4):
            return round(centre, 6)
        low, high = round(0.5 * centre, 6), round(min(1.6 * centre, 0.99), 6)
        n = self.rng.choice([200, 500])
        three = self.rng.choice(["triangular", "pert"])
        return self.rng.choice(
            [
                {"beta": {"won": round(n * centre, 3), "lost": round(n * (1 - centre), 3)}},
                {"beta": {"mean": round(centre, 6), "cv": 0.08}},
                {three: {"low": low, "mode": round(centre, 6), "high": high}},
                {"uniform": {"low": low, "high": high}},
                {"values": {str(low): 0.3, str(high): 0.7}},
            ]
        )

    def distribution(self, centre: float, spread: float, unit: str = "") -> dict:
        """A positive distribution in any family and way; ``unit`` makes its figures durations."""
        x = round(centre, 4)
        low, high = round(0.4 * x, 4), round(1.9 * x, 4)

        say = (lambda value: f"{value:.4f} {unit}") if unit else float
        cv = round(spread * self.rng.uniform(0.6, 1.6), 3)
        by_cv = self.rng.choice(["lognormal", "gamma", "weibull"])
        by_p90 = self.rng.choice(["lognormal", "gamma", "weibull"])
        three = self.rng.choice(["triangular", "pert"])
        below = self.rng.choice(["median", "p10"])
        made = [
            {by_cv: {"mean": say(x), "cv": cv}},
            {by_p90: {below: say(round(0.7 * x, 4)), "p90": say(high)}},
            {"uniform": {"low": say(low), "high": say(high)}},
            {three: {"low": say(low), "mode": say(x), "high": say(high)}},
            {"values": {str(say(low)): 0.25, str(say(x)): 0.45, str(say(high)): 0.3}},
            {"empirical": [say(low), say(x), say(x), say(high)]},
        ]
        return self.rng.choice(made)

    def variable(self, centre: float, unit: str = "") -> Any:
        """A lag or a size: a figure, a distribution, or one with an uncertain centre."""
        plain = f"{round(centre, 3)} {unit}" if unit else round(centre, 2)
        kind = self.rng.choice(["plain", "fixed", "spread", "spread", "spread", "about", "about"])
        if kind == "plain":
            return plain
        if kind == "fixed":
            return {"fixed": {"value": plain}}
        if kind == "spread":
            return self.distribution(centre, spread=0.7, unit=unit)
        about = self.distribution(centre, spread=0.3, unit=unit)
        family = self.rng.choice(["lognormal", "gamma", "weibull", "fixed"])
        key = {"fixed": "value", "lognormal": self.rng.choice(["mean", "median"])}.get(family)
        key = key or "mean"
        return {family: {key: about} if family == "fixed" else {key: about, "cv": 0.6}}

    def lag(self) -> Any:
        """A cycle lag, from nothing to about half the horizon."""
        if self.maybe(0.25):
            counts = sorted(self.rng.sample(range(5), 3))
            return {"periods": dict(zip(map(str, counts), [0.5, 0.2, 0.3], strict=True))}
        days = self.rng.choice([0.03, 0.1, 0.2, 0.4]) * self.horizon_days
        unit, length = self.rng.choice([("days", 1), ("weeks", 7), ("months", 365.25 / 12)])
        return self.variable(days / length, unit)

    # --- parts --------------------------------------------------------------------------------

    def _channel(self, name: str) -> dict:
        made: dict[str, Any] = {"leads": self._leads()}
        if "fixed" not in made["leads"]:
            if self.maybe(0.4):
                made["dispersion"] = self.positive(0.3)
            if self.maybe():
                named = self.rng.sample(MONTHS, 5)
                made["seasonality"] = {m: self.positive(self.between(0.5, 1.6)) for m in named}
            if self.maybe():
                per = self.rng.choice([*DAYS])
                total = self.between(-0.4, 0.6) * DAYS[per] / self.horizon_days
                amount = max(-0.8, round(total, 6))
                spread = {"uniform": {"low": amount - 0.001, "high": amount + 0.001}}
                made["growth"] = {"amount": self.rng.choice([amount, spread]), "per": per}
        if "response" in made["leads"] or self.maybe(0.7):
            made["cost"] = {"fixed": self._spend()}
            made["cost"]["per_lead"] = self.positive(self.between(5, 50))
        if name != "c0" and self.maybe(0.3):
            made["enters"] = self.rng.choice(self.stages)
        return made

    def _leads(self) -> dict:
        if self.maybe(0.2):
            return self._response()
        fixed = self.maybe(0.25)
        # an exact count below 1 would be nothing at all
        per = self.rng.choice(["month", "quarter", "year"] if fixed else [*DAYS])
        each = LEADS / len(self.channels) * DAYS[per] / self.horizon_days
        many = self.rng.choice([1, 1, 2, 3])
        then = {"then": self.rng.choice(["repeat", "last", "zero"])} if many > 1 else {}
        factors = [self.between(0.2, 1.8) for _ in range(many)]
        if fixed:
            counts = [max(1, round(each * factor)) for factor in factors]
            return {"fixed": counts if many > 1 else counts[0], "per": per, **then}
        figures = [self.positive(each * f) for f in factors]
        return {"mean": figures if many > 1 else figures[0], "per": per, **then}

    def _segments(self, journey: dict, products: dict) -> dict:
        weights = [self.between(0.2, 1.0) for _ in self.segments]
        shares = [round(weight / sum(weights), 9) for weight in weights]
        made = {n: {"share": share} for n, share in zip(self.segments, shares, strict=True)}
        # what rounding left over goes to the first one
        first = made[self.segments[0]]
        first["share"] = round(first["share"] - (sum(shares) - 1.0), 9)
        if self.maybe(0.3) and len(self.segments) > 1:
            mean, spread = first["share"], 0.3 * min(first["share"], 1 - first["share"])
            ends = {"low": round(mean - spread, 9), "high": round(mean + spread, 9)}
            first["share"] = {"uniform": ends}
        for name in self.segments:
            self._override(made[name], journey, products)
        return made

    def _refer(self, made: dict) -> None:
        """Rarely let customers bring leads; its own numbers leave the others as they were."""
        own, self.rng = self.rng, Random(f"{self.seed}, referral")
        if self.maybe(0.15):
            days = self.rng.choice([0.1, 0.3, 0.8]) * self.horizon_days
            per = self.rng.choice(["day", "week", "month", "quarter"])
            amount = self.positive(self.between(0.2, 1.5) * DAYS[per] / days)
            made["referral"] = {
                "leads": {"amount": amount, "per": per},
                "during": f"{round(days)} days",
                "channel": self.rng.choice(self.channels),
                "existing": self.positive(self.between(1, 9)),
            }
            if self.maybe(0.7):
                made["referral"]["lag"] = self.lag()
            if self.maybe(0.6) and "changes" in made:
                values = {"referral.leads.amount": 0.6 * self.between(0.1, 1.0) * DAYS[per] / days}
                made["changes"][0]["set"].update(values)
        self.rng = own

    # --- what spans the scenario --------------------------------------------------------------

    def _change(self, made: dict) -> dict:
        day = self.start + dt.timedelta(self.rng.randrange(0, int(0.7 * self.horizon_days)))
        if self.maybe(0.4) and day.replace(day=1) >= self.start:
            day = day.replace(day=1)  # where a month begins
        options = self._changeable(made)
        values: dict[str, Any] = {}
        for option in self.rng.sample(options, min(len(options), self.rng.choice([1, 2, 3]))):
            values.update(option())
        return {"from": day.isoformat(), "set": values}

    def _changeable(self, made: dict) -> list[Callable[[], dict[str, Any]]]:
        """What a change may set: functions that give paths with new values."""
        options = [lambda: {"market": self.positive(self.between(0.6, 1.5))}]
        for name, channel in made["channels"].items():
            options.append(partial(self._change_channel, f"channels.{name}", channel))
        for stage, ways in made["journey"].items():
            named = [t for t in ways if t != "dirichlet"]
            options += [partial(self._change_way, f"journey.{stage}.{t}", ways[t]) for t in named]
        if len(made.get("segments", {})) > 1:
            first = self.segments[:2]
            options.append(partial(self._change_pair, made, "segments.{}.share", *first))
        if len(self.products) > 1:
            first = self.products[:2]
            options.append(partial(self._change_pair, made, "products.{}.mix", *first))
        for stage in made.get("qualification", ()):
            path = f"qualification.{stage}.threshold"
            options.append(lambda path=path: {path: self.share(self.between(0.1, 0.6))})
        if self.products:
            path = f"products.{self.products[0]}.size"
            options.append(lambda: {path: self.variable(self.between(10, 300))})
        return options

    def _change_channel(self, path: str, channel: dict) -> dict[str, Any]:
        values: dict[str, Any] = {}
        if "growth" in channel:
            values[f"{path}.growth.amount"] = self.between(0.0, 0.01)
        if "dispersion" in channel:
            values[f"{path}.dispersion"] = self.between(0.0, 0.8)
        if "seasonality" in channel:
            values[f"{path}.seasonality"] = {self.rng.choice(MONTHS): self.between(0.4, 2.0)}
        if not values:  # what else there is stands beside a mean only, so leads cannot be fixed
            values[f"{path}.leads"] = self._leads()
        if "cost" in channel or "response" in values.get(f"{path}.leads", ()):
            values[f"{path}.cost.per_lead"] = self.between(5, 80)
            values[f"{path}.cost.fixed"] = {"amount": self.between(5, 80), "per": "week"}
        return values

    def _change_way(self, path: str, way: dict) -> dict[str, Any]:
        values: dict[str, Any] = {}
        if "conversion" in way:
            values[f"{path}.conversion"] = self.share(self.between(0.03, 0.2))
        elif "share_of_rest" in way:
            values[f"{path}.share_of_rest"] = self.share(self.between(0.1, 0.4))
        if "within" not in way and (not values or self.maybe()):
            values[f"{path}.lag"] = self.lag()
        return values
