"""``forecast history``: the forecasts that were kept, and what became of them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .group import FAILED, BadInput
from .options import json_option, quiet_option
from .screen import Column, print_json, print_table, progress, say, wrapped

if TYPE_CHECKING:
    from forecast.operate.archive import Archive, Kept

SHOWN_KEY = 12
DATE = click.DateTime(["%Y-%m-%d"])


class WithList(click.Group):
    """A group of commands; what begins with none of their names is for ``list``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put the name of the first command in where there is none."""
        known = bool(args) and (args[0] in self.commands or args[0] in ctx.help_option_names)
        return super().parse_args(ctx, args if known else ["list", *args])


@click.group("history", cls=WithList, short_help="List, verify, compare and score kept forecasts.")
def command() -> None:
    """List, verify, prune, compare and score the forecasts that were kept in a folder.

    Without the name of a command it lists: forecast history FOLDER.
    """


@command.command("list")
@click.argument("folder")
@click.option("--scenario", metavar="NAME", help="Only forecasts of this scenario.")
@click.option("--since", type=DATE, metavar="DATE", help="Only those known until DATE or later.")
@click.option("--until", type=DATE, metavar="DATE", help="Only those known until DATE or before.")
@click.option("--verify", is_flag=True, help="Hash every file again; exit with 1 if one changed.")
@click.option("--resimulate", metavar="KEY", help="With --verify: make one again, compare bits.")
@click.option(
    "--prune", is_flag=True, help="Say what may go: all but the last 60 days and month ends."
)
@click.option("--really", is_flag=True, help="With --prune: delete it.")
@json_option
@quiet_option
@click.pass_context
def listed(ctx: click.Context, /, **asked: Any) -> None:
    """List the forecasts kept in FOLDER, a folder or an address such as s3://bucket/folder.

    \b
    Examples:
      forecast history kept --scenario "Lean consulting" --since 2027-01-01
      forecast history kept --verify --resimulate 3f9a
      forecast history kept --prune --really
    """
    if asked["resimulate"] and not asked["verify"]:
        raise click.UsageError("Give --resimulate together with --verify.")
    if asked["really"] and not asked["prune"]:
        raise click.UsageError("Give --really together with --prune.")
    document = _document(asked)
    if asked["as_json"]:
        print_json(document)
    elif not asked["quiet"]:
        _print(document)
    if asked["verify"] and document["faults"]:
        ctx.exit(FAILED)


@command.command("diff")
@click.argument("folder")
@click.argument("before")
@click.argument("after")
@json_option
@quiet_option
def compared(**asked: Any) -> None:
    """Explain why one kept nightly forecast differs from an earlier one of FOLDER, by cause.

    BEFORE and AFTER are keys, or beginnings of keys, as forecast history shows them.

    \b
    Examples:
      forecast history diff kept 3f9a 77c2
    """
    from dataclasses import asdict

    from forecast.operate.archive import Archive
    from forecast.operate.explain import explain

    archive = Archive(asked["folder"])
    before, after = archive.find(asked["before"]), archive.find(asked["after"])
    if before.as_of > after.as_of:
        before, after = after, before
    effects = [asdict(effect) for effect in explain(archive, before, after)]
    if asked["as_json"]:
        print_json({"before": _entry(before), "after": _entry(after), "bridge": effects})
    elif not asked["quiet"]:
        from .nightly_table import print_bridge

        say(wrapped(f"From {before.as_of} to {after.as_of}:"))
        print_bridge(effects)


@command.command("score")
@click.argument("folder")
@click.argument("actuals", type=click.Path(path_type=Path))
@click.option(
    "--metric", "metrics", multiple=True, help="deals, bookings, leads or a stage; more than once."
)
@click.option("--scenario", metavar="NAME", help="Only forecasts of this scenario.")
@json_option
@quiet_option
def scored(**asked: Any) -> None:
    """Score the forecasts kept in FOLDER whose quarters are over: was our 80% really 80%?

    ACTUALS is the mapping of a CRM's records, or a file of what came by quarter.

    \b
    Examples:
      forecast history score kept agency-crm.yaml
      forecast history score kept actuals.yaml --metric bookings --scenario "Lean consulting"
    """
    from forecast.operate.archive import Archive
    from forecast.operate.outcomes import read_outcomes
    from forecast.operate.said import METRICS, Asked, collect
    from forecast.operate.score_verdict import summarize_scores

    archive, outcomes = Archive(asked["folder"]), read_outcomes(asked["actuals"])
    _must_be_there(archive, asked["folder"])
    wanted = Asked(asked["metrics"] or METRICS, asked["scenario"])
    with progress(asked["quiet"]) as meter:
        document = summarize_scores(collect(archive, outcomes, wanted, meter))
    if asked["as_json"]:
        print_json(document)
    elif not asked["quiet"]:
        from .score_table import print_scores

        print_scores(document)


def _document(asked: Mapping[str, Any]) -> dict[str, Any]:
    """List, verify, prune."""
    from forecast.operate.archive import Archive
    from forecast.operate.prune import to_prune

    archive = Archive(asked["folder"])
    _must_be_there(archive, asked["folder"])
    since, until = (asked[name].date() if asked[name] else None for name in ("since", "until"))
    listing = archive.list(asked["scenario"], since, until)
    faults = list(listing.faults)
    document: dict[str, Any] = {"forecasts": [_entry(kept) for kept in listing.forecasts]}
    if asked["verify"]:
        again = archive.find(asked["resimulate"]) if asked["resimulate"] else None
        faults += _verified(archive, listing.forecasts, again, asked["quiet"])
        document["verified"] = len(listing.forecasts)
        document["resimulated"] = again.key if again else None
    if asked["prune"]:
        old = to_prune(listing.forecasts, dt.date.today())
        if asked["really"]:
            for kept in old:
                archive.delete(kept)
        document |= {"pruned": [_entry(kept) for kept in old], "really": asked["really"]}
    return {**document, "faults": faults}


def _must_be_there(archive: Archive, folder: str) -> None:
    if not archive.place.is_there():
        must = "a folder of kept forecasts. Check its name"
        raise BadInput(f"{folder}: got no such folder; must be {must}.")


def _entry(kept: Kept) -> dict[str, Any]:
    names = ("key", "scenario", "as_of", "created", "runs", "seed", "path", "detail", "version")
    return {name: getattr(kept, name) for name in names}


def _verified(
    archive: Archive, forecasts: tuple[Kept, ...], again: Kept | None, quiet: bool
) -> list[str]:
    """Hash all forecasts, and make one again if wanted; gives what is wrong."""
    from forecast.operate.verify import difference_from_made_again, fault_of

    found = []
    with progress(quiet) as meter:
        for i, kept in enumerate(forecasts):
            found.append(fault_of(archive, kept))
            meter(i + 1, len(forecasts))
        if again is not None and fault_of(archive, again) is None:
            found.append(difference_from_made_again(archive, again, meter))
    return [fault for fault in found if fault is not None]


def _print(document: Mapping[str, Any]) -> None:
    """Print the table, and what was verified, pruned or found wrong."""
    entries = document["forecasts"]
    if entries:
        print_table(
            [
                Column("known until", [e["as_of"] for e in entries], left=True, keep=9),
                Column("scenario", [e["scenario"] for e in entries], left=True, keep=8),
                Column("runs", [f"{e['runs']:,}" for e in entries], keep=6),
                Column("seed", [str(e["seed"]) for e in entries], keep=5),
                Column("key", [e["key"][:SHOWN_KEY] for e in entries], left=True, keep=7),
            ]
        )
    else:
        say("No forecast is kept there.")
    if "verified" in document:
        say(f"Verified: {document['verified']:,}, of which {_wrong(document)}.")
        if document["resimulated"] and not document["faults"]:
            say(f"Made again: {document['resimulated'][:SHOWN_KEY]}, the same in every bit.")
    if "pruned" in document:
        _print_pruned(document["pruned"], document["really"])
    for fault in document["faults"]:
        say(wrapped(fault, "  "))


def _wrong(document: Mapping[str, Any]) -> str:
    count = len(document["faults"])
    return f"{count:,} gave a fault" if count else "all are what was kept"


def _print_pruned(entries: list[dict[str, Any]], really: bool) -> None:
    if not entries:
        say("Nothing to prune: all are of the last 60 days or month ends.")
        return
    told = "Deleted" if really else "To be deleted with --really"
    keys = ", ".join(f"{e['as_of']} {e['key'][:SHOWN_KEY]}" for e in entries)
    say(wrapped(f"{told}: {len(entries):,} ({keys}).", "  "))
