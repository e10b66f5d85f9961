"""Real exports, where they are: every row accounted for, and their traps told."""

import csv
import datetime as dt

from exports_of import faults_of, reasons, suspicious, write_export
from shared_data import real

from forecast.history.exports.read import read_records
from forecast.history.exports.suggest import suggest_mapping

OLIST = """
{dates}
leads:
  file: {leads}
  columns: {{id: mql_id, created: first_contact_date, channel: origin}}
deals:
  file: {deals}
  columns: {{lead: mql_id, closed: won_date, segment: business_segment}}
  dates: day-month-year
  status: won
recorded:
  lead: {{since: 2017-12-05, before: all}}
"""


def read_maven(tmp_path):
    mapping = f"""
as_of: 2017-12-31
deals:
  file: {real("maven-crm") / "sales_pipeline.csv"}
  columns:
    {{id: opportunity_id, created: engage_date, closed: close_date, status: deal_stage,
     amount: close_value, product: product, segment: account}}
  status: {{Won: won, Lost: lost, Engaging: open, Prospecting: open}}
aliases:
  product: {{GTXPro: GTX Pro}}
"""
    return read_records(write_export(tmp_path, mapping))


def test_maven_is_read_with_every_row_accounted_for(tmp_path):
    records, report = read_maven(tmp_path)
    assert (report.rows, report.used) == (8_800, 8_300)
    assert reasons(report) == {"open, without the day on which it arrived": 500}
    assert report.items == {"won": 4_238, "lost": 2_473, "open": 1_589}
    assert report.aliases == {"product GTXPro = GTX Pro": 1_400}  # of 1,480, 80 have no dates
    assert "GTXPro" not in set(records.items["product"])
    won = records.stays["to"] == "won"
    amounts = records.items["amount"].to_numpy()[records.stays.loc[won, "item"]]
    assert amounts.sum() == 10_005_534
    assert records.items["amount"].notna().sum() == 4_238  # lost deals are written as worth 0
    old = "open in opportunity for longer than any took that left it (138 days)"
    assert suspicious(report)[old] == 1_291
    (began,) = [each for each in report.suspicious if "recording began" in each.what]
    assert began.what.startswith(
        "in opportunity before 2017-03-01, when recording began as it seems"
    )
    assert began.count == 1_185
    months = [dt.date.fromordinal(day).month for day in records.stays.loc[won, "left"]]
    assert [months.count(month) for month in range(3, 13)] == [
        531, 285, 438, 531, 308, 446, 503, 279, 406, 511,
    ]  # fmt: skip


def test_maven_is_read_by_what_is_suggested(tmp_path):
    folder = real("maven-crm")
    text = suggest_mapping([folder / "sales_pipeline.csv", folder / "products.csv"])
    assert "GTXPro: GTX Pro" in text
    records, report = read_records(write_export(tmp_path, text))
    assert report.items == {"won": 4_238, "lost": 2_473, "open": 1_589}
    assert "GTXPro" not in set(records.items["product"])


def olist(tmp_path, dates="dates: day-month-year", leads=None):
    folder = real("olist-funnel")
    leads = leads or folder / "olist_marketing_qualified_leads_dataset.csv"
    deals = folder / "olist_closed_deals_dataset.csv"
    return write_export(tmp_path, OLIST.format(dates=dates, leads=leads, deals=deals))


def test_olist_is_read_day_first(tmp_path):
    records, report = read_records(olist(tmp_path))
    assert (report.rows, report.used) == (8_842, 8_840)
    assert reasons(report) == {"closed before its lead arrived": 1}
    assert reasons(report, "leads") == {"of a deal that is set aside": 1}
    assert report.blanks["channel = unknown"] == 60
    assert (records.items["channel"] == "unknown").sum() == 1_159
    said = "1,099 rows say unknown as the channel, and 60 blank ones are taken as the same"
    assert said in report.notes
    (began,) = [each for each in report.suspicious if "recording began" in each.what]
    assert began.what.startswith(
        "in lead before 2017-12-05, when recording began as the mapping says"
    )
    assert began.count == 1_827
    entered = records.stays["entered"]
    assert dt.date.fromordinal(entered.min()) == dt.date(2017, 6, 14)
    assert dt.date.fromordinal(entered.max()) == dt.date(2018, 5, 31)
    assert report.last == dt.date(2018, 11, 14)
    assert (records.stays["left"] == entered).sum() == 33
    months = [
        dt.date.fromordinal(d) for d in records.stays.loc[records.stays["to"] == "won", "left"]
    ]
    counts = [
        sum((day.year, day.month) == month for day in months) for month in [(2017, 12), (2018, 4)]
    ]
    assert counts == [3, 207]


def test_olist_written_month_first_is_refused_until_it_is_said(tmp_path):
    source = real("olist-funnel") / "olist_marketing_qualified_leads_dataset.csv"
    turned = tmp_path / "leads.csv"
    flipping = 0
    with source.open(newline="") as old, turned.open("w", newline="") as new:
        rows = csv.DictReader(old)
        writer = csv.DictWriter(new, rows.fieldnames)
        writer.writeheader()
        for row in rows:
            day, month, year = row["first_contact_date"].split("-")
            flipping += int(day) <= 12 and day != month
            writer.writerow(row | {"first_contact_date": f"{int(month)}/{int(day)}/{year}"})
    found = faults_of(read_records, olist(tmp_path, "", turned))
    assert len(found) == 1
    assert f"can be read two ways, as can {flipping:,} of 8,000 dates" in found[0]
    assert flipping == 2_862
    again, _ = read_records(olist(tmp_path, "dates: month-day-year", turned))
    right, _ = read_records(olist(tmp_path))
    assert again.stays.equals(right.stays)
    assert again.items.equals(right.items)


def test_olist_is_read_by_what_is_suggested(tmp_path):
    folder = real("olist-funnel")
    text = suggest_mapping(sorted(folder.glob("*.csv")))
    assert "\ndates: day-month-year\n" in text
    records, report = read_records(write_export(tmp_path, text))
    assert report.items == {"won": 841, "lost": 0, "open": 7_158}
    assert records.stages == ("lead",)


def test_a_pivot_table_and_lists_of_names_are_refused():
    pivot = real("crm-export-samples") / "pivot-saved-as-sales_pipeline.csv"
    assert "It looks like a report" in faults_of(suggest_mapping, [pivot])[0]
    accounts = real("maven-crm") / "accounts.csv"
    assert "a table of deals, leads or events" in faults_of(suggest_mapping, [accounts])[0]
