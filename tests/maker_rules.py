"""Parts of a random scenario that only some have: leads that answer to money."""

from __future__ import annotations

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
