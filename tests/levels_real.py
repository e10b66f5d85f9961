"""Records of the real data, read plainly by pandas."""

import datetime as dt

import numpy as np
import pandas as pd
from shared_data import real

from forecast.history.records import OPEN, build_records


def olist():
    """Olist's leads with the day they were won, and what they declared as monthly revenue."""
    home = real("olist-funnel")
    leads = pd.read_csv(home / "olist_marketing_qualified_leads_dataset.csv")
    deals = pd.read_csv(home / "olist_closed_deals_dataset.csv")
    found = leads.merge(deals, on="mql_id", how="left")
    entered = _ordinals(pd.to_datetime(found["first_contact_date"], format="%d-%m-%Y"))
    left = _ordinals(pd.to_datetime(found["won_date"], format="%d-%m-%Y %H:%M"))
    items = pd.DataFrame(
        {
            "id": found["mql_id"],
            "channel": found["origin"],
            "amount": found["declared_monthly_revenue"],
        }
    )
    return _built(items, "lead", (entered, left), np.where(left == OPEN, "", "won"))


def maven():
    """Maven's opportunities that were engaged in."""
    found = pd.read_csv(
        real("maven-crm") / "sales_pipeline.csv", parse_dates=["engage_date", "close_date"]
    )
    found = found[found["engage_date"].notna()].reset_index(drop=True)
    to = found["deal_stage"].map({"Won": "won", "Lost": "lost", "Engaging": ""})
    items = pd.DataFrame(
        {
            "id": found["opportunity_id"],
            "product": found["product"].replace("GTXPro", "GTX Pro"),
            "amount": found["close_value"].where(to == "won"),
        }
    )
    days = _ordinals(found["engage_date"]), _ordinals(found["close_date"])
    return _built(items, "engaging", days, to)


def _ordinals(days):
    return np.array([OPEN if pd.isna(day) else day.toordinal() for day in days])


def _built(items, stage, days, to):
    entered, left = days
    left = np.maximum(left, entered)
    stays = pd.DataFrame(
        {"item": np.arange(len(items)), "stage": stage, "entered": entered, "left": left, "to": to}
    )
    last = dt.date.fromordinal(int(max(left[left != OPEN].max(), entered.max())))
    return build_records(items, stays, (stage,), last)
