"""Ctrl-C ends the command within a second, even while compiled code is made or at work."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import sys
import threading
from contextlib import suppress
from pathlib import Path
from types import FrameType, TracebackType
from typing import NoReturn

PATIENCE_SECONDS = 0.4
INTERRUPTED = 130

SHOW_CURSOR = b"\x1b[?25h"  # a progress bar hides it
STANDARD_ERROR = 2

_unfinished: list[Path] = []
_told = threading.Event()


def stop_at_once() -> None:
    """From now on Ctrl-C raises KeyboardInterrupt and, if that does not end us in time, ends us.

    Python tells the main thread of a signal only between its own steps, which may be seconds
    apart; a watching thread hears of it at once.
    """
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)
    signal.signal(signal.SIGINT, _interrupt)
    sys.unraisablehook = _unraisable
    sys.excepthook = _uncaught
    threading.Thread(target=_watch, args=(ours, theirs), daemon=True).start()


def unfinished(path: Path) -> None:
    """Name a file or folder that must not stay if the command is stopped."""
    _unfinished.append(path)


def tell() -> int:
    """Say that the command was stopped, once; gives the exit code."""
    if not _told.is_set():
        _told.set()
        sys.stderr.write("Stopped.\n")
        sys.stderr.flush()
    return INTERRUPTED


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:  # noqa: ARG001
    raise KeyboardInterrupt


def _unraisable(lost: sys.UnraisableHookArgs) -> None:
    """Python could not raise KeyboardInterrupt where it was: say nothing, the watch will end us."""
    if not issubclass(lost.exc_type, KeyboardInterrupt):
        sys.__unraisablehook__(lost)


def _uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """The same of compiled code that prints what it lost (h5py does where it lets go of things)."""
    if not issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)


def _watch(ours: socket.socket, theirs: socket.socket) -> None:  # noqa: ARG001
    """Wait for Ctrl-C, then give the main thread a moment to leave in good order."""
    while ours.recv(1)[0] != signal.SIGINT:
        pass  # every signal that has a handler in Python comes by here
    threading.Event().wait(PATIENCE_SECONDS)
    for path in _unfinished:
        with suppress(OSError):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    if os.isatty(STANDARD_ERROR):
        os.write(STANDARD_ERROR, SHOW_CURSOR)
    tell()
    os._exit(INTERRUPTED)
