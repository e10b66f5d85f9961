"""Who was right: scores of kept forecasts whose truth is known, and of some that are too sure."""

import json
from dataclasses import replace

import numpy as np
import pytest
import scoringrules
from kept_truth import (
    AHEAD,
    LAST_MONTH,
    TARGET,
    MadeArchive,
    goal_of,
    half_spread,
    label_of,
    make_truth,
    wrong_conversion,
)
from scipy import stats

from forecast.analysis.actuals import QuarterActuals
from forecast.engine.request import RequestError
from forecast.history.backtesting.scores import binomial_band
from forecast.operate import said as words
from forecast.operate.outcomes import NOT_OVER, FileOutcomes
from forecast.operate.said import Asked, collect
from forecast.operate.score_verdict import summarize_scores
from forecast.operate.scoring import ALL, LEADS, covered, score, share_band

Z = 5.5  # of a test; all of this file together fail by chance less often than once in 1e6
DEALS = Asked(("deals",))
MEANS = {**AHEAD, "last month": LAST_MONTH}


def actuals(came):
    """What came of deals, from the first quarter on."""
    return FileOutcomes({label_of(i): QuarterActuals(deals=float(n)) for i, n in enumerate(came)})


@pytest.fixture(scope="module")
def truth():
    return make_truth()


@pytest.fixture(scope="module")
def said(truth):
    return collect(truth.archive, actuals(truth.came[:200]), DEALS)


@pytest.fixture(scope="module")
def scores(said):
    return score(said)


def test_every_forecast_of_a_quarter_that_is_over_counts(said, scores):
    assert said.forecasts == 400
    found = dict(zip(LEADS, scores["quarters"].sel(metric="deals").values.tolist(), strict=True))
    assert found == {
        "over 2 quarters": 198, "1 to 2 quarters": 199, "2 to 3 months": 200,
        "1 to 2 months": 0, "last month": 200, "all": 200,
    }  # fmt: skip
    assert int(scores["forecasts"].sel(metric="deals", lead=ALL)) == 198 + 199 + 200 + 200


def test_scores_have_the_dims_that_are_promised(scores):
    assert scores["crps"].dims == ("lead", "metric")
    assert scores["coverage"].dims == ("lead", "metric", "level")
    assert scores["pit"].dims == ("lead", "metric", "bin")
    assert scores.attrs["scenario"] == "Truth"


def test_intervals_cover_what_they_say_at_every_lead(scores):
    for lead in (*MEANS, ALL):
        one = scores.sel(metric="deals", lead=lead)
        n = int(one["quarters"])
        for level in (0.5, 0.8, 0.95):
            at = one.sel(level=level)
            assert abs(float(at["coverage"]) - level) < Z * np.sqrt(level * (1 - level) / n)
            assert float(at["coverage_low"]) < float(at["coverage"]) < float(at["coverage_high"])


def test_crps_is_that_of_the_poisson_distribution(truth, said):
    for lead, mean in MEANS.items():
        cases = [case for case in said.cases if score_lead(case) == lead]
        quarter = [int(case.quarter[:4]) * 4 + int(case.quarter[-1]) - 8001 for case in cases]
        exact = scoringrules.crps_poisson(truth.came[quarter] - truth.known[lead][quarter], mean)
        off = np.array([case.crps for case in cases]) - exact
        assert abs(off.mean()) < Z * off.std() / np.sqrt(len(off))
        # With 400 runs a score is known to some hundredths.
        assert off.std() < 0.1 * exact.mean()


def score_lead(case):
    return "last month" if case.days <= 31 else {91: "2 to 3 months"}.get(
        round(case.days / 91) * 91, "1 to 2 quarters" if case.days < 185 else "over 2 quarters"
    )  # fmt: skip


def test_pit_is_even(scores):
    for lead in (*MEANS, ALL):
        pit = scores["pit"].sel(metric="deals", lead=lead).values
        assert pit.sum() == pytest.approx(1.0)
        assert np.abs(pit - 0.1).max() < Z * np.sqrt(0.1 * 0.9 / 198)


def test_it_sharpens_as_the_quarter_comes_near(scores):
    one = scores.sel(metric="deals", lead=list(MEANS))
    assert np.all(np.diff(one["relative_crps"]) < 0)
    assert float(one["relative_crps"][0]) == 1.0
    # The CRPS to expect, E|X - X'| / 2, goes with the standard deviation.
    wanted = np.sqrt(np.array(list(MEANS.values())) / 20.0)
    assert one["relative_crps"].values == pytest.approx(wanted, abs=0.12)
    width = [np.subtract(*stats.poisson.ppf((0.9, 0.1), mean)) for mean in MEANS.values()]
    assert one["width"].values == pytest.approx(np.array(width), rel=0.05)
    assert np.abs(one["bias"].values).max() < Z * np.sqrt(20.0) / 20.0 / np.sqrt(198)


def test_the_verdict_on_right_forecasts_is_that_they_are(said):
    (deals,) = summarize_scores(said)["verdict"]
    assert deals["sentences"][0].startswith("80% intervals held ")
    assert deals["sentences"][0].endswith("as they should.")
    assert "From over 2 quarters before the end to the last month it sharpened by" in " ".join(
        deals["sentences"]
    )
    assert "no luck" not in " ".join(deals["sentences"])


@pytest.mark.parametrize("wrong", [half_spread, wrong_conversion])
def test_overconfident_forecasts_are_found_out(wrong):
    made = make_truth(said=wrong, seed=2)
    found = collect(made.archive, actuals(made.came[:200]), DEALS)
    document = summarize_scores(found)
    sentences = document["verdict"][0]["sentences"]
    assert sentences[0].startswith("overconfident: 80% intervals held ")
    whole = next(row for row in document["scores"] if row["lead"] == ALL)
    assert whole["coverage_80_band"][1] < 0.8
    ends = whole["pit"][0] + whole["pit"][-1]
    assert ends > 0.3
    assert ("too high, which is no luck" in " ".join(sentences)) == (wrong is wrong_conversion)


def test_few_quarters_are_too_few_to_judge(truth):
    found = collect(truth.archive, actuals(truth.came[:12]), DEALS)
    (sentence, *_) = summarize_scores(found)["verdict"][0]["sentences"]
    assert "of 12 quarters" in sentence
    assert "too few to judge, which takes 155" in sentence


def test_quarters_that_are_not_over_are_left_out_and_told(truth):
    found = collect(truth.archive, actuals(truth.came[:12]), DEALS)
    assert {case.quarter for case in found.cases} == {label_of(i) for i in range(12)}
    left = {row["why"]: row for row in summarize_scores(found)["left_out"]}
    assert left[NOT_OVER]["quarters"][0] == label_of(12)
    assert left[NOT_OVER]["forecasts"] == 2 * 188 + 2


def test_missing_actuals_are_told(truth):
    quarters = {label_of(i): QuarterActuals(deals=float(truth.came[i])) for i in (0, 2)}
    quarters[label_of(1)] = QuarterActuals(leads=3.0)
    found = collect(truth.archive, FileOutcomes(quarters), Asked(("deals", "leads")))
    left = {row["why"]: row["quarters"] for row in summarize_scores(found)["left_out"]}
    assert left["the actuals do not say what came of deals"] == [label_of(1)]
    assert left["the actuals do not say what came of leads"] == [label_of(0), label_of(2)]
    assert left["the forecast does not say leads"] == [label_of(1)]


def one_of(**more):
    """An archive of one forecast of two quarters from January 2000 on."""
    archive = MadeArchive()
    deals = [[3.0, 4.0, 5.0], [5.0, 6.0, 7.0]]
    archive.add(more.pop("first", 0), more.pop("months", 6), deals, **more)
    return archive


CAME = actuals([4.0, 4.0, 5.0, 5.0])


def reasons(archive):
    found = collect(archive, CAME, DEALS)
    return [case.quarter for case in found.cases], {
        why: sorted(label for _, label in cases) for why, cases in found.left_out.items()
    }


def test_a_quarter_that_had_begun_needs_what_was_done():
    assert reasons(one_of(first=1, months=5)) == (["2000Q2"], {words.BEGUN: ["2000Q1"]})
    kept = one_of(first=1, months=5, done={"deals": {"2000Q1": 2.0, "1999Q1": 7.0}})
    found = collect(kept, CAME, DEALS)
    assert [case.mean for case in found.cases] == [6.0, 5.0]
    # Both of 5 and 7 are above what came, 4: off by 2 less half of the mean difference, 2.
    assert found.cases[0].crps == pytest.approx(2.0 - 1.0)
    assert (found.cases[0].below, found.cases[0].up_to) == (0.0, 0.0)


def test_a_quarter_that_is_cut_off_is_left_out():
    assert reasons(one_of(months=5)) == (["2000Q1"], {words.CUT_OFF: ["2000Q2"]})


def test_one_forecast_a_day_counts_the_last_that_was_made():
    archive = one_of()
    archive.add(0, 6, [[8.0, 8.0], [8.0, 8.0]])
    found = collect(archive, CAME, DEALS)
    assert [case.mean for case in found.cases] == [8.0, 8.0]
    assert list(found.left_out) == [words.LATER]


def test_what_if_cases_of_a_batch_are_left_out():
    archive = one_of()
    archive.add(0, 6, [[8.0, 8.0], [8.0, 8.0]], set={"market": "2"})
    found = collect(archive, CAME, DEALS)
    assert [case.mean for case in found.cases] == [4.0, 5.0]
    assert list(found.left_out) == [words.WHAT_IF]


def test_one_of_several_scenarios_must_be_named():
    archive = one_of()
    archive.add(3, 6, [[8.0, 8.0], [8.0, 8.0]])
    archive.made[0].kept = replace(archive.made[0].kept, scenario="Other")
    with pytest.raises(RequestError, match=r'one of Other and Truth\. Add --scenario "Other"'):
        collect(archive, CAME, DEALS)
    assert len(collect(archive, CAME, Asked(("deals",), "Other")).cases) == 2
    with pytest.raises(RequestError, match="got deal; must be deals, bookings, leads or a stage"):
        collect(archive, CAME, Asked(("deal",), "Other"))
    with pytest.raises(RequestError, match="must be kept forecasts"):
        collect(MadeArchive(), CAME, DEALS)


def test_chances_of_goals_are_kept(truth, said):
    goals = summarize_scores(said)["goals"]
    came, known = truth.came[:200], truth.known["2 to 3 months"][:200]
    chance = stats.poisson.sf(TARGET - 1 - known, 10.0)
    assert goals["brier"] == pytest.approx(np.mean((chance - (came >= TARGET)) ** 2))
    assert goals["verdict"] == ["The chances given to goals agree with how many were reached."]
    assert sum(row["quarters"] for row in goals["reliability"]) == 200
    for row in goals["reliability"]:
        inside = (chance >= row["from"]) & ((chance < row["to"]) | (row["to"] == 1.0))
        assert row["said"] == pytest.approx(chance[inside].mean())
        assert row["reached"] == pytest.approx((came >= TARGET)[inside].mean())


def test_chances_that_are_too_sure_are_found_out(truth):
    archive = MadeArchive()
    for i in range(200):
        likely = truth.known["2 to 3 months"][i] >= 10
        goal = goal_of(label_of(i), 0.95 if likely else 0.05)
        archive.add(3 * i, 3, [[3.0], [4.0]], goals=[goal])
    goals = summarize_scores(collect(archive, actuals(truth.came), DEALS))["goals"]
    assert any(sentence.startswith("too hopeful: of goals given 95%") for sentence in
               goals["verdict"])  # fmt: skip


def test_goals_of_a_year_count_what_was_done_before():
    wanted = [
        {"metric": "deals", "quarter": "2000", "target": 18.0, "confidence": 0.8, "done": 4.0}
    ]
    goal = goal_of("2000", 0.7) | {"target": 14}
    archive = one_of(first=3, months=9, goals=[goal], goals_wanted=wanted, done={})
    (found,) = collect(archive, CAME, DEALS).goals
    assert (found.target, found.chance, found.reached, found.days) == (18.0, 0.7, True, 275)
    assert collect(one_of(first=3, months=9, goals=[goal]), CAME, DEALS).goals == []


def test_revenue_is_bookings_unless_it_recurs():
    goal = goal_of("2000Q1", 0.7) | {"metric": "revenue", "target": 4000}
    came = FileOutcomes({"2000Q1": QuarterActuals(bookings=4e3)})
    archive = one_of(goals=[goal])
    (found,) = collect(archive, came, DEALS).goals
    assert found.reached
    text = archive.made[0].attributes["scenario"]
    recurring = "{size: 1k, recurring: {every: month, churn: 2% per month}}"
    archive.made[0].attributes["scenario"] = text.replace("{size: 1k}", recurring)
    said = collect(archive, came, DEALS)
    assert (said.goals, words.REVENUE in said.left_out) == ([], True)


@pytest.mark.parametrize(("hits", "cases"), [(0, 5), (3, 7), (160, 200), (9, 9)])
def test_the_band_of_whole_hits_is_that_of_a_binomial(hits, cases):
    assert share_band(hits, cases) == pytest.approx(binomial_band(hits, cases))


@pytest.mark.parametrize("level", [0.5, 0.8, 0.95])
@pytest.mark.parametrize("mean", [0.3, 2.0, 10.0, 300.0])
def test_a_count_is_covered_exactly_as_often_as_said(mean, level):
    y = np.arange(2_000)
    below, up_to = stats.poisson.cdf(y - 1, mean), stats.poisson.cdf(y, mean)
    found = np.sum(stats.poisson.pmf(y, mean) * covered(below, up_to, level))
    assert found == pytest.approx(level, abs=1e-12)


def test_a_quarter_counts_once_however_many_forecasts_it_has():
    archive = MadeArchive()
    for first, rest in ((0, [9.0, 9.0]), (1, [1.0, 1.0]), (2, [0.0, 0.0]), (3, [5.0, 5.0])):
        done = {"deals": {"2000Q1": 3.0 if first else 0.0}}
        archive.add(first, 3 - first if first < 3 else 3, np.array([rest]).T, done=done)
    found = score(collect(archive, CAME, DEALS)).sel(metric="deals", lead=ALL)
    assert (int(found["quarters"]), int(found["forecasts"])) == (2, 4)
    # Off by 5, 0 and 1 in the first quarter, by 1 in the second.
    assert float(found["crps"]) == pytest.approx(((5 + 0 + 1) / 3 + 1) / 2)
    assert float(found["bias"]) == pytest.approx((16 / 3 + 5) / 8 - 1)
    low, high = binomial_band(1, 2)
    assert float(found["coverage_low"][1]) < low < float(found["coverage_high"][1]) < high


def test_a_document_is_json(said):
    assert json.loads(json.dumps(summarize_scores(said), allow_nan=False))["forecasts"] == 400
