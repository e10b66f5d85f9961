"""The archive of kept forecasts: each one file for good, with all that is needed to make it again.

A forecast stands at ``SCENARIO/AS-OF/KEY.nc``. The files are the truth; the small ``KEY.json``
beside each, with its summary, is made again from it whenever it is missing or wrong.
"""

from __future__ import annotations

import datetime as dt
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from forecast.analysis.summary import summarize
from forecast.engine.outcome import Outcome
from forecast.engine.request import RequestError
from forecast.engine.run import Progress, forecast_run
from forecast.engine.store import OutputError
from forecast.operate.draft import Draft, read_attributes
from forecast.operate.kept import (
    SUMMARY,
    Document,
    Kept,
    NoForecast,
    Work,
    beside_text,
    kept_from,
    placed,
    read_beside,
)
from forecast.operate.naming import DATE, KEY, slug_of
from forecast.operate.places import Place, open_place
from forecast.operate.totals import read_totals
from forecast.scenario.model import Scenario
from forecast.scenario.nodes import nodes_of
from forecast.scenario.reader import build_scenario

if TYPE_CHECKING:
    import numpy as np
    import xarray
    from numpy.typing import NDArray

Faults = list[str]


@dataclass(frozen=True)
class Listing:
    """Kept forecasts, the newest first, and what else there is, one line each."""

    forecasts: tuple[Kept, ...]
    faults: tuple[str, ...]


class UnsoundError(Exception):
    """A forecast whose means are not what closed forms say; it is not kept."""

    exit_code = 1


class Archive:
    """A folder, or an fsspec address, of kept forecasts."""

    def __init__(self, where: str | Path) -> None:
        self.place: Place = open_place(where)

    def keep(
        self,
        work: Work,
        extra: Mapping[str, Any] | None = None,
        progress: Progress | None = None,
    ) -> Kept:
        """Forecast and keep it, unless the same work is kept already: then nothing is done.

        ``extra`` are attributes of the file beside those of every result: texts and numbers as they
        are, anything else as JSON. Raises ``OutputError`` where it cannot be written,
        ``UnsoundError``, and what ``forecast_run`` raises.
        """
        known = self.find_work(work)
        if known is not None:
            return known
        draft = Draft(self.place.part(work.key), self.place.address())
        try:
            outcome = forecast_run(
                work.scenario, runs=work.runs, seed=work.seed, detail=work.detail,
                output=draft.open, progress=progress,
            )  # fmt: skip
            summary = json.dumps(_sound(summarize(outcome), outcome), allow_nan=False)
            own = {"key": work.key, SUMMARY: summary}
            attributes = draft.finish({**_plain(extra or {}), **own})
            kept = kept_from(attributes, draft.part.stat().st_size)
            new = self.place.commit(draft.part, f"{work.stem}.nc")
        finally:
            draft.discard()
        if not new:  # another writer was quicker
            return self._kept(work.stem, kept.bytes, has_small=False)
        return replace(self._described(kept, work.stem, summary.encode()), new=True)

    def take(self, stem: str, part: Path) -> Kept:
        """Keep a finished file that was written elsewhere; raises ``NoForecast``."""
        attributes = read_attributes(part)
        kept = kept_from(attributes, part.stat().st_size)
        if not self.place.commit(part, f"{stem}.nc"):
            return self._kept(stem, kept.bytes, has_small=False)
        return replace(self._described(kept, stem, attributes[SUMMARY].encode()), new=True)

    def find_work(self, work: Work) -> Kept | None:
        """Find the forecast of some work; a torn file in its place is moved aside."""
        size = self.place.size(f"{work.stem}.nc")
        if size is None:
            return None
        try:
            return self._kept(work.stem, size)
        except NoForecast:
            self._set_aside(f"{work.stem}.nc")
            return None

    def list(
        self,
        scenario: str | None = None,
        since: dt.date | None = None,
        until: dt.date | None = None,
    ) -> Listing:
        """List forecasts, the newest as-of date first and of one date the latest made first.

        ``scenario`` is a name, or the name of its folder; both days are included. What is torn or
        foreign is told in ``faults``.
        """
        found: list[Kept] = []
        faults: list[str] = []
        for stem, kept in self._all(faults):
            by_name = scenario in (None, kept.scenario, stem.partition("/")[0])
            if by_name and (since or kept.day) <= kept.day <= (until or kept.day):
                found.append(kept)
        found.sort(key=lambda kept: (kept.as_of, kept.created, kept.key), reverse=True)
        return Listing(tuple(found), tuple(faults))

    def newest(self, scenario: str, until: dt.date | None = None) -> Kept | None:
        """Give the newest forecast of a scenario, known until a day or before; None for none."""
        return next(iter(self.list(scenario, until=until).forecasts), None)

    def find(self, key: str) -> Kept:
        """Give the forecast of a key or of its first characters; raises ``RequestError``."""
        every = self.list().forecasts
        found = [kept for kept in every if key and kept.key.startswith(key)]
        if len(found) != 1:
            must = "the beginning of one kept forecast's key"
            mend = "See forecast history for the keys that are there."
            got = f"{key}, of which there are {len(found)}" if found else key
            raise RequestError(f"key: got {got}; must be {must}. {mend}")
        return found[0]

    def summary(self, kept: Kept) -> Document:
        """Give the document of ``forecast run --json`` that was kept."""
        try:
            _, text = read_beside(self.place.read(f"{kept.stem}.json"))
        except (OSError, NoForecast):
            with self.place.local(f"{kept.stem}.nc") as path:
                text = read_attributes(path)[SUMMARY]
        document: Document = json.loads(text)
        return document

    def attributes(self, kept: Kept) -> dict[str, Any]:
        """Give all attributes of a kept file, those of its maker too."""
        with self.place.local(f"{kept.stem}.nc") as path:
            return read_attributes(path)

    def read(self, kept: Kept) -> xarray.Dataset:
        """Read all that is kept of a forecast, every run."""
        import xarray

        with (
            self.place.local(f"{kept.stem}.nc") as path,
            xarray.open_dataset(path, engine="h5netcdf") as data,
        ):
            return data.load()

    def totals(self, kept: Kept, metrics: Sequence[str]) -> dict[str, NDArray[np.float64]]:
        """Read totals (run, quarter) by metric: a variable, or a stage's name."""
        with self.place.local(f"{kept.stem}.nc") as path:
            return read_totals(path, metrics)

    def scenario(self, kept: Kept) -> Scenario:
        """Read the scenario that a forecast is of, from what was kept."""
        text = str(self.attributes(kept)["scenario"])
        return build_scenario(nodes_of(text, kept.path))

    def delete(self, kept: Kept) -> None:
        """Delete a forecast; one that is half deleted does not count as kept."""
        first, last = (".nc", ".json") if self.place.sure else (".json", ".nc")
        self.place.delete(kept.stem + first)
        self.place.delete(kept.stem + last)

    def _all(self, faults: Faults) -> Iterator[tuple[str, Kept]]:
        """Give all forecasts; tell of what is none."""
        sizes = {entry.name: entry.bytes for entry in self.place.entries()}
        small = self.place.read_all([name for name in sizes if name.endswith(".json")])
        for name, size in sizes.items():
            stem, dot, suffix = name.rpartition(".")
            where = self.place.address(name)
            if not _is_ours(stem) or dot + suffix not in (".nc", ".json"):
                faults.append(f"{where}: not a file of the archive; left alone.")
            elif suffix == "nc":
                try:
                    beside = f"{stem}.json"
                    yield stem, self._kept(stem, size, beside in sizes, small.get(beside))
                except NoForecast as error:
                    faults.append(f"{where}: {error}; left alone.")
                except OSError as error:
                    faults.append(f"{where}: cannot be read ({error.strerror or error}).")
            elif f"{stem}.nc" not in sizes:
                faults.append(f"{where}: its forecast is not there; left alone.")

    def _kept(
        self, stem: str, size: int, has_small: bool = True, small: bytes | None = None
    ) -> Kept:
        """Describe a forecast by its small file, or by itself; raises ``NoForecast``."""
        if has_small:
            try:
                kept, _ = read_beside(small or self.place.read(f"{stem}.json"))
                if kept.bytes == size and stem.endswith(kept.key):
                    return placed(kept, stem, self.place.address(f"{stem}.nc"))
            except (OSError, NoForecast):
                pass
        with self.place.local(f"{stem}.nc") as path:
            attributes = read_attributes(path)
        kept = kept_from(attributes, size)
        if not stem.endswith(f"/{kept.as_of}/{kept.key}"):
            raise NoForecast("a forecast of another key or date")
        return self._described(kept, stem, str(attributes[SUMMARY]).encode())

    def _described(self, kept: Kept, stem: str, summary: bytes) -> Kept:
        """Write the small file beside; on a disk it may fail, for it can be made again."""
        try:
            self.place.write(f"{stem}.json", beside_text(kept, summary.decode()))
        except OutputError:
            if not self.place.sure:
                raise
        return placed(kept, stem, self.place.address(f"{stem}.nc"))

    def _set_aside(self, name: str) -> None:
        """Move a torn file out of the way of a whole one."""
        if self.place.sure:
            path = Path(self.place.address(name))
            try:
                os.replace(path, path.with_name(f"{path.name}.torn"))
            except OSError as error:
                reason = error.strerror or error
                raise OutputError(f"{path}: torn, and cannot be moved ({reason}).") from error


def _is_ours(stem: str) -> bool:
    parts = stem.split("/")
    return len(parts) == 3 and bool(DATE.fullmatch(parts[1]) and KEY.fullmatch(parts[2]))


def _plain(extra: Mapping[str, Any]) -> dict[str, str | int | float]:
    return {
        name: value if isinstance(value, str | int | float) else json.dumps(value)
        for name, value in extra.items()
    }


def _sound(document: Document, outcome: Outcome) -> Document:
    if outcome.check.passed:
        return document
    raise UnsoundError(
        f"Self-check failed: simulated and expected means differ ({outcome.check.where}). "
        "Nothing is kept; please report it."
    )


__all__ = ["Archive", "Kept", "Listing", "NoForecast", "UnsoundError", "Work", "slug_of"]
