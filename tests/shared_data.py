"""Where real data stands, if it does: never part of the project, for its licences forbid it."""

import os
from pathlib import Path

import pytest

HOME = Path(__file__).resolve().parents[2] / "shared" / "data"
SHARED = Path(os.environ.get("FORECAST_SHARED_DATA", HOME))


def real(name):
    """Give the path of a real data set, or skip the test where it is not there."""
    path = SHARED / name
    if not path.exists():
        pytest.skip(f"needs {name} of the real data, which is not part of the project")
    return path
