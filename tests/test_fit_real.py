"""`forecast fit` on real exports, where they are: what they are known to hold is found."""

from __future__ import annotations

import numpy as np
import pytest
from commands import document, invoke
from shared_data import real

import forecast

MAVEN = """
currency: USD
dates: year-month-day
stages: [opportunity]
deals:
  file: {file}
  columns:
    id: opportunity_id
    created: engage_date
    closed: close_date
    status: deal_stage
    amount: close_value
    product: product
  status: {{Won: won, Lost: lost, Engaging: open, Prospecting: open}}
aliases: {{product: {{GTXPro: GTX Pro}}}}
"""
OLIST = """
currency: BRL
dates: day-month-year
stages: [lead]
leads:
  file: {folder}/olist_marketing_qualified_leads_dataset.csv
  columns: {{id: mql_id, created: first_contact_date, channel: origin}}
deals:
  file: {folder}/olist_closed_deals_dataset.csv
  columns: {{lead: mql_id, won: won_date, segment: business_segment}}
"""


def fit(folder, mapping, *more):
    """What the command says of a mapping, and the scenario that it writes."""
    (folder / "crm.yaml").write_text(mapping, encoding="utf-8")
    output = str(folder / "plan.yaml")
    found = document("fit", str(folder / "crm.yaml"), "--output", output, *more)
    return found, output


def wins_of_open(output):
    """Simulated wins of the open deals alone, over two years, by run."""
    read = forecast.read_scenario(output, {"horizon": "8 quarters"})
    sets = {f"channels.{name}.leads.mean": 0 for name in read.channels} | {"horizon": "8 quarters"}
    data = forecast.simulate(forecast.read_scenario(output, sets), runs=2_000, seed=1)
    return data["pipeline_deals"].values.sum(axis=(1, 2, 3, 4))


@pytest.fixture(scope="module")
def maven_in_september(tmp_path_factory):
    """Maven's deals as of 2017-09-30: the document, the scenario, wins of the open deals by run."""
    mapping = MAVEN.format(file=real("maven-crm") / "sales_pipeline.csv")
    found, output = fit(tmp_path_factory.mktemp("maven"), mapping, "--as-of", "2017-09-30")
    return found, output, wins_of_open(output)


def test_zombies_of_maven_do_not_become_wins(maven_in_september):
    found, output, wins = maven_in_september
    assert found["report"]["set_aside"] == 500  # without dates
    assert found["open"] == 2_409
    read = forecast.read_scenario(output)
    assert read.products == ("GTK 500", "GTX Basic", "GTX Plus Basic", "GTX Plus Pro", "GTX Pro",
                             "MG Advanced", "MG Special")  # fmt: skip
    # Nobody was ever won after 138 days; 530 are older.
    assert found["stale_after_days"] == 139
    assert len(read.pipeline.retired) == 530
    assert wins.max() < 2_409 - 530
    # Weighing all open deals by the win rate of finished ones, as CRMs do, gives 1,550.
    assert np.quantile(wins, 0.9) < 1_200


def test_the_interval_of_what_comes_of_open_deals_of_maven_holds_what_came(maven_in_september):
    *_, wins = maven_in_september
    low, high = np.quantile(wins, [0.1, 0.9])
    assert low <= 559 <= high


def test_deals_of_maven_close_in_the_last_month_of_a_quarter(tmp_path):
    found, output = fit(tmp_path, MAVEN.format(file=real("maven-crm") / "sales_pipeline.csv"))
    speeds = found["closing"]["month_of_quarter"]
    assert speeds[0] < speeds[1] < speeds[2]
    assert forecast.read_scenario(output).versions[0].closing.month_of_quarter[2] > 1.2
    sizes = {size["product"]: size["mean"]["value"] for size in found["sizes"]}
    prices = {"GTX Basic": 550, "GTX Pro": 4_821, "MG Special": 55, "GTX Plus Pro": 5_482}
    for product, price in prices.items():
        assert sizes[product] == pytest.approx(price, rel=0.02)


def test_when_the_recording_of_olist_began_is_found_and_said(tmp_path):
    mapping = OLIST.format(folder=real("olist-funnel"))
    found, output = fit(tmp_path, mapping, "--as-of", "2018-05-31")
    gap = found["gaps"]["lead"]
    assert gap["since"].startswith("2017-12")
    assert gap["complete"]
    with open(output, encoding="utf-8") as file:
        text = file.read()
    assert f"GAP  What became of items in lead before {gap['since']}" in text
    assert "segment is known of" in text  # it is written down at the win
    groups = {w["group"][1]: w["conversion"]["value"] for w in found["ways"] if w["group"]}
    order = sorted(groups, key=groups.get, reverse=True)
    assert order[0] == "unknown"
    assert set(order[1:4]) == {"paid_search", "organic_search", "direct_traffic"}
    assert set(order[-4:]) <= {"other", "email", "social", "display", "other_publicities"}
    # Of all recorded leads 10.5% were ever won, of those since recording began 13%.
    (whole,) = [w for w in found["ways"] if not w["group"]]
    assert whole["conversion"]["low"] < 0.125 < whole["conversion"]["high"]
    run = invoke("run", output, "--runs", "500")
    assert run.exit_code == 0, run.output
    assert "Self-check" in run.output
