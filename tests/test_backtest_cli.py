"""`forecast backtest`: its document, table, pictures and file; and what it refuses."""

import datetime as dt
import json

import pytest
import xarray as xr
from commands import ROOT, document, invoke

AGENCY = str(ROOT / "tests" / "exports" / "agency.yaml")
FEW = ("--runs", "300", "--from", "2026-06", "--to", "2026-08", "--every", "2", "--horizon", "2")


@pytest.fixture(scope="module")
def said(tmp_path_factory):
    """The document of two forecasts of the agency's records, with what was written beside."""
    folder = tmp_path_factory.mktemp("backtest")
    places = ("--plots", str(folder / "pictures"), "--output", str(folder / "scores.nc"))
    return document("backtest", AGENCY, *FEW, *places), folder


def test_the_document_says_who_was_best_and_how_surely(said):
    found, _ = said
    assert found["origins"] == ["2026-05-31", "2026-07-31"]
    assert {row["metric"] for row in found["scores"]} == {"deals", "bookings"}
    keys = {"model", "metric", "horizon", "n", "crps", "wis", "relative_wis", "bias"}
    keys |= {"coverage_50", "coverage_80", "coverage_95"}
    assert all(keys <= set(row) for row in found["scores"])
    assert found["best_baseline"] in {row["model"] for row in found["scores"]} - {"forecast"}
    assert 0.0 < found["p_value"] <= 1.0
    assert found["perfect_relative_wis"] > 0.0
    assert len(found["forecasts"]) == 2 * 2 * 2


def test_pictures_and_figures_are_written(said):
    _, folder = said
    names = {path.name for path in (folder / "pictures").iterdir()}
    assert names == {
        f"{metric}-{kind}.png"
        for metric in ("deals", "bookings")
        for kind in ("fans", "pit", "coverage", "errors")
    }
    assert all(path.stat().st_size > 5_000 for path in (folder / "pictures").iterdir())
    with xr.open_dataset(folder / "scores.nc", engine="h5netcdf") as kept:
        assert kept["wis"].dims == ("model", "metric", "origin", "horizon")
        assert kept.sizes["origin"] == 2
    assert not list(folder.glob(".*"))


def test_the_table_says_the_verdict_first(said, monkeypatch):
    from forecast.cli import backtest as command

    found, _ = said
    monkeypatch.setattr(command, "_document", lambda _asked: found)
    result = invoke("backtest", AGENCY)
    assert result.exit_code == 0
    lines = result.output.splitlines()
    assert lines[0].startswith("2 forecasts made again, every 2 months, as of 2026-05-31 to")
    assert "periods are too few to judge that" in result.output
    assert "weighted pipeline" in result.output
    assert max(map(len, lines)) <= 100
    assert invoke("backtest", AGENCY, "--quiet").output == ""
    told = json.dumps({**found, "skipped": ["2026-01: no items are left to fit"]})
    monkeypatch.setattr(command, "_document", lambda _asked: json.loads(told))
    assert "1 forecast could not be made" in invoke("backtest", AGENCY).output


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--from", "March"), "got March; must be a month or a day"),
        (("--from", "2026-13"), "got 2026-13; must be a month or a day"),
        (("--from", "2031-01"), "No forecast can be made again"),
        (("--horizon", "0"), "--horizon"),
        (("--period", "year"), "--period"),
        (("--output", "nowhere/scores.nc"), "nowhere is not there"),
        (("--output", "scores.csv"), "got .csv; must end in .nc"),
    ],
)
def test_what_cannot_be_done_is_refused(more, message):
    result = invoke("backtest", AGENCY, *more)
    assert result.exit_code == 2
    assert message in " ".join(result.output.split())
    assert "Traceback" not in result.output


def test_a_mapping_that_is_not_there_is_refused(tmp_path):
    result = invoke("backtest", str(tmp_path / "nothing.yaml"))
    assert result.exit_code == 2
    assert "nothing.yaml" in result.output


def test_a_month_is_its_first_day():
    from forecast.cli.backtest import DayType

    assert DayType().convert("2018-03", None, None) == dt.date(2018, 3, 1)
    assert DayType().convert("2018-03-05", None, None) == dt.date(2018, 3, 5)
