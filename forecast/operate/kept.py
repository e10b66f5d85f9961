"""A kept forecast, and the small file beside it that makes lists and summaries quick."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from functools import cached_property
from typing import Any

import forecast
from forecast.engine.request import JOURNEY
from forecast.operate.naming import key_of, slug_of
from forecast.scenario.model import Scenario

Document = dict[str, Any]
SUMMARY = "summary"  # the attribute with the document of ``forecast run --json``
CONTENT_HASH = "content_hash"


@dataclass(frozen=True)
class Work:
    """What is to be forecast: the same work gives the same bits."""

    scenario: Scenario
    runs: int
    seed: int = 0
    detail: str = JOURNEY

    @cached_property
    def key(self) -> str:
        """The hash of all that the bits depend on."""
        parts: dict[str, str | int] = {
            "scenario": self.scenario.text,
            "runs": int(self.runs),
            "seed": str(int(self.seed)),
            "detail": self.detail,
            "as_of": self.as_of,
            "version": forecast.__version__,
        }
        return key_of(parts)

    @property
    def as_of(self) -> str:
        """The last day that is known."""
        return self.scenario.calendar.as_of.isoformat()

    @property
    def stem(self) -> str:
        """Where it is kept, without the suffix."""
        return f"{slug_of(self.scenario.name)}/{self.as_of}/{self.key}"


@dataclass(frozen=True)
class Kept:
    """A kept forecast: what it is of, how it was made, and where it is.

    ``path`` is a person's; ``stem`` is inside the archive. ``seed`` is a whole number of any size.
    """

    key: str
    scenario: str
    as_of: str
    created: str
    runs: int
    seed: int
    detail: str
    version: str
    content_hash: str
    bytes: int
    stem: str = ""
    path: str = ""
    new: bool = field(default=False, compare=False)

    @property
    def day(self) -> dt.date:
        """The last day that was known."""
        return dt.date.fromisoformat(self.as_of)


class NoForecast(Exception):
    """A file that is no whole forecast: why."""


def kept_from(attributes: Mapping[str, Any], size: int) -> Kept:
    """Describe a forecast by the attributes of its file; raises ``NoForecast``."""
    try:
        return Kept(
            key=str(attributes["key"]),
            scenario=str(attributes["title"]),
            as_of=dt.date.fromisoformat(str(attributes["as_of"])).isoformat(),
            created=str(attributes["created"]),
            runs=int(attributes["runs"]),
            seed=int(attributes["seed"]),
            detail=str(attributes["detail"]),
            version=str(attributes["forecast_version"]),
            content_hash=str(attributes[CONTENT_HASH]),
            bytes=size,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise NoForecast("not a kept forecast") from error


_WRITTEN = [f.name for f in fields(Kept) if f.name not in ("stem", "path", "new")]


def beside_text(kept: Kept, summary: str) -> bytes:
    """Write the small file: a line that describes the forecast, a line with its summary."""
    known = {name: value for name, value in asdict(kept).items() if name in _WRITTEN}
    return f"{json.dumps(known)}\n{summary}\n".encode()


def read_beside(data: bytes) -> tuple[Kept, bytes]:
    """Read the small file as (forecast, text of its summary); raises ``NoForecast``."""
    head, _, summary = data.partition(b"\n")
    try:
        known = json.loads(head)
        kept = Kept(**{name: known[name] for name in _WRITTEN})
        if not summary.endswith(b"}\n") or not isinstance(kept.bytes, int):
            raise ValueError("cut off")
        dt.date.fromisoformat(kept.as_of)
    except (KeyError, TypeError, ValueError) as error:
        raise NoForecast("not whole") from error
    return kept, summary


def placed(kept: Kept, stem: str, path: str) -> Kept:
    """Say where a forecast is."""
    return replace(kept, stem=stem, path=path)
