"""Cases with exact answers, found independently of this project (numpy 2.4.6, scipy 1.17.1).

Each holds inputs, the formula and the answers. Several carry the answer of a usual mistake too.
"""

from math import exp
from typing import Any

from scipy.stats import nbinom

Case = dict[str, Any]

O01: Case = {
    "title": "Fixed opportunities, one conversion step: chance of at least G deals; fewest "
    "opportunities",
    "formula": "P(X>=g)=I_p(g,n-g+1); n*=min{n: I_p(g,n-g+1)>=c}",
    "inputs": {"n": 34, "p": 0.3, "goal": 10},
    "expected": {
        "p_ge_goal": 0.5938816325161258,
        "mean": 10.2,
        "var": 7.139999999999999,
        "smallest_n": {0.8: 40, 0.9: 45, 0.95: 49, 0.99: 58},
        "p_ge_goal_at_smallest_n": {
            0.8: 0.8040745762228813,
            0.9: 0.9066309142959958,
            0.95: 0.9520445677240336,
            0.99: 0.991178818879698,
        },
    },
}

O02: Case = {
    "title": "Poisson leads, two conversion steps: won deals are Poisson, independent of lost",
    "formula": "Poisson thinning; Cov(won,lost)=0",
    "inputs": {"lead_mean": 120.0, "p1": 0.3, "p2": 0.25, "goal": 10},
    "expected": {
        "mean": 9.0,
        "var": 9.0,
        "p_zero": 0.00012340980408667956,
        "p_ge_goal": 0.4125917556680583,
        "q10": 5.0,
        "q50": 9.0,
        "q90": 13.0,
        "cov_won_lost": 0.0,
    },
}

O03: Case = {
    "title": "Quarter revenue = sum of Poisson(9) deals of lognormal size",
    "formula": "kappa_j = lam E[X^j]",
    "inputs": {
        "deal_mean": 9.0,
        "size_mean": 50000.0,
        "size_cv": 0.8,
        "lognormal_mu": 10.57243016349223,
        "lognormal_sigma": 0.7033464593186682,
    },
    "expected": {
        "mean": 450000.00000000006,
        "sd": 192093.72712298573,
        "var": 36900000000.00011,
        "cv": 0.42687494916219043,
        "skew": 0.700074916625989,
        "excess_kurtosis": 0.8037720177777744,
        "p_zero": 0.00012340980408667956,
    },
}

O04: Case = {
    "title": "Uncertain rate (calibrated from 20 cases: Beta(6,14)), one draw of the rate per "
    "simulated path",
    "formula": "Beta-binomial; var=np q(1+(n-1)rho), rho=1/(a+b+1)",
    "inputs": {"n": 34, "alpha": 6.0, "beta": 14.0, "goal": 10},
    "expected": {
        "mean": 10.2,
        "var": 18.359999999999996,
        "p_ge_goal": 0.5362928361204558,
        "smallest_n": {0.8: 49, 0.9: 61, 0.95: 75},
        "corr_two_leads": 0.047619047619047616,
    },
}

O05: Case = {
    "title": "Over-dispersed leads NB(mean 120, size 4) thinned at 7.5%: NB(mean 9, size 4)",
    "formula": "pgf (1+m p(1-z)/r)^-r",
    "inputs": {"lead_mean": 120.0, "size": 4.0, "p": 0.075, "goal": 10},
    "expected": {
        "mean": 9.0,
        "var": 29.249999999999996,
        "p_zero": 0.008963271594131865,
        "p_ge_goal": 0.39690903338291006,
        "q05": 2.0,
        "q95": 19.0,
    },
}

O06: Case = {
    "title": "Leads of weeks 0..25, two lagged steps: deals per 13-week quarter",
    "formula": "E[D_q]=p1 p2 sum_w L_w P(lag1+lag2 in q-w); Poisson leads => D_q independent "
    "Poisson",
    "inputs": {
        "weekly_lead_mean": "10+0.5 w, w=0..25",
        "p_step1": 0.3,
        "p_step2": 0.25,
        "lag1_weeks": {1: 0.05, 2: 0.1, 3: 0.2, 4: 0.25, 5: 0.15, 6: 0.1, 7: 0.1, 8: 0.05},
        "lag2_weeks": "2+NegBin(3,0.4) (failures)",
        "rule": "deal week = lead week + lag1 + lag2; quarter = week // 13",
    },
    "expected": {
        "deals_per_quarter": [
            2.4287267804159995,
            13.29225550137225,
            14.796247485340166,
            1.1630838962249006,
            0.007163895253620857,
            2.2387631481922435e-05,
        ],
        "total": 31.6875,
        "share_in_first_two_quarters": 0.4961256735870059,
        "p_ge_10_in_q1": 0.8526366955392081,
        "mean_lag_weeks": 10.8,
        "cov_q0_q1": 0.0,
    },
}

O07: Case = {
    "title": "Attempt 2 weeks: win .2, lose .3, nurture .5 (6 weeks) then attempt again",
    "formula": "P(win)=w/(1-r); G(z)=w z^a/(1-r z^(a+b)); K geometric",
    "inputs": {"win": 0.2, "lose": 0.3, "nurture": 0.5, "attempt_weeks": 2, "nurture_weeks": 6},
    "expected": {
        "p_win": 0.4,
        "p_lose": 0.6,
        "mean_attempts": 2.0,
        "var_attempts": 2.0,
        "mean_weeks_to_win_given_win": 10.0,
        "var_weeks_given_win": 128.0,
        "p_win_by_week": {13: 0.30000000000000004, 26: 0.375, 52: 0.39687500000000003},
        "p_win_max_3_attempts": 0.35000000000000003,
        "pgf_at_0_97": 0.30944127040983715,
        "p_still_open_after_10_attempts": 0.0009765625,
    },
}

O11: Case = {
    "title": "Sum of 10 lognormal deals (mu 0, sigma .75), independent and with copula correlation "
    "0.3",
    "formula": "cumulants add; Cov=E[X]^2(e^{rho s^2}-1); Fenton-Wilkinson matches two moments",
    "inputs": {"n": 10, "mu": 0.0, "sigma": 0.75, "normal_corr": 0.3},
    "expected": {
        "mean": 13.247847587288655,
        "var": 13.251621919577328,
        "sd": 3.6402777256106886,
        "skew": 1.0318236027488061,
        "excess_kurtosis": 2.3540284233394946,
        "var_if_corr": 42.28755001710243,
        "sd_if_corr": 6.502887821353097,
        "fenton_wilkinson_sigma": 0.26979761251243706,
        "fenton_wilkinson_mu": 2.54743971713534,
    },
}

O12: Case = {
    "title": "Open opportunities at week t, empty start (M/G/infinity, lognormal cycle): Poisson",
    "formula": "open(t)~Poisson(lam int_0^t (1-G)); closed(t)~Poisson(lam int_0^t G); independent",
    "inputs": {
        "arrivals_per_week": 6.0,
        "cycle_median_weeks": 7.0,
        "cycle_sigma": 0.6,
        "t_weeks": [1.0, 4.0, 13.0, 26.0, 52.0],
    },
    "expected": {
        "mean_open": [
            5.999507345946984,
            22.939791206809772,
            45.326160677009526,
            49.696302195896195,
            50.25935512149104,
        ],
        "mean_closed": [
            0.0004926540530160181,
            1.0602087931902264,
            32.673839322990474,
            106.3036978041038,
            261.740644878509,
        ],
        "stationary_open": 50.283129251116016,
        "p_open_13_ge_50": 0.2626368135946788,
    },
}

O14: Case = {
    "title": "Revenue (thousands) = Poisson(9) deals of five list sizes: the exact distribution",
    "formula": "Panjer (a=0,b=lam) and FFT exp(lam(fhat-1))",
    "inputs": {
        "deal_mean": 9.0,
        "sizes": {10: 0.35, 20: 0.3, 35: 0.2, 60: 0.1, 150: 0.05},
        "goal": 300,
    },
    "expected": {
        "mean": 270.0,
        "sd": 130.24976007655445,
        "skew": 0.8214171746461666,
        "excess_kurtosis": 0.8430565034424906,
        "p_zero": 0.00012340980408667956,
        "p_ge_goal": 0.3672088224652896,
        "quantiles": {
            0.05: 95.0,
            0.1: 120.0,
            0.25: 175.0,
            0.5: 250.0,
            0.75: 345.0,
            0.8: 375.0,
            0.9: 445.0,
            0.95: 510.0,
            0.99: 645.0,
        },
        "shortfall_mean": 69.56822469190367,
        "cdf_at_and_below_quantile": {
            0.05: [0.05643199077300402, 0.04872439112589633],
            0.1: [0.10713828163368708, 0.09512422661183045],
            0.25: [0.26433301059875386, 0.2487961712265461],
            0.5: [0.5040017227301062, 0.4885517364192941],
            0.75: [0.7514623219717768, 0.7411387170040201],
            0.8: [0.8081463605420347, 0.7995076050104086],
            0.9: [0.9012097444220163, 0.896137660559773],
            0.95: [0.9504791293711904, 0.9476352869833239],
            0.99: [0.990212774412958, 0.9895683816190077],
        },
    },
}

O18: Case = {
    "title": "Four quarters share one uncertain market factor Gamma(16, mean 1); deals are Poisson "
    "given it",
    "formula": "N_q NB(m_q,k); Cov=m_i m_j/k; year NB(sum m,k)",
    "inputs": {"k": 16.0, "quarter_means": [8.0, 9.0, 11.0, 12.0]},
    "expected": {
        "cov_q1_q4": 6.0,
        "corr_q1_q4": 0.3779644730092272,
        "year_var": 140.0,
        "year_p_lt_30": 0.18999578160549224,
        "year_q05": 22.0,
        "year_q95": 61.0,
        "if_factor_redrawn_each_quarter": {
            "year_var": 65.625,
            "year_p_lt_30": 0.09050692397860893,
            "year_q05": 27.0,
        },
    },
}

O20: Case = {
    "title": "How often a nominal 80% interval of Poisson(9) covers",
    "inputs": {"poisson_mean": 9},
    "expected": {"exact_coverage_of_nominal_80_interval_poisson9": 0.8711855891969833},
}

O22: Case = {
    "title": "Ranks of quantiles' 95% intervals, and the error of a chance",
    "formula": "order statistics; binomial",
    "inputs": {"runs": 10_000},
    "expected": {
        "quantile_ranks_95_n10000": {
            0.1: [942, 1060],
            0.5: [4902, 5099],
            0.9: [8941, 9059],
            0.99: [9880, 9920],
        },
        "mc_halfwidth_p05_n10000": 0.009799819925,
    },
}


# --- the cases about time and a shared factor, as scenarios say them ----------------------------

WEEKS = "start: 2027-01-01\nhorizon: {} weeks\nperiod: week\n"


def delayed(second_lag: str) -> str:
    """O06 with any second lag; 26 weeks of leads, 104 weeks are simulated."""
    first = ", ".join(f"{k}: {p}" for k, p in O06["inputs"]["lag1_weeks"].items())
    means = ", ".join(str(10 + 0.5 * w) for w in range(26))
    return (
        f"name: Delayed\n{WEEKS.format(104)}"
        f"channels: {{a: {{leads: {{mean: [{means}], per: week, then: zero}}}}}}\njourney:\n"
        f"  lead: {{o: {{conversion: 30%, lag: {{periods: {{{first}}}}}}}}}\n"
        f"  o: {{won: {{conversion: 25%, lag: {{periods: {{{second_lag}}}}}}}}}\n"
        "goals: [{metric: deals, quarter: 2027Q2, target: 10, confidence: 80%}]\n"
    )


def negative_binomial_lag() -> str:
    """2 + NegBin(3, 0.4) weeks, down to chances of 1e-16."""
    chances = [float(nbinom.pmf(k, 3, 0.4)) for k in range(76)]
    return ", ".join(f"{k + 2}: {p:.17f}" for k, p in enumerate(chances) if p > 1e-16)


def loop(weeks: int) -> str:
    """O07 with 1,000 leads in the first week."""
    lag = "{periods: {2: 1}}"
    return (
        f"name: Loop\n{WEEKS.format(weeks)}"
        "channels: {a: {leads: {fixed: [1000], per: week, then: zero}}}\njourney:\n"
        f"  attempt:\n    won: {{conversion: 20%, lag: {lag}}}\n"
        f"    nurture: {{conversion: 50%, lag: {lag}}}\n    lost: {{lag: {lag}}}\n"
        "  nurture: {attempt: {conversion: 100%, lag: {periods: {6: 1}}}}\n"
    )


def queue() -> str:
    """O12: items that stay open for a lognormal time.

    An item that came u of a week ago is past the k-th week's end when u + lag >= k, so the rule
    for lags, ⌊u + lag⌋ periods, has no error of discretisation at the ends of periods.
    """
    p90 = 7.0 * exp(O12["inputs"]["cycle_sigma"] * 1.2815515655446004)
    return (
        f"name: Queue\n{WEEKS.format(52)}"
        "channels: {a: {leads: {mean: 6, per: week}}}\njourney:\n"
        "  o: {won: {conversion: 100%, "
        f"lag: {{lognormal: {{median: 7 weeks, p90: {p90:.15f} weeks}}}}}}}}\n"
    )


SHARED_FACTOR = """
name: Shared factor
start: 2027-01-01
horizon: 4 quarters
channels: {a: {leads: {mean: [8, 9, 11, 12], per: quarter}}}
journey: {o: {won: {conversion: 100%}}}
market: {gamma: {mean: 1, cv: 0.25}}
goals: [{metric: deals, year: 2027, target: 30, confidence: 80%}]
"""
