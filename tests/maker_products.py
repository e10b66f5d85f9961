"""The products of a random scenario, paid once or again and again."""

from __future__ import annotations

from typing import Any

from maker_rules import DAYS


class Products:
    """What a random scenario says of products."""

    def recurring(self) -> dict:
        """What makes a product recurring, with churns that show within the horizon."""
        every = self.rng.choice(["month", "month", "quarter"])
        made: dict[str, Any] = {"every": every, "discount": "30% per quarter"}
        if self.maybe():
            made["churn"] = {"amount": self.share(self.between(0.05, 0.3)), "per": "month"}
        else:
            shape = {"alpha": self.positive(0.8), "beta": self.positive(3.0)}
            made["churn"] = {"shifted_beta_geometric": {**shape, "per": self.rng.choice([*DAYS])}}
        if self.maybe():
            low = self.between(-0.1, 0.05)
            amount = {"uniform": {"low": low, "high": round(low + 0.05, 6)}}
            made["expansion"] = {"amount": self.rng.choice([low, amount]), "per": "quarter"}
        if self.maybe(0.4):
            made["term"] = "2 quarters" if every == "quarter" else "3 months"
        return made

    def _products(self) -> dict:
        made = {}
        left = 1.0
        for i, name in enumerate(self.products):
            last = i == len(self.products) - 1
            mix = round(left, 6) if last else round(left * self.between(0.2, 0.8), 6)
            left -= mix
            size = self.variable(self.between(10, 300))
            made[name] = {"mix": mix, "size": size}
        if len(made) > 1 and self.maybe(0.4):
            mix = made["p0"]["mix"]
            ends = {"low": round(0.6 * mix, 9), "high": round(1.4 * mix, 9)}
            if ends["high"] < 1.0:
                made["p0"]["mix"] = {"uniform": ends}
        return made
