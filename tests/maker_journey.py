"""The journey of a random scenario, and where a channel or a segment differs from it."""

from __future__ import annotations

from typing import Any


class Journeys:
    """What a random scenario says of stages and the ways between them."""

    def _override(self, thing: dict, journey: dict, products: dict) -> None:
        """Let a channel or segment differ in one way and in one size."""
        if self.maybe(0.4):
            stage = self.rng.choice(self.stages)
            target = self.rng.choice([t for t in journey[stage] if t != "dirichlet"])
            way = journey[stage][target]
            differs: dict[str, Any] = {}
            if "conversion" in way and self.maybe(0.7):
                differs["conversion"] = self.share(self.between(0.05, 0.2))
            if not differs and "within" not in way:
                differs["lag"] = self.lag()
            if differs:
                thing["journey"] = {stage: {target: differs}}
        if products and self.maybe(0.3):
            product = self.rng.choice(self.products)
            size = self.variable(self.between(10, 300))
            thing["products"] = {product: {"size": size}}

    def _stage(self, i: int) -> dict:
        """Ways from a stage: always to the next one, perhaps past it, back, or slowly to lost."""
        stage = self.stages[i]
        onward = self.stages[i + 1] if i + 1 < len(self.stages) else "won"
        others = [t for t in [*self.stages, "won"] if t != onward]
        more = self.rng.sample(others, min(len(others), self.rng.choice([0, 1, 1, 2])))
        if self.maybe(0.2):
            return self._together(stage, [onward, *more])
        made: dict[str, Any] = {}
        for target in [onward, *more]:
            way: dict[str, Any] = {}
            centre = self.between(0.15, 0.26) * (1.3 if target == onward else 0.8)
            alone = not any("share_of_rest" in w for w in made.values())
            if target != onward and alone and self.maybe():
                way["share_of_rest"] = self.share(centre)
            if not way:
                way["conversion"] = self.share(centre)
            if self.maybe(0.85):
                way["lag"] = self.lag()
            self._count_within(way)
            made[target] = way
        if self.maybe(0.35):
            made["lost"] = {"lag": self.lag()}
            if self.maybe(0.3):
                made["lost"]["conversion"] = self.between(0.02, 0.1)
        return made

    def _count_within(self, way: dict) -> None:
        """Sometimes count a conversion within a time in which most of the lags end."""
        lag = way.get("lag")
        whole = isinstance(lag, dict) and "periods" in lag
        if "conversion" in way and lag is not None and not whole and self.maybe(0.4):
            way["within"] = f"{round(self.between(0.3, 0.7) * self.horizon_days)} days"

    def _together(self, stage: str, targets: list[str]) -> dict:
        counts: dict[str, float] = {t: self.rng.choice([2, 6, 15]) for t in targets}
        if stage in counts:
            counts[stage] = 1
        made: dict[str, Any] = {"dirichlet": {**counts, "lost": self.rng.choice([10, 20])}}
        for target in targets:
            made[target] = {"lag": self.lag()}
        if self.maybe(0.3):
            made["lost"] = {"lag": self.lag()}
        return made
