"""One run at a time: a lock that goes when its holder goes, however that ends."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from forecast.engine.store import OutputError

LOCKED = 4
NAME = ".lock"


class Locked(Exception):
    """Another run holds the lock."""

    exit_code = LOCKED


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the lock of a folder.

    The system lets go of it when the process ends, killed or not, so none is ever left behind.
    Raises ``Locked``, and ``OutputError`` where the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder / NAME, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise OutputError(f"{folder}: cannot be written ({error.strerror}).") from None
    try:
        if not _take(handle):
            raise Locked(f"{folder}: another run is at work{_holder(handle)}. Wait for its end.")
        with suppress(OSError):  # who holds it is only told, and a full disk is told later
            os.ftruncate(handle, 0)
            since = datetime.now(UTC).isoformat(timespec="seconds")
            os.write(handle, json.dumps({"process": os.getpid(), "since": since}).encode())
        yield
    finally:
        os.close(handle)


def _take(handle: int) -> bool:
    if os.name == "nt":
        import msvcrt

        try:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
        except OSError:
            return False
        return True
    import fcntl

    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _holder(handle: int) -> str:
    try:
        told = json.loads(os.pread(handle, 1_000, 0))
        return f" (process {told['process']}, since {told['since']})"
    except (OSError, ValueError, KeyError, TypeError):
        return ""
