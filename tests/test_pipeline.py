"""The open pipeline: what is read of a scenario's open deals, and what is kept of them."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

import numpy as np
import pytest
from commands import ROOT, document, invoke

from forecast.scenario.errors import ScenarioError
from forecast.scenario.model import Scenario
from forecast.scenario.nodes import Items, Table, Text, read_nodes
from forecast.scenario.paths import dump
from forecast.scenario.pipeline_model import OpenDeals, Pipeline
from forecast.scenario.reader import read_scenario

EXAMPLE = ROOT / "scenarios" / "open-pipeline.yaml"
FRAME = """\
name: Open
start: {start}
horizon: 3 {period}s
period: {period}
channels:
  web: {{leads: {{mean: 20, per: month}}}}
journey:
  lead: {{opportunity: {{conversion: 25%, lag: 20 days}}}}
  opportunity: {{won: {{conversion: 30%, lag: 3 months}}}}
"""
NAN = float("nan")


def read(folder: Path, pipeline: str, start: str = "2027-01-01", period: str = "month") -> Scenario:
    path = folder / "open.yaml"
    text = FRAME.format(start=start, period=period) + f"pipeline: {pipeline}\n"
    path.write_text(text, encoding="utf-8")
    return read_scenario(path)


def deals_of(scenario: Scenario) -> OpenDeals:
    assert scenario.pipeline is not None
    return scenario.pipeline.deals


def same(one: Pipeline | None, other: Pipeline | None) -> None:
    assert one is not None
    assert other is not None
    assert one.retired == other.retired
    assert one.deals.ids == other.deals.ids
    for field in dataclasses.fields(OpenDeals)[1:]:
        a, b = getattr(one.deals, field.name), getattr(other.deals, field.name)
        assert a.dtype == b.dtype, field.name
        np.testing.assert_array_equal(a, b, field.name)


def file_of(folder: Path, text: str, name: str = "deals.csv") -> str:
    (folder / name).write_text(text, encoding="utf-8")
    return f"{{file: {name}}}"


ROWS = """\
 ID ,Stage,entered,amount,PROBABILITY,expected_close,close_cv,owner
A-1,opportunity,2026-10-02,25k,,,,Ann
"B,2",lead,2026-12-31 23:59,25_000.50,30%,,,"says ""maybe"", twice"
C 3, lead ,2026-12-01,0,0.25,2027-03-31,0.5,
D-4,opportunity,,1.5M,100%,2027-04-01,,
E-5,lead,2025-06-15,1.234,,2027-01-01,2,
"""


def test_every_column_is_read(tmp_path: Path) -> None:
    scenario = read(tmp_path, file_of(tmp_path, ROWS))
    deals = deals_of(scenario)
    assert deals.ids == ("A-1", "B,2", "C 3", "D-4", "E-5")
    assert deals.stage.tolist() == [1, 0, 0, 1, 0]
    for where in (deals.channel, deals.segment, deals.product):
        assert where.tolist() == [0] * 5
    assert deals.amount.tolist() == [25_000, 25_000.5, 0, 1_500_000, 1.234]
    np.testing.assert_array_equal(deals.age_days, [91, 1, 31, NAN, 565])
    assert deals.age_periods.tolist() == [3, 1, 1, -1, 19]
    np.testing.assert_array_equal(deals.probability, [NAN, 0.3, 0.25, 1.0, NAN])
    assert deals.close_period.tolist() == [-1, -1, 2, 3, 0]  # 3: after the horizon
    np.testing.assert_array_equal(deals.close_days, [NAN, NAN, 89, 90, 0])
    # A close on the first day has a mean time of 0, which cannot vary.
    assert deals.close_cv.tolist() == [0, 0, 0.5, 0, 0]
    for field in dataclasses.fields(OpenDeals)[1:]:
        kind = np.float64 if field.name in FLOATS else np.int64
        assert getattr(deals, field.name).dtype == kind, field.name


FLOATS = {"amount", "age_days", "probability", "close_days", "close_cv"}


@pytest.mark.parametrize(
    ("start", "period", "entered", "periods"),
    [
        ("2027-01-01", "month", "2026-12-31", 1),
        ("2027-01-01", "month", "2026-12-01", 1),
        ("2027-01-01", "month", "2026-11-30", 2),
        ("2027-01-15", "month", "2027-01-14", 0),
        ("2027-01-15", "month", "2026-12-31", 1),
        ("2027-01-04", "week", "2027-01-03", 1),
        ("2027-01-04", "week", "2026-12-28", 1),
        ("2027-01-04", "week", "2026-12-27", 2),
        ("2027-01-04", "day", "2027-01-03", 1),
        ("2027-01-04", "day", "2026-12-31", 4),
    ],
)
def test_ages_count_periods_of_the_calendar(
    start: str, period: str, entered: str, periods: int, tmp_path: Path
) -> None:
    one = f"{{deals: [{{id: A, stage: lead, entered: {entered}, amount: 1}}]}}"
    deals = deals_of(read(tmp_path, one, start, period))
    assert deals.age_periods.tolist() == [periods]


def test_a_file_text_and_a_list_say_the_same(tmp_path: Path) -> None:
    file = read(tmp_path, file_of(tmp_path, ROWS))
    lines = "".join(f"    {line}\n" for line in ROWS.split("\n"))
    text = read(tmp_path, f"\n  csv: |2\n{lines}")
    listed = read(
        tmp_path,
        """
  deals:
    - {id: A-1, stage: opportunity, entered: 2026-10-02, amount: 25k}
    - {id: "B,2", stage: lead, entered: 2026-12-31 23:59, amount: 25_000.50, probability: 30%}
    - {id: C 3, stage: lead, entered: 2026-12-01, amount: 0, probability: 0.25,
       expected_close: 2027-03-31, close_cv: 0.5}
    - {id: D-4, stage: opportunity, amount: 1.5M, probability: 100%, expected_close: 2027-04-01}
    - {id: E-5, stage: lead, entered: 2025-06-15, amount: 1.234, probability: ,
       expected_close: 2027-01-01, close_cv: 2}
""",
    )
    same(file.pipeline, text.pipeline)
    same(file.pipeline, listed.pipeline)


@pytest.mark.parametrize("mark", ["\ufeff", ""])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_marks_and_line_ends_of_spreadsheets_do_not_matter(
    mark: str, end: str, tmp_path: Path
) -> None:
    plain = read(tmp_path, file_of(tmp_path, ROWS))
    text = mark + ROWS.replace("\n", end) + f",,,,,,,{end}"
    (tmp_path / "deals.csv").write_bytes(text.encode())
    same(plain.pipeline, read(tmp_path, "{file: deals.csv}").pipeline)


def test_the_text_that_is_kept_stands_alone(tmp_path: Path) -> None:
    scenario = read(tmp_path, file_of(tmp_path, ROWS).replace("}", ", stale_after: 1 year}"))
    (tmp_path / "deals.csv").unlink()
    kept = tmp_path / "elsewhere" / "kept.yaml"
    kept.parent.mkdir()
    kept.write_text(scenario.text, encoding="utf-8")
    again = read_scenario(kept)
    same(scenario.pipeline, again.pipeline)
    assert scenario.text == again.text
    assert "owner" not in scenario.text
    assert "\n    A-1,opportunity,2026-10-02,25k,,,\n" in scenario.text


@pytest.mark.parametrize(
    "text",
    [
        "a\nb",
        "a\nb\n",
        "a\nb\n\n",
        " a\nb\n",
        "\na\nb\n",
        "a\n\n  b # c: d\n",
        "a\n\tb\n",
        "a\n---\n...\n",
        "a\n  \tb",
        "a\n \nb\n",
        "a\n   ",
        "- a\n- b\n",
        '"a\nb"\n',
        "a\n\u3000b\n",
        "|\n",
        "a\u00a0\nb",
    ],
)
def test_lines_of_text_are_written_and_read_again(text: str, tmp_path: Path) -> None:
    table = Table({"above": Table({"csv": Text(text), "more": Items([Text(text), Text("x")])})})
    (tmp_path / "text.yaml").write_text(dump(table), encoding="utf-8")
    assert read_nodes(tmp_path / "text.yaml") == table


def test_only_the_header_is_an_empty_pipeline(tmp_path: Path) -> None:
    scenario = read(tmp_path, file_of(tmp_path, ROWS.split("\n")[0] + "\n"))
    assert deals_of(scenario).ids == ()
    assert deals_of(scenario).amount.shape == (0,)
    (tmp_path / "kept.yaml").write_text(scenario.text, encoding="utf-8")
    same(scenario.pipeline, read_scenario(tmp_path / "kept.yaml").pipeline)
    assert deals_of(read(tmp_path, "{deals: []}")).ids == ()


def test_no_pipeline_is_none() -> None:
    assert read_scenario(ROOT / "scenarios" / "lean-consulting.yaml").pipeline is None


def test_stale_deals_are_retired(tmp_path: Path) -> None:
    source = file_of(tmp_path, ROWS)
    scenario = read(tmp_path, source.replace("}", ", stale_after: 91 days}"))
    assert scenario.pipeline is not None
    # 91 days are not more than 91; the deal with no date is never stale.
    assert scenario.pipeline.retired == ("E-5",)
    assert scenario.pipeline.deals.ids == ("A-1", "B,2", "C 3", "D-4")
    sooner = read_scenario(tmp_path / "open.yaml", {"pipeline.stale_after": "1 month"})
    assert sooner.pipeline is not None
    assert sooner.pipeline.retired == ("A-1", "C 3", "E-5")
    assert sooner.pipeline.deals.amount.tolist() == [25_000.5, 1_500_000]


def test_another_file_can_be_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    beside, here = tmp_path / "beside", tmp_path / "here"
    beside.mkdir()
    here.mkdir()
    read(beside, file_of(beside, ROWS))
    file_of(here, "\n".join(ROWS.split("\n")[:2]), "other.csv")
    monkeypatch.chdir(here)
    scenario = read_scenario(beside / "open.yaml", {"pipeline.file": "other.csv"})
    assert deals_of(scenario).ids == ("A-1",)
    whole = read_scenario(beside / "open.yaml", {"pipeline": {"file": "other.csv"}})
    same(scenario.pipeline, whole.pipeline)
    with pytest.raises(ScenarioError, match=r"--set:1: pipeline.file: got deals.csv"):
        read_scenario(beside / "open.yaml", {"pipeline.file": "deals.csv"})


def test_a_file_that_extends_names_its_own_file(tmp_path: Path) -> None:
    read(tmp_path, file_of(tmp_path, ROWS))
    (tmp_path / "sub").mkdir()
    file_of(tmp_path / "sub", "\n".join(ROWS.split("\n")[:3]), "fewer.csv")
    path = tmp_path / "sub" / "plan.yaml"
    path.write_text("extends: ../open.yaml\nname: Fewer\n", encoding="utf-8")
    assert len(deals_of(read_scenario(path)).ids) == 5
    more = "extends: ../open.yaml\nset: {pipeline.file: fewer.csv}\n"
    path.write_text(more, encoding="utf-8")
    assert len(deals_of(read_scenario(path)).ids) == 2


def test_columns_that_the_scenario_does_not_tell_apart_are_not_looked_at(tmp_path: Path) -> None:
    text = "id,stage,entered,amount,segment,product\nA,lead,2026-12-01,5,north,gold\n"
    deals = deals_of(read(tmp_path, file_of(tmp_path, text)))
    assert (deals.segment.tolist(), deals.product.tolist()) == ([0], [0])


def test_dates_of_one_time_zone_are_taken_as_written(tmp_path: Path) -> None:
    text = (
        "id,stage,entered,amount,expected_close\n"
        "A,lead,2026-12-01T23:30:00.000+0100,5,2027-02-28\n"
        "B,lead,2026-12-02T00:30:00+01:00,5,\n"
    )
    assert deals_of(read(tmp_path, file_of(tmp_path, text))).age_days.tolist() == [31, 30]


def test_fifty_thousand_deals_are_read_and_kept(tmp_path: Path) -> None:
    rows = [
        f"006{i:015d},{('lead', 'opportunity')[i % 2]},2026-{i % 12 + 1:02d}-03,{i}.{i % 100:02d}"
        for i in range(50_000)
    ]
    text = "\n".join(["id,stage,entered,amount", *rows])
    scenario = read(tmp_path, file_of(tmp_path, text))
    (tmp_path / "kept.yaml").write_text(scenario.text, encoding="utf-8")
    same(scenario.pipeline, read_scenario(tmp_path / "kept.yaml").pipeline)
    assert len(deals_of(scenario).ids) == 50_000


def test_check_tells_of_the_pipeline() -> None:
    said = document("check", str(EXAMPLE))["pipeline"]
    deals = deals_of(read_scenario(EXAMPLE))
    assert (said["deals"], said["retired"]) == (57, 3)
    assert said["zombies"] == {"count": 0, "ids": [], "chance": None}
    assert said["amount"] == deals.amount.sum()
    assert [each["stage"] for each in said["stages"]] == ["lead", "qualified", "opportunity"]
    assert sum(each["deals"] for each in said["stages"]) == 57
    text = invoke("check", str(EXAMPLE)).output
    assert "3 deals retired as stale." in text
    assert document("check", str(ROOT / "scenarios/saas-funnel.yaml"))["pipeline"] is None


def test_check_names_deals_that_are_too_old() -> None:
    old = "id: A-7, stage: opportunity, entered: 2019-01-01, amount: 5, channel: web"
    sets = "--set", f"pipeline={{deals: [{{{old}, product: contract}}]}}"
    told = document("check", str(EXAMPLE), *sets)["pipeline"]["zombies"]
    assert (told["count"], told["ids"]) == (1, ["A-7"])
    assert told["chance"] < 1e-3
    assert (
        "1 deal is older than the lags of the stage allow (A-7)"
        in invoke("check", str(EXAMPLE), *sets).output
    )


def test_parquet_says_the_same_as_csv(tmp_path: Path) -> None:
    import datetime as dt

    import pyarrow as pa
    import pyarrow.parquet

    columns = {
        "ID": ["A-1", "B,2", "C 3", "D-4", "E-5"],
        "stage": pa.array(
            ["opportunity", "lead", "lead", "opportunity", "lead"]
        ).dictionary_encode(),
        "entered": [
            dt.datetime(2026, 10, 2),
            dt.datetime(2026, 12, 31, 23, 59),
            dt.datetime(2026, 12, 1),
            None,
            dt.datetime(2025, 6, 15),
        ],
        "amount": [25_000, 25_000.5, 0, 1.5e6, 1.234],
        "probability": [None, 0.3, 0.25, 1.0, NAN],
        "expected_close": [
            None,
            None,
            dt.date(2027, 3, 31),
            dt.date(2027, 4, 1),
            dt.date(2027, 1, 1),
        ],
        "close_cv": pa.array([None, None, 0.5, None, 2], pa.float32()),
        "owner": [["Ann"], [], [], [], []],
    }
    pyarrow.parquet.write_table(pa.table(columns), tmp_path / "deals.parquet")
    csv = read(tmp_path, file_of(tmp_path, ROWS))
    scenario = read(tmp_path, "{file: deals.parquet}")
    same(csv.pipeline, scenario.pipeline)
    (tmp_path / "kept.yaml").write_text(scenario.text, encoding="utf-8")
    same(csv.pipeline, read_scenario(tmp_path / "kept.yaml").pipeline)


def test_nanoseconds_and_time_zones_of_parquet(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet

    # 1,764,634,229,123,456,789 ns after 1970 is 2025-12-02T00:10:29 UTC.
    since = pa.array([1_764_634_229_123_456_789] * 2, pa.timestamp("ns", tz="UTC"))
    table = pa.table({"id": [1, 2], "stage": ["lead"] * 2, "amount": [5, 6], "entered": since})
    pyarrow.parquet.write_table(table, tmp_path / "deals.parquet")
    deals = deals_of(read(tmp_path, "{file: deals.parquet}"))
    assert deals.ids == ("1", "2")
    assert deals.age_days.tolist() == [395, 395]


def test_faults_of_parquet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import pyarrow as pa
    import pyarrow.parquet

    table = pa.table({"id": ["A", "A"], "stage": ["lead", "won"], "amount": [-1, 2]})
    pyarrow.parquet.write_table(table, tmp_path / "deals.parquet")
    with pytest.raises(ScenarioError) as caught:
        read(tmp_path, "{file: deals.parquet}")
    said = [f"{Path(f.file).name}:{f.line}: {f.path}" for f in caught.value.faults]
    assert said == [
        "deals.parquet:1: entered",
        "deals.parquet:2: amount",
        "deals.parquet:3: id",
        "deals.parquet:3: stage",
    ]
    whole = (tmp_path / "deals.parquet").read_bytes()
    (tmp_path / "broken.parquet").write_bytes(whole[:-20])
    with pytest.raises(ScenarioError, match=r":1: \(file\): got a Parquet file that cannot be"):
        read(tmp_path, "{file: broken.parquet}")
    (tmp_path / "text.parquet").write_text("id,stage", encoding="utf-8")
    with pytest.raises(ScenarioError, match="got no Parquet file, for all its name"):
        read(tmp_path, "{file: text.parquet}")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(ScenarioError, match=r"pip install 'pipecast\[parquet\]'"):
        read(tmp_path, "{file: deals.parquet}")
