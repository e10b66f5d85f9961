"""The JSON Schema takes what the reader takes, and refuses what has the wrong structure."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from forecast.scenario.errors import ScenarioError
from forecast.scenario.reader import read_scenario
from forecast.scenario.schema import DIALECT, json_schema

ROOT = Path(__file__).parent.parent
GOOD = [*sorted((ROOT / "scenarios").glob("*.yaml")), ROOT / "forecast/scenario/starter.yaml"]
BAD = ROOT / "tests" / "bad"
# Wrong in their structure, not only in what goes together.
STRUCTURE = [
    "unknown-channel-key",
    "unknown-top-key",
    "unknown-parameter",
    "unknown-distribution",
    "missing-journey",
    "misspelled-required-key",
    "channel-without-leads",
    "empty-channels",
    "mean-and-fixed",
    "unknown-then",
    "unknown-period",
    "unknown-per",
    "norway-as-conversion",
    "sexagesimal",
    "boolean-volume",
    "lag-without-unit",
    "lag-without-unit-inside",
    "cost-without-a-time",
    "mixed-parameters",
    "two-distributions",
    "extends-with-extra-keys",
    "scenario-is-true",
    "top-level-list",
    "change-without-a-day",
    "goal-quarter-the-wrong-way-round",
    "horizon-without-a-unit",
    "override-that-is-no-mapping",
    "distribution-without-parameters",
    "empirical-unknown-key",
    "start-in-american-order",
    "uncertain-spread-of-a-lag",
    "decimal-comma",
]


class Strings(yaml.BaseLoader):
    """Keeps every value as it is written."""


class Numbers(yaml.BaseLoader):
    """Keeps every value as it is written, but for plain numbers: as editors read a file."""


def _number(loader: yaml.BaseLoader, node: yaml.ScalarNode) -> Any:
    text = str(loader.construct_scalar(node))
    try:
        return text if node.style else json.loads(text)
    except ValueError:
        return text


Numbers.add_constructor("tag:yaml.org,2002:str", _number)


def keys_as_text(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): keys_as_text(child) for key, child in value.items()}
    return [keys_as_text(child) for child in value] if isinstance(value, list) else value


def load(path: Path, loader: type[yaml.BaseLoader]) -> Any:
    return keys_as_text(yaml.load(path.read_text(encoding="utf-8"), Loader=loader))


@pytest.fixture(scope="module")
def validator() -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(json_schema())


def test_it_is_valid_itself() -> None:
    schema = json_schema()
    assert schema["$schema"] == DIALECT
    jsonschema.Draft202012Validator.check_schema(schema)
    assert json.loads(json.dumps(schema)) == schema


def test_every_key_has_a_sentence() -> None:
    def walk(schema: Any, path: str) -> None:
        if not isinstance(schema, dict):
            return
        for name, child in schema.get("properties", {}).items():
            assert child.get("description", "").strip(), f"{path}.{name}"
            walk(child, f"{path}.{name}")

    walk(json_schema()["else"], "")


@pytest.mark.parametrize("loader", [Strings, Numbers])
@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.stem)
def test_good_files_pass(
    validator: jsonschema.Draft202012Validator, path: Path, loader: type[yaml.BaseLoader]
) -> None:
    assert [error.message for error in validator.iter_errors(load(path, loader))] == []


@pytest.mark.parametrize("loader", [Strings, Numbers])
@pytest.mark.parametrize("name", STRUCTURE)
def test_bad_files_do_not(
    validator: jsonschema.Draft202012Validator, name: str, loader: type[yaml.BaseLoader]
) -> None:
    assert not validator.is_valid(load(BAD / f"{name}.yaml", loader))


def test_what_it_refuses_the_reader_refuses_too(
    validator: jsonschema.Draft202012Validator,
) -> None:
    for path in sorted(BAD.glob("*.yaml")):
        if path.stem == "yaml-bomb":  # which explodes in this test's own parser
            continue
        try:
            refused = not validator.is_valid(load(path, Strings))
        except (yaml.YAMLError, UnicodeDecodeError):
            continue
        if refused:
            with pytest.raises(ScenarioError):
                read_scenario(path)
