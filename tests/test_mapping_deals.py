"""Tables with one row an item: what becomes of each row, and of leads that are joined."""

import datetime as dt
import json

import pytest
from exports_of import faults_of, read_export, reasons, suspicious, write_export

from forecast.history.exports.read import read_records
from forecast.history.records import OPEN, UNDATED, Gap

DEALS = (
    "deals:\n  file: d.csv\n"
    "  columns: {id: id, created: made, closed: closed, status: status, amount: amount}\n"
    "  status: {won: won, lost: lost, open: open}\n"
)
HEAD = "id,made,closed,status,amount\n"


def ordinal(text):
    return dt.date.fromisoformat(text).toordinal()


def stays_of(records, name):
    """The stays of an item: stage, day entered, day left, way out."""
    row = int(records.items.index[records.items["id"] == name][0])
    stays = records.stays[records.stays["item"] == row]
    return [
        (stay.stage, stay.entered, stay.left, stay.to) for stay in stays.itertuples(index=False)
    ]


def items_of(records):
    return records.items.set_index("id")


def test_every_disease_of_deals_is_said():
    _, report = read_export("deals")
    assert (report.rows, report.used, report.set_aside) == (24, 11, 13)
    assert reasons(report) == {
        "with an id that other rows with different contents have too": 2,
        "won, but nobody knows when": 2,
        "with Is Deleted true, left out": 1,
        "without an id": 1,
        "with a word for nothing as the id": 1,
        "the same as an earlier row": 1,
        "with the status Prospecting, set aside by the mapping": 1,
        "open, without the day on which it arrived": 1,
        "won, without the day on which it arrived": 1,
        "won on a day that is still to come": 1,
        "closed before it arrived": 1,
    }
    assert suspicious(report) == {
        "closed is no real date, taken as blank": 2,
        "created is no real date, taken as blank": 1,
        "lost, but nobody knows when (kept)": 1,
        "channel may hold several values": 1,
        "channel is a word for nothing, kept as a name": 1,
        "amount below 0, taken as unknown": 1,
        "won at 0 (keep)": 1,
    }
    assert report.items == {"won": 6, "lost": 3, "open": 2}
    assert report.aliases == {"product GTXPro = GTX Pro": 1, "channel Web = web": 1}
    assert report.blanks == {"channel = unknown": 1, "amount of won deals = unknown": 1}
    assert (report.as_of, report.as_of_said) == (dt.date(2026, 3, 12), False)
    line = next(
        each for each in report.tables[0].set_aside if each.what == "closed before it arrived"
    )
    assert (line.examples[0].line, line.examples[0].id) == (10, "A-09")


def test_deals_become_items_with_one_stay():
    records, _ = read_export("deals")
    items = items_of(records)
    assert records.stages == ("opportunity",)
    assert stays_of(records, "A-01") == [
        ("opportunity", ordinal("2026-01-05"), ordinal("2026-03-02"), "won")
    ]
    assert stays_of(records, "A-04") == [("opportunity", ordinal("2026-01-12"), UNDATED, "lost")]
    assert stays_of(records, "A-17") == [("opportunity", ordinal("2026-02-12"), OPEN, "")]
    assert items.loc["A-02", "product"] == "GTX Pro"
    assert items.loc["A-02", "channel"] == "web"
    assert items.loc["A-03", "channel"] == "unknown"
    assert items.loc["A-15", "amount"] == 0
    assert items["amount"].isna()[["A-03", "A-14", "A-19"]].all()  # lost at 0, and below 0


def test_the_report_is_text_and_json():
    _, report = read_export("deals")
    text = report.text()
    assert "24 rows = 11 used + 13 set aside" in text
    assert "lines 13 A-11, 14 A-11" in text
    document = json.loads(json.dumps(report.document()))
    assert document["rows"] == document["used"] + document["set_aside"]
    assert document["tables"][0]["set_aside"][0]["examples"][0]["line"] == 13
    assert document["as_of"] == "2026-03-12"


def test_an_earlier_day_knows_less():
    records, report = read_export("deals", as_of=dt.date(2026, 2, 10))
    then = reasons(report)
    assert then["arrived after 2026-02-10"] == 4
    assert suspicious(report)["closed after 2026-02-10, open on that day"] == 4
    assert stays_of(records, "A-01")[0][2:] == (OPEN, "")
    assert items_of(records)["amount"].isna()["A-01"]
    whole, _ = read_export("deals")
    known = whole.known_at(dt.date(2026, 2, 10))
    assert known.stays["left"].tolist() == records.stays["left"].tolist()
    assert known.items["id"].tolist() == records.items["id"].tolist()


def test_german_exports_are_read():
    records, report = read_export("deals-german")
    items = items_of(records)
    assert items.loc["1", "amount"] == 1234.5
    assert items.loc["2", "amount"] == 1234
    assert items.loc["5", "amount"] == 12500
    assert items.loc["5", "channel"] == "München"
    assert stays_of(records, "1")[0][1] == ordinal("2026-02-03")
    assert report.used == 5


def test_days_of_stages_may_stand_in_columns():
    records, report = read_export("hubspot")
    assert records.stages == ("scheduled", "contract")
    assert [stay[0] for stay in stays_of(records, "101")] == ["scheduled", "contract"]
    assert stays_of(records, "101")[-1][3] == "won"
    assert stays_of(records, "103")[-1][0::3] == ("scheduled", "lost")
    assert items_of(records).loc["101", "channel"] == "PAID_SEARCH"
    assert suspicious(report)["channel holds several values, of which the first counts"] == 2


def test_leads_are_joined_with_their_deals():
    records, report = read_export("leads")
    assert reasons(report, "leads") == {
        "open, without the day on which it arrived": 1,
        "of a deal that is set aside": 1,
    }
    assert reasons(report) == {
        "of a lead that is set aside": 1,
        "of a lead that is not there": 1,
        "closed before its lead arrived": 1,
        "a further deal of one lead": 1,
    }
    items = items_of(records)
    assert list(items.index) == ["L1", "L2", "L3", "L5", "L6"]
    assert items.loc["L1", ["channel", "segment", "amount"]].tolist() == ["search", "retail", 1200]
    assert items["amount"].isna()["L3"]  # zero_amounts: unknown
    assert list(items["channel"]) == ["search", "unknown", "unknown", "search", "social"]
    assert stays_of(records, "L1") == [
        ("lead", ordinal("2026-01-05"), ordinal("2026-02-10"), "won")
    ]
    assert stays_of(records, "L3")[0][1] == stays_of(records, "L3")[0][2]
    assert stays_of(records, "L5")[0][2] == OPEN
    assert records.gaps == {"lead": Gap(dt.date(2026, 1, 19), True)}


def test_deals_that_open_make_a_second_stage(tmp_path):
    mapping = (
        "leads: {file: l.csv, columns: {id: id, created: made}}\n"
        "deals:\n  file: d.csv\n"
        "  columns: {id: deal, lead: lead, created: opened, closed: closed, status: s, amount: a}\n"
        "  status: {w: won, l: lost, o: open}\n"
        "backdated: same day\n"
    )
    leads = "id,made\nL1,2026-01-01\nL2,2026-01-02\nL3,2026-01-03\n"
    deals = (
        "deal,lead,opened,closed,s,a\n"
        "D1,L1,2026-01-05,2026-02-01,w,10\n"
        "D2,L2,2026-01-01,,o,20\n"
        "D3,,2026-01-20,2026-01-25,l,\n"
    )
    records, report = read_records(write_export(tmp_path, mapping, l=leads, d=deals))
    assert records.stages == ("lead", "opportunity")
    assert [stay[0] for stay in stays_of(records, "L1")] == ["lead", "opportunity"]
    assert stays_of(records, "L2")[0][1:3] == (ordinal("2026-01-02"), ordinal("2026-01-02"))
    assert stays_of(records, "D3")[0][0] == "opportunity"
    assert suspicious(report)["without a lead (kept)"] == 1
    assert report.used == 6


@pytest.mark.parametrize(
    ("rows", "mapping", "message"),
    [
        (
            "a,01/02/2026,,open,\n",
            "",
            "01/02/2026, which can be read two ways, as can 1 of 1 dates",
        ),
        ('a,2026-01-02,2026-01-05,won,"1,234"\n', "", "Add decimal: point or decimal: comma"),
        ("a,2026-01-02,,Negotiation,\n", "", "Negotiation in 1 row, which means nothing yet"),
        ("a,2026-01-02,,opn,\n", "", "Did you mean open?"),
        ("a,13.13.2026,,open,\n", "", "13.13.2026, which is no date"),
        ("a,2026-01-02,,open,lots\n", "", "lots, which is no amount"),
        ("a,2026-01-02,,open,$5\nb,2026-01-02,,open,€5\n", "", "several currencies: $ and €"),
        ("a,2026-01-02,,open,5\n", "dates: excel\naliases: {product: {a: b}}\n", ""),
        ("a,,,open,5\n", "", "1 of 1 rows open, without the day on which it arrived"),
    ],
)
def test_what_would_be_a_guess_is_refused(tmp_path, rows, mapping, message):
    path = write_export(tmp_path, mapping + DEALS, d=HEAD + rows)
    found = faults_of(read_records, path)
    assert all(fault.count("\n") == 0 for fault in found)
    assert any(message in fault for fault in found) or (not message and not found), found


def test_columns_that_are_not_there_are_named(tmp_path):
    path = write_export(tmp_path, DEALS, d="id,mad,closed,status,amount\na,2026-01-01,,open,1\n")
    (found,) = faults_of(read_records, path)
    assert found.startswith(f"{path}:3: deals.columns.created: got made; must be a column of")
    assert "Did you mean mad?" in found


def test_a_repeated_name_is_refused_where_it_is_used(tmp_path):
    path = write_export(
        tmp_path, DEALS, d="id,made,closed,status,amount,made\na,2026-01-01,,open,1,x\n"
    )
    (found,) = faults_of(read_records, path)
    assert "stands over several columns" in found


def test_few_cells_that_cannot_be_read_are_set_aside_and_many_refused(tmp_path):
    good = "".join(f"g{i},2026-01-0{i % 9 + 1},,open,1\n" for i in range(30))
    path = write_export(tmp_path, DEALS, d=HEAD + good + "bad,TBD,,open,1\n")
    _, report = read_records(path)
    assert reasons(report) == {"arrived on a day that cannot be read": 1}
    many = good + "".join(f"b{i},TBD,,open,1\n" for i in range(5))
    path = write_export(tmp_path, DEALS, d=HEAD + many)
    (found,) = faults_of(read_records, path)
    assert "TBD, which is no date, as 5 of 35 cells" in found
    path = write_export(tmp_path, "unreadable: set aside\n" + DEALS, d=HEAD + many)
    _, report = read_records(path)
    assert reasons(report) == {"arrived on a day that cannot be read": 5}


def test_a_table_of_changes_is_not_taken_for_one_of_deals(tmp_path):
    rows = "".join(f"d{i},2026-01-01,,open,{k}\n" for i in range(20) for k in range(2))
    path = write_export(tmp_path, DEALS, d=HEAD + rows)
    (found,) = faults_of(read_records, path)
    assert "If each row is a change, read them as events:" in found
    path = write_export(tmp_path, DEALS + "  duplicates: last\n", d=HEAD + rows)
    records, report = read_records(path)
    assert reasons(report) == {"with the id of a later row": 20}
    assert set(records.items["amount"]) == {1}


def test_names_that_are_nearly_the_same_are_offered(tmp_path):
    mapping = DEALS.replace("amount: amount", "segment: amount")
    names = ["technology"] * 3 + ["technolgy", "Region 1", "Region 2", "IT", "it"]
    rows = "".join(f"d{i},2026-01-01,,open,{name}\n" for i, name in enumerate(names))
    _, report = read_records(write_export(tmp_path, mapping, d=HEAD + rows))
    found = {(pair.name, pair.other) for pair in report.alike}
    assert found == {("technolgy", "technology"), ("it", "IT")}


def test_items_that_are_open_for_longer_than_any_took_are_told(tmp_path):
    rows = "".join(f"d{i},2026-01-{i + 1:02},2026-02-01,won,1\n" for i in range(25))
    rows += "old,2025-06-01,,open,\nnew,2026-01-20,,open,\n"
    _, report = read_records(write_export(tmp_path, DEALS, d=HEAD + rows))
    (found,) = [each for each in report.suspicious if "longer" in each.what]
    assert found.what == "open in opportunity for longer than any took that left it (31 days)"
    assert (found.count, found.examples[0].id, found.examples[0].line) == (1, "old", 27)


def test_other_currencies_need_a_rate(tmp_path):
    mapping = DEALS.replace("amount: amount}", "amount: amount, currency: unit}")
    rows = "a,2026-01-01,2026-02-01,won,100,USD\nb,2026-01-01,2026-02-01,won,10,EUR\n"
    rows += "c,2026-01-01,2026-02-01,won,7,\n"
    head = HEAD.replace("\n", ",unit\n")
    (found,) = faults_of(read_records, write_export(tmp_path, mapping, d=head + rows))
    assert "EUR in 1 rows with an amount, whose rate nobody says" in found
    path = write_export(tmp_path, "rates: {EUR: 1.5}\n" + mapping, d=head + rows)
    assert read_records(path)[0].items["amount"].tolist() == [100, 15, 7]


def test_a_day_that_the_export_does_not_know_is_refused(tmp_path):
    path = write_export(tmp_path, "as_of: 2026-03-01\n" + DEALS, d=HEAD + "a,2026-01-01,,open,\n")
    (found,) = faults_of(read_records, path, dt.date(2026, 3, 2))
    assert "must be a day up to 2026-03-01, the last that the export knows" in found
    assert read_records(path, dt.date(2026, 2, 1))[0].as_of == dt.date(2026, 2, 1)


def test_who_names_a_day_to_come_is_believed(tmp_path):
    rows = "a,2091-01-01,2091-02-01,won,5\n"
    assert faults_of(read_records, write_export(tmp_path, DEALS, d=HEAD + rows))
    path = write_export(tmp_path, "as_of: 2091-03-01\n" + DEALS, d=HEAD + rows)
    assert read_records(path)[1].items == {"won": 1, "lost": 0, "open": 0}


def test_what_becomes_of_a_lead_depends_on_its_deals(tmp_path):
    mapping = (
        "leads: {file: l.csv, columns: {id: id, created: made}}\n"
        "deals: {file: d.csv, columns: {lead: lead, closed: closed, status: s}, "
        "status: {w: won, l: lost, test: set aside}}\n"
    )
    leads = "id,made\nL1,2026-01-01\nL2,2026-01-02\nL3,2026-01-03\n"
    deals = "lead,closed,s\nL1,,w\nL1,2026-02-01,w\nL2,,w\nL3,2026-02-02,test\n"
    records, report = read_records(write_export(tmp_path, mapping, l=leads, d=deals))
    assert reasons(report) == {
        "won, but nobody knows when": 2,
        "with the status test, set aside by the mapping": 1,
    }
    assert reasons(report, "leads") == {"of a deal that is set aside": 1}  # L2
    assert stays_of(records, "L1")[0][3] == "won"
    assert stays_of(records, "L3")[0][3] == ""
