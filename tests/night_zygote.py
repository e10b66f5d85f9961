"""A process that has all loaded and forks nightly forecasts, for tests that kill them.

Each line on its standard input is a task, each line on its standard output its exit code.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import random
import signal
import sys
import time
from pathlib import Path
from typing import Any

from forecast.operate import nightly as night
from forecast.operate.config import read_config
from forecast.operate.tell import Log


class Killing(Log):
    """Kills its process at the nth step."""

    def __init__(self, nth: int) -> None:
        super().__init__(quiet=True)
        self.left = nth

    def __call__(self, event: str, **more: Any) -> None:  # noqa: ARG002
        """Count the steps."""
        self.left -= 1
        if not self.left:
            os.kill(os.getpid(), signal.SIGKILL)


def forecast_once(task: dict[str, Any]) -> int:
    """Run a nightly forecast; gives the exit code of the command."""
    config = read_config(Path(task["config"]))
    try:
        as_of = dt.date.fromisoformat(task["as_of"])
        night.run_nightly(config, as_of=as_of, log=Killing(task.get("nth", 0)))
    except Exception as error:
        code = getattr(error, "exit_code", 99)
        if code == 99:
            print(repr(error), file=sys.stderr, flush=True)
        return int(code)
    return 0


def main() -> None:
    """Do each task in a fork; kill it after a time if so wished."""
    for line in sys.stdin:
        task = json.loads(line)
        process = os.fork()
        if not process:
            os._exit(forecast_once(task))
        if "kill_after" in task:
            time.sleep(random.Random(task["seed"]).uniform(0.0, task["kill_after"]))
            os.kill(process, signal.SIGKILL)
        print(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]), flush=True)


if __name__ == "__main__":
    main()
