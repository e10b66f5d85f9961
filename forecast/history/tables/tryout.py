"""Open a workbook in a process of its own first, with little memory: it may end that process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Final

from forecast.history.tables.files import refuse

MOST_MEMORY_BYTES: Final = 3_000_000_000
_MOST_SECONDS: Final = 120

# Errors that calamine raises are told later, in this process; a crash is told here.
_TRY: Final = """
import sys
import resource
most = int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_AS, (most, most))
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
from python_calamine import CalamineError, CalamineWorkbook
try:
    with open(sys.argv[1], "rb") as opened:
        workbook = CalamineWorkbook.from_filelike(opened)
        for name in workbook.sheet_names:
            workbook.get_sheet_by_name(name)
except (CalamineError, ValueError, OSError):
    pass
"""


def try_out(file: str, path: Path) -> None:
    """Refuse a workbook that cannot be opened within the limits.

    On Windows, which has no such limits, nothing is tried.
    """
    if sys.platform == "win32":
        return
    try:
        done = subprocess.run(
            [sys.executable, "-c", _TRY, str(path), str(MOST_MEMORY_BYTES)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            stdin=subprocess.DEVNULL,
            timeout=_MOST_SECONDS,
            check=False,
        )
        whole = done.returncode == 0
    except subprocess.TimeoutExpired:
        whole = False
    if not whole:
        got = f"a workbook that takes more than {MOST_MEMORY_BYTES:,} bytes or very long to open"
        mend = "Save the sheet that is needed as .xlsx or CSV UTF-8."
        refuse(file, got, "a workbook that can be read", mend)
