"""Tell of a nightly forecast: lines of JSON on stderr, and a webhook."""

from __future__ import annotations

import json
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TextIO

from forecast.operate.config import Webhook

FIRST_PAUSE_SECONDS = 1.0  # doubled after each try
AGAIN = (408, 425, 429)  # answers that may be others later, as are those from 500 on


class NotTold(Exception):
    """The webhook did not take the summary; the forecast is kept all the same."""

    exit_code = 1


class Log:
    """Writes one JSON document a line."""

    def __init__(self, to: TextIO | None = None, quiet: bool = False) -> None:
        self._to, self._quiet = to, quiet

    def __call__(self, event: str, **more: Any) -> None:
        """Write what happened, with the time."""
        if self._quiet:
            return
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        line = json.dumps({"time": now, "event": event, **more}, default=str, allow_nan=False)
        print(line, file=self._to or sys.stderr, flush=True)


def post(
    webhook: Webhook,
    document: dict[str, Any],
    log: Log,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Post a document; tries again where that may help. Raises ``NotTold``."""
    body = json.dumps(document, allow_nan=False).encode()
    pause, said = FIRST_PAUSE_SECONDS, ""
    for attempt in range(1, webhook.tries + 1):
        said, again = _tried(webhook, body)
        if not said:
            log("told", attempt=attempt)
            return
        log("not told", attempt=attempt, why=said)
        if not again or attempt == webhook.tries:
            break
        sleep(pause)
        pause *= 2
    raise NotTold(f"webhook: {said}. The forecast is kept; the next run tells of it again.")


def _tried(webhook: Webhook, body: bytes) -> tuple[str, bool]:
    """Post once; says what went wrong, if anything, and whether to try again."""
    head = {"Content-Type": "application/json"}
    request = urllib.request.Request(webhook.url, body, head, method="POST")
    try:
        with urllib.request.urlopen(request, timeout=webhook.timeout_seconds) as answer:
            answer.read(1)
    except urllib.error.HTTPError as error:
        error.close()
        return f"answered {error.code}", error.code >= 500 or error.code in AGAIN
    except (OSError, ValueError) as error:  # no connection, no answer in time, no such name
        reason = getattr(error, "reason", error)
        said = getattr(reason, "strerror", None) or str(reason)
        return str(said) or type(error).__name__, True
    return "", False
