"""Dotted paths: setting, merging, extending, and writing a document down again."""

from __future__ import annotations

import contextlib
import copy
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from forecast.scenario.errors import ScenarioError
from forecast.scenario.nodes import (
    Items,
    Nothing,
    Place,
    Table,
    Text,
    parse_value,
    read_nodes,
)
from forecast.scenario.paths import dump, merge, overlay, read_document

FUZZ = settings(
    deadline=None,
    max_examples=200,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
BASE = """\
name: Base
channels:
  web: {leads: {mean: 120, per: month}, cost: 35}
  events:
    leads: {mean: [0, 0, 200]}
  none:
products: []
"""
AT = Place("grid.yaml", 7, "")


@pytest.fixture
def base(tmp_path: Path) -> Table:
    return read_nodes(write(tmp_path, "base.yaml", BASE))


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def at(table: Any, path: str) -> Any:
    for key in path.split("."):
        table = table[int(key)] if isinstance(table, Items) else table[key]
    return table


def faults_of(path: Path, sets: dict[str, str] | None = None) -> list[str]:
    with pytest.raises(ScenarioError) as caught:
        read_document(path, sets or {})
    return [line.replace(f"{path.parent}/", "") for line in str(caught.value).split("\n")]


# --- overlay ----------------------------------------------------------------------------------


def test_a_value_is_set_in_a_copy(base: Table) -> None:
    before = copy.deepcopy(base)
    value = parse_value("{gamma: {mean: [20], cv: 0.2}}", AT)
    changed = overlay(base, "channels.web.leads.mean", value, AT)
    assert base == before
    assert at(changed, "channels.web.leads") == {
        "mean": {"gamma": {"mean": ["20"], "cv": "0.2"}},
        "per": "month",
    }
    assert at(changed, "channels.events") is at(base, "channels.events")
    path = "channels.web.leads.mean"
    assert at(changed, path).place == Place("grid.yaml", 7, path)
    assert at(changed, f"{path}.gamma.mean.0").place == Place(
        "grid.yaml", 7, f"{path}.gamma.mean.0"
    )
    assert at(changed, "channels.web").place == at(base, "channels.web").place
    assert list(at(changed, "channels.web.leads")) == ["mean", "per"]


def test_a_list_item_is_set_by_its_number(base: Table) -> None:
    changed = overlay(base, "channels.events.leads.mean.2", Text("150"), AT)
    assert at(changed, "channels.events.leads.mean") == ["0", "0", "150"]
    assert at(base, "channels.events.leads.mean") == ["0", "0", "200"]


def test_only_the_last_key_may_be_new(base: Table) -> None:
    changed = overlay(base, "channels.web.growth", Text("2%"), AT)
    web = at(changed, "channels.web")
    assert isinstance(web, Table)
    assert web["growth"] == "2%"
    assert web.keys_at["growth"] == 7
    assert web.place_of("growth") == Place("grid.yaml", 7, "channels.web.growth")
    assert web.place_of("cost").line == 3
    assert "growth" not in at(base, "channels.web")
    assert overlay(base, "market", Text("1"), AT)["market"] == "1"


@pytest.mark.parametrize(
    ("path", "message"),
    [
        (
            "channels.wep.leads.mean",
            "got wep; must be a key of channels. Did you mean web? "
            "The choices are web, events and none.",
        ),
        ("chanels.web", "got chanels; must be a key of the scenario. Did you mean channels?"),
        (
            "channels.events.leads.mean.3",
            "got 3; must be the number of an item of channels.events.leads.mean, 0 to 2. "
            "Items are counted from 0.",
        ),
        ("channels.events.leads.mean.-1", "got -1; must be the number of an item"),
        ("channels.events.leads.mean.02", "got 02; must be the number of an item"),
        ("channels.events.leads.mean.x.y", "got x; must be the number of an item"),
        ("products.0", "got 0; must be within products, an empty list. Set products as a whole."),
        (
            "channels.web.cost.fixed",
            "got fixed inside channels.web.cost, which is the value 35; "
            "must be the path of a value or of a mapping. Set channels.web.cost as a whole.",
        ),
        ("channels.none.leads", "got leads inside channels.none, which is an empty value;"),
        ("channels..leads", "got the path channels..leads; must be a dotted path."),
        ("", "got the path nothing; must be a dotted path."),
        ("channels.web.", "got the path channels.web.; must be a dotted path."),
    ],
)
def test_a_path_that_leads_nowhere(base: Table, path: str, message: str) -> None:
    where = f"grid.yaml:7: {path or '(file)'}: "
    with pytest.raises(ScenarioError, match=re.escape(where + message)):
        overlay(base, path, Text("1"), AT)


def test_nothing_is_nested_too_deeply_by_setting(base: Table) -> None:
    deep = parse_value("[" * 29 + "]" * 29, AT)
    with pytest.raises(ScenarioError, match="got deep nesting; must be at most 30 levels"):
        overlay(base, "channels.web.cost", deep, AT)
    again = overlay(base, "cost", parse_value("[" * 28 + "]" * 28, AT), AT)
    assert parse_value(dump(again), AT) == again


@FUZZ
@given(path=st.text(alphabet="abwe.012channels", max_size=20))
def test_any_path_sets_or_is_refused(base: Table, path: str) -> None:
    before = copy.deepcopy(base)
    with contextlib.suppress(ScenarioError):
        assert at(overlay(base, path, Text("1"), AT), path) == "1"
    assert base == before
    assert base.keys_at == before.keys_at


# --- merge ------------------------------------------------------------------------------------


def test_tables_are_merged_by_key_and_values_keep_their_places() -> None:
    low = parse_value("{a: {x: 1, y: 2}, b: {beta: {won: 1}}, c: [1]}", Place("low", 1, "journey"))
    top = parse_value("{a: {y: 3, z: 4}, b: {gamma: 5}, c: [2, 3]}", Place("top", 9, "segment.j"))
    assert isinstance(low, Table)
    assert isinstance(top, Table)
    before = copy.deepcopy(low)
    merged = merge(low, top, {"b"})
    assert merged == {"a": {"x": "1", "y": "3", "z": "4"}, "b": {"gamma": "5"}, "c": ["2", "3"]}
    assert merge(low, top)["b"] == {"beta": {"won": "1"}, "gamma": "5"}
    assert at(merged, "a.x").place == Place("low", 1, "journey.a.x")
    assert at(merged, "a.y").place == Place("top", 9, "segment.j.a.y")
    inner = merged["a"]
    assert isinstance(inner, Table)
    assert inner.place_of("x") == Place("low", 1, "journey.a.x")
    assert low == before
    assert merge(low, Table()) == low
    assert merge(low, Table({"a": Nothing()}))["a"] == Nothing()


# --- documents --------------------------------------------------------------------------------


def test_a_file_is_read_and_set_in_order(tmp_path: Path) -> None:
    path = write(tmp_path, "base.yaml", BASE)
    table = read_document(path, {"channels.web.leads": "{mean: 1}", "channels.web.leads.mean": "2"})
    assert at(table, "channels.web.leads") == {"mean": "2"}
    assert at(table, "channels.web.leads.mean").place == Place(
        "--set", 2, "channels.web.leads.mean"
    )
    assert read_document(path) == read_nodes(path)


def test_a_file_extends_another(tmp_path: Path) -> None:
    write(tmp_path, "base.yaml", BASE)
    write(
        tmp_path,
        "sub/mine.yaml",
        "extends: ../base.yaml\nname: Mine\nset:\n  channels.web.leads.mean:\n    gamma:\n"
        "      mean: 20\n  channels.web.leads.mean.gamma.cv: 0.2\n",
    )
    top = write(tmp_path, "top.yaml", "extends: sub/mine.yaml\nset: {channels.web.cost: 40}\n")
    table = read_document(top, {"channels.web.leads.per": "week"})
    assert table["name"] == "Mine"
    assert list(table) == ["name", "channels", "products"]
    assert at(table, "channels.web") == {
        "leads": {"mean": {"gamma": {"mean": "20", "cv": "0.2"}}, "per": "week"},
        "cost": "40",
    }
    mine = str(tmp_path / "sub/mine.yaml")
    # A part of a long value is found on its own line, by the path that it has in the result.
    assert at(table, "channels.web.leads.mean").place.line == 4
    assert at(table, "channels.web.leads.mean.gamma.mean").place == Place(
        mine, 6, "channels.web.leads.mean.gamma.mean"
    )
    assert at(table, "name").place == Place(mine, 2, "name")
    assert at(table, "products").place.file == str(tmp_path / "sub/../base.yaml")


def test_an_absolute_path_may_be_extended(tmp_path: Path) -> None:
    base = write(tmp_path, "base.yaml", BASE)
    other = write(tmp_path, "other/o.yaml", f"extends: {base}\n")
    assert read_document(other) == read_nodes(base)


@pytest.mark.parametrize(
    ("text", "messages"),
    [
        ("extends: bas.yaml\n", ["1: extends: got bas.yaml; must be a file that exists."]),
        ("extends:\n", ["1: extends: got nothing; must be the path of a scenario file."]),
        ("extends: [a]\n", ["1: extends: got a list; must be the path of a scenario file."]),
        ("extends: https://x/y.yaml\n", ["1: extends: got 'https://x/y.yaml'; must be the path"]),
        ("extends: ~/y.yaml\n", ["1: extends: got ~/y.yaml; must be the path"]),
        ("extends: .\n", ["1: extends: got .; must be a file that exists."]),
        (
            "extends: base.yaml\nhorizon: 3\ngoals: []\n",
            [
                "2: horizon: got the key horizon; must be one of extends, set or name",
                "3: goals: got the key goals; must be one of extends, set or name",
            ],
        ),
        ("extends: base.yaml\nset: 5\n", ["2: set: got 5; must be a mapping of paths to values."]),
        ("extends: base.yaml\nset: [5]\n", ["2: set: got a list; must be a mapping"]),
        (
            "extends: base.yaml\nset:\n  channels.web.leeds.mean: 1\n  set.x: 1\n  extends: a\n",
            [
                "3: channels.web.leeds.mean: got leeds; must be a key of channels.web. "
                "Did you mean leads?",
                "4: set.x: got set.x; must be the path of an assumption.",
                "5: extends: got extends; must be the path of an assumption.",
            ],
        ),
        (
            "extends: bas.yaml\nhorizon: 3\n",
            ["1: extends: got bas.yaml", "2: horizon: got the key horizon"],
        ),
    ],
)
def test_faults_of_extending(tmp_path: Path, text: str, messages: list[str]) -> None:
    write(tmp_path, "base.yaml", BASE)
    found = faults_of(write(tmp_path, "mine.yaml", text))
    assert len(found) == len(messages), found
    for line, message in zip(found, messages, strict=True):
        assert line.startswith(f"mine.yaml:{message}"), line


def test_faults_of_the_base_the_file_and_the_command_are_said_at_once(tmp_path: Path) -> None:
    write(tmp_path, "base.yaml", "a: 1\na: 2\n")
    mine = write(tmp_path, "mine.yaml", "extends: base.yaml\nhorizon: 3\n")
    found = faults_of(mine, {"a": "[1", "extends": "x"})
    assert [line.split(": got")[0] for line in found] == [
        "--set:1: a",
        "--set:2: extends",
        "base.yaml:2: a",
        "mine.yaml:2: horizon",
    ]


def test_faults_of_the_command(tmp_path: Path) -> None:
    path = write(tmp_path, "base.yaml", BASE)
    found = faults_of(path, {"channels.web.cost": "1", "channels.leeds.x": "1", "set": "{}"})
    assert found[0].startswith("--set:2: channels.leeds.x: got leeds; must be a key of channels.")
    assert found[1].startswith("--set:3: set: got set; must be the path of an assumption.")
    assert len(found) == 2


def test_a_circle_is_refused_with_its_chain(tmp_path: Path) -> None:
    write(tmp_path, "b.yaml", "extends: c.yaml\n")
    write(tmp_path, "c.yaml", "extends: ./a.yaml\n")
    found = faults_of(write(tmp_path, "a.yaml", "extends: b.yaml\n"))
    assert found == [
        "c.yaml:1: extends: got a.yaml → b.yaml → c.yaml → a.yaml; must be a chain that ends. "
        "Take extends out of one of these files."
    ]
    itself = write(tmp_path, "self.yaml", "extends: self.yaml\n")
    assert "self.yaml → self.yaml" in faults_of(itself)[0]


def test_a_chain_may_be_ten_deep(tmp_path: Path) -> None:
    write(tmp_path, "0.yaml", BASE)
    for index in range(1, 12):
        write(tmp_path, f"{index}.yaml", f"extends: {index - 1}.yaml\n")
    assert read_document(tmp_path / "10.yaml")["name"] == "Base"
    assert "must be at most 10." in faults_of(tmp_path / "11.yaml")[0]


# --- dump -------------------------------------------------------------------------------------


def test_a_document_is_written_as_a_person_would(tmp_path: Path) -> None:
    text = """\
name: Lean
rate: 25%
words:
  quoted: "NO"
  colon: a:b
  minus: -5
  empty: ~
  none: {}
list:
  - 1
  - a: 1
    b: [x]
    c:
      - "x"
      - a:b
  - [2, 3 days, -5, 25%]
  - []
"""
    table = read_nodes(write(tmp_path, "a.yaml", text))
    assert dump(table) == text


def test_a_long_list_is_wrapped() -> None:
    table = Table({"a": Table({"b": Items(Text(f"{n / 7:.9f} days") for n in range(1_000))})})
    lines = dump(table).split("\n")
    assert max(map(len, lines)) <= 100
    assert len(lines) < 300
    assert parse_value(dump(table), AT) == table


@pytest.mark.parametrize(
    "value",
    [
        *("", "~", "null", "a: b", "a #b", "#a", "- a", "-", "-a", "?", "a:", " a ", "a\nb"),
        *("a\tb", "'", '"', "\\", "[a", "{", "%5", "@x", "`", "*a", "&a", "!a", "|", ">", "<<"),
        *("---", "...", "\r", "\u00a0", "a\u00a0", "é", "👍🏽", ", a", "a,b", "=", "x" * 5000),
        *("a: \\n", "--- a", ":a"),
    ],
)
def test_any_text_is_read_back(tmp_path: Path, value: str) -> None:
    text = Text(value)
    items = Items([text, Table({"k": text})])
    table = Table([("a", text), ("l", items)])
    if value.strip() and len(value) <= 200:
        table[value] = Text(value, quoted=True)
    again = read_nodes(write(tmp_path, "b.yaml", dump(table)))
    assert again == table
    assert list(again) == list(table)
    assert dump(again) == dump(table)


LETTERS = st.characters(
    codec="utf-8", exclude_categories=["Cc", "Cs"], exclude_characters="\u2028\u2029\ufeff"
).filter(lambda char: not "\u202a" <= char <= "\u202e" and not "\u2066" <= char <= "\u2069")
WORDS = st.text(st.one_of(LETTERS, st.sampled_from(" \n\t:#-?'\"[]{},&*!|>%@`~\\.")), max_size=12)
KEYS = WORDS.filter(lambda word: bool(word.strip()))
TREES = st.recursive(
    st.one_of(st.builds(Text, WORDS), st.builds(lambda: Nothing())),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(Items), st.dictionaries(KEYS, inner, max_size=3).map(Table)
    ),
    max_leaves=8,
)


@FUZZ
@given(st.dictionaries(KEYS, TREES, max_size=4).map(Table))
def test_every_document_reads_back_equal(tmp_path: Path, table: Table) -> None:
    path = tmp_path / "c.yaml"
    path.write_bytes(dump(table).encode("utf-8"))
    again = read_nodes(path)
    assert again == table
    assert list(again) == list(table)
    assert dump(read_nodes(path)) == dump(again)
