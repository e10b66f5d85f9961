"""A fit as plain values, for JSON."""

from __future__ import annotations

import dataclasses
import datetime as dt
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from forecast.history.fitting.fit import Fit


def fit_document(fit: Fit) -> dict[str, Any]:
    """Give the estimates of a fit as mappings, lists, numbers and text."""
    return {
        "as_of": fit.as_of.isoformat(),
        "items": fit.items,
        "won": fit.won,
        "open": len(fit.open_items),
        "arrivals": _plain(fit.arrivals),
        "ways": _plain(fit.ways),
        "sizes": _plain(fit.sizes),
        "segments": _plain(fit.segments),
        "closing": _plain(fit.clock),
        "gaps": _plain(fit.gaps),
        "throughput": _plain(fit.throughput),
        "stale_after_days": fit.stale_after_days,
        "notes": list(fit.notes),
    }


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: _plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, dt.date):
        return value.isoformat()
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    return value
