"""Where an archive is: a folder of this machine's file system, or any that fsspec knows."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from forecast.engine.store import OutputError, sync, told
from forecast.operate.naming import is_abandoned, part_name

UNFINISHED = ".unfinished"
OBJECTS = frozenset({"s3", "gs", "gcs", "abfs", "az", "oss", "oci"})  # stores without folders
NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)


class Entry(NamedTuple):
    """A file of an archive, and its size in bytes."""

    name: str  # with slashes, as seen from the archive
    bytes: int


class Place(Protocol):
    """What an archive needs of where it is. Names have slashes, whatever the system."""

    sure: bool  # a file that is there is whole; else it counts once its small file is there

    def address(self, name: str = "") -> str:
        """Say where something is."""
        ...

    def is_there(self) -> bool:
        """Tell whether there is an archive, or a place for one."""
        ...

    def entries(self) -> Iterator[Entry]:
        """List all files but hidden ones."""
        ...

    def size(self, name: str) -> int | None:
        """Give a file's size; None where there is none."""
        ...

    def read(self, name: str) -> bytes:
        """Read a small file; raises ``OSError``."""
        ...

    def read_all(self, names: Sequence[str]) -> Mapping[str, bytes]:
        """Read small files at once where that is quicker than one by one; those it could read."""
        ...

    def local(self, name: str) -> AbstractContextManager[Path]:
        """Give a file's path on this machine; raises ``OSError``."""
        ...

    def part(self, key: str) -> Path:
        """Name a new file of this machine for what is to be kept; raises ``OutputError``."""
        ...

    def commit(self, part: Path, name: str) -> bool:
        """Give a finished file its name for good; False where there was one already."""
        ...

    def write(self, name: str, data: bytes) -> None:
        """Write a small file in one step, in the place of an older one; raises ``OutputError``."""
        ...

    def delete(self, name: str) -> None:
        """Delete a file; raises ``OutputError``."""
        ...


def open_place(where: str | Path) -> Place:
    """Open a folder, or an address such as ``s3://bucket/folder``; raises ``OutputError``."""
    text = os.fspath(where)
    scheme, found, rest = text.partition("://")
    if found and scheme == "file":
        return Folder(Path(rest))
    if found and scheme.isalnum():
        return Remote(text)
    return Folder(Path(text))


class Folder:
    """A folder of the file system: files are written beside, synced, and linked to their names."""

    sure = True

    def __init__(self, root: Path) -> None:
        self._root = root

    def address(self, name: str = "") -> str:
        """Say where something is; see ``Place``."""
        return str(self._root / name)

    def is_there(self) -> bool:
        """Tell whether the folder is there."""
        return self._root.is_dir()

    def entries(self) -> Iterator[Entry]:
        """List all files but hidden ones; see ``Place``."""
        yield from _entries(self._root, "")

    def size(self, name: str) -> int | None:
        """Give a file's size; see ``Place``."""
        try:
            return (self._root / name).stat().st_size
        except (FileNotFoundError, NotADirectoryError):
            return None

    def read(self, name: str) -> bytes:
        """Read a small file; see ``Place``."""
        return (self._root / name).read_bytes()

    def read_all(self, names: Sequence[str]) -> Mapping[str, bytes]:  # noqa: ARG002
        """Read none: one by one is as quick."""
        return {}

    @contextmanager
    def local(self, name: str) -> Iterator[Path]:
        """Give a file's path; see ``Place``."""
        yield self._root / name

    def part(self, key: str) -> Path:
        """Name a new unfinished file, once those of writers that are gone are cleaned away."""
        folder = self._root / UNFINISHED
        with told(self.address()):
            _make_folders(folder)
        self.clean()
        return folder / part_name(key)

    def clean(self) -> None:
        """Clean away what writers that are gone left unfinished."""
        with suppress(OSError):
            for path in list((self._root / UNFINISHED).iterdir()):
                if is_abandoned(path):
                    path.unlink(missing_ok=True)

    def commit(self, part: Path, name: str) -> bool:
        """Sync a finished file and link it to its name, never over another one."""
        path = self._root / name
        with told(path):
            sync(part)
            _make_folders(path.parent)
            new = _linked(part, path)
            sync(path.parent)
            with suppress(OSError):  # the next writer cleans it away
                part.unlink(missing_ok=True)
        return new

    def write(self, name: str, data: bytes) -> None:
        """Write a small file beside and rename it; see ``Place``."""
        path = self._root / name
        with told(path):
            folder = self._root / UNFINISHED
            _make_folders(folder)
            part = folder / part_name(path.name.partition(".")[0])
            try:
                with part.open("xb") as file:
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
                _make_folders(path.parent)
                os.replace(part, path)
            finally:
                part.unlink(missing_ok=True)

    def delete(self, name: str) -> None:
        """Delete a file, and the folders that are empty without it."""
        path = self._root / name
        with told(path):
            path.unlink(missing_ok=True)
        with suppress(OSError):
            path.parent.rmdir()
            path.parent.parent.rmdir()


def _entries(folder: Path, prefix: str) -> Iterator[Entry]:
    try:
        with os.scandir(folder) as found:
            ordered = sorted(found, key=lambda each: each.name)
    except FileNotFoundError:
        return  # nothing is kept yet, or it was pruned meanwhile
    for each in ordered:
        if each.name.startswith("."):
            continue
        name = f"{prefix}{each.name}"
        try:
            if each.is_dir():
                yield from _entries(Path(each.path), f"{name}/")
            else:
                yield Entry(name, each.stat().st_size)
        except FileNotFoundError:
            continue  # deleted meanwhile, or a link that leads nowhere
        except OSError:
            yield Entry(name, -1)  # to be told of


def _make_folders(folder: Path) -> None:
    """Make folders that last: each is synced into the one above."""
    missing = []
    at = folder
    while not at.is_dir():
        missing.append(at)
        at = at.parent
    for each in reversed(missing):
        each.mkdir(exist_ok=True)
        sync(each.parent)


def _linked(part: Path, path: Path) -> bool:
    try:
        os.link(part, path)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in NO_LINKS:
            raise
        if path.exists():
            return False
        os.rename(part, path)  # no links here: two at once have the same bits
    return True


class Remote:
    """A store that fsspec knows: whole objects, then a small one that says they are there."""

    sure = False

    def __init__(self, url: str) -> None:
        mend = "Install it with pip install 'pipecast[remote]', or name a folder."
        try:
            import fsspec

            self._files, self._root = fsspec.core.url_to_fs(url)
        except ImportError as error:
            missing = error.name or str(error)
            raise OutputError(f"{url}: needs the package {missing}. {mend}") from None
        except ValueError as error:
            raise OutputError(f"{url}: {' '.join(str(error).split())}.") from None
        self._root = self._root.rstrip("/")
        self._url = url.rstrip("/")

    def address(self, name: str = "") -> str:
        """Say where something is; see ``Place``."""
        return f"{self._url}/{name}" if name else self._url

    def is_there(self) -> bool:
        """Tell that there is a place; a store has folders only for what is in them."""
        return True

    def entries(self) -> Iterator[Entry]:
        """List all files but hidden ones; see ``Place``."""
        found: Any = {}
        with self._telling("", "read"), suppress(FileNotFoundError):
            self._files.invalidate_cache()
            found = self._files.find(self._root, detail=True)
        for path in sorted(found):
            name = path.removeprefix(self._root).lstrip("/")
            if not any(part.startswith(".") for part in name.split("/")):
                yield Entry(name, int(found[path].get("size") or 0))

    def size(self, name: str) -> int | None:
        """Give a file's size; see ``Place``."""
        with self._telling(name, "read"), suppress(FileNotFoundError):
            return int(self._files.info(self._at(name)).get("size") or 0)
        return None

    def read(self, name: str) -> bytes:
        """Read a small file; see ``Place``."""
        return bytes(self._files.cat_file(self._at(name)))

    def read_all(self, names: Sequence[str]) -> Mapping[str, bytes]:
        """Read small files at the same time; see ``Place``."""
        if not names:
            return {}
        with self._telling("", "read"):
            found = self._files.cat([self._at(name) for name in names], on_error="omit")
        return {path.removeprefix(self._root).lstrip("/"): data for path, data in found.items()}

    @contextmanager
    def local(self, name: str) -> Iterator[Path]:
        """Fetch a file for as long as it is needed; see ``Place``."""
        with tempfile.TemporaryDirectory(prefix="forecast-") as folder:
            path = Path(folder) / "forecast.nc"
            self._files.get_file(self._at(name), str(path))
            yield path

    def part(self, key: str) -> Path:
        """Name a new file in the folder of temporary files."""
        with told(tempfile.gettempdir()):
            handle, path = tempfile.mkstemp(prefix=f"forecast-{key}-", suffix=".part")
            os.close(handle)
        return Path(path)

    def commit(self, part: Path, name: str) -> bool:
        """Put a finished file as one object; an older one of the same key has the same bits."""
        with self._telling(name):
            self._make_folder(name)
            self._files.put_file(str(part), self._at(name))
        part.unlink(missing_ok=True)
        return True

    def write(self, name: str, data: bytes) -> None:
        """Put a small object; see ``Place``."""
        with self._telling(name):
            self._make_folder(name)
            self._files.pipe_file(self._at(name), data)

    def delete(self, name: str) -> None:
        """Delete an object; see ``Place``."""
        with self._telling(name), suppress(FileNotFoundError):
            self._files.rm_file(self._at(name))

    def _make_folder(self, name: str) -> None:
        """Make the folder of a file; a store of objects has none, and would make a bucket."""
        said = self._files.protocol
        if OBJECTS.isdisjoint([said] if isinstance(said, str) else said):
            self._files.makedirs(self._at(name).rpartition("/")[0], exist_ok=True)

    def _at(self, name: str) -> str:
        return f"{self._root}/{name}"

    @contextmanager
    def _telling(self, name: str, what: str = "written") -> Iterator[None]:
        """Turn whatever a store's package raises into a person's words."""
        try:
            yield
        except Exception as error:
            reason = " ".join(str(error).split()) or type(error).__name__
            raise OutputError(f"{self.address(name)}: cannot be {what} ({reason}).") from error
