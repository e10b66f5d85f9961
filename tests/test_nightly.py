"""Nightly forecasts: once for each night, explained exactly, told once; what is wrong is said."""

from __future__ import annotations

import csv
import datetime as dt
import errno
import json
import os
import re
import shutil
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from commands import invoke
from nights import make_firm

from forecast.cli.nightly_table import print_night
from forecast.engine.store import OutputError
from forecast.history.fitting.open_items import find_open, write_open
from forecast.history.records import OPEN, build_records
from forecast.operate.archive import Archive
from forecast.operate.config import Webhook, read_config
from forecast.operate.explain import written_ids
from forecast.operate.lock import Locked, locked
from forecast.operate.nightly import StaleInput, run_nightly
from forecast.operate.tell import Log, NotTold, post
from forecast.scenario.errors import ScenarioError

FIRST, SECOND = dt.date(2026, 4, 10), dt.date(2026, 5, 15)


@pytest.fixture(scope="module")
def firm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A firm with two nights behind it."""
    path = make_firm(tmp_path_factory.mktemp("firm"))
    run_nightly(read_config(path), as_of=FIRST)
    run_nightly(read_config(path), as_of=SECOND)
    return path


@pytest.fixture(scope="module")
def second(firm: Path) -> dict:
    """The second night, made again."""
    return run_nightly(read_config(firm), as_of=SECOND)


def forecasts(path: Path):
    return Archive(read_config(path).archive).list().forecasts


def test_each_night_is_kept_once(firm: Path, second):
    assert second["kept"] is False
    assert [kept.as_of for kept in forecasts(firm)] == [str(SECOND), str(FIRST)]
    assert [second["key"], second["previous"]] == [kept.key for kept in forecasts(firm)]


def test_the_document_says_what_is_done_and_to_come(firm: Path, second):
    document = second
    rows = (firm.parent / "deals.csv").read_text().splitlines()[1:]
    won = [row.split(",") for row in rows if ",Won," in row]
    spring = [row for row in won if "2026-04-01" <= row[2] <= "2026-05-15"]
    quarter = document["quarters"][0]
    assert quarter["quarter"] == "2026Q2"
    assert quarter["deals"]["done"] == len(spring)
    assert quarter["bookings"]["done"] == sum(float(row[4]) for row in spring)
    goal = next(g for g in document["goals"] if g["quarter"] == "2026Q2")
    assert (goal["target"], goal["done"]) == (12, len(spring))
    assert goal["left"] == max(12 - len(spring), 0)
    year = next(g for g in document["goals"] if g["quarter"] == "2026")
    assert year["done"] == sum(float(row[4]) for row in won if row[2] >= "2026")
    assert document["data"]["rows"] == 200
    assert {"as_of", "rows", "set_aside"} == set(document["data"])


def test_effects_add_up_to_the_whole_change(firm: Path, second):
    document = second
    before = json.loads((firm.parent / "reports" / str(FIRST) / "summary.json").read_text())
    sums: dict[tuple[str, str], float] = {}
    for row in document["bridge"]:
        key = row["metric"], row["quarter"]
        sums[key] = sums.get(key, 0.0) + row["effect"]
    old = {q["quarter"]: q for q in before["quarters"]}
    for quarter in document["quarters"]:
        label = quarter["quarter"]
        for metric in ("deals", "bookings") if label in old else ():
            change = quarter[metric]["mean"] - old[label][metric]["mean"]
            assert sums[metric, label] == pytest.approx(change, rel=1e-9, abs=1e-9)
    chances = {g["quarter"]: g["probability"] for g in before["goals"] if g["metric"] == "deals"}
    for goal in document["goals"]:
        if goal["metric"] == "deals" and goal["quarter"] in chances:
            change = goal["probability"] - chances[goal["quarter"]]
            assert sums["chance of deals 12", goal["quarter"]] == pytest.approx(change, abs=1e-9)
    causes = {row["cause"] for row in document["bridge"]}
    assert {"time passed", "deals won", "deals lost", "new deals", "assumptions"} <= causes
    version = [row for row in document["bridge"] if row["cause"] == "version and settings"]
    assert all(row["effect"] == 0.0 for row in version)


def test_any_two_kept_forecasts_can_be_explained(firm: Path, second):
    keys = [kept.key for kept in forecasts(firm)]
    told = invoke("history", "diff", read_config(firm).archive, keys[0], keys[1][:8], "--json")
    assert told.exit_code == 0, told.output
    found = json.loads(told.stdout)
    assert found["bridge"] == second["bridge"]
    assert (found["before"]["key"], found["after"]["key"]) == (keys[1], keys[0])


def units():
    """The unit files of the documents."""
    text = (Path(__file__).parents[1] / "docs" / "nightly.md").read_text()
    return re.findall(r"^```systemd\n# (\S+)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="needs systemd-analyze")
def test_the_unit_files_are_sound(tmp_path: Path):
    for name, text in units():
        text = text.replace("/opt/forecast/bin/forecast", "/bin/true")
        (tmp_path / Path(name).name).write_text(text)
    paths = [str(path) for path in tmp_path.iterdir()]
    told = subprocess.run(["systemd-analyze", "verify", *paths], capture_output=True, text=True)
    assert told.returncode == 0, told.stderr


def test_there_are_a_service_and_a_timer():
    names = [Path(name).name for name, _ in units()]
    assert names == ["forecast.service", "forecast.timer"]


def test_reports_are_files(firm: Path):
    folder = firm.parent / "reports"
    newest = json.loads((folder / "summary.json").read_text())
    assert newest == json.loads((folder / str(SECOND) / "summary.json").read_text())
    names = {path.name for path in (folder / str(SECOND)).iterdir()}
    wanted = {"summary.json", "data-report.txt", "goals.csv", "bridge.csv", "quarters.csv"}
    assert names == wanted
    head = (folder / str(SECOND) / "bridge.csv").read_text().splitlines()[0]
    assert head == "metric,quarter,cause,effect"


def test_old_records_are_stale(firm: Path):
    with pytest.raises(StaleInput, match="end on 2026-05-15, 17 days ago"):
        run_nightly(read_config(firm), today=dt.date(2026, 6, 1))
    told = invoke("nightly", str(firm), "--quiet", "--today", "2026-06-01")
    assert told.exit_code == 3
    assert "stale_after" in told.stderr
    fresh = invoke("nightly", str(firm), "--quiet", "--today", "2026-05-17")
    assert fresh.exit_code == 0, fresh.output


def test_one_run_at_a_time(firm: Path):
    with locked(read_config(firm).reports), pytest.raises(Locked, match="another run is at work"):
        run_nightly(read_config(firm), as_of=SECOND)
    with locked(read_config(firm).reports):
        told = invoke("nightly", str(firm), "--as-of", str(SECOND), "--quiet")
    assert told.exit_code == 4
    with locked(read_config(firm).reports):
        pass


def test_the_command_tells_each_step_and_its_json_only(firm: Path):
    told = invoke("nightly", str(firm), "--as-of", str(SECOND), "--json")
    assert told.exit_code == 0, told.output
    events = [json.loads(line)["event"] for line in told.stderr.splitlines()]
    assert events[0] == "begin"
    assert events[-1] == "done"
    document = json.loads(told.stdout)
    assert {"key", "kept", "previous", "goals", "bridge", "data"} <= set(document)


def test_the_tables_show_what_changed_by_what(second, capsys):
    print_night(second)
    shown = capsys.readouterr().out
    assert "changed by" in shown
    assert "time passed" in shown
    assert "Was kept before" in shown


def test_a_goal_that_is_not_sure_enough_can_fail_the_command(firm: Path, second):
    asked = ("nightly", str(firm), "--as-of", str(SECOND), "--quiet", "--fail-below-confidence")
    sure = all(goal["reached"] for goal in second["goals"])
    assert invoke(*asked).exit_code == (0 if sure else 5)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EACCES, errno.EIO])
def test_a_disk_that_fails_leaves_the_last_forecast(firm, tmp_path, monkeypatch, code):
    shutil.copytree(firm.parent, tmp_path, dirs_exist_ok=True)
    path = tmp_path / firm.name
    newest = (tmp_path / "reports" / "summary.json").read_bytes()
    real, count = os.replace, iter(range(100))

    def failing(*given, **more):
        if next(count) >= 1:
            raise OSError(code, os.strerror(code))
        return real(*given, **more)

    monkeypatch.setattr(os, "replace", failing)
    with pytest.raises(OutputError):
        run_nightly(read_config(path), as_of=dt.date(2026, 4, 20))
    monkeypatch.undo()
    assert (tmp_path / "reports" / "summary.json").read_bytes() == newest
    assert len(forecasts(path)) <= 3


# --- webhook


class Server:
    """Answers posts with the codes of a list."""

    def __init__(self, *codes: int) -> None:
        self.bodies: list[dict] = []
        outer, left = self, list(codes)

        class Answer(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.bodies.append(json.loads(body))
                self.send_response(left.pop(0) if left else 200)
                self.end_headers()

            def log_message(self, *given: object) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Answer)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.mark.parametrize(
    ("codes", "tries", "posts", "fails"),
    [((), 3, 1, False), ((500, 503), 3, 3, False), ((500,) * 9, 2, 2, True), ((404,), 3, 1, True)],
)
def test_a_webhook_is_tried_again_where_that_may_help(codes, tries, posts, fails):
    server, pauses = Server(*codes), []
    hook = Webhook(server.url, 5 / 86_400, tries)
    if fails:
        with pytest.raises(NotTold, match=f"answered {codes[0]}"):
            post(hook, {"a": 1}, Log(quiet=True), pauses.append)
    else:
        post(hook, {"a": 1}, Log(quiet=True), pauses.append)
    assert len(server.bodies) == posts
    assert pauses == [1.0, 2.0][: posts - 1]
    server.close()


def test_nobody_there_is_no_answer():
    with pytest.raises(NotTold, match="refused"):
        post(Webhook("http://127.0.0.1:9/", 1 / 86_400, 1), {}, Log(quiet=True))


def test_a_forecast_is_told_once(firm: Path):
    server = Server(500)
    config = firm.with_name("hook.yaml")
    hook = f"webhook: {{url: '{server.url}', timeout: 5 seconds, tries: 1}}\n"
    config.write_text(firm.read_text() + hook)
    with pytest.raises(NotTold, match="the next run tells"):
        run_nightly(read_config(config), as_of=SECOND)
    for _ in range(2):
        run_nightly(read_config(config), as_of=SECOND)
    assert [body["as_of"] for body in server.bodies] == [str(SECOND)] * 2
    server.close()
    (firm.parent / "reports" / str(SECOND) / "told.json").unlink()


def test_faults_of_the_file_are_told_at_once(tmp_path: Path):
    path = tmp_path / "n.yaml"
    path.write_text("name: X\nmaping: crm.yaml\nruns: few\nwebhook: {url: ftp://x}\n")
    with pytest.raises(ScenarioError) as caught:
        read_config(path)
    told = str(caught.value)
    assert "n.yaml:2: maping: got the unknown key maping" in told
    assert "n.yaml:3: runs: got few; must be a whole number" in told or "n.yaml:3: runs" in told
    assert "n.yaml:4: webhook.url" in told
    assert "archive" in told


def test_a_plan_goes_on_with_the_deals_that_are_open(tmp_path: Path):
    config = read_config(make_firm(tmp_path, fitted=False))
    first = run_nightly(config, as_of=FIRST)
    second = run_nightly(config, as_of=dt.date(2026, 5, 1))
    assert second["previous"] == first["key"]
    causes = {row["cause"]: 0.0 for row in second["bridge"]}
    for row in second["bridge"]:
        causes[row["cause"]] = max(causes[row["cause"]], abs(row["effect"]))
    assert causes["assumptions"] < 0.02 * causes["time passed"]  # a plan that grows does not change
    rows = (tmp_path / "deals.csv").read_text().splitlines()[1:]
    days = [row.split(",")[1:3] for row in rows]
    opened = sum(a <= "2026-05-01" and (not b or b > "2026-05-01") for a, b in days)
    kept = Archive(config.archive)
    assert len(kept.scenario(kept.find(second["key"])).pipeline.deals.amount) == opened


def test_won_deals_are_known_by_the_ids_that_are_written():
    items = pd.DataFrame({"id": ["=won", "open"], "amount": [5.0, np.nan]})
    day = FIRST.toordinal()
    stays = pd.DataFrame(
        {
            "item": [0, 1],
            "stage": "opportunity",
            "entered": [day - 9, day - 5],
            "left": [day, OPEN],
            "to": ["won", ""],
        }
    )
    records = build_records(items, stays, ("opportunity",), FIRST)
    earlier = records.known_at(FIRST - dt.timedelta(days=1))
    written = [row["id"] for row in csv.DictReader(write_open(find_open(earlier)).splitlines())]
    assert written_ids(records) == ["'=won"] == written[:1]
