"""Records of real data sets, read plainly: for tests of what is fitted, not of how it is read."""

import datetime as dt

import numpy as np
import pandas as pd
from shared_data import real

from forecast.history.records import OPEN, Gap, build_records

OLIST_SINCE = dt.date(2017, 12, 5)  # the first win that was recorded
MAVEN_SINCE = dt.date(2017, 3, 1)  # the first closed deal that was recorded


def ordinals(dates):
    """Proleptic ordinals of a column of dates; NaN where there is none."""
    return dates.map(lambda day: day.toordinal() if pd.notna(day) else np.nan)


def olist(as_of=dt.date(2018, 11, 14)):
    """Leads and wins of Olist; wins were recorded from December 2017 on."""
    folder = real("olist-funnel")
    leads = pd.read_csv(folder / "olist_marketing_qualified_leads_dataset.csv")
    deals = pd.read_csv(folder / "olist_closed_deals_dataset.csv")
    both = leads.merge(deals[["mql_id", "won_date"]], on="mql_id", how="left")
    entered = ordinals(pd.to_datetime(both["first_contact_date"], format="%d-%m-%Y"))
    won = ordinals(pd.to_datetime(both["won_date"].str[:10], format="%d-%m-%Y"))
    keep = ~(won < entered)
    items = pd.DataFrame({"id": both["mql_id"], "channel": both["origin"]})[keep]
    stays = pd.DataFrame(
        {
            "item": np.arange(len(items)),
            "stage": "lead",
            "entered": entered[keep].to_numpy(np.int64),
            "left": [OPEN if np.isnan(day) else int(day) for day in won[keep]],
            "to": np.where(won[keep].notna(), "won", ""),
        }
    )
    gaps = {"lead": Gap(OLIST_SINCE, complete=True)}
    whole = build_records(
        items.reset_index(drop=True), stays, ("lead",), dt.date(2018, 11, 14), gaps=gaps
    )
    return whole.known_at(as_of)


def maven(as_of=dt.date(2017, 12, 31)):
    """Dated deals of Maven's CRM set; from before March 2017 only survivors are in it."""
    folder = real("maven-crm")
    deals = pd.read_csv(folder / "sales_pipeline.csv")
    deals = deals[deals["engage_date"].notna()].reset_index(drop=True)
    entered = ordinals(pd.to_datetime(deals["engage_date"]))
    closed = ordinals(pd.to_datetime(deals["close_date"]))
    items = pd.DataFrame(
        {
            "id": deals["opportunity_id"],
            "product": deals["product"].replace("GTXPro", "GTX Pro"),
            "amount": deals["close_value"],
        }
    )
    to = deals["deal_stage"].map({"Won": "won", "Lost": "lost", "Engaging": ""})
    stays = pd.DataFrame(
        {
            "item": np.arange(len(deals)),
            "stage": "opportunity",
            "entered": entered.astype(np.int64),
            "left": [OPEN if way == "" else int(day) for day, way in zip(closed, to, strict=True)],
            "to": to,
        }
    )
    gaps = {"opportunity": Gap(MAVEN_SINCE, complete=False)}
    whole = build_records(items, stays, ("opportunity",), dt.date(2017, 12, 31), gaps=gaps)
    return whole.known_at(as_of)
