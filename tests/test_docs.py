"""The documents are true: examples are run, output is real, every command and option is there.

After a change that alters figures, FORECAST_UPDATE_DOCS=1 writes the new output into the documents.
"""

from __future__ import annotations

import doctest
import importlib
import inspect
import os
import pkgutil
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

import forecast
import forecast.cli
from forecast.cli.group import COMMANDS, cli
from forecast.scenario import capacities, language, stages
from forecast.scenario.families.parameter_sets import PARAMETER_SETS

ROOT = Path(__file__).parent.parent
REFERENCE = ROOT / "docs" / "scenario-reference.md"
RUN_IN_ORDER = ("archive.md", "batch.md")  # by test_operate_docs
UNCHECKED = ("decisions.md", "glossary.md", *RUN_IN_ORDER)
PAGES = sorted(path for path in (ROOT / "docs").glob("*.md") if path.name not in UNCHECKED)
DOCUMENTS = [ROOT / "README.md", *PAGES]
UPDATE = bool(os.environ.get("FORECAST_UPDATE_DOCS"))
CONSOLE_COLUMNS = "96"

BASE = """
name: Base
start: 2027-01-01
horizon: 8 quarters
channels:
  web: {leads: {mean: 120, per: month}, cost: {fixed: 4_000 per month}}
journey:
  lead: {opportunity: {conversion: 25%, lag: 20 days}}
  opportunity: {won: {conversion: 30%, lag: 3 months}}
products:
  standard: {size: 25k}
"""


def blocks(path: Path, kind: str) -> Iterator[str]:
    """The fenced blocks of a kind."""
    text = path.read_text(encoding="utf-8")
    yield from re.findall(rf"^```{kind}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


def every(kind: str) -> list[tuple[str, str]]:
    """All blocks of a kind with the name of their document."""
    return [(path.name, block) for path in DOCUMENTS for block in blocks(path, kind)]


def sections(text: str) -> dict[str, str]:
    """Cut a YAML text at its keys without indentation."""
    parts = re.split(r"^(?=[a-z_]+:)", text, flags=re.MULTILINE)
    return {part.split(":")[0]: part for part in parts if re.match(r"[a-z_]+:", part)}


# Those of history.md are mappings, which tests/test_mapping_docs.py reads.
SCENARIOS = [each for each in every("yaml") if each[0] != "history.md"]


@pytest.mark.parametrize(("document", "block"), SCENARIOS)
def test_every_yaml_example_is_read(tmp_path: Path, document: str, block: str) -> None:
    (tmp_path / "base.yaml").write_text(BASE, encoding="utf-8")
    whole = (
        block
        if "extends" in sections(block)
        else "".join((sections(BASE) | sections(block)).values())
    )
    file = tmp_path / "example.yaml"
    file.write_text(whole, encoding="utf-8")
    scenario = forecast.read_scenario(file)
    assert scenario.channels, document


@pytest.mark.parametrize(("document", "block"), every("console"))
def test_every_console_example_shows_what_the_command_says(
    document: str, block: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    first, _, shown = block.partition("\n")
    assert first.startswith("$ forecast "), document
    result = CliRunner(env={"COLUMNS": CONSOLE_COLUMNS}).invoke(cli, shlex.split(first)[2:])
    said = "".join(f"{line.rstrip()}\n" for line in result.output.splitlines())
    if UPDATE and said != shown:
        path = next(p for p in DOCUMENTS if p.name == document)
        text = path.read_text(encoding="utf-8")
        path.write_text(
            text.replace(f"```console\n{block}", f"```console\n{first}\n{said}"), "utf-8"
        )
        return
    assert said == shown


def block_of(command: str) -> str:
    """The block of the README that shows what a command says."""
    (block,) = [b for b in blocks(ROOT / "README.md", "console") if b.startswith(f"$ {command}\n")]
    return block


def test_the_figures_beside_what_really_happened_are_those_shown() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    block = block_of("forecast run scenarios/marketplace-sellers.yaml")
    quarters = re.findall(r"^(2018Q[12]) +(\d+) +\d+ +(\d+) +(\d+) +(\d+) ", block, re.MULTILINE)
    assert [quarter for quarter, *_ in quarters] == ["2018Q1", "2018Q2"]
    spans = " | ".join(f"{low} to {high}" for _, low, high, _, _ in quarters)
    assert f"| forecast, P10 to P90 | {spans} |" in text
    means = " | ".join(expected for *_, expected in quarters)
    assert f"| forecast, mean | {means} |" in text
    won = " | ".join(re.findall(r"^deals +2018Q[12] +≥ (\d+) ", block, re.MULTILINE))
    assert f"| won, of the leads of 2018, which the scenario holds | {won} |" in text


@pytest.mark.parametrize("name", ["lean-consulting", "lean-consulting-uncertain"])
def test_the_chances_in_the_running_text_are_those_shown(name: str) -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    block = block_of(f"forecast run scenarios/{name}.yaml")
    (exact,) = re.findall(r"^deals .* ([\d.]+)%  ✗ no$", block, re.MULTILINE)
    prose = re.sub(r"^```console\n.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)
    assert f" {float(exact):.1f}%" in " ".join(prose.split())


def test_the_python_examples_of_the_readme_run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    names: dict[str, object] = {}
    for block in blocks(ROOT / "README.md", "python"):
        exec(compile(block, "README.md", "exec"), names)
    chance, difference = capsys.readouterr().out.splitlines()
    assert 0.5 < float(chance) < 1.0
    more, error = map(float, difference.split(" +- "))
    assert 20 * error < more < 200


def test_every_command_is_in_the_readme() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for name in COMMANDS:
        assert f"`forecast {name}" in text, name


def test_the_reference_of_commands_is_what_they_say_of_themselves() -> None:
    found = COMMANDS_HEAD + "".join(map(reference_of, COMMANDS))
    path = ROOT / "docs" / "commands.md"
    if UPDATE:
        path.write_text(found, encoding="utf-8")
    assert path.read_text(encoding="utf-8") == found


COMMANDS_HEAD = """# The commands

Made of what the commands say of themselves; `forecast COMMAND --help` shows the same.
"""


def reference_of(name: str, parents: tuple[str, ...] = ()) -> str:
    """What a command says of itself, and its options; those of its own commands below it."""
    group: click.Command = cli
    for parent in (*parents, name):
        assert isinstance(group, click.Group)
        found = group.get_command(click.Context(group), parent)
        assert found is not None
        group = found
    assert group.help, name
    about, _, examples = inspect.cleandoc(group.help).partition("\b\n")
    called = " ".join(("forecast", *parents, name))
    text = f"\n## {called}\n\n{about.strip()}\n"
    if examples:
        shown = examples.partition("\n")[2] if examples.startswith("Example") else examples
        text += f"\n```sh\n{inspect.cleandoc(shown)}\n```\n"
    rows = [row_of(name, option) for option in group.params if isinstance(option, click.Option)]
    if rows:
        text += "\n| option | meaning |\n|---|---|\n" + "".join(rows)
    if isinstance(group, click.Group):
        for below in group.list_commands(click.Context(group)):
            text += reference_of(below, (*parents, name))
    return text


def row_of(name: str, option: click.Option) -> str:
    """An option's row in the reference."""
    assert option.help, (name, option.name)
    value = "" if option.is_flag else f" {option.metavar or option.type.name.upper()}"
    words = " ".join(option.help.split()).replace("|", "\\|")
    if isinstance(option.show_default, str):
        words += f" [default: {option.show_default}]"
    elif option.show_default and option.default not in (None, False):
        words += f" [default: {option.default}]"
    return f"| `{max(option.opts, key=len)}{value}` | {words} |\n"


@pytest.mark.parametrize("path", [*DOCUMENTS, ROOT / "docs" / "glossary.md"], ids=lambda p: p.name)
def test_every_link_leads_somewhere(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    anchors = {
        re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
        for title in re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    }
    for target in re.findall(r"\]\(([^)]+)\)", text):
        if target.startswith("#"):
            assert target[1:] in anchors, target
        elif "://" not in target:
            assert (path.parent / target).exists(), target


def test_every_exit_code_is_documented() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for code in (0, 1, 2, 3, 4, 5, 130):
        assert re.search(rf"^\| {code} \| ", text, re.MULTILINE), code


def test_every_key_of_the_language_is_in_the_reference() -> None:
    text = REFERENCE.read_text(encoding="utf-8")
    records = [language.CHANNEL, language.SEGMENT, language.PRODUCT, language.COST]
    records += [language.GOAL, language.CORRELATION, language.CHANGE, stages.StageForm.transition]
    records += [capacities.CAPACITY, capacities.REPS, capacities.HIRE, capacities.WAITING]
    keys = {*language.FRAME, *language.SECTIONS, *(k for record in records for k in record.keys)}
    missing = [key for key in sorted(keys) if not re.search(rf"\b{key}\b", text)]
    assert not missing


@pytest.mark.parametrize("family", PARAMETER_SETS)
def test_every_distribution_and_parameter_is_in_the_reference(family: str) -> None:
    text = REFERENCE.read_text(encoding="utf-8")
    (row,) = [line for line in text.splitlines() if line.startswith(f"| `{family}` |")]
    for way in PARAMETER_SETS[family]:
        assert all(f"`{parameter}`" in row for parameter in way), way


def test_every_scenario_of_the_folder_is_named_with_what_it_shows() -> None:
    for path in (ROOT / "scenarios").glob("*.yaml"):
        assert path.read_text(encoding="utf-8").startswith("#"), f"{path.name} has no comment"


def modules() -> list[str]:
    """Every module of the library and the command."""
    found = ["forecast"]
    for package in (forecast, forecast.cli):
        prefix = f"{package.__name__}."
        found += [each.name for each in pkgutil.walk_packages(package.__path__, prefix)]
    return sorted({*found, "forecast.cli"})


@pytest.mark.parametrize("name", modules())
def test_public_names_have_docstrings_whose_examples_hold(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    module = importlib.import_module(name)
    assert module.__doc__, name
    for public, thing in vars(module).items():
        mine = getattr(thing, "__module__", None) == name
        if (
            mine
            and not public.startswith("_")
            and (inspect.isfunction(thing) or inspect.isclass(thing))
        ):
            assert inspect.getdoc(thing), f"{name}.{public}"
    result = doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE)
    assert result.failed == 0
