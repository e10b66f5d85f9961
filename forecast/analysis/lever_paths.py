"""The paths that levers may have: what they match, and where the figures of it stand."""

from __future__ import annotations

from forecast.scenario.errors import Fault, ScenarioError, did_you_mean, shown
from forecast.scenario.facts import find
from forecast.scenario.nodes import Items, Node, Table

BY = "--by"
ALL = "*"
FIGURES = ("mean", "fixed")  # of a channel's leads
MOST = ".leads.response.hill.max"  # of leads that answer to money: all are in proportion to it
# What is no assumption.
FRAME = ("name", "start", "horizon", "period", "fiscal_year_start", "currency", "goals")
MEND = "Give the path of a figure, such as channels.web.leads.mean or channels.*.leads."


def matches(document: Table, path: str) -> list[str]:
    """The paths that are there, where ``*`` stands for any key."""
    if not all(path.split(".")):
        raise fault_of(path, shown(path), "a dotted path")
    if path.split(".")[0] in FRAME:
        raise fault_of(path, shown(path), "an assumption")
    found = [""]
    for key in path.split("."):
        nodes = {prefix: find(document, prefix) if prefix else document for prefix in found}
        following = []
        for prefix, node in nodes.items():
            keys = _keys(node)
            chosen = keys if key == ALL else [key] if key in keys else []
            following += [f"{prefix}.{one}" if prefix else one for one in chosen]
        if not following:
            every = list(dict.fromkeys(k for node in nodes.values() for k in _keys(node)))
            where = found[0] if len(found) == 1 else path
            must = f"a key of {where}" if where else "a key of the scenario"
            mend = did_you_mean(key, every) or "Write the figure into the scenario first."
            raise ScenarioError([Fault(BY, 1, path, shown(key), must, mend)])
        found = following
    return found


def _keys(node: Node) -> list[str]:
    if isinstance(node, Table):
        return list(node)
    return [str(i) for i in range(len(node))] if isinstance(node, Items) else []


def figures_path(document: Table, path: str) -> str:
    """Let the path of a channel's leads stand for their figures, and that of a rate for its own."""
    node = find(document, path)
    if isinstance(node, Table) and {"amount", "per"} <= set(node):
        return f"{path}.amount"
    if path.endswith(".leads") and isinstance(node, Table):
        if "response" in node:
            return path.removesuffix(".leads") + MOST
        return next((f"{path}.{key}" for key in FIGURES if key in node), path)
    return path


def leads_of(asked: str, path: str) -> str:
    """The channel whose leads are moved; "" if it is something else, such as a curve's maximum."""
    keys = asked.split(".")
    whole = len(keys) == 3 and keys[0] == "channels" and keys[2] == "leads"
    return keys[1] if whole else channel_of(path)


def channel_of(path: str) -> str:
    """The channel whose leads a path is about; "" where it is about something else."""
    keys = path.split(".")
    right = len(keys) == 4 and keys[0] == "channels" and keys[2] == "leads"
    return keys[1] if right and keys[3] in FIGURES else ""


def fault_of(path: str, got: str, must: str) -> ScenarioError:
    """Say what is wrong with a path."""
    return ScenarioError([Fault(BY, 1, path, got, must, MEND)])
