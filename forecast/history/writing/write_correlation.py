"""Write what hangs together of what a fit does not know: conversions and lags, and groups."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence

import numpy as np

from forecast.history.estimates import WayFit
from forecast.history.records import LOST
from forecast.history.writing.figures_text import LEAST_CV, Page, path_of, spread_of
from forecast.history.writing.write_journey import SAME_DAY, Group, Journey

LEAST_RANK = 0.03
NOTABLE = 0.1  # of all groups together: weaker ties move no figure of a forecast
MOST_RANK = 0.95
MOST_TOGETHER = 30  # groups whose conversions are tied pair by pair
LEAST_EIGENVALUE = 1e-3
Names = Mapping[str, tuple[str, ...]]
Pair = tuple[str, str, float]


def write_correlation(page: Page, journey: Journey, channels: Names) -> None:
    """Write how the conversions and mean lags that are not known hang together."""
    pairs = []
    for stage in journey.stages:
        pairs += _pairs(journey, stage, channels)
        pairs += _groups_together(journey, stage, channels)
    if not pairs:
        return
    page.comment(
        "What is not known hangs together. Where items are still open, a higher conversion goes "
        "with a longer lag; and what makes conversions differ from month to month makes groups "
        "differ together."
    )
    page.add("correlation:")
    for one, other, rank in possible(pairs):
        page.add(f"  - {{between: [{one}, {other}], rank: {rank:.2f}}}")
    page.add()


def _pairs(journey: Journey, stage: str, channels: Names) -> list[Pair]:
    base = journey.of(stage)
    onward = [to for to in base if to != LOST]
    groups = journey.written_groups(stage)
    found = []
    for to in onward:
        way, all_n = base[to], max(base[to].conversion.n, 1)
        lag = _lag_path(way) if abs(way.correlation) >= NOTABLE or not groups else ()
        root = ("journey", stage)
        own_n = 0
        for group in groups:
            part = journey.of(stage, group).get(to)
            if part is None:
                continue
            names = _names(group, channels)
            own_n += part.conversion.n
            own_lag = _lag_path(part)
            for name in names:
                above = (f"{group[0]}s", name, *root)
                if own_lag and part.lag != way.lag:
                    rank = part.correlation
                    found.append((*_paths(above, above, to, part, own_lag, len(onward)), rank))
                elif lag:
                    weight = part.conversion.n / all_n / len(names)
                    rank = way.correlation * math.sqrt(max(0.0, min(1.0, weight)))
                    found.append((*_paths(above, root, to, part, lag, len(onward)), rank))
        left = 1.0 - own_n / all_n
        if lag and left > 0.01:
            rank = way.correlation * math.sqrt(left)
            found.append((*_paths(root, root, to, way, lag, len(onward)), rank))
    return [
        (one, other, max(-MOST_RANK, min(MOST_RANK, rank)))
        for one, other, rank in found
        if one and abs(rank) >= LEAST_RANK
    ]


def _paths(
    of: Group, lag_of: Group, to: str, way: WayFit, lag: Group, ways: int
) -> tuple[str, str]:
    """The paths of a conversion and of a lag's mean; blank where the conversion is certain."""
    if way.won <= 0 or way.lost <= 0:
        return "", ""
    mine = (*of, "dirichlet", to) if ways > 1 else (*of, to, "conversion")
    return path_of(*mine), path_of(*lag_of, to, *lag)


def _lag_path(way: WayFit) -> Group:
    lag = way.lag
    if lag is None or lag.family == "values" or lag.mean_days.value < SAME_DAY:
        return ()
    return ("lag", lag.family, "mean") if spread_of(lag.mean_days) >= LEAST_CV else ()


def _names(group: Group, channels: Names) -> tuple[str, ...]:
    return channels.get(group[1], ()) if group[0] == "channel" else (group[1],)


def _groups_together(journey: Journey, stage: str, channels: Names) -> list[Pair]:
    """Tie the conversions of groups, as far as what is not known of them is one thing.

    A conversion's squared cv is that of its cases and one that all groups share (their months
    differ, their lag is not known), so two of them correlate by shared / (cv x cv).
    """
    base = journey.of(stage)
    onward = [to for to in base if to != LOST]
    groups = journey.written_groups(stage)
    if not 2 <= len(groups) <= MOST_TOGETHER:
        return []
    found: list[Pair] = []
    for to in onward:
        shared = _shared(base[to])
        known = []
        for group in groups:
            part = journey.of(stage, group).get(to)
            for name in _names(group, channels) if part else ():
                assert part is not None
                above = (f"{group[0]}s", name, "journey", stage)
                path, _ = _paths(above, above, to, part, (), len(onward))
                known.append((path, _squared_cv(part)))
        for (one, a), (other, b) in itertools.combinations(known, 2):
            rho = min(shared / math.sqrt(a * b), 0.99) if a * b > 0 else 0.0
            rank = 6.0 / math.pi * math.asin(rho / 2.0)
            if one and other and rank >= max(LEAST_RANK, NOTABLE / (len(known) - 1)):
                found.append((one, other, min(rank, MOST_RANK)))
    return found


def _squared_cv(way: WayFit) -> float:
    """Of the beta distribution that says how well a conversion is known."""
    total = way.won + way.lost
    return way.lost / (way.won * (total + 1.0)) if way.won > 0 else 0.0


def _shared(way: WayFit) -> float:
    """What is not known of a conversion beyond the chance of its cases, as a squared cv."""
    share = way.conversion.value
    if not 0.0 < share < 1.0:
        return 0.0
    return max(_squared_cv(way) - (1.0 - share) / (share * (way.conversion.n + 1.0)), 0.0)


def possible(pairs: Sequence[Pair]) -> list[Pair]:
    """Weaken correlations, all by the same factor, until they are possible together."""
    names = {name: i for i, name in enumerate(dict.fromkeys(n for p in pairs for n in p[:2]))}
    matrix = np.zeros((len(names), len(names)))
    for one, other, rank in pairs:
        matrix[names[one], names[other]] += 2.0 * math.sin(math.pi * rank / 6.0)
    matrix += matrix.T
    least = float(np.linalg.eigvalsh(matrix).min()) if len(names) else 0.0
    factor = min(1.0, (1.0 - LEAST_EIGENVALUE) / -least) if least < 0 else 1.0
    # Ranks are a little less than proportional to correlations; two digits are rounded down.
    if factor < 1.0:
        factor = 0.97 * factor
    return [(one, other, math.trunc(100 * factor * rank) / 100) for one, other, rank in pairs]
