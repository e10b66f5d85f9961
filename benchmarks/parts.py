"""Run the command in this very process and say what each part of it took; ``start.py`` starts it.

    python benchmarks/parts.py BEGUN ARGUMENTS

BEGUN is the ``time.perf_counter()`` at which the process was started. The last line printed is a
JSON object of seconds by part. A part's time is its own only: what it imports, loads or compiles
is counted there. So that nothing happens at the same time, the process keeps to one core.
"""

from __future__ import annotations

import time

ENTERED = time.perf_counter()

import contextlib  # noqa: E402
import importlib  # noqa: E402
import io  # noqa: E402
import json  # noqa: E402
import os  # noqa: E402
import sys  # noqa: E402
from collections.abc import Callable  # noqa: E402
from importlib import machinery  # noqa: E402
from typing import Any  # noqa: E402

REST = "the rest"
PYTHON = "Python itself"
# Which part a function belongs to, by its module, and looked up there.
STEPS = {
    "forecast.scenario.reader": {"read_scenario": "read"},
    "forecast.engine.run": {
        "ready": "plan",
        "simulate_totals": "simulate",
        "expectation": "closed forms",
        "check_means": "closed forms",
    },
    "forecast.analysis.summary": {"summarize": "summarise"},
    "forecast.cli.run_table": {"print_run": "print"},
}
PACKAGES = {name: name for name in ("click", "yaml", "numpy", "scipy", "numba", "rich", "forecast")}
PACKAGES |= {"llvmlite": "numba", "xarray": "xarray", "pandas": "xarray", "h5py": "h5py"}


class Clock:
    """Seconds by part; of nested parts the inner one's time is not the outer one's."""

    def __init__(self, begun: float) -> None:
        self.seconds: dict[str, float] = {PYTHON: ENTERED - begun}
        self._inside = [REST]
        self._since = ENTERED

    def enter(self, part: str) -> None:
        """Begin a part."""
        self._count()
        self._inside.append(part)

    def leave(self) -> None:
        """End the part begun last."""
        self._count()
        self._inside.pop()

    def _count(self) -> None:
        now = time.perf_counter()
        part = self._inside[-1]
        self.seconds[part] = self.seconds.get(part, 0.0) + now - self._since
        self._since = now

    def timed(self, function: Callable[..., Any], part: str) -> Callable[..., Any]:
        """Count a function's time as a part's."""

        def wrapped(*given: Any, **named: Any) -> Any:
            self.enter(part)
            try:
                return function(*given, **named)
            finally:
                self.leave()

        return wrapped


def watch_imports(clock: Clock) -> None:
    """Count the time of every module as its package's; then watch the functions inside."""
    source: Any = machinery.SourceFileLoader
    extension: Any = machinery.ExtensionFileLoader
    load, link, begin = source.exec_module, extension.create_module, extension.exec_module

    def loaded(loader: Any, module: Any) -> None:
        clock.timed(load, _import_of(module.__name__))(loader, module)
        for name, part in STEPS.get(module.__name__, {}).items():
            setattr(module, name, clock.timed(getattr(module, name), part))
        if module.__name__ == "numba.core.dispatcher":
            watch_kernel(clock, module.Dispatcher)

    def linked(loader: Any, spec: Any) -> Any:
        return clock.timed(link, _import_of(spec.name))(loader, spec)

    def begun(loader: Any, module: Any) -> None:
        clock.timed(begin, _import_of(module.__name__))(loader, module)

    source.exec_module = loaded
    extension.create_module = linked
    extension.exec_module = begun


def _import_of(module: str) -> str:
    package = module.split(".")[0]
    if module.startswith("forecast.engine.kernel"):
        return "import the kernel"
    return f"import {PACKAGES.get(package, 'others')}"


def watch_kernel(clock: Clock, dispatcher: Any) -> None:
    """Count what it takes to load or to compile each of the kernel's entries."""
    compile_one = dispatcher.compile

    def compiled(function: Any, signature: Any) -> Any:
        if not function.stats.cache_path:  # no entry: it is compiled as a part of one
            return compile_one(function, signature)
        name = f"kernel, {function.py_func.__name__}"
        return clock.timed(compile_one, name)(function, signature)

    dispatcher.compile = compiled


def main() -> None:
    """Run the command, what it prints dropped, and print the parts."""
    begun, *arguments = sys.argv[1:]
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    clock = Clock(float(begun))
    watch_imports(clock)
    with contextlib.redirect_stdout(io.StringIO()):
        cli = importlib.import_module("forecast.cli").cli
        try:
            cli.main(arguments)
        except SystemExit as end:
            if end.code:
                raise RuntimeError(f"the command failed with exit {end.code}") from None
    clock.enter(REST)
    print(json.dumps(clock.seconds))


if __name__ == "__main__":
    main()
