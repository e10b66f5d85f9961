"""Rows never vanish: used + set aside is all of them, whatever an export holds."""

import datetime as dt

import numpy as np
import pytest
from exports_of import write_export
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from forecast.history.exports.read import read_records
from forecast.history.records import OPEN, UNDATED
from forecast.scenario.errors import ScenarioError

DAYS = st.sampled_from(
    [
        *("", "None", "TBD", "2026-01-05", "2026-01-05 23:59:59Z", "2026-03-01T00:30:00+05:30"),
        *("2026-02-30", "13/02/2026", "9999-12-31", "1970-01-01", "2031-01-01", "3 Mar 2026"),
        *("1767607200000", "2025-11-30"),
    ]
)
AMOUNTS = st.sampled_from(["", "0", "-5", "1200.50", "$3", "n/a", "1,200.00", "lots", "NaN", "1e5"])
NAMES = st.sampled_from(["", "web", "Web", "web;event", "None", " web ", "=cmd|' /C calc'!A0", "Ü"])
IDS = st.sampled_from(["", "a", "b", "c", "d", "NaN", "e ", "None", "f", "g"])
STATUSES = st.sampled_from(["won", "lost", "open", "", "gone", "WON"])
DEALS = st.lists(st.tuples(IDS, DAYS, DAYS, STATUSES, AMOUNTS, NAMES), min_size=1, max_size=25)
LEADS = st.lists(st.tuples(IDS, DAYS, NAMES), min_size=1, max_size=25)
EVENTS = st.lists(st.tuples(IDS, STATUSES, DAYS, AMOUNTS), min_size=1, max_size=25)
FEW = settings(deadline=None, max_examples=40, suppress_health_check=list(HealthCheck))

ONE = """
unreadable: set aside
deals:
  file: d.csv
  columns: {id: id, created: made, closed: closed, status: status, amount: amount, channel: source}
  status: {won: won, lost: lost, open: open, gone: set aside}
"""
TWO = """
unreadable: set aside
leads: {file: l.csv, columns: {id: id, created: made, channel: source}}
deals:
  file: d.csv
  columns:
    {lead: id, created: made, closed: closed, status: status, amount: amount, channel: source}
  status: {won: won, lost: lost, open: open, gone: set aside}
"""
HAPPENED = """
unreadable: set aside
stages: [open]
events:
  file: e.csv
  columns: {id: id, stage: status, at: at, amount: amount}
  status: {gone: set aside}
""".replace("open", "opened")


def table(head, rows):
    quoted = (",".join(f'"{cell}"' for cell in row) for row in rows)
    return "\n".join([head, *quoted]) + "\n"


def check(path, rows):
    """The report accounts for every row, or every fault is a line."""
    try:
        records, report = read_records(path)
    except ScenarioError as error:
        faults = error.faults
    else:
        check_read(records, report, rows)
        return records, report
    assert faults
    assert all("\n" not in str(fault) for fault in faults)
    return None


def check_read(records, report, rows):
    """Every row is used or set aside, and what is used is in the records."""
    filled = {
        kind: sum(any(cell.strip() for cell in row) for row in each) for kind, each in rows.items()
    }
    for found in report.tables:
        assert found.rows == filled[found.kind]
        assert found.rows == found.used + sum(reason.count for reason in found.set_aside)
        assert all(reason.count and reason.what for reason in found.set_aside)
        assert all(len(reason.examples) == min(3, reason.count) for reason in found.set_aside)
    assert sum(report.items.values()) == len(records.items)
    left, entered = records.stays["left"].to_numpy(), records.stays["entered"].to_numpy()
    dated = (left != OPEN) & (left != UNDATED)
    assert (left[dated] >= entered[dated]).all()
    assert max(entered.max(), left[dated].max(initial=0)) <= records.as_of.toordinal()
    assert set(np.unique(records.stays["item"])) == set(range(len(records.items)))


@FEW
@given(
    DEALS,
    st.sampled_from(
        ["", "backdated: same day\n", "as_of: 2026-01-31\n", "time_zone: Asia/Tokyo\n"]
    ),
)
def test_every_row_of_deals_is_used_or_set_aside(tmp_path_factory, rows, more):
    rows = [("ok", "2026-01-01", "", "open", "1", "web"), *rows]
    text = table("id,made,closed,status,amount,source", rows)
    found = check(write_export(tmp_path_factory.mktemp("d"), more + ONE, d=text), {"deals": rows})
    if found:
        assert found[1].used == len(found[0].items)


@FEW
@given(LEADS, DEALS, st.sampled_from(["", "backdated: same day\n", "as_of: 2026-01-31\n"]))
def test_every_row_of_leads_and_deals_is_used_or_set_aside(tmp_path_factory, leads, deals, more):
    leads = [("ok", "2026-01-01", "web"), *leads]
    files = {
        "l": table("id,made,source", leads),
        "d": table("id,made,closed,status,amount,source", deals),
    }
    path = write_export(tmp_path_factory.mktemp("ld"), more + TWO, **files)
    found = check(path, {"leads": leads, "deals": deals})
    if found:
        used = {each.kind: each.used for each in found[1].tables}
        assert used["leads"] <= len(found[0].items) <= used["leads"] + used["deals"]


@FEW
@given(EVENTS)
def test_every_event_is_used_or_set_aside(tmp_path_factory, rows):
    rows = [("ok", "open", "2026-01-01", ""), *rows]
    text = table("id,status,at,amount", rows).replace('"open"', '"opened"')
    check(write_export(tmp_path_factory.mktemp("e"), HAPPENED, e=text), {"events": rows})


@pytest.mark.long
def test_a_million_events_are_read(tmp_path):
    rng = np.random.default_rng(0)
    items, names = 250_000, np.array(["Lead", "MQL", "Opp", "Won"])
    start = np.datetime64("2020-01-01T00:00:00.000")
    waits = rng.integers(1, 10**9, (items, 4)).cumsum(axis=1)
    stamps = np.datetime_as_string(start + waits.ravel().astype("m8[ms]"))
    with (tmp_path / "e.csv").open("w") as file:
        file.write("id,stage,at\n")
        for row, stamp in enumerate(stamps):
            file.write(f"D{row // 4},{names[row % 4]},{stamp}+0{1 + row % 2}:00\n")
    mapping = (
        "stages: [lead, mql, opp]\nevents: {file: e.csv, columns: {id: id, stage: stage, at: at}}\n"
    )
    records, report = read_records(write_export(tmp_path, mapping))
    assert report.rows == 1_000_000
    assert len(records.items) == items
    assert records.as_of > dt.date(2020, 1, 1)
