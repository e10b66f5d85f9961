"""Exports of several makes: what is proposed for them, and where the mapping must be asked."""

import csv

import pytest
import xlsxwriter
from exports_of import faults_of

from forecast.history.exports.mapping import read_mapping
from forecast.history.exports.read import read_records
from forecast.history.exports.suggest import suggest_mapping
from forecast.history.exports.suggest_words import meaning


def write_csv(path, head, rows, encoding="utf-8", separator=","):
    with path.open("w", newline="", encoding=encoding) as file:
        csv.writer(file, delimiter=separator).writerows([head, *rows])
    return path


def proposed(tmp_path, *paths):
    """What is proposed: the text, and the mapping and report that come of it."""
    text = suggest_mapping(paths)
    mapping = tmp_path / "mapping.yaml"
    mapping.write_text(text, encoding="utf-8")
    return text, read_mapping(mapping), read_records(mapping)[1]


def log_of_activities(tmp_path):
    """A log as universities share them: hundreds of activities, of which few matter."""
    rows = []
    for case in range(60):
        steps = ["A_SUBMITTED", "A_PREACCEPTED", "A_ACCEPTED", "O_SENT"]
        steps.append("A_APPROVED" if case % 3 else "A_DECLINED")
        for day, step in enumerate(steps):
            offset = "+01:00" if case % 2 else "+02:00"
            rows.append((170_000 + case, step, f"2012-02-{1 + 3 * day:02d} 10:18:07.824{offset}"))
        for call in range(3):
            name = f"W_Call {7 * case + call} (START)"
            rows.append((170_000 + case, name, f"2012-02-{9 + 7 * call:02d} 09:00:00.000+01:00"))
    rows = rows[1::2] + rows[::2]  # in no order
    return write_csv(
        tmp_path / "log.csv", ("case:concept:name", "concept:name", "time:timestamp"), rows
    )


def test_of_hundreds_of_activities_those_of_most_cases_are_stages(tmp_path):
    text, mapping, report = proposed(tmp_path, log_of_activities(tmp_path))
    assert mapping.stages == ("a_submitted", "a_preaccepted", "a_accepted", "o_sent")
    assert dict(report.items) == {"won": 40, "lost": 20, "open": 0}
    assert "others: set aside    # 180 values" in text
    assert "A_ACCEPTED sounds like won, but most go on after it" in text


def test_snapshots_count_by_their_day_not_by_the_day_of_creation(tmp_path):
    rows = [
        (f"2026-0{month}-01", f"D{item}", "Qualify" if month < 4 else "Won", "2026-01-15")
        for month in range(2, 6)
        for item in range(5)
    ]
    head = ("snapshot_date", "opp_id", "stage", "created_date")
    _, mapping, report = proposed(tmp_path, write_csv(tmp_path / "snap.csv", head, rows))
    assert mapping.table("events").columns["at"] == "snapshot_date"
    assert report.items["won"] == 5


@pytest.mark.parametrize(
    ("value", "word"),
    [("6. Closed Won (100%)", "won"), ("0 - Lost", "lost"), ("A_CANCELLED", "lost"),
     ("2. Proposal", "open"), ("100", None), ("7", None)],
)  # fmt: skip
def test_numbers_and_letters_before_a_status_are_passed_over(value, word):
    assert meaning(value) == word


def test_an_encoding_and_its_doubt_are_proposed(tmp_path):
    head = ("Angebotsnr.", "Erstellt am", "Abschlussdatum", "Status", "Auftragswert", "Herkunft")
    rows = [
        (f"A{k}", "13.02.2026", "14.03.2026" if k % 3 else "", status, "1.234,50 €", "Außendienst")
        for k, status in enumerate(["Offen", "Gewonnen", "Verloren"] * 10)
    ]
    path = write_csv(tmp_path / "export.csv", head, rows, "cp1252", ";")
    text, mapping, report = proposed(tmp_path, path)
    assert "  encoding: cp1252" in text
    assert "cp1252 (Western Windows) is a guess: look whether Außendienst is" in text
    assert mapping.table("deals").columns["amount"] == "Auftragswert"
    assert mapping.table("deals").columns["channel"] == "Herkunft"
    assert mapping.currency == "EUR"
    assert dict(report.items) == {"won": 10, "lost": 10, "open": 10}


def test_the_sheet_with_most_records_is_proposed(tmp_path):
    rows = [[k, "2026-01-02", "2026-02-03", "Won" if k % 2 else "Lost"] for k in range(6)]
    with xlsxwriter.Workbook(tmp_path / "book.xlsx") as book:
        book.add_worksheet("Notes").write(0, 0, "Notes")
        sheet = book.add_worksheet("Deals")
        for k, row in enumerate([["Deal ID", "Created", "Closed", "Status"], *rows]):
            sheet.write_row(k, 0, row)
    text, _, report = proposed(tmp_path, tmp_path / "book.xlsx")
    assert "  sheet: Deals" in text
    assert "# - sheet: Deals, of " in text
    assert report.items["won"] == 3


def test_a_currency_column_and_several_pipelines_are_told(tmp_path):
    head = ("ID", "Deal created", "Won time", "Status", "Value", "Currency of Value", "Pipeline")
    rows = [
        (
            k,
            "2026-01-02",
            "2026-02-03" if k % 2 else "",
            "Won" if k % 2 else "Open",
            100 + k,
            "EUR",
            "Sales" if k % 3 else "Renewals",
        )
        for k in range(12)
    ]
    text, mapping, _ = proposed(tmp_path, write_csv(tmp_path / "deals.csv", head, rows))
    assert mapping.currency == "EUR"
    assert "only: Pipeline has Renewals and Sales, read as one journey" in text


def test_ids_that_are_written_otherwise_are_refused_not_dropped(tmp_path):
    leads = [(f"LEAD-{k:03d}", "2026-01-02") for k in range(60)]
    won = [(f"lead-{k:03d}" if k > 8 else f"LEAD-{k:03d}", "2026-02-03") for k in range(30)]
    one = write_csv(tmp_path / "leads.csv", ("lead_id", "created_at"), leads)
    other = write_csv(tmp_path / "won.csv", ("lead_id", "won_at"), won)
    text = suggest_mapping([one, other])
    assert "it cannot be read yet" in text
    path = tmp_path / "mapping.yaml"
    path.write_text(text, encoding="utf-8")
    (fault,) = faults_of(read_records, path)
    assert "nearly LEAD-009, as 21 of 30 deals" in str(fault)
    path.write_text(text + "unreadable: set aside\n", encoding="utf-8")
    _, report = read_records(path)
    assert report.items["won"] == 9
