"""A process that has all loaded and forks writers of an archive, for tests that kill them.

Each line on its standard input is a task, each line on its standard output what became of it.
"""

from __future__ import annotations

import json
import os
import random
import resource
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from forecast.engine import store
from forecast.operate.archive import Archive, Work
from forecast.operate.batch import run_batch
from forecast.operate.jobs import read_jobs
from forecast.operate.worker import Plan
from forecast.scenario.nodes import nodes_of
from forecast.scenario.reader import build_scenario

PLAN = """
name: Plan
start: 2027-01-01
horizon: 2 quarters
channels: {a: {leads: {mean: 9, per: month}}}
journey: {o: {won: {conversion: 50%, lag: 1 month}}}
"""
# What a writer does that a kill could come before or behind.
STEPS: dict[str, tuple[Any, str]] = {
    "make a folder": (os, "mkdir"),
    "create": (store.NetCdf, "__init__"),
    "write a slice": (store.NetCdf, "add"),
    "describe": (store.NetCdf, "describe"),
    "close": (store.NetCdf, "close"),
    "sync": (os, "fsync"),
    "link": (os, "link"),
    "unlink": (os, "unlink"),
    "rename": (os, "replace"),
}


def work(seed: int, runs: int = 40) -> Work:
    """A small forecast."""
    return Work(build_scenario(nodes_of(PLAN, "plan.yaml")), runs, seed)


def arm(step: str, nth: int, behind: bool, do: Callable[[], None]) -> None:
    """Do something at the nth time of a step, before or behind it."""
    owner, name = STEPS[step]
    real, times = getattr(owner, name), iter(range(1, 1_000_000))

    def armed(*given: Any, **named: Any) -> Any:
        now = next(times) == nth
        if now and not behind:
            do()
        try:
            return real(*given, **named)
        finally:
            if now and behind:
                do()

    setattr(owner, name, armed)


def write(task: dict[str, Any]) -> None:
    """Keep forecasts of some seeds, and note each one that is kept."""
    if task.get("step"):
        arm(task["step"], task["nth"], task["behind"], lambda: os.kill(os.getpid(), signal.SIGKILL))
    if task.get("most_bytes"):
        resource.setrlimit(resource.RLIMIT_FSIZE, (task["most_bytes"], resource.RLIM_INFINITY))
    if task.get("batch"):
        assert not run_batch(
            read_jobs([Path(task["batch"])]), Plan(task["folder"]), processes=1
        ).failed
    archive = Archive(task["folder"])
    for seed in task["seeds"]:
        kept = archive.keep(work(seed))
        with open(task["notes"], "a") as notes:
            notes.write(f"{kept.key}\n")


def writer(task: dict[str, Any]) -> int:
    """Fork a writer; gives its process id."""
    if process := os.fork():
        return process
    code, told = 0, ""
    try:
        write(task)
    except store.OutputError as error:
        code, told = 1, str(error)
    except BaseException as error:
        code, told = 99, repr(error)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
        Path(task["notes"]).with_suffix(".error").write_text(told)
    finally:
        os._exit(code)


def main() -> None:
    """Do each task: fork its writers, kill them if so wished, wait for all."""
    Archive("memory://warm").keep(work(0))
    for line in sys.stdin:
        tasks = json.loads(line)
        processes = [writer(task) for task in tasks]
        if "kill_after" in tasks[0]:
            time.sleep(random.Random(tasks[0]["kill_seed"]).uniform(0.0, tasks[0]["kill_after"]))
            for process in processes:
                os.kill(process, signal.SIGKILL)
        codes = [os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) for process in processes]
        print(json.dumps(codes), flush=True)


if __name__ == "__main__":
    main()
