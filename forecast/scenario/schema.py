"""The scenario language as JSON Schema, for editors that check while one types."""

from __future__ import annotations

from typing import Any

from forecast.scenario import families
from forecast.scenario.families.parameter_sets import PARAMETER_SETS
from forecast.scenario.figures import CENTRES
from forecast.scenario.forms import DURATION_SHAPE, NUMBER_SHAPE, Schema
from forecast.scenario.language import FILE

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def json_schema() -> Schema:
    """Describe a scenario file as JSON Schema, draft 2020-12.

    It knows the keys and the shapes of their values; what goes together (sums, loops, stages that
    are named) only the reader can tell.

    >>> json_schema()["title"]
    'Forecast scenario'
    """
    return {
        "$schema": DIALECT,
        "title": "Forecast scenario",
        "type": "object",
        "if": {"required": ["extends"]},
        "then": _extending(),
        "else": FILE.schema(),
        "$defs": {
            "number_distribution": _distribution(NUMBER_SHAPE),
            "duration_distribution": _distribution(DURATION_SHAPE),
            "lag_distribution": _lag(),
            "size_distribution": _distribution(NUMBER_SHAPE, nested="number_distribution"),
        },
    }


def _extending() -> Schema:
    return {
        "type": "object",
        "required": ["extends"],
        "additionalProperties": False,
        "properties": {
            "extends": {"type": "string", "description": "the scenario file to start from"},
            "name": FILE.schema()["properties"]["name"],
            "set": {"type": "object", "description": "paths with the values that differ"},
        },
    }


def _lag() -> Schema:
    schema = _distribution(DURATION_SHAPE, nested="duration_distribution", units=True)
    chances = {"type": "object", "minProperties": 1, "additionalProperties": dict(NUMBER_SHAPE)}
    schema["properties"]["periods"] = {
        **chances,
        "propertyNames": {"pattern": "^[0-9_]+$"},
        "description": "exactly so many whole periods later, with their chances",
    }
    return schema


def _distribution(value: Any, nested: str | None = None, units: bool = False) -> Schema:
    """One key, the distribution's name, with its parameters; see ``families.PARAMETER_SETS``."""
    bodies: dict[str, Schema] = {
        name: {"anyOf": [_way(name, way, value, nested) for way in ways]}
        for name, ways in PARAMETER_SETS.items()
        if ways
    }
    fixed = [dict(value), *bodies["fixed"]["anyOf"]]
    bodies["fixed"] = {"anyOf": [*fixed, _ref(nested)] if nested else fixed}
    bodies["values"] = {
        "type": "object",
        "minProperties": 1,
        "additionalProperties": dict(NUMBER_SHAPE),
        "description": "values with their chances",
    }
    bodies["empirical"] = {
        "anyOf": [{"type": "array", "minItems": 1, "items": dict(value)}, _column(units)]
    }
    return {
        "type": "object",
        "minProperties": 1,
        "maxProperties": 1,
        "additionalProperties": False,
        "properties": bodies,
    }


def _way(name: str, way: tuple[str, ...], value: Any, nested: str | None) -> Schema:
    def shape(parameter: str) -> Schema:
        if families.dimension(name, parameter) != "value":
            return dict(NUMBER_SHAPE)
        if nested and parameter in CENTRES:
            return {"anyOf": [dict(value), _ref(nested)]}
        return dict(value)

    parameters = (*way, *sorted(families.OPTIONAL[name]))
    return {
        "type": "object",
        "required": list(way),
        "additionalProperties": False,
        "properties": {parameter: shape(parameter) for parameter in parameters},
    }


def _ref(name: str) -> Schema:
    return {"$ref": f"#/$defs/{name}"}


def _column(units: bool) -> Schema:
    unit = {"unit": {"enum": ["days", "weeks", "months"]}} if units else {}
    return {
        "type": "object",
        "required": ["file", "column"],
        "additionalProperties": False,
        "properties": {"file": {"type": "string"}, "column": {"type": "string"}, **unit},
    }
