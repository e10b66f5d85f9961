"""Archives in stores of objects: no folders are made, and small files are read at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import pytest
from fsspec.implementations.memory import MemoryFileSystem
from helpers import scenario

from forecast.operate.archive import Archive, Work
from forecast.operate.places import Remote

PLAN = """
name: Plan
start: 2027-01-01
horizon: 1 quarter
channels: {web: {leads: {mean: 10, per: month}}}
journey: {o: {won: {conversion: 20%}}}
"""


class Bucket(MemoryFileSystem):
    """Such as s3fs: what makes a folder may make a bucket."""

    protocol = ("s3", "s3a")
    store: ClassVar[dict[str, Any]] = {}
    pseudo_dirs: ClassVar[list[str]] = [""]
    cachable = False

    def makedirs(self, path: str, **_: Any) -> None:
        """Refuse."""
        raise AssertionError(path)

    def put_file(self, lpath: str, rpath: str, **_: Any) -> None:
        """Put an object, wherever."""
        self.pipe_file(rpath, Path(lpath).read_bytes())


@pytest.fixture
def bucket() -> Archive:
    archive = Archive("memory://bucket/kept")
    assert isinstance(archive.place, Remote)
    Bucket.store.clear()
    archive.place._files = Bucket()
    return archive


def test_a_store_of_objects_is_never_asked_for_folders(bucket: Archive):
    kept = bucket.keep(Work(scenario(PLAN), runs=20))
    assert kept.new
    assert [each.key for each in bucket.list().forecasts] == [kept.key]


def test_small_files_are_read_at_once_and_one_that_is_missing_is_made_again(bucket, monkeypatch):
    for seed in range(4):
        bucket.keep(Work(scenario(PLAN), runs=20, seed=seed))
    first = bucket.list().forecasts[0]
    bucket.place.delete(f"{first.stem}.json")
    alone: list[str] = []
    real = Remote.read
    monkeypatch.setattr(Remote, "read", lambda self, name: alone.append(name) or real(self, name))
    assert len(bucket.list().forecasts) == 4
    assert alone == []
    assert bucket.place.size(f"{first.stem}.json")
