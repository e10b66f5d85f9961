"""Small exports with the diseases of real ones, and how to write one more into a folder."""

from pathlib import Path

from forecast.history.exports.read import read_records
from forecast.scenario.errors import ScenarioError

EXPORTS = Path(__file__).parent / "exports"


def read_export(name, as_of=None):
    """Records and report of one of the exports that are kept here."""
    return read_records(EXPORTS / f"{name}.yaml", as_of)


def write_export(folder, mapping, **files):
    """Write a mapping and CSV files, and give the mapping's path."""
    for name, text in files.items():
        (folder / f"{name}.csv").write_text(text, encoding="utf-8")
    path = folder / "mapping.yaml"
    path.write_text(mapping, encoding="utf-8")
    return path


def faults_of(read, *given):
    """What a function is refused for, a line each."""
    try:
        read(*given)
    except ScenarioError as error:
        return [str(fault) for fault in error.faults]
    return []


def reasons(report, kind="deals"):
    """Why rows of a table were set aside, with the counts."""
    table = next(each for each in report.tables if each.kind == kind)
    assert table.rows == table.used + sum(each.count for each in table.set_aside)
    return {each.what: each.count for each in table.set_aside}


def suspicious(report):
    """What is suspicious, with the counts."""
    return {each.what: each.count for each in report.suspicious}
