"""How many items of a stage are worked: forms of limits, of those who work, and of waiting."""

from __future__ import annotations

from typing import Any

from forecast.scenario import quantities
from forecast.scenario.figures import Figure, RateForm
from forecast.scenario.forms import BROKEN, Key, Leaf, ListOf, Named, Record, choice, text
from forecast.scenario.model import LOST, WON, Capacity, Hire, Plan, Rate, Reps

MOST_REPS = 1e6
_DAY_SHAPE = {"type": "string", "pattern": r"^\d{4}-\d{2}-\d{2}$"}


def _hire(**values: Any) -> Hire:
    return Hire(values["from"], values["count"])


HIRE = Record(
    "a hire",
    {
        "from": Key(
            Leaf(quantities.day, "a day", "Write from: 2027-04-01.", _DAY_SHAPE),
            "the first day",
            required=True,
            example="2027-04-01",
        ),
        "count": Key(
            Figure("a number of reps", -MOST_REPS, MOST_REPS, "2"),
            "how many start; below 0, how many leave",
            required=True,
            example="2",
        ),
    },
    _hire,
)

REPS = Record(
    "reps",
    {
        "each": Key(
            RateForm("what a rep takes up", 0.0, 1e9, "12 per month"),
            "how many items one rep takes up",
            required=True,
            example="12 per month",
        ),
        "now": Key(
            Figure("a number of reps", 0.0, MOST_REPS, "3"),
            "how many there are at the start, all of them past their ramp",
            required=True,
            example="3",
        ),
        "hires": Key(ListOf("hires", HIRE, alone=True, most=500), "who starts and who leaves", ()),
        "ramp": Key(
            ListOf("shares", Figure("a share of a rep's items", 0.0, 1.0), most=120),
            "what a new one takes up, by month since the start; the last one goes on",
            (1.0,),
        ),
    },
    Reps,
)

WAITING = Record(
    "waiting",
    {
        "give_up": Key(
            RateForm("the share that gives up", 0.0, 1.0, "15% per month"),
            "the share of those waiting that is lost",
            required=True,
            example="15% per month",
        )
    },
    lambda give_up: give_up,
)


def _capacity(per_period: Any, then: Any, **values: Any) -> Capacity:
    plan = None if per_period is None else Plan(per_period, then)
    return Capacity(
        BROKEN if BROKEN in (per_period, then) else plan,
        values["reps"],
        values["waiting"],
        values["follow_up"],
        values["priority"],
    )


CAPACITY = Record(
    "the capacity of a stage",
    {
        "per_period": Key(
            ListOf("numbers of items", Figure("a number of items", example="40"), alone=True),
            "how many items are taken up in a period: one figure, or one for each period",
            example="40",
        ),
        "then": Key(
            choice("repeat", "last", "zero", what="then"),
            "what follows a list shorter than the horizon: repeat, last or zero",
        ),
        "reps": Key(REPS, "those who take items up, in place of per_period"),
        "waiting": Key(WAITING, "what happens to those that wait", Rate(0.0, "month")),
        "follow_up": Key(
            Figure("a share that is followed up", 0.0, 1.0, "95%"),
            "the share of items that is worked at all",
            1.0,
            example="95%",
        ),
        "priority": Key(
            ListOf("channels", text("a channel", "Write priority: [partners, web].")),
            "channels in the order in which they are served; those not named come last",
            (),
        ),
    },
    _capacity,
)
CAPACITIES = Named("stages", "stage", CAPACITY, (WON, LOST), most=60)
WORKED = Named("stages", "stage", Figure("a cost", example="150"), (WON, LOST), most=60)
