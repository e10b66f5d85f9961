"""Every known way to write a scenario wrongly is refused, with a line that says how to mend it.

The files in ``bad/`` are named after what is wrong with them. Each begins with what must be said:
``# expect: LINE: PATH: part of the message``, more parts behind `` … ``. Files that cannot begin
with a comment have their expectation in ``WITHOUT_COMMENT``.
"""

from __future__ import annotations

import os
import re
import time
from pathlib import Path

import pytest

from forecast.scenario.errors import ScenarioError
from forecast.scenario.reader import read_scenario

BAD = Path(__file__).parent / "bad"
GOOD = Path(__file__).parent.parent / "scenarios"
LONGEST_SECONDS = 2.0
SHAPE = re.compile(
    r"(?P<file>.+?):(?P<line>[1-9][0-9]*): (?P<path>\S.*?): (?P<got>got .+); must be .+\. .*[^ .]\."
)
WITHOUT_COMMENT = {
    "byte-order-mark": [(1, "(file)", "a byte-order mark (BOM) of UTF-8")],
    "utf-16": [(1, "(file)", "a byte-order mark (BOM) of UTF-16")],
    "latin-1": [(1, "(file)", "the byte 0xF6 (ö in Latin-1)")],
    "nul-byte": [(1, "(file)", "a NUL byte")],
    "empty": [(1, "(file)", "an empty file")],
    "only-comments": [(1, "(file)", "a file with nothing in it but comments")],
}
# Refused word by word until there are too many: only the first ones are named in the file.
WITH_MORE = {"yaml-bomb"}


def faults_of(path: str | Path, sets: dict[str, str] | None = None) -> list[str]:
    """The lines of a refusal, which must come soon and be in the one shape of all of them."""
    began = time.process_time()
    with pytest.raises(ScenarioError) as caught:
        read_scenario(path, sets or {})
    assert time.process_time() - began < LONGEST_SECONDS
    lines = str(caught.value).split("\n")
    assert lines == [str(fault) for fault in caught.value.faults]
    for line in lines:
        assert SHAPE.fullmatch(line), line
        assert "Traceback" not in line
        assert "BROKEN" not in line
        assert "None" not in line
    return lines


def expected(path: Path) -> list[tuple[int, str, str]]:
    if path.stem in WITHOUT_COMMENT:
        return WITHOUT_COMMENT[path.stem]
    found = []
    for line in path.read_text(encoding="utf-8").split("\n"):
        match = re.fullmatch(r"# expect: ([0-9]+): (\S+): (.+)", line)
        if match is None:
            break
        found.append((int(match[1]), match[2], match[3]))
    return found


def matches(line: str, wanted: tuple[int, str, str]) -> bool:
    said = SHAPE.fullmatch(line)
    assert said is not None
    parts = wanted[2].split(" … ")
    return (int(said["line"]), said["path"]) == wanted[:2] and all(p in line for p in parts)


FILES = sorted(BAD.glob("*.yaml"))


def test_there_are_many() -> None:
    assert len(FILES) >= 150
    assert set(WITHOUT_COMMENT) <= {path.stem for path in FILES}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_bad_file_is_refused(path: Path) -> None:
    wanted, lines = expected(path), faults_of(path)
    assert wanted, "the file must say what is expected of it"
    for each in wanted:
        assert any(matches(line, each) for line in lines), (each, lines)
    if path.stem not in WITH_MORE:
        assert len(lines) == len(wanted), lines


def test_unrelated_faults_are_shown_at_once() -> None:
    lines = faults_of(BAD / "many-unrelated-faults.yaml")
    assert len(lines) >= 6
    numbers = [int(line.split(":")[1]) for line in lines]
    assert numbers == sorted(numbers)


@pytest.mark.parametrize("name", [p.stem for p in FILES if p.stem.startswith("unknown-")])
def test_what_is_nearly_right_is_offered(name: str) -> None:
    lines = faults_of(BAD / f"{name}.yaml")
    far = {"unknown-key-without-a-neighbour", "unknown-period"}
    assert name in far or any("Did you mean" in line for line in lines)


BASE = """\
name: Bad
start: 2027-01-01
horizon: 4 quarters
channels:
  web:
    leads: {mean: 120, per: month}
journey:
  lead:
    won: {conversion: 30%, lag: 3 months}
"""


def test_a_missing_file_and_a_folder(tmp_path: Path) -> None:
    assert "got no such file" in faults_of(tmp_path / "nowhere.yaml")[0]
    assert "got a folder" in faults_of(tmp_path)[0]
    assert len(faults_of(tmp_path / "nowhere.yaml")) == 1


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="a device is needed")
def test_an_endless_file() -> None:
    assert "must be at most 12,000,000" in faults_of("/dev/zero")[0]


def test_a_file_of_thirteen_megabytes(tmp_path: Path) -> None:
    path = tmp_path / "large.yaml"
    path.write_text(BASE + "# padding\n" * 1_300_000, encoding="utf-8")
    assert "got more than 12,000,000 bytes" in faults_of(path)[0]


def test_too_many_channels(tmp_path: Path) -> None:
    path = tmp_path / "wide.yaml"
    some = "".join(f"  c{i}: {{leads: {{mean: 1, per: day}}}}\n" for i in range(10_000))
    path.write_text(BASE.replace("channels:\n", "channels:\n" + some), encoding="utf-8")
    assert faults_of(path)[0].split(": ", 1)[1].startswith("channels: got 10,001 channels")


def test_a_hundred_thousand_channels(tmp_path: Path) -> None:
    path = tmp_path / "wide.yaml"
    some = "".join(f"  c{i}:\n" for i in range(100_000))
    path.write_text(BASE.replace("channels:\n", "channels:\n" + some), encoding="utf-8")
    assert len(faults_of(path)) == 1


def test_a_list_of_a_hundred_thousand_figures(tmp_path: Path) -> None:
    path = tmp_path / "long.yaml"
    path.write_text(BASE.replace("120", f"[{'1, ' * 90_000}1]"), encoding="utf-8")
    assert "got a list of 90,001" in faults_of(path)[0]


SETS = {
    "unknown path": ("journey.oportunity.won.conversion", "35%", "Did you mean opportunity?"),
    "unknown key": ("journey.opportunity.won.conversoin", "35%", "Did you mean conversion?"),
    "no path": ("", "35%", "got the path nothing; must be a dotted path"),
    "lone dots": ("journey..won", "35%", "must be a dotted path"),
    "inside a number": ("horizon.quarters", "3", "Set horizon as a whole."),
    "not a number": ("journey.opportunity.won.conversion", "NO", "got NO; must be a number"),
    "above 1": ("journey.opportunity.won.conversion", "130%", "between 0% and 100%"),
    "empty": ("journey.opportunity.won.conversion", "", "got nothing; must be a conversion"),
    "broken YAML": ("journey.opportunity.won.conversion", "{beta: 3", "Write the comma or the }"),
    "an alias": ("journey.opportunity.won.conversion", "*x", "got the alias *x"),
    "a tag": ("journey.opportunity.won.conversion", "!!python/name:os.system x", "got the tag"),
    "a new channel": ("channels.web", "{leeds: 3}", "Did you mean leads?"),
    "a distribution": ("channels.list.leads.fixed", "{gamma: {mean: 3, cv: 1}}", "whole number"),
    "extending": ("extends", "other.yaml", "must be the path of an assumption"),
    "a missing column": (
        "products.engagement.size",
        "{empirical: {file: nowhere.csv, column: amount}}",
        f"it is looked for in {Path.cwd()}",
    ),
}


@pytest.mark.parametrize("key", SETS)
def test_faults_of_the_command(key: str) -> None:
    path, value, part = SETS[key]
    lines = faults_of(GOOD / "lean-consulting.yaml", {path: value})
    assert len(lines) == 1, lines
    assert part in lines[0]
    assert lines[0].startswith("--set:1: ")


def test_faults_of_several_sets_are_shown_at_once() -> None:
    sets = {
        "journey.opportunity.won.conversion": "130%",
        "horizon": "8",
        "journey.opportunty.won.conversion": "3%",
    }
    assert len(faults_of(GOOD / "lean-consulting.yaml", sets)) >= 1
    del sets["journey.opportunty.won.conversion"]
    assert len(faults_of(GOOD / "lean-consulting.yaml", sets)) == 2


# --- data beside a scenario -------------------------------------------------------------------


def with_size(tmp_path: Path, column: str, text: bytes, more: str = "") -> Path:
    (tmp_path / "sizes.csv").write_bytes(text)
    path = tmp_path / "plan.yaml"
    size = f"{{empirical: {{file: sizes.csv, column: {column}{more}}}}}"
    path.write_text(BASE + f"products:\n  standard: {{size: {size}}}\n", encoding="utf-8")
    return path


CELLS = {
    "an empty file": (b"", "Check the file's first row."),
    "Latin-1": ("amount\n1\n\xe4\n".encode("latin-1"), "is not UTF-8"),
    "a short row": (b"id,amount\n1,5\n2\n", "a blank cell in row 3 of column amount"),
    "not a number": (b"amount\n5\nabc\n", "got abc in row 3 of column amount"),
    "infinite": (b"amount\ninf\n", "got inf in row 2 of column amount"),
    "a comma in it": (b'amount\n"1,200"\n', "Write 1_200."),
    "a NUL byte": (b"amount\n1\n\x00\n", "row 3 of column amount"),
    "a quote left open": (b'amount\n"1\n', "Save it again as CSV with commas."),
    "too many rows": (b"amount\n" + b"1\n" * 100_001, "got more than 100,000 rows"),
    "too many figures": (b"amount\n" + b"1\n" * 99_999, "Take samples of the columns"),
    "too much text": (
        b"amount\n" + b"1.%s\n" % (b"0" * 390) * 32_000,
        "Take samples of the columns",
    ),
}


@pytest.mark.parametrize("key", CELLS)
def test_faults_of_a_column(tmp_path: Path, key: str) -> None:
    text, part = CELLS[key]
    lines = faults_of(with_size(tmp_path, "amount", text))
    assert len(lines) == 1, lines
    assert part in lines[0]


def test_a_folder_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, stat = with_size(tmp_path, "amount", b"amount\n5\n"), os.stat

    def refuse(name: str | Path, **options: bool) -> os.stat_result:
        if str(name).endswith("sizes.csv"):
            raise PermissionError(13, "Permission denied")
        return stat(name, **options)

    monkeypatch.setattr(os, "stat", refuse)
    (line,) = faults_of(path)
    assert "got sizes.csv; must be a file that exists" in line
    assert "your right to read it" in line


def test_a_unit_belongs_to_times(tmp_path: Path) -> None:
    path = with_size(tmp_path, "amount", b"amount\n5\n", more=", unit: days")
    assert "Remove unit." in faults_of(path)[0]
    for text in ("unit: dayz", "unit: [days]"):
        lag = f"lag: {{empirical: {{file: sizes.csv, column: amount, {text}}}}}"
        path.write_text(BASE.replace("lag: 3 months", lag), encoding="utf-8")
        assert "must be days, weeks or months" in faults_of(path)[0]
