"""The mapping's language: what it refuses, with the line and a way to mend it."""

import datetime as dt

import pytest
from exports_of import EXPORTS, faults_of, write_export

from forecast.history.exports.mapping import read_mapping
from forecast.history.records import Gap

GOOD = (
    "deals:\n  file: d.csv\n"
    "  columns: {id: a, created: b, closed: c, status: s}\n  status: {W: won}\n"
)


def test_a_mapping_is_read_with_what_stands_where():
    mapping = read_mapping(EXPORTS / "leads.yaml")
    leads, deals = mapping.table("leads"), mapping.table("deals")
    assert mapping.stages == ("lead",)
    assert mapping.recorded == {"lead": Gap(dt.date(2026, 1, 19), True)}
    assert leads.source.file == EXPORTS / "leads.csv"
    assert leads.dates["created"] == deals.dates["closed"] == "month-day-year"
    assert deals.constant == "won"
    assert deals.columns["lead"] == "lead_id"


def test_every_fault_is_told_at_once_with_its_line(tmp_path):
    text = (
        "as_of: 31.12.2017\n"
        "dates: day-first\n"
        "time_zone: Berlin\n"
        "deal:\n  file: x.csv\n"
        "deals:\n"
        "  file: d.csv\n"
        "  columns: {id: a, created: b, closd: c, status: s}\n"
        "  status: {W: wonn}\n"
    )
    found = faults_of(read_mapping, write_export(tmp_path, text))
    lines = [(fault.split(":")[1], fault.split(": ")[1]) for fault in found]
    assert lines == [
        ("1", "as_of"),
        ("2", "dates"),
        ("3", "time_zone"),
        ("4", "deal"),
        ("8", "deals.columns.closd"),
        ("9", "deals.status.W"),
    ]
    assert "Did you mean deals?" in found[3]
    assert "Did you mean closed?" in found[4]
    assert "Did you mean won?" in found[5]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("  file: d.csv\n", ""), "no file; must be a table with file or sql"),
        (("closed: c, ", ""), "no closed; must be columns with closed"),
        (("id: a, ", ""), "no id; must be columns with id"),
        (("created: b, ", ""), "no created; must be columns with created"),
        (("  status: {W: won}\n", ""), "no status; must be what the values of the status mean"),
        ((", status: s}", "}"), "no status; must be columns with status"),
        (
            ("status: {W: won}", "status: {W: negotiation}"),
            "must be won, lost, open or 'set aside'",
        ),
        (("deals:", "dates: '%d/%m'\ndeals:"), "must be a pattern with year, month and day"),
        (("deals:", "decimal: ','\ndeals:"), "must be point or comma"),
        (
            ("deals:", "recorded: {lead: {since: 2026-01-01, before: all}}\ndeals:"),
            "The stages are",
        ),
        (("deals:", "stages: [lead]\ndeals:"), "opportunity; must be one of stages"),
        (("deals:", "stages: [won]\ndeals:"), "a name for the stage other than won"),
    ],
)
def test_what_is_missing_or_strange_is_named(tmp_path, change, message):
    text = GOOD.replace(*change)
    assert text != GOOD
    found = faults_of(read_mapping, write_export(tmp_path, text))
    assert any(message in fault for fault in found), found


def test_events_need_their_stages(tmp_path):
    text = "events: {file: e.csv, columns: {id: a, stage: b, at: c}}\n"
    (found,) = faults_of(read_mapping, write_export(tmp_path, text))
    assert "no stages; must be the stages of the events" in found


def test_beside_events_deals_say_no_days(tmp_path):
    text = (
        "stages: [lead]\n"
        "events: {file: e.csv, columns: {id: a, stage: b, at: c}}\n"
        "deals: {file: d.csv, columns: {id: a, closed: c}, status: won}\n"
    )
    found = faults_of(read_mapping, write_export(tmp_path, text))
    assert len(found) == 2
    assert all("left out, for events say it" in fault for fault in found)
