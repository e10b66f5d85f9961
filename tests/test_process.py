"""The command in a process of its own: signals, pipes, a terminal, what it imports."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest
import rich.progress
from commands import FEW, LEAN, SAAS, invoke, start

from forecast.cli import screen

STUCK = """
import os, signal, sys, time
from pathlib import Path
from forecast.cli import interrupt
from forecast.engine.store import beside
interrupt.stop_at_once()
def stop_in_vain():
    try:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(1.0)
    except KeyboardInterrupt:
        time.sleep(20.0)
"""


def test_ctrl_c_stops_within_a_second_and_leaves_nothing(tmp_path: Path) -> None:
    invoke("run", SAAS, *FEW)  # compiles
    for wait in (0.5, 3.0):
        work = start("run", SAAS, "--runs", "20M", "--output", "out.nc", cwd=tmp_path)
        time.sleep(wait)
        assert work.poll() is None
        work.send_signal(signal.SIGINT)
        asked = time.monotonic()
        _, err = work.communicate(timeout=30)
        assert time.monotonic() - asked < 1.5  # a second, on a machine with nothing else to do
        assert work.returncode == 130
        assert b"Traceback" not in err
        assert err.split() == [b"Stopped."]
        assert list(tmp_path.iterdir()) == []


def test_a_reader_that_goes_away_is_no_error_to_speak_of(tmp_path: Path) -> None:
    work = start("run", SAAS, *FEW, "--json", cwd=tmp_path)
    assert work.stdout is not None
    assert work.stderr is not None
    work.stdout.close()
    assert work.stderr.read() == b""
    work.stderr.close()
    assert work.wait(timeout=60) in (0, 1)


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys\nfrom forecast.cli import cli\n"
        "try:\n    cli(['--help'])\nexcept SystemExit:\n    pass\n"
        "heavy = {'numpy', 'numba', 'scipy', 'xarray', 'rich', 'yaml'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_run_imports_no_statistics_package(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom forecast.cli import cli\n"
        f"try:\n    cli(['run', {LEAN!r}, '--runs', '100', '--quiet'])\n"
        "except SystemExit:\n    pass\n"
        "slow = {'scipy.stats', 'pandas'} & set(sys.modules)\n"
        "sys.exit(f'imported {slow}' if slow else 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def stuck(code: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run code in a process that stops at once, with a main thread that hears nothing."""
    return subprocess.run(
        [sys.executable, "-c", STUCK + code], cwd=folder, capture_output=True, text=True, timeout=30
    )


def test_only_ctrl_c_ends_the_command(tmp_path: Path) -> None:
    """Every signal with a handler in Python wakes the watch."""
    done = stuck(
        "signal.signal(signal.SIGUSR1, lambda *_: None)\n"
        "os.kill(os.getpid(), signal.SIGUSR1)\n"
        "time.sleep(1.0)\nprint('alive', flush=True)\n"
        "stop_in_vain()\nprint('deaf')\n",
        tmp_path,
    )
    assert (done.stdout, done.stderr) == ("alive\n", "Stopped.\n")
    assert done.returncode == 130


@pytest.mark.parametrize("name", ["a[1].nc", "a*.nc", "a.zarr"])
def test_what_is_half_written_goes_and_nothing_else(tmp_path: Path, name: str) -> None:
    done = stuck(
        f"part = beside(Path({name!r}))\n"
        "interrupt.unfinished(part)\n"
        "if part.suffix == '.zarr':\n    part.mkdir()\n    part /= 'zarr.json'\n"
        "part.touch()\n"
        f"Path(f'.{name}.{{os.getpid()}}.old').touch()\n"
        f"Path(f'.{name}x.{{os.getpid()}}.part.nc').touch()\n"
        "stop_in_vain()\n",
        tmp_path,
    )
    assert done.returncode == 130, done.stderr
    left = sorted(path.name for path in tmp_path.iterdir())
    assert [each.replace(name, "").lstrip(".x0123456789") for each in left] == ["old", "part.nc"]


def test_a_run_stopped_on_a_terminal_gives_the_cursor_back(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    code = (
        "from forecast.cli.screen import progress\n"
        "with progress(False):\n"
        "    time.sleep(1.5)\n"
        "    stop_in_vain()\n"
    )
    environment = {**os.environ, "TERM": "xterm"}
    command = [sys.executable, "-c", STUCK + code]
    work = subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=theirs)
    os.close(theirs)
    shown = b""
    with suppress(OSError):  # a terminal that nobody holds any more
        while more := os.read(ours, 4096):
            shown += more
    os.close(ours)
    assert work.wait(timeout=30) == 130
    assert 0 <= shown.rfind(b"\x1b[?25l") < shown.rfind(b"\x1b[?25h")
    assert shown.count(b"Stopped.") == 1


def test_a_bar_that_is_starting_is_awaited_before_it_is_stopped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told: list[str] = []
    starting = threading.Event()

    class Slow(rich.progress.Progress):
        def start(self) -> None:
            starting.set()
            time.sleep(0.3)
            told.append("started")

        def stop(self) -> None:
            told.append("stopped")

    monkeypatch.setattr(rich.progress, "Progress", Slow)
    monkeypatch.setattr(screen, "SHOW_AFTER_SECONDS", 0.0)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with screen.progress(False):
        assert starting.wait(10)
    assert told == ["started", "stopped"]
