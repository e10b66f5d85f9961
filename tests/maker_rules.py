"""Parts of a random scenario that only some have.

Leads that answer to money; deals that close by the calendar; thresholds on quality.
"""

from __future__ import annotations

import itertools
from typing import Any

DAYS = {"day": 1, "week": 7, "month": 30, "quarter": 91, "year": 365}
LEADS = 40  # to expect of all channels in a run, before seasons, growth and market


class Rules:
    """What a random scenario may say beyond channels, journey and products."""

    def _spend(self) -> dict:
        many = self.rng.choice([1, 1, 3])
        amounts = [self.positive(self.between(50, 500)) for _ in range(many)]
        then = {"then": self.rng.choice(["repeat", "last", "zero"])} if many > 1 else {}
        per = self.rng.choice([*DAYS])
        return {"amount": amounts if many > 1 else amounts[0], "per": per, **then}

    def _response(self) -> dict:
        per = self.rng.choice([*DAYS])
        days = DAYS[per]
        most = LEADS / len(self.channels) * days / self.horizon_days
        half, shape = self.between(1, 100) * days, self.between(0.5, 3.0)
        hill = {name: self.positive(x) for name, x in (("max", most), ("half", half))}
        if self.maybe():
            hill["shape"] = self.positive(shape)
        made: dict[str, Any] = {"hill": hill}
        if self.maybe(0.7):
            share = self.share(self.between(0.2, 0.6))
            made["carry_over"] = {"amount": share, "per": self.rng.choice(["week", "month"])}
            if self.maybe():
                made["before"] = {"amount": self.positive(self.between(50, 500)), "per": per}
        return {"response": made, "per": per}

    def _closing(self) -> dict:
        factors = [self.positive(self.between(0.2, 2.0)) for _ in range(3)]
        if self.maybe(0.3):
            factors[self.rng.randrange(3)] = 0
        return {"month_of_quarter": factors}

    def _qualify(self, made: dict) -> None:
        """Put a threshold before a stage whose ways, and those to it, have conversions."""
        entered = {
            self.stages[0],
            *(c["enters"] for c in made["channels"].values() if "enters" in c),
        }
        journey = made["journey"]
        for stage in self.rng.sample(self.stages, len(self.stages)):
            counted = [s for s in journey if stage in journey[s].get("dirichlet", ())]
            ways = journey[stage]
            to = [t for t in ways if "conversion" in ways[t] and t != "lost"]
            if stage in entered or counted or not to:
                continue
            target = "won" if "won" in to else to[0]
            best = self.share(self.between(0.45, 0.6))
            one = {"threshold": self.share(self.between(0.1, 0.5)), "best_tenth": best}
            if "within" in ways[target] or self.maybe():
                one["win_rate"] = self.share(self.between(0.15, 0.3))
            if target != "won":
                one["to"] = target
            made["qualification"] = {stage: one}
            return

    def _change_pair(self, made: dict, path: str, one: str, other: str) -> dict[str, Any]:
        """Move a part of one share to another, where both are plain numbers."""
        section, _, key = path.split(".")
        shares = [made[section][name][key] for name in (one, other)]
        if any(isinstance(share, dict) for share in shares):
            return {}
        total = sum(shares)
        first = round(total * self.between(0.1, 0.9), 9)
        return {path.format(one): first, path.format(other): round(total - first, 9)}

    def correlations(self, paths: list[str]) -> list[dict]:
        """Correlate up to three assumptions, none so much that they contradict each other."""
        chosen = self.rng.sample(paths, min(3, len(paths)))
        return [
            {"between": [one, other], "rank": self.between(-0.65, 0.65)}
            for one, other in itertools.pairwise(chosen)
        ]
