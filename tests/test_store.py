"""Result files: what plain xarray opens is what was simulated, and nothing is left half-written."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import xarray
from helpers import DATA, SCENARIOS, scenario

import forecast
from forecast.engine import simulate as engine
from forecast.engine import store
from forecast.engine.plan import make_blueprint
from forecast.engine.run import forecast_run
from forecast.engine.simulate import Simulator, Slice
from forecast.engine.store import OutputError, check_output, open_sink
from forecast.scenario.model import Scenario

BOTH = pytest.mark.parametrize("suffix", [".nc", ".zarr"])
UNCERTAIN = """
name: Größe und Mühe
start: 2027-01-16
horizon: 3 quarters
currency: EUR
channels:
  böse: {leads: {mean: {gamma: {mean: 30, cv: 0.3}}, per: month}, cost: {per_lead: 3}}
  list: {leads: {fixed: [20], per: quarter, then: repeat}}
segments: {small: {share: 60%}, große: {share: 40%}}
journey:
  anfrage: {won: {conversion: {beta: {won: 3, lost: 7}}, lag: {gamma: {mean: 40 days, cv: 0.5}}}}
products:
  pro: {mix: 60%, size: {lognormal: {mean: 1000, cv: 0.5}}}
  überpro: {mix: 40%, size: 5k}
"""
CERTAIN = """
name: Certain
start: 2027-01-01
horizon: 2 quarters
channels: {a: {leads: {mean: 9, per: month}}}
journey: {o: {won: {conversion: 50%, lag: 1 month}}}
"""


def opened(path: Path) -> xarray.Dataset:
    """Open a result with plain xarray."""
    if path.suffix == ".nc":
        with xarray.open_dataset(path) as data:
            return data.load()
    return xarray.open_zarr(path, consolidated=False).load()


def written(given: Scenario, path: Path, runs: int = 50, seed: int = 7) -> xarray.Dataset:
    forecast_run(given, runs=runs, seed=seed, output=path)
    return opened(path)


def without_time(data: xarray.Dataset) -> xarray.Dataset:
    """Leave out when it was made."""
    bare = data.copy(deep=False)
    del bare.attrs["created"]
    return bare


def listed(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


# --- what is read is what was simulated -----------------------------------------------------------


@BOTH
@pytest.mark.parametrize("text", [UNCERTAIN, CERTAIN], ids=["uncertain", "certain"])
@pytest.mark.parametrize("runs", [1, 50])
def test_opens_unchanged(tmp_path, suffix: str, text: str, runs: int) -> None:
    given = scenario(text)
    data = written(given, tmp_path / f"result{suffix}", runs=runs)
    right = forecast.simulate(given, runs=runs, seed=7)
    xarray.testing.assert_identical(without_time(data), without_time(right))
    for name in DATA:
        assert data[name].dtype == right[name].dtype
        assert data[name].dims == right[name].dims
    assert listed(tmp_path) == [f"result{suffix}"]


@BOTH
@pytest.mark.parametrize("size", [7, 1024])
def test_slices_make_no_difference(tmp_path, monkeypatch, suffix: str, size: int) -> None:
    monkeypatch.setitem(engine.RUNS_AT_ONCE, "journey", size)
    data = written(scenario(UNCERTAIN), tmp_path / f"result{suffix}", runs=100)
    right = forecast.simulate(scenario(UNCERTAIN), runs=100, seed=7)
    xarray.testing.assert_identical(without_time(data), without_time(right))


def test_small_chunks_make_no_difference(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(store, "CHUNK_BYTES", 2_000)
    monkeypatch.setitem(engine.RUNS_AT_ONCE, "journey", 9)
    data = written(scenario(UNCERTAIN), tmp_path / "result.nc", runs=100)
    right = forecast.simulate(scenario(UNCERTAIN), runs=100, seed=7)
    xarray.testing.assert_identical(without_time(data), without_time(right))


@BOTH
@pytest.mark.parametrize("name", ["saas-funnel", "lean-consulting", "lean-consulting-uncertain"])
def test_attributes_suffice_to_make_it_again(tmp_path, suffix: str, name: str) -> None:
    given = forecast.read_scenario(SCENARIOS / f"{name}.yaml")
    data = written(given, tmp_path / f"result{suffix}", runs=30, seed=2**70)
    again = scenario(data.attrs["scenario"])
    assert again.text == given.text
    runs, seed = int(data.attrs["runs"]), int(data.attrs["seed"])
    made = forecast.simulate(again, runs=runs, seed=seed, detail=data.attrs["detail"])
    xarray.testing.assert_identical(without_time(made), without_time(data))


@BOTH
def test_attributes_say_what_they_should(tmp_path, suffix: str) -> None:
    attrs = written(scenario(UNCERTAIN), tmp_path / f"result{suffix}").attrs
    assert attrs["title"] == "Größe und Mühe"
    assert (attrs["seed"], int(attrs["runs"]), attrs["currency"]) == ("7", 50, "EUR")
    assert attrs["as_of"] == "2027-01-15"
    assert attrs["forecast_version"] == forecast.__version__
    assert set(attrs["scenario_hash"]) <= set("0123456789abcdef")
    other = written(scenario(CERTAIN), tmp_path / f"other{suffix}").attrs
    assert other["scenario_hash"] != attrs["scenario_hash"]
    assert "coordinates" not in attrs


@BOTH
def test_selects_by_name(tmp_path, suffix: str) -> None:
    data = written(scenario(UNCERTAIN), tmp_path / f"result{suffix}")
    deals = data.deals.sel(channel="böse", segment="große", product="überpro", quarter="2027Q2")
    assert deals.dims == ("run",)
    assert list(data.path.values) == ["channels.böse.leads.mean", "journey.anfrage.won.conversion"]
    assert data.bookings.attrs == {"units": "EUR", "long_name": data.bookings.attrs["long_name"]}


@BOTH
def test_writes_over_an_older_result(tmp_path, suffix: str) -> None:
    path = tmp_path / f"result{suffix}"
    written(scenario(UNCERTAIN), path, runs=80)
    data = written(scenario(CERTAIN), path, runs=3)
    assert data.attrs["title"] == "Certain"
    assert data.sizes["run"] == 3
    assert listed(tmp_path) == [path.name]


@BOTH
def test_plain_xarray_opens_it_without_a_warning(tmp_path, suffix: str) -> None:
    path = tmp_path / f"result{suffix}"
    forecast_run(scenario(UNCERTAIN), runs=20, seed=7, output=path)
    with xarray.open_dataset(path) as data:
        assert data.sizes["run"] == 20


# --- nothing half-written -------------------------------------------------------------------------


class Stopped(Exception):
    """Something goes wrong in the middle."""


def fail_at_the_third_slice(monkeypatch, error: type[BaseException]) -> type[BaseException]:
    """Let writing fail; gives the exception that this must end in."""
    monkeypatch.setitem(engine.RUNS_AT_ONCE, "journey", 10)
    for name in ("NetCdf", "_Zarr"):
        right = getattr(store, name).add

        def add(self, part: Slice, right=right) -> None:
            if part.first >= 20:
                raise error(28, "No space left on device")
            right(self, part)

        monkeypatch.setattr(getattr(store, name), "add", add)
    return OutputError if error is OSError else error


ERRORS = pytest.mark.parametrize("error", [Stopped, KeyboardInterrupt, OSError])


@BOTH
@ERRORS
def test_a_failure_leaves_nothing(tmp_path, monkeypatch, suffix: str, error) -> None:
    raised = fail_at_the_third_slice(monkeypatch, error)
    with pytest.raises(raised):
        forecast_run(scenario(UNCERTAIN), runs=50, seed=7, output=tmp_path / f"result{suffix}")
    assert listed(tmp_path) == []


@BOTH
@ERRORS
def test_a_failure_leaves_an_older_result(tmp_path, monkeypatch, suffix: str, error) -> None:
    path = tmp_path / f"result{suffix}"
    before = written(scenario(CERTAIN), path)
    raised = fail_at_the_third_slice(monkeypatch, error)
    with pytest.raises(raised):
        forecast_run(scenario(UNCERTAIN), runs=50, seed=7, output=path)
    assert listed(tmp_path) == [path.name]
    xarray.testing.assert_identical(opened(path), before)


@BOTH
def test_a_failure_at_the_last_step_leaves_an_older_result(tmp_path, monkeypatch, suffix) -> None:
    path = tmp_path / f"result{suffix}"
    before = written(scenario(CERTAIN), path)

    def fail(*_: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(store, "sync", fail)
    with pytest.raises(OutputError, match=r"result.*cannot be written \(Input/output error\)"):
        forecast_run(scenario(UNCERTAIN), runs=50, seed=7, output=path)
    assert listed(tmp_path) == [path.name]
    xarray.testing.assert_identical(opened(path), before)


def test_a_store_is_never_missing(tmp_path, monkeypatch) -> None:
    """The older store is put back when the new one cannot take its place."""
    path = tmp_path / "result.zarr"
    before = written(scenario(CERTAIN), path)
    right = os.replace

    def replace(source, target) -> None:
        if Path(target) == path and ".part." in Path(source).name:
            raise OSError(5, "Input/output error")
        right(source, target)

    monkeypatch.setattr(os, "replace", replace)
    with pytest.raises(OutputError):
        forecast_run(scenario(UNCERTAIN), runs=50, seed=7, output=path)
    monkeypatch.undo()
    assert listed(tmp_path) == [path.name]
    xarray.testing.assert_identical(opened(path), before)


def test_a_progress_that_fails_leaves_nothing(tmp_path, monkeypatch) -> None:
    monkeypatch.setitem(engine.RUNS_AT_ONCE, "journey", 10)

    def progress(done: int, _: int) -> None:
        if done > 20:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        forecast_run(
            scenario(UNCERTAIN), runs=50, seed=7, output=tmp_path / "a.nc", progress=progress
        )
    assert listed(tmp_path) == []


@BOTH
def test_a_sink_takes_its_name_at_the_end(tmp_path, suffix: str) -> None:
    path = tmp_path / f"result{suffix}"
    simulator = Simulator(make_blueprint(scenario(CERTAIN)), 7)
    with open_sink(path, simulator, 20, 7) as sink:
        sink.add(simulator.whole(20))
        assert not path.exists()
    assert listed(tmp_path) == [path.name]


# --- what cannot be written -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("result.csv", r"result\.csv: got \.csv; must end in \.nc or \.zarr"),
        ("result", r"result: got no suffix; must end in \.nc or \.zarr"),
        ("missing/result.nc", r"the folder .*missing is not there\. Create it first"),
        ("folder.nc", r"folder\.nc: got a folder; must be a file"),
        ("folder.zarr", r"folder\.zarr: is there and is no Zarr store"),
        ("file.zarr", r"file\.zarr: is there and is no Zarr store"),
        ("file.zarr/result.nc", r"the folder .*file\.zarr is not there"),
    ],
)
def test_refuses(tmp_path, name: str, message: str) -> None:
    (tmp_path / "folder.nc").mkdir()
    (tmp_path / "folder.zarr").mkdir()
    (tmp_path / "folder.zarr" / "diary.txt").write_text("precious")
    (tmp_path / "file.zarr").write_text("precious")
    before = listed(tmp_path)
    with pytest.raises(OutputError, match=message):
        forecast_run(scenario(CERTAIN), runs=5, seed=7, output=tmp_path / name)
    assert listed(tmp_path) == before
    assert (tmp_path / "folder.zarr" / "diary.txt").read_text() == "precious"


def test_refuses_a_folder_that_cannot_be_written(tmp_path, monkeypatch) -> None:
    """Whoever is root may write anywhere, so that access is denied here by hand."""
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(OutputError, match="cannot be written to"):
        check_output(tmp_path / "result.nc")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root writes anywhere")
@BOTH
def test_an_unwritable_folder(tmp_path, suffix: str) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(OutputError, match="cannot be written"):
        forecast_run(scenario(CERTAIN), runs=5, seed=7, output=tmp_path / f"result{suffix}")
    tmp_path.chmod(0o700)
    assert listed(tmp_path) == []


def test_a_result_does_not_need_the_current_folder(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    data = written(scenario(CERTAIN), Path("result.nc"))
    assert np.array_equal(data.leads, forecast.simulate(scenario(CERTAIN), runs=50, seed=7).leads)
