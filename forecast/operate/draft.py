"""A forecast file that is being written slice by slice, and hashed on the way."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forecast.engine.simulate import Simulator, Slice
from forecast.engine.store import NetCdf, attributes_in, told
from forecast.engine.variables import arrays_of, coordinates
from forecast.operate.kept import CONTENT_HASH, NoForecast

Attributes = dict[str, str | int | float]
ROWS_AT_ONCE = 20_000  # of a variable, while a file is hashed
CHUNK_ROOM = 64_000_000


class Digest:
    """Hashes the variables of a forecast, fed in any slices of runs in order."""

    def __init__(self) -> None:
        self._hashes: dict[str, Any] = {}

    def add(self, name: str, array: NDArray[Any]) -> None:
        """Add some runs of a variable."""
        if name not in self._hashes:
            self._hashes[name] = hashlib.sha256(f"{array.dtype.str} {array.shape[1:]}\n".encode())
        self._hashes[name].update(np.ascontiguousarray(array).data)

    def add_labels(self, name: str, labels: tuple[str, ...]) -> None:
        """Add the labels of a dim."""
        self._hashes[name] = hashlib.sha256(json.dumps(labels).encode())

    def variables(self) -> dict[str, str]:
        """Give the hash of each variable."""
        return {name: self._hashes[name].hexdigest() for name in sorted(self._hashes)}

    def content(self, attributes: Mapping[str, Any], of_variables: Mapping[str, Any]) -> str:
        """Hash all there is in a file, its attributes too."""
        known = {name: value for name, value in attributes.items() if name != CONTENT_HASH}
        whole = [known, of_variables, self.variables()]
        text = json.dumps(whole, sort_keys=True, default=_as_json)
        return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()


def _as_json(value: Any) -> Any:
    return value.tolist() if isinstance(value, np.generic | np.ndarray) else str(value)


class Digesting:
    """A sink that keeps nothing but the hashes."""

    def __init__(self) -> None:
        self.digest = Digest()

    @contextmanager
    def open(self, simulator: Simulator, runs: int, seed: int) -> Iterator[Digesting]:  # noqa: ARG002
        """Open for the runs of a simulator."""
        _begin(self.digest, simulator, runs)
        yield self

    def add(self, part: Slice) -> None:
        """Hash one slice."""
        for name, array in arrays_of(part.rows, part.assumptions).items():
            self.digest.add(name, array)

    def close(self) -> None:
        """End; there is nothing to do."""


class Draft(Digesting):
    """A forecast file at a temporary place; raises ``OutputError`` where it cannot be written."""

    def __init__(self, part: Path, told_as: str) -> None:
        super().__init__()
        self.part = part
        self._told_as = told_as
        self._file: NetCdf | None = None

    @contextmanager
    def open(self, simulator: Simulator, runs: int, seed: int) -> Iterator[Draft]:
        """Begin the file; it stays open until ``finish`` or ``discard``."""
        with told(self._told_as):
            self._file = NetCdf(self.part, simulator, runs, seed)
        _begin(self.digest, simulator, runs)
        yield self

    def add(self, part: Slice) -> None:
        """Write one slice."""
        assert self._file is not None
        with told(self._told_as):
            self._file.add(part)
        super().add(part)

    def finish(self, attributes: Mapping[str, str | int | float]) -> Attributes:
        """Write what is known at the end, and the hash of all; gives all attributes."""
        assert self._file is not None
        with told(self._told_as):
            self._file.describe(attributes)
            whole, of_variables = self._file.attributes()
            whole[CONTENT_HASH] = self.digest.content(whole, of_variables)
            self._file.describe({CONTENT_HASH: whole[CONTENT_HASH]})
            file, self._file = self._file, None
            file.close()
        return whole

    def discard(self) -> None:
        """Leave nothing of it."""
        if self._file is not None:
            with suppress(Exception):  # whatever is wrong has been told
                self._file.close()
            self._file = None
        with suppress(OSError):
            self.part.unlink(missing_ok=True)


def _begin(digest: Digest, simulator: Simulator, runs: int) -> None:
    """Hash what is known before the runs: their numbers, and the labels of the other dims."""
    digest.add("run", np.arange(runs, dtype=np.int64))
    labels = coordinates(simulator.blueprint.scenario) | {"path": tuple(simulator.draws.names)}
    for name, values in labels.items():
        digest.add_labels(name, tuple(values))


def read_attributes(path: Path) -> dict[str, Any]:
    """Read what a file says of itself; raises ``NoForecast`` for one that is not whole."""
    with opened(path) as file:
        return dict(file.attrs)


def hash_file(path: Path) -> tuple[dict[str, str], str]:
    """Hash a file's variables, and all its content.

    Raises ``NoForecast`` for one that is torn, or has another hash than it says.
    """
    digest = Digest()
    with opened(path) as file:
        for name, variable in file.variables.items():
            if variable.dtype.kind == "O" or variable.dtype == str:
                digest.add_labels(name, tuple(map(_text, variable[...])))
                continue
            row = max(1, variable.dtype.itemsize * int(np.prod(variable.shape[1:])))
            step = min(ROWS_AT_ONCE, max(1, CHUNK_ROOM // row))
            for first in range(0, max(variable.shape[0], 1), step):
                digest.add(name, np.asarray(variable[first : first + step]))
        attributes, of_variables = attributes_in(file)
    content = digest.content(attributes, of_variables)
    if attributes.get(CONTENT_HASH) != content:
        raise NoForecast("changed since it was kept: its hash is another one")
    return digest.variables(), content


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """Open a file; raises ``NoForecast`` for one that is not whole."""
    import h5netcdf

    try:
        with h5netcdf.File(path, "r") as file:
            yield file
    except OSError as error:
        if error.errno is not None:  # of the disk; HDF5 has no number for what is torn
            raise
        raise NoForecast("torn, or no forecast") from error
    except (KeyError, ValueError, RuntimeError, TypeError) as error:
        raise NoForecast("torn, or no forecast") from error
