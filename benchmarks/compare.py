"""Measure and print comparisons: all, or some sections.

    python benchmarks/compare.py [SECTION ...] [--rounds N] [--write]

``--write`` puts the tables into RESULTS.md, each between its two markers, and draws the pictures.
Sections: speed, scaling, samplers, memory, start, accuracy, pipeline, capacity, questions.
"""

from __future__ import annotations

import argparse
import datetime as dt
import os
import platform
import re
from collections.abc import Callable, Iterable
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

from pictures import Picture
from tables import Table

RESULTS = Path(__file__).with_name("RESULTS.md")
SECTIONS = (
    "speed", "scaling", "samplers", "memory", "start", "accuracy", "pipeline", "capacity",
    "questions",
)  # fmt: skip


def main() -> None:
    """Measure the sections asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sections", nargs="*", metavar="SECTION", help="default: all of them")
    parser.add_argument("--rounds", type=int, default=5, help="counted repeats (default: 5)")
    parser.add_argument("--write", action="store_true", help="put the tables into RESULTS.md")
    asked = parser.parse_args()
    unknown = set(asked.sections) - set(SECTIONS)
    if unknown or asked.rounds < 1:
        parser.error(f"sections are {', '.join(SECTIONS)}; rounds 1 or more")
    for name in asked.sections or SECTIONS:
        where = machine()
        parts = list(measured(name, asked.rounds))
        text = "\n\n".join([where, *map(str, parts)])
        print(f"\n## {name}\n\n{text}", flush=True)
        if asked.write:
            RESULTS.write_text(replaced(RESULTS.read_text("utf-8"), name, text), "utf-8")
            for part in parts:
                if isinstance(part, Picture):
                    part.save()


def measured(name: str, rounds: int) -> Iterable[Table | Picture]:
    """Measure a section."""
    measure: Callable[[int], Iterable[Table | Picture]] = import_module(name).tables
    return measure(rounds)


def replaced(text: str, name: str, measured: str) -> str:
    """Put what was measured between the markers of a section.

    >>> replaced("a <!-- speed --> old <!-- end --> b", "speed", "new")
    'a <!-- speed -->\\nnew\\n<!-- end --> b'
    """
    between = re.compile(f"(<!-- {name} -->).*?(<!-- end -->)", re.DOTALL)
    found, count = between.subn(lambda m: f"{m[1]}\n{measured}\n{m[2]}", text)
    if count != 1:
        raise ValueError(f"RESULTS.md needs one <!-- {name} --> ... <!-- end -->, has {count}")
    return found


def machine() -> str:
    """Say in words when, on what and how busy."""
    packages = ", ".join(f"{name} {version(name)}" for name in ("numpy", "numba"))
    load = f"load {os.getloadavg()[0]:.1f} before" if hasattr(os, "getloadavg") else "load unknown"
    return (
        f"Measured {dt.date.today().isoformat()} on {os.cpu_count()} cores, {processor()}; "
        f"Python {platform.python_version()}, {packages}; {load}."
    )


def processor() -> str:
    """Name the processor and its family, as far as Linux tells."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    facts = dict(re.split(r"\s*: ?", line, maxsplit=1) for line in lines if ":" in line)
    if "model name" not in facts:
        return platform.machine()
    return f"{facts['model name']}, CPU family {facts.get('cpu family', '?')}"


if __name__ == "__main__":
    main()
