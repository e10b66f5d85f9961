"""`forecast fit` from an export to futures: near what is true of a made history."""

from __future__ import annotations

import csv
import datetime as dt
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from commands import FORECAST, document, invoke
from histories import START, Truth, Way, gamma_days, simulate_history
from scipy import stats

import forecast
from forecast.history.records import OPEN

SURELY = stats.norm.isf(1e-6 / 2 / 20)  # of twenty comparisons in this file
WON, LOST = gamma_days(60, 0.7), gamma_days(40, 0.9)
TRUTH = Truth(arrivals={"web": 2.0, "events": 0.7}, days=731)  # to the end of a year
MEAN_SIZE = float(np.exp(9.0 + 0.8**2 / 2))
MAPPING = """
currency: EUR
as_of: 2025-12-31
stages: [opportunity]
deals:
  file: deals.csv
  columns:
    {id: Deal, created: Created, closed: Closed, status: Stage, amount: Value, channel: Source}
  status: {Won: won, Lost: lost, Open: open}
dates: year-month-day
"""


def write_export(folder, records):
    """A CRM's export of a history of one stage, and the mapping that reads it."""
    stays = records.stays.set_index("item")
    names = {"won": "Won", "lost": "Lost", "": "Open"}
    with (folder / "deals.csv").open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["Deal", "Created", "Closed", "Stage", "Value", "Source"])
        for item, row in records.items.iterrows():
            stay = stays.loc[item]
            closed = "" if stay["left"] == OPEN else dt.date.fromordinal(stay["left"])
            value = "" if np.isnan(row["amount"]) else f"{row['amount']:.2f}"
            created = dt.date.fromordinal(stay["entered"])
            rows.writerow([row["id"], created, closed, names[stay["to"]], value, row["channel"]])
    (folder / "crm.yaml").write_text(MAPPING, encoding="utf-8")


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    """A folder with an export, its fit, what the command said, and the records."""
    folder = tmp_path_factory.mktemp("fit")
    records = simulate_history(TRUTH, 7)
    write_export(folder, records)
    crm, output = str(folder / "crm.yaml"), str(folder / "plan.yaml")
    result = invoke("fit", crm, "--output", output, "--horizon", "5 quarters")
    assert result.exit_code == 0, result.output
    return folder, result, records


def conversion_error(records):
    """The relative standard error of a conversion of 0.3 that is counted from finished items."""
    finished = int((records.stays["left"] != OPEN).sum())
    return np.sqrt(0.7 / 0.3 / finished)


def test_the_deals_of_the_quarters_ahead_are_near_the_truth(fitted):
    folder, _, records = fitted
    quarters = document("run", str(folder / "plan.yaml"), "--runs", "2000")["quarters"]
    # Arrivals: 2.7 a day; a level with a half-life of a year learns from about that long.
    error = np.hypot(conversion_error(records), 1 / np.sqrt(2.7 * 365))
    for quarter in quarters[2:]:  # those that come of new leads alone
        days = 365.25 / 4
        deals, value = quarter["deals"]["expected"], quarter["bookings"]["expected"]
        assert deals == pytest.approx(0.3 * 2.7 * days, rel=SURELY * error)
        sizes = 1.0 / np.sqrt(0.3 * len(records.items))  # cv of a size is about 1
        wide = SURELY * np.hypot(error, sizes)
        assert value == pytest.approx(0.3 * 2.7 * days * MEAN_SIZE, rel=wide)


def test_what_comes_of_open_deals_is_near_the_truth(fitted):
    folder, _, records = fitted
    scenario = forecast.read_scenario(folder / "plan.yaml")
    data = forecast.simulate(scenario, runs=2_000, seed=0)
    found = data["pipeline_deals"].values.sum(axis=(1, 2, 3, 4))
    opened = records.stays[(records.stays["left"] == OPEN).to_numpy()]
    # Those that entered on a day did so at any time of it.
    age = records.as_of.toordinal() + 0.5 - opened["entered"].to_numpy()
    won = 0.3 * stats.gamma.sf(age, 1 / 0.7**2, scale=60 * 0.7**2)
    lost = 0.7 * stats.gamma.sf(age, 1 / 0.9**2, scale=40 * 0.9**2)
    chance = won / (won + lost)
    # The lag is not known either: a change of its mean changes the chances by about as much.
    error = np.hypot(conversion_error(records), 0.7 / np.sqrt(0.3 * len(records.items)))
    assert found.mean() == pytest.approx(chance.sum(), rel=SURELY * error)
    assert found.var() > 0.8 * (chance * (1 - chance)).sum()
    assert np.isnan(scenario.pipeline.deals.amount).all()  # an export tells what was won only


def test_the_scenario_tells_of_every_number_where_it_comes_from(fitted):
    folder, result, records = fitted
    text = (folder / "plan.yaml").read_text(encoding="utf-8")
    lines = text.splitlines()
    for i, line in enumerate(lines):
        if any(key in line for key in ("leads: {mean", "conversion:", "lag:", "size:")):
            told = line.partition("#")[2] or " ".join(lines[max(i - 4, 0) : i])
            assert " | n " in told, line
            assert " to " in told, line
    assert f"{len(records.items):,} of {len(records.items):,} rows used" in text
    assert max(map(len, lines)) <= 150
    assert "capacity" not in forecast.read_scenario(folder / "plan.yaml").text
    assert f"{len(records.items):,} items" in result.stderr  # the data report
    assert "Wrote" in result.stdout


def test_the_same_export_gives_the_same_bytes(fitted, tmp_path):
    folder, _, _ = fitted
    output = tmp_path / "plan.yaml"
    args = ("fit", str(folder / "crm.yaml"), "--output", str(output), "--horizon", "5 quarters")
    assert invoke(*args, "--quiet").output == ""
    for name in ("plan.yaml", "plan-open.csv"):
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes()
    again = invoke(*args)
    assert again.exit_code == 2
    assert again.output == f"{output}: is there already. Choose another name, or use --force.\n"
    assert invoke(*args, "--force", "--quiet").exit_code == 0
    assert not list(tmp_path.glob(".*"))


def test_one_document_holds_the_report_the_estimates_and_the_files(fitted, tmp_path):
    folder, _, records = fitted
    day = START + dt.timedelta(days=500)
    output = tmp_path / "plan.yaml"
    found = document("fit", str(folder / "crm.yaml"), "--output", str(output), "--as-of", str(day))
    then = records.known_at(day)
    assert found["as_of"] == str(day)
    assert found["items"] == len(then.items)
    assert found["open"] == (then.stays["left"] == OPEN).sum()
    assert found["report"]["used"] == len(records.items)
    (won,) = [w for w in found["ways"] if w["to"] == "won" and not w["group"]]
    assert won["conversion"]["low"] < won["conversion"]["value"] < won["conversion"]["high"]
    assert found["files"]["scenario"] == str(output)
    assert Path(found["files"]["pipeline"]).read_text().count("\n") == found["open"] + 1
    assert forecast.read_scenario(output).calendar.start == day + dt.timedelta(days=1)


def test_pictures_are_drawn_only_when_they_are_asked_for(fitted, tmp_path):
    folder, _, _ = fitted
    crm, pictures = str(folder / "crm.yaml"), tmp_path / "pictures"
    code = (
        "import sys, atexit\n"
        "atexit.register(lambda: print('matplotlib' in sys.modules))\n" + FORECAST[-1]
    )
    args = ["fit", crm, "--output", str(tmp_path / "plan.yaml"), "--quiet"]
    run = subprocess.run([sys.executable, "-c", code, *args], capture_output=True, text=True)
    assert (run.returncode, run.stdout) == (0, "False\n"), run.stderr
    args += ["--plots", str(pictures), "--force"]
    assert invoke(*args).exit_code == 0
    names = {path.name for path in pictures.iterdir()}
    assert names == {f"{n}.png" for n in ("arrivals", "closing", "conversions", "lags", "sizes")}


BAD = {
    "no mapping": ([], "Give one mapping"),
    "two": (["crm.yaml", "other.yaml"], "Give one mapping"),
    "nothing to suggest": (["--suggest", "other.csv"], "other.csv"),
    "no such file": (["other.yaml"], "other.yaml:1: "),
    "horizon": (["crm.yaml", "--horizon", "soon"], "got soon; must be"),
    "day": (["crm.yaml", "--as-of", "02/03/2026"], "got 02/03/2026; must be"),
    "before all": (["crm.yaml", "--as-of", "2020-01-01"], "no items are left to fit"),
    "no folder": (["crm.yaml", "--output", "nowhere/plan.yaml"], "Create it first"),
    "a folder": (["crm.yaml", "--output", "."], "directory"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_done_is_told_in_a_line(fitted, monkeypatch, case):
    folder, _, _ = fitted
    monkeypatch.chdir(folder)
    before = sorted(folder.iterdir())
    args, words = BAD[case]
    result = invoke("fit", *args)
    assert result.exit_code == 2, result.output
    assert words in result.output.splitlines()[-1]
    assert "Traceback" not in result.output
    assert sorted(folder.iterdir()) == before


def test_where_nothing_was_ever_won_the_forecast_says_how_little_that_tells(tmp_path):
    truth = Truth(journey={"opportunity": (Way("lost", 0.9, LOST),)}, days=200)
    write_export(tmp_path, simulate_history(truth, 1))
    mapping = MAPPING.replace("as_of: 2025-12-31\n", "")
    (tmp_path / "crm.yaml").write_text(mapping, encoding="utf-8")
    result = invoke("fit", str(tmp_path / "crm.yaml"), "--output", str(tmp_path / "plan.yaml"))
    assert result.exit_code == 0, result.output
    won = forecast.read_scenario(tmp_path / "plan.yaml").journey["opportunity"].transitions["won"]
    assert 0 < won.conversion.family.mean < 0.05


def test_a_mapping_that_is_suggested_is_one_that_fits(fitted, tmp_path, monkeypatch):
    folder, _, records = fitted
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "deals.csv").write_bytes((folder / "deals.csv").read_bytes())
    monkeypatch.chdir(tmp_path)
    (tmp_path / "maps").mkdir()
    said = invoke("fit", "--suggest", "data/deals.csv", "--output", "maps/crm.yaml")
    assert said.exit_code == 0, said.output
    found = document("fit", "maps/crm.yaml")
    assert found["items"] == len(records.items)
    assert found["files"]["scenario"] == "scenario.yaml"
    assert "exit" not in invoke("check", "scenario.yaml").output
    printed = invoke("fit", "--suggest", "data/deals.csv")
    assert "  file: data/deals.csv\n" in printed.stdout
