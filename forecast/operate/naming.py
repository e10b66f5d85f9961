"""Names in an archive: folders of scenarios, keys of forecasts, files that are being written."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import re
import socket
import sys
import time
import unicodedata
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path

KEY = re.compile(r"[0-9a-f]{24}")
DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
LONGEST_SLUG = 60
FORBIDDEN = frozenset({"con", "prn", "aux", "nul"})  # no names of files on Windows
ABANDONED_SECONDS = 24 * 3600.0  # without a change, of a writer that cannot be asked
_PART = re.compile(r"([\w-]+)\.([0-9a-f]{12})\.(\d+)-(\d+)\.\d+\.part")
_count = itertools.count()


def slug_of(name: str) -> str:
    """Make the name of a scenario's folder: small letters, digits and hyphens, never empty.

    What is lost of the name is replaced by a few digits of its hash, so that names which differ in
    more than letter case, spaces and hyphens have folders of their own.

    >>> slug_of("Lean consulting"), slug_of("../../x")
    ('lean-consulting', 'x-9cdf6a')
    """
    plain = unicodedata.normalize("NFKD", name.casefold())
    slug = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:LONGEST_SLUG].strip("-")
    same = slug == re.sub(r"[ -]+", "-", name.casefold())
    if same and slug and slug not in FORBIDDEN and not re.fullmatch(r"(com|lpt)\d", slug):
        return slug
    digits = hashlib.sha256(name.encode(errors="surrogatepass")).hexdigest()[:6]
    return f"{slug}-{digits}" if slug else f"scenario-{digits}"


def key_of(work: Mapping[str, str | int]) -> str:
    """Hash what a forecast is made of: the same work has the same key."""
    text = json.dumps(dict(work), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def part_name(key: str) -> str:
    """Name a file that this process writes before it takes its name; no two are the same."""
    return f"{key}.{_place()}.{os.getpid()}-{_started(os.getpid())}.{next(_count)}.part"


def is_abandoned(path: Path) -> bool:
    """Tell whether the writer of an unfinished file is gone.

    A process of this machine can be asked; one of another machine (or container) counts as gone
    when the file has not changed for a day.
    """
    match = _PART.fullmatch(path.name)
    if match and match[2] == _place() and sys.platform != "win32":
        return not _is_alive(int(match[3]), match[4])
    with suppress(OSError):
        return time.time() - path.stat().st_mtime > ABANDONED_SECONDS
    return False


@cache
def _place() -> str:
    """Name where process ids mean the same: a machine since it was started, or a container."""
    said = [socket.gethostname()]
    with suppress(OSError):
        said.append(Path("/proc/sys/kernel/random/boot_id").read_text())
    with suppress(OSError):
        said.append(os.readlink("/proc/self/ns/pid"))
    return hashlib.sha256("\n".join(said).encode()).hexdigest()[:12]


def _started(process: int) -> str:
    """When a process began, so that a later one with its id is not taken for it; 0 if unknown."""
    try:
        stat = Path(f"/proc/{process}/stat").read_text(errors="replace")
    except OSError:
        return "0"
    state, *rest = stat.rpartition(")")[2].split()
    return "dead" if state in "ZX" else rest[18]


def _is_alive(process: int, started: str) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass  # it is another user's
    return started == "0" or _started(process) == started
