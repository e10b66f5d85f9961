"""Assumptions after what came: the plan's uncertain ones, weighed by what was counted.

Draws of the assumptions have the weight of their likelihood (``forecast.analysis.weighing``): of
the leads of each channel (Poisson, or negative binomial), of the items that entered each counted
stage out of those before it (binomial) and of the mean deal size (normal). The new assumption is of
a family that suits it and has the weighted mean and deviation. What was certain stays: a figure
without doubt learns nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import gammaln, xlog1py, xlogy

from forecast.analysis.expectations import Floats, leads_by_period
from forecast.analysis.levers import document_of
from forecast.analysis.realised import Realised
from forecast.analysis.weighing import LogLikelihood, weigh
from forecast.engine.assumptions import Draws, Values
from forecast.engine.expected import flow_at
from forecast.engine.plan import make_blueprint
from forecast.engine.request import RequestError
from forecast.scenario import families
from forecast.scenario.errors import ScenarioError
from forecast.scenario.facts import find
from forecast.scenario.families import Family
from forecast.scenario.model import WON, Number, Scenario, Uncertain, Variable
from forecast.scenario.nodes import NOWHERE, Items, Node, Table, Text
from forecast.scenario.paths import overlay
from forecast.scenario.reader import build_scenario
from forecast.scenario.scaling import DURATION, NotScalable, kind_of

ROWS = 20_000
MOST_TIED = 30  # assumptions whose correlations are written
LEAST_CV = 1.01e-3  # a distribution is never narrower
FEWEST = 200.0  # draws that the weighted ones are worth


@dataclass(frozen=True)
class Update:
    """An uncertain assumption: its mean and deviation as planned, and after what came."""

    path: str
    before: tuple[float, float]
    after: tuple[float, float]


@dataclass(frozen=True)
class Posterior:
    """The plan with its uncertain assumptions updated; ``kept`` could not be written anew."""

    scenario: Scenario
    updates: tuple[Update, ...]
    kept: tuple[str, ...]
    worth: float  # how many independent draws the weighted ones are worth


def update(realised: Realised, seed: int = 0) -> Posterior:
    """Weigh the plan's uncertain assumptions by what came.

    Raises ``RequestError`` where nothing is uncertain, or where what came is beyond all that the
    assumptions allow.
    """
    plan = realised.plan
    draws = Draws(plan, seed)
    if not draws.names:
        raise RequestError(
            "assumptions: got certain ones only; must be some uncertain ones. "
            "Write a distribution where you do not know a figure."
        )
    found = weigh(draws, _likelihood_of(realised), ROWS)
    values, weights, worth = found.values, found.weights, found.worth
    if worth < FEWEST:
        raise RequestError(
            "actuals: got figures beyond what the plan's assumptions allow; must be "
            "such as they may give. Widen what is uncertain, or plan anew."
        )
    document, updates, kept = document_of(realised.whole), [], []
    for i, (path, number) in enumerate(draws.numbers.items()):
        mean = float(weights @ values[:, i])
        sd = float(np.sqrt(weights @ (values[:, i] - mean) ** 2))
        changed = _rewritten(document, path, number.family, (mean, sd))
        if changed is None:
            kept.append(path)
            continue
        document = changed
        updates.append(Update(path, (number.family.mean, number.family.sd), (mean, sd)))
    named = Text(f"{realised.whole.name}, updated", NOWHERE)
    content: dict[str, Node] = {**document, "name": named}
    places = [i for i, path in enumerate(draws.numbers) if path not in kept]
    if 1 < len(places) <= MOST_TIED:
        content["correlation"] = _ties(list(draws.numbers), places, values, weights)
    document = Table(content, document.place, document.keys_at)
    return Posterior(build_scenario(document), tuple(updates), tuple(kept), worth)


def _ties(paths: Sequence[str], places: Sequence[int], values: Floats, weights: Floats) -> Items:
    """Give the rank correlations between updated assumptions: what came often tells of a product.

    A normal correlation r is a rank correlation of 6 / pi asin(r / 2) (Pearson 1907).
    """
    apart = values[:, places] - weights @ values[:, places]
    covariance = (apart * weights[:, None]).T @ apart
    sd = np.sqrt(np.diag(covariance))
    ranks = 6.0 / np.pi * np.arcsin(covariance / np.outer(sd, sd) / 2.0)
    ties: list[Node] = []
    for a, i in enumerate(places):
        for b, j in enumerate(places[:a]):
            rank = Text(f"{min(max(ranks[a, b], -0.99), 0.99):.3f}")
            tie: dict[str, Node] = {"between": Items([Text(paths[i]), Text(paths[j])])}
            ties.append(Table({**tie, "rank": rank}))
    return Items(ties)


def _likelihood_of(realised: Realised) -> LogLikelihood:
    blueprint, likelihood = make_blueprint(realised.plan), _Likelihood(realised)

    def logs(drawn: Values, count: int) -> Floats:
        means = flow_at(blueprint, drawn, count)
        return likelihood(
            means.leads.sum(axis=(1, 3)),
            means.entered.sum(axis=(1, 2, 3)),
            means.deals.sum(axis=(1, 2, 3, 4)),
            means.bookings.sum(axis=(1, 2, 3, 4)),
        )

    return logs


class _Likelihood:
    """The likelihood of what came, given expected counts."""

    def __init__(self, realised: Realised) -> None:
        self.actuals, self.plan, self.factors = realised.actuals, realised.plan, realised.factors
        pattern = leads_by_period(self.plan)
        total = pattern.sum(axis=0)
        shares = np.divide(pattern, total, out=np.zeros_like(pattern), where=total > 0)
        spread = [_certain(c.dispersion) for c in self.plan.versions[0].channels.values()]
        self.dispersion = np.array(spread) * (shares**2).sum(axis=0)
        self.size_sd = _size_sd(self.plan, realised.planned.deals.sum(axis=0))

    def __call__(self, leads: Floats, entered: Floats, deals: Floats, money: Floats) -> Floats:
        """Give the logarithm for rows: leads (row, c), entered (row, j), deals and money (row,)."""
        found = self._leads(leads)
        before, came = leads.sum(axis=1), self.actuals.total("leads")
        for stage in self.plan.stages:
            count = self.actuals.entries(stage)
            expected = entered[:, self.plan.stages.index(stage)]
            if count is not None and stage in self.factors:
                found = found + _went_on(count, came, expected, before)
            if count is not None:
                before, came = expected, count
        won, paid = self.actuals.total("deals"), self.actuals.total("bookings")
        if won is not None and WON in self.factors:
            found = found + _went_on(won, came, deals, before)
        if won and paid is not None and self.size_sd > 0:
            size = np.divide(money, deals, out=np.zeros_like(money), where=deals > 0)
            found = found - 0.5 * (paid / won - size) ** 2 / (self.size_sd**2 / won)
        return found

    def _leads(self, expected: Floats) -> Floats:
        named, total = self.actuals.named("leads"), self.actuals.total("leads")
        if named is not None:
            counts = np.array([named.get(c, 0.0) for c in self.plan.channels])
            by_channel: Floats = _arrived(counts, expected, self.dispersion).sum(axis=1)
            return by_channel
        if total is None:
            return np.zeros(len(expected))
        whole = expected.sum(axis=1)
        of_all = (expected**2 * self.dispersion).sum(axis=1) / np.maximum(whole, 1e-300) ** 2
        return _arrived(np.array(total), whole, of_all)


def _arrived(count: Floats, mean: Floats, dispersion: Floats) -> Floats:
    """Log-likelihood of counts: negative binomial, or Poisson where the dispersion is 0."""
    mean = np.maximum(mean, 1e-12)
    poisson = xlogy(count, mean) - mean
    shape = 1.0 / np.maximum(dispersion, 1e-9)
    wide = gammaln(count + shape) - gammaln(shape)
    wide = wide + xlogy(count, mean / (mean + shape)) - shape * np.log1p(mean / shape)
    found: Floats = np.where(dispersion > 1e-9, wide, poisson)
    return found


def _went_on(count: float, before: float | None, mean: Floats, mean_before: Floats) -> Floats:
    """Log-likelihood of how many went on out of those before."""
    expected = np.maximum(mean, 1e-12)
    if before is None:
        return np.asarray(xlogy(count, expected) - expected, dtype=np.float64)
    share = expected / np.maximum(mean_before, 1e-12)
    if count > before or (share >= 1.0).any():
        return np.asarray(xlogy(count, share * before) - share * before, dtype=np.float64)
    return np.asarray(xlogy(count, share) + xlog1py(before - count, -share), dtype=np.float64)


def _certain(number: Number) -> float:
    return float(number.family.mean) if isinstance(number, Uncertain) else float(number)


def _size_sd(plan: Scenario, deals: Floats) -> float:
    """The standard deviation of one deal's size, products mixed as planned."""
    products = plan.versions[0].products[plan.groups[0]]
    pairs = [_moments(product.size) for product in products.values()]
    shares = deals / deals.sum() if deals.sum() else np.full(len(pairs), 1.0 / len(pairs))
    mean = sum(w * m for w, (m, _) in zip(shares, pairs, strict=True))
    square = sum(w * (m * m + s * s) for w, (m, s) in zip(shares, pairs, strict=True))
    return float(np.sqrt(max(square - mean * mean, 0.0)))


def _moments(size: Variable) -> tuple[float, float]:
    return float(size.family.mean), float(size.family.sd)


def _rewritten(
    document: Table, path: str, family: Family, moments: tuple[float, float]
) -> Table | None:
    """Put a distribution of these moments at a path; None where the file has no such place."""
    node = find(document, path)
    if node.place.path != path or not isinstance(node, Table):
        return None
    try:
        unit = " days" if kind_of(node) == DURATION else ""
    except NotScalable:
        return None
    changed: Node = _distribution(family, moments, unit)
    try:
        return overlay(document, path, changed, node.place)
    except ScenarioError:
        return None


def _distribution(family: Family, moments: tuple[float, float], unit: str) -> Table:
    mean, sd = moments
    sd = max(sd, LEAST_CV * abs(mean))
    known = {families.Gamma: "gamma", families.Lognormal: "lognormal", families.Beta: "beta"}
    name = next((n for kind, n in known.items() if isinstance(family, kind)), "")
    if not name:
        name = "normal" if family.low < 0 else "beta" if family.high <= 1 else "gamma"
    if name == "beta" and (family.low < 0 or family.high > 1):
        name = "gamma"
    figures = {"mean": Text(f"{mean:.6g}{unit}"), "sd": Text(f"{sd:.6g}{unit}")}
    return Table({name: Table(figures)})
