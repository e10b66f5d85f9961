"""Tables with one row for each thing that happened: order, ties, loops, endings."""

import datetime as dt

import pytest
from exports_of import EXPORTS, faults_of, read_export, reasons, suspicious, write_export
from hypothesis import example, given, settings
from hypothesis import strategies as st
from test_mapping_deals import items_of, ordinal, stays_of

from forecast.history.exports.read import read_records
from forecast.history.records import OPEN

EVENTS = (
    "stages: [lead, mql, opportunity]\n"
    "events:\n  file: e.csv\n  columns: {id: id, stage: stage, at: at}\n"
)


def test_events_with_mixed_offsets_become_stays():
    records, report = read_export("events")
    assert reasons(report, "events") == {
        "the same as an earlier row": 1,
        "with the stage Call, set aside by the mapping": 1,
        "without the day on which it happened": 1,
        "after the item was won": 1,
        "lost, but went on later": 1,
        "ended without having been in a stage": 1,
    }
    assert report.notes == ("1 events repeat the stage of their item: it goes on",)
    assert report.time_zone == "Europe/Berlin"
    assert stays_of(records, "C1") == [
        ("lead", ordinal("2026-03-28"), ordinal("2026-03-29"), "qualified"),
        ("qualified", ordinal("2026-03-29"), ordinal("2026-04-01"), "offer"),
        ("offer", ordinal("2026-04-01"), ordinal("2026-04-20"), "won"),
    ]
    assert items_of(records).loc["C1", "amount"] == 550


def test_an_item_may_come_back_to_a_stage():
    records, _ = read_export("events")
    assert [stay[0] for stay in stays_of(records, "C2")] == ["lead", "offer", "qualified", "offer"]
    assert stays_of(records, "C2")[0][1] == ordinal("2026-03-31")  # 23:30 UTC is 01:30 in Berlin
    assert stays_of(records, "C2")[-1][3] == "lost"


def test_events_at_one_time_follow_the_journey():
    records, report = read_export("events")
    assert [stay[0] for stay in stays_of(records, "C3")] == ["lead", "qualified", "offer"]
    what = "channel is another one than before of the same item (the first counts)"
    assert suspicious(report)[what] == 1


def test_a_loss_that_was_undone_is_none():
    records, _ = read_export("events")
    assert [(stay[0], stay[2]) for stay in stays_of(records, "C4")] == [
        ("lead", ordinal("2026-04-09")),
        ("qualified", OPEN),
    ]
    assert "C5" not in set(records.items["id"])


def test_snapshots_are_events_and_a_table_beside_gives_labels(tmp_path):
    mapping = (
        "stages: [lead, opportunity]\n"
        "events:\n  file: snapshots.csv\n"
        "  columns: {id: opportunity_id, stage: stage, at: snapshot, amount: amount}\n"
        "  status: {Closed Won: won}\n"
        "deals:\n  file: items.csv\n"
        "  columns: {id: opportunity_id, segment: industry, channel: lead_source, amount: amount}\n"
    )
    files = {name: (EXPORTS / f"{name}.csv").read_text() for name in ("snapshots", "items")}
    records, report = read_records(write_export(tmp_path, mapping, **files))
    items = items_of(records)
    assert items.loc["O1", ["channel", "segment", "amount"]].tolist() == ["Web", "Retail", 450]
    assert items.loc["O2", ["channel", "segment", "amount"]].tolist() == ["Event", "unknown", 120]
    assert reasons(report) == {"of which no event is used": 1}
    assert reasons(report, "events") == {}
    assert report.tables[1].used == 7
    assert stays_of(records, "O2")[-1][1:3] == (ordinal("2026-01-19"), OPEN)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("a,leed,2026-01-01\n", "Did you mean lead? Else add leed: and its meaning"),
        ("a,lead,01/02/2026\n", "can be read two ways"),
        ("a,lead,soon\n", "soon, which is no date"),
        ("a,won,2026-01-01\n", "1 of 1 rows ended without having been in a stage"),
        ("a,lead,2999-01-01\n", "1 of 1 rows without the day on which it happened"),
    ],
)
def test_events_that_say_nothing_are_refused(tmp_path, rows, message):
    path = write_export(tmp_path, EVENTS, e="id,stage,at\n" + rows)
    found = faults_of(read_records, path)
    assert any(message in fault for fault in found), found


NAMES = ("lead", "mql", "opportunity", "won", "lost")
HAPPENED = st.lists(
    st.tuples(st.sampled_from("abc"), st.sampled_from(NAMES), st.integers(1, 9)), min_size=1
)


def plainly(events):
    """The stays of events, one item and one event after the other."""
    found = {}
    for name in {each[0] for each in events}:
        mine = sorted({(day, NAMES.index(stage)) for who, stage, day in events if who == name})
        states = [(NAMES[place], day) for day, place in mine]
        won = [place for place, (state, _) in enumerate(states) if state == "won"]
        states = states[: won[0] + 1] if won else states
        states = [
            each
            for place, each in enumerate(states)
            if each[0] != "lost" or {state for state, _ in states[place:]} == {"lost"}
        ]
        kept = [
            each
            for place, each in enumerate(states)
            if place == 0 or each[0] != states[place - 1][0]
        ]
        if kept and kept[0][0] not in ("won", "lost"):
            found[name] = kept
    return found


@settings(deadline=None, max_examples=60)
@given(HAPPENED)
@example([("a", "lead", 1), ("a", "lost", 1), ("a", "lost", 2)])
def test_stays_are_those_of_reading_one_by_one(tmp_path_factory, events):
    folder = tmp_path_factory.mktemp("events")
    text = "id,stage,at\n" + "".join(f"{a},{b},2026-01-0{c}\n" for a, b, c in events)
    path = write_export(folder, EVENTS, e=text)
    expected = plainly(events)
    if not expected:
        assert faults_of(read_records, path)
        return
    records, report = read_records(path)
    reasons(report, "events")  # adds up
    found = {}
    for name in records.items["id"]:
        stays = stays_of(records, name)
        path = [(stay[0], stay[1] - dt.date(2025, 12, 31).toordinal()) for stay in stays]
        if stays[-1][2] != OPEN:
            path.append((stays[-1][3], stays[-1][2] - dt.date(2025, 12, 31).toordinal()))
        found[name] = path
    assert found == expected
