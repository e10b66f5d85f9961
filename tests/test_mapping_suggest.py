"""Mappings that are proposed: what they find, what they are not sure about, and that they read."""

import os

import pytest
from exports_of import EXPORTS, faults_of, write_export

from forecast.history.exports.mapping import read_mapping
from forecast.history.exports.read import read_records
from forecast.history.exports.suggest import suggest_mapping
from forecast.history.exports.suggest_values import quoted, stage_name
from forecast.history.exports.suggest_words import claim, meaning
from forecast.scenario.nodes import Place, parse_value


def suggested(tmp_path, *names):
    """The text that is proposed for exports kept here, and the path of a file with it."""
    text = suggest_mapping([EXPORTS / f"{name}.csv" for name in names])
    return text, write_export(tmp_path, text)


def doubts(text):
    return [line[4:] for line in text.splitlines() if line.startswith("# - ")]


@pytest.mark.parametrize(
    ("names", "items"),
    [
        (("deals",), {"won": 6, "lost": 3, "open": 2}),
        (("deals-german",), {"won": 3, "lost": 1, "open": 1}),
        (("leads", "won-deals"), {"won": 2, "lost": 0, "open": 3}),
        (("won-deals", "leads"), {"won": 2, "lost": 0, "open": 3}),
        (("events",), {"won": 1, "lost": 1, "open": 3}),
        (("salesforce",), {"won": 2, "lost": 1, "open": 2}),
        (("hubspot",), {"won": 2, "lost": 1, "open": 1}),
        (("pipedrive",), {"won": 1, "lost": 1, "open": 2}),
        (("snapshots", "items"), {"won": 1, "lost": 0, "open": 1}),
    ],
)
def test_what_is_proposed_reads_without_faults(tmp_path, names, items):
    text, path = suggested(tmp_path, *names)
    _, report = read_records(path)
    assert dict(report.items) == items
    assert not any("cannot be read yet" in doubt for doubt in doubts(text))
    total = sum(items.values())
    assert f"#   {total:,} items ({items['won']:,} won" in text


def test_columns_are_found_by_their_names_and_contents(tmp_path):
    _, path = suggested(tmp_path, "deals")
    mapping = read_mapping(path)
    deals = mapping.table("deals")
    assert deals.columns == {
        "id": "Opportunity ID", "created": "Created", "closed": "Closed", "status": "Stage",
        "amount": "Value", "channel": "Source", "product": "Product",
    }  # fmt: skip
    assert deals.status == {
        "Won": "won", "Lost": "lost", "Engaging": "open", "Prospecting": "open", "won": "won",
    }  # fmt: skip
    assert deals.leave_out == {"Is Deleted": ("TRUE",)}
    assert mapping.aliases == {"channel": {"Web": "web"}, "product": {"GTXPro": "GTX Pro"}}
    assert mapping.several == {"channel": ";"}


def test_an_order_of_dates_is_proposed_where_a_day_above_12_proves_it(tmp_path):
    text, _ = suggested(tmp_path, "leads", "won-deals")
    assert "\ndates: month-day-year\n" in text
    text, _ = suggested(tmp_path, "deals-german")
    assert "\ndates: day-month-year\n" in text
    assert any("Angelegt am can be read two ways" in doubt for doubt in doubts(text))
    assert "\ndecimal: comma\n" in text
    assert "\ncurrency: EUR\n" in text


def test_what_nothing_proves_is_left_to_be_filled_in(tmp_path):
    head = "deal id,created,closed,status,amount\n"
    rows = 'a,01/02/2026,03/04/2026,Won,"1,234"\nb,02/02/2026,,Open,\n'
    (tmp_path / "d.csv").write_text(head + rows, encoding="utf-8")
    text = suggest_mapping([tmp_path / "d.csv"])
    assert "\n# dates: day-month-year    # or month-day-year" in text
    assert "\n# decimal: point    # or comma" in text
    found = " ".join(doubts(text))
    assert "created can be read two ways (01/02/2026)" in found
    assert "amount can be read two ways" in found
    path = write_export(tmp_path, text)
    assert faults_of(read_records, path)
    said = text.replace("# dates: day-month-year    #", "dates: day-month-year    #")
    path = write_export(tmp_path, said.replace("# decimal: point    #", "decimal: point    #"))
    assert read_records(path)[0].items["amount"][0] == 1234


def test_the_journey_is_put_in_the_order_of_the_events(tmp_path):
    text, path = suggested(tmp_path, "snapshots")
    mapping = read_mapping(path)
    assert mapping.stages == ("lead", "opportunity")
    assert mapping.table("events").status["Closed Won"] == "won"
    assert "stage: no value of stage seems to mean lost" in doubts(text)


def test_values_and_columns_that_say_little_are_doubted(tmp_path):
    rows = "".join(
        f"x{i},2026-01-{i + 1:02},2026-02-{i + 1:02},Phase {i % 3},{i}\n" for i in range(9)
    )
    (tmp_path / "d.csv").write_text("ref,begun,done,phase,worth\n" + rows, encoding="utf-8")
    found = doubts(suggest_mapping([tmp_path / "d.csv"]))
    assert "id: ref, taken because no two rows have the same" in found
    assert "created: begun, the earliest of the columns of dates" in found
    assert "closed: done, the latest of the columns of dates" in found
    assert "status: Phase 0 (3 rows) is taken as open" in found
    assert "status: no value of phase seems to mean won" in found


def test_a_table_without_dates_is_refused():
    (found,) = faults_of(suggest_mapping, [EXPORTS / "items.csv"])
    assert "must be a table of deals, leads or events with an id and dates" in found


def test_files_may_be_named_from_where_one_stands():
    here = os.path.relpath(EXPORTS / "deals.csv")
    assert f"  file: {here}\n" in suggest_mapping([here])


@pytest.mark.parametrize(
    "text",
    [
        "a: b",
        "null",
        "#1",
        "x # y",
        "it's",
        '"',
        "- a",
        "10%",
        "=1+1",
        "Ü, ß",
        "a\tb",
        "[x]",
        "~",
        "a:",
        "007",
        "*a",
        "&b",
        "? x",
        "! y",
        "%z",
        "@w",
    ],
)
def test_texts_come_back_from_yaml_as_they_were(text):
    assert parse_value(f"{{{quoted(text)}: {quoted(text)}}}", Place("a", 1, "")) == {text: text}
    assert parse_value(quoted(text), Place("a", 1, "")) == text


def test_words_of_several_systems_are_known():
    assert [meaning(each) for each in ("Closed Won", "closedwon", "gewonnen", "Deal lost")] == [
        "won", "won", "won", "lost",
    ]  # fmt: skip
    assert meaning("Phase 2") is None
    assert claim("CreatedDate", "created") > claim("Last Modified Date", "created")
    assert stage_name("Won") == "won stage"
    assert stage_name("A./B\\C") == "a b c"
