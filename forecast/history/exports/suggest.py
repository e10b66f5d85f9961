"""Propose a mapping for an export from the names and the contents of its columns."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from forecast.history.exports.mapping import build_mapping
from forecast.history.exports.read import read_records
from forecast.history.exports.suggest_columns import Profile
from forecast.history.exports.suggest_roles import Look, Roles, arrange, look_at
from forecast.history.exports.suggest_stages import stage_lines
from forecast.history.exports.suggest_values import (
    Draft,
    alias_lines,
    choice_lines,
    currency_line,
    date_lines,
    decimal_line,
    quoted,
    several_lines,
    status_lines,
    zero_lines,
)
from forecast.scenario.errors import Fault, ScenarioError, listed
from forecast.scenario.nodes import Place, Table, parse_value

_FILE: Final = "mapping.yaml"


def suggest_mapping(paths: Sequence[str | Path], folder: str | Path = ".") -> str:
    """Write a mapping for one file or several that belong together: deals, leads and deals, events.

    `folder` is where the mapping will stand, as files in it are relative to it.
    What the columns and their contents do not say beyond doubt is listed under "Not sure about".
    Raises ``ScenarioError`` for files that hold no records of a CRM.
    """
    draft = Draft()
    looks = [look_at(Path(path), draft) for path in paths]
    parts, names = arrange(looks, draft)
    if not parts:
        raise ScenarioError(_not_a_crm(look) for look in looks)
    body = _body(parts, names, draft)
    counted, as_of = _tried(body, draft)
    if as_of:
        body[0] = f"# as_of: {as_of}    # the newest day in it, unless you say another"
    body = [_seen_from(line, looks, Path(folder)) for line in body]
    return "\n".join([*_head(parts, draft, counted), *body]) + "\n"


def _seen_from(line: str, looks: Sequence[Look], folder: Path) -> str:
    """Name a file as it is seen from a folder."""
    for look in looks:
        path = look.path
        if line == f"  file: {quoted(str(path))}" and not path.is_absolute():
            return f"  file: {quoted(os.path.relpath(path, folder))}"
    return line


def _not_a_crm(look: Look) -> Fault:
    got = f"columns {listed([each.name for each in look.profiles][:12])}"
    must = "a table of deals, leads or events with an id and dates"
    mend = "Export the list of deals, a row each, with the days on which they came and were closed."
    return look.raw.fault(None, "(file)", got, must, mend)


def _body(parts: list[Roles], names: list[Profile], draft: Draft) -> list[str]:
    """Write the mapping itself, top down."""
    lines = [
        "# as_of: 2027-12-31    # the last day that the export knows",
        *currency_line(parts, draft),
        *date_lines(parts, draft),
        *decimal_line(parts, draft),
        *zero_lines(parts, draft),
    ]
    events = [roles for roles in parts if roles.kind == "events"]
    statuses: list[str] = []
    if events:
        order, statuses = stage_lines(events[0], draft)
        lines += order
    for roles in parts:
        lines += ["", f"{roles.kind}:", f"  file: {quoted(str(roles.look.path))}"]
        lines += [f"  {name}: {quoted(text)}" for name, text in roles.look.options.items()]
        lines += ["  columns:"]
        lines += [
            f"    {role}: {quoted(each.name)}{_note(role, each)}"
            for role, each in roles.columns.items()
        ]
        if roles.entered:
            lines += ["  entered:"]
            lines += [f"    {quoted(n)}: {quoted(each.name)}" for n, each in roles.entered.items()]
        lines += statuses if roles.kind == "events" else status_lines(roles, draft)
        lines += choice_lines(roles, draft)
        lines += draft.of_table.pop(roles.kind, [])
    extra = [*alias_lines(parts, names, draft), *several_lines(parts, draft)]
    return [*lines, *([""] if extra else []), *extra]


def _note(role: str, profile: Profile) -> str:
    blank = profile.rows - profile.filled
    parts = []
    if role in ("status", "stage", "channel", "segment", "product"):
        parts.append(f"{len(profile.texts):,} values")
    if blank:
        parts.append(f"blank in {blank:,} of {profile.rows:,} rows")
    return f"    # {', '.join(parts)}" if parts else ""


def _tried(body: list[str], draft: Draft) -> tuple[list[str], str]:
    """Read the export by the proposal, to say what comes of it."""
    place = Place(_FILE, 1, "")
    try:
        document = parse_value("\n".join(body), place)
        assert isinstance(document, Table)
        _, report = read_records(build_mapping(document))
    except ScenarioError as error:
        for fault in error.faults[:5]:
            if not draft.unsure or fault.path != "(file)":
                draft.doubt(f"it cannot be read yet: {fault.path}: got {fault.got}. {fault.mend}")
        return [], ""
    lines = [
        f"{table.kind}: {table.rows:,} rows = {table.used:,} used"
        f" + {table.rows - table.used:,} set aside"
        for table in report.tables
    ]
    counts = ", ".join(f"{count:,} {name}" for name, count in report.items.items())
    total = sum(report.items.values())
    return [*lines, f"{total:,} items ({counts})"], report.as_of.isoformat()


def _head(parts: list[Roles], draft: Draft, counted: list[str]) -> list[str]:
    files = listed([roles.look.path.name for roles in parts])
    lines = [f"# A mapping for {files}, proposed from the columns and what they hold."]
    lines += [f"#   {line}" for line in counted]
    if draft.unsure:
        lines += ["# Not sure about:", *(f"# - {doubt}" for doubt in draft.unsure)]
    else:
        lines += ["# Nothing was doubtful; read it through all the same."]
    return lines
