"""Result files: written beside, slice by slice, and renamed when whole."""

from __future__ import annotations

import errno
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from forecast.engine.dataset import as_dataset, attributes
from forecast.engine.diskfile import DiskFile
from forecast.engine.simulate import Simulator, Slice
from forecast.engine.variables import PATH, arrays_of, attributes_of, coordinates, variables_of

SUFFIXES = (".nc", ".zarr")
CHUNK_BYTES = 4_000_000
DISK_FAILS = (errno.EIO, errno.ENOSPC, errno.EDQUOT)


class OutputError(Exception):
    """A result that cannot be written: what was asked, and how to mend it."""

    exit_code = 1


class Sink(Protocol):
    """Takes simulated slices in order."""

    def add(self, part: Slice) -> None:
        """Write one slice."""
        ...

    def close(self) -> None:
        """Finish writing."""
        ...


def check_output(path: Path) -> None:
    """Check that a result can be written there; raises ``OutputError``."""
    if path.suffix not in SUFFIXES:
        must = " or ".join(SUFFIXES)
        raise OutputError(f"{path}: got {path.suffix or 'no suffix'}; must end in {must}.")
    if path.suffix == ".nc" and path.is_dir():
        raise OutputError(f"{path}: got a folder; must be a file. Choose another name.")
    if path.suffix == ".zarr" and path.exists() and not _is_zarr(path):
        raise OutputError(f"{path}: is there and is no Zarr store. Choose another name.")
    folder = path.absolute().parent
    if not folder.is_dir():
        raise OutputError(f"{path}: the folder {folder} is not there. Create it first.")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise OutputError(f"{path}: the folder {folder} cannot be written to.")
    if path.suffix == ".zarr":
        try:
            import zarr  # noqa: F401
        except ImportError:
            mend = "Install it with pip install 'pipecast[zarr]', or write a .nc file."
            raise OutputError(f"{path}: needs the package zarr. {mend}") from None


def beside(path: Path) -> Path:
    """Where this process writes a result before it takes its name."""
    return path.with_name(f".{path.name}.{os.getpid()}.part{path.suffix}")


@contextmanager
def open_sink(path: Path, simulator: Simulator, runs: int, seed: int) -> Iterator[Sink]:
    """Open a result for writing; it takes its name only when all has been written.

    Raises ``OutputError``; whatever goes wrong, nothing half-written is left.
    """
    check_output(path)
    with replacing(path) as part:
        with told(path):
            kind = NetCdf if path.suffix == ".nc" else _Zarr
            sink: Sink = kind(part, simulator, runs, seed)
        telling = _Telling(sink, path)
        try:
            yield telling
        finally:
            telling.close()


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a place beside, to be written; it takes its name when that is over.

    Raises ``OutputError``; whatever goes wrong, nothing half-written is left.
    """
    part = beside(path)
    try:
        yield part
        with told(path):
            sync(part)
            _take_place(part, path)
            sync(path.absolute().parent)
    finally:
        _remove(part)


@contextmanager
def told(path: Path | str) -> Iterator[None]:
    """Turn an error of the disk into a person's words."""
    try:
        yield
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({reason_of(error)}).") from error


def reason_of(error: OSError) -> str:
    """Say in the system's few words what went wrong; HDF5 has the number inside its own many."""
    number = error.errno or next(iter(re.findall(r"errno = (\d+)", str(error))), None)
    if number is not None:
        return os.strerror(int(number))
    return " ".join((error.strerror or str(error)).split())


class _Telling:
    """A sink whose errors of the disk are told in a person's words."""

    def __init__(self, sink: Sink, path: Path) -> None:
        self._sink, self._path = sink, path

    def add(self, part: Slice) -> None:
        """Write one slice."""
        with told(self._path):
            self._sink.add(part)

    def close(self) -> None:
        """Finish writing."""
        with told(self._path):
            self._sink.close()


class NetCdf:
    """A NetCDF file with its whole shape laid out first."""

    def __init__(self, path: Path, simulator: Simulator, runs: int, seed: int) -> None:
        import h5netcdf

        self._disk = DiskFile(path)
        try:
            self._file = h5netcdf.File(self._disk, "w")
        except BaseException:
            self._disk.close()
            raise
        try:
            self._lay_out(simulator, runs)
            attrs = attributes(simulator, runs, seed)
            self._file.attrs.update(attrs | {"coordinates": "path"})
        except BaseException:
            self.close()
            raise

    def _lay_out(self, simulator: Simulator, runs: int) -> None:
        import h5py

        scenario, names = simulator.blueprint.scenario, simulator.draws.names
        self._chunk_runs = simulator.slice_runs()  # a chunk is written once, with its slice
        text = h5py.string_dtype()
        labels = coordinates(scenario)
        sizes = {"run": runs, "assumption": len(names)}
        sizes |= {dim: len(values) for dim, values in labels.items()}
        self._file.dimensions = sizes
        self._make("run", ("run",), "int64", sizes, {})[:] = np.arange(runs)
        for dim, values in labels.items():
            self._make(dim, (dim,), text, sizes, {})[:] = np.array(values, dtype=object)
        path = self._make("path", ("assumption",), text, sizes, {"long_name": PATH.meaning})
        if names:
            path[:] = np.array(names, dtype=object)
        for name, declared in variables_of(scenario, simulator.detail).items():
            attrs = attributes_of(name, scenario.currency)
            self._make(name, declared.dims, declared.dtype, sizes, attrs)

    def _make(
        self, name: str, dims: tuple[str, ...], dtype: Any, sizes: dict[str, int], attrs: Any
    ) -> Any:
        options: dict[str, Any] = {}
        if len(dims) > 1 and all(sizes[d] for d in dims):
            row = 8 * int(np.prod([sizes[d] for d in dims[1:]]))
            runs = max(1, min(sizes["run"], self._chunk_runs, CHUNK_BYTES // row))
            chunks = (runs, *(sizes[d] for d in dims[1:]))
            options = {
                "chunks": chunks,
                "compression": "gzip",
                "compression_opts": 1,
                "shuffle": True,
            }
        variable = self._file.create_variable(name, dims, dtype, **options)
        variable.attrs.update(attrs)
        return variable

    def add(self, part: Slice) -> None:
        """Write one slice."""
        count = len(part.assumptions)
        for name, array in arrays_of(part.rows, part.assumptions).items():
            if array.size:
                self._file.variables[name][part.first : part.first + count] = array
        self._disk.check()

    def describe(self, attrs: Mapping[str, str | int | float]) -> None:
        """Write more attributes of the whole file."""
        self._file.attrs.update(attrs)

    def attributes(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Give the attributes of the whole file, and those of each variable."""
        return attributes_in(self._file)

    def close(self) -> None:
        """Finish the file."""
        try:
            self._file.close()
            self._disk.check()
        finally:
            self._disk.close()


def attributes_in(file: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Give the attributes of an open NetCDF file, and those of each variable."""
    return dict(file.attrs), {name: dict(v.attrs) for name, v in file.variables.items()}


class _Zarr:
    """A Zarr store that slices are appended to."""

    def __init__(self, path: Path, simulator: Simulator, runs: int, seed: int) -> None:
        self._path, self._simulator = path, simulator
        self._attributes = attributes(simulator, runs, seed)

    def add(self, part: Slice) -> None:
        """Write one slice."""
        dataset = as_dataset(self._simulator, part, self._attributes)
        if part.first == 0:
            dataset.to_zarr(self._path, mode="w", zarr_format=2, consolidated=False)
        else:
            dataset.to_zarr(self._path, append_dim="run", zarr_format=2, consolidated=False)

    def close(self) -> None:
        """Gather the metadata in one place, where xarray looks for it first."""
        import zarr

        if self._path.exists():
            zarr.consolidate_metadata(str(self._path), zarr_format=2)


def _is_zarr(path: Path) -> bool:
    return (path / ".zgroup").exists() or (path / "zarr.json").exists()


def sync(path: Path) -> None:
    """Force a file, or a folder with all that is in it, onto the disk."""
    if not path.is_dir():
        with path.open("r+b") as file:
            os.fsync(file.fileno())
        return
    if path.suffix == ".zarr":
        for inside in path.rglob("*"):
            if inside.is_file():
                sync(inside)
    try:
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
    except OSError as error:
        if error.errno in DISK_FAILS:  # otherwise it is a system that cannot sync a folder
            raise


def _take_place(part: Path, path: Path) -> None:
    """Give a finished result its name; an older store comes back if that fails."""
    old = path.with_name(f".{path.name}.{os.getpid()}.old")
    try:
        if path.is_dir():
            os.replace(path, old)
        os.replace(part, path)
    except BaseException:
        if old.exists() and not path.exists():
            os.replace(old, path)
        raise
    finally:
        if path.exists():
            _remove(old)


def _remove(path: Path) -> None:
    with suppress(OSError):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
