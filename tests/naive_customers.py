"""What won customers of the slow simulator do: pay again and again, leave, and bring leads."""

from __future__ import annotations

import math

from naive_rules import MONTH_DAYS, UNIT_DAYS, UNIT_MONTHS, poisson

from forecast.scenario.model import BetaGeometric, Rate, Recurring


def days_in(per: str) -> float:
    return UNIT_DAYS[per] if per in UNIT_DAYS else MONTH_DAYS * UNIT_MONTHS[per]


class Customers:
    """What a run of the simulator adds to the life of a lead after it is won."""

    def _recommend(self, won: int) -> None:
        """Let a customer have ideas in each period after the win, as long as he has any."""
        for v, weight in self.world.weights[won].items():
            referral = self.scenario.versions[v].referral
            if referral is None:
                return
            left = referral.during / UNIT_DAYS[self.scenario.calendar.unit]
            for period in range(won + 1, self.world.periods):
                self._bring(referral, weight * min(1.0, left), period)
                left -= 1.0
                if left <= 0.0:
                    break

    def _recommend_as_existing(self) -> None:
        """Let the customers who are there at the start have ideas from then on."""
        referral = self.scenario.versions[0].referral
        if referral is None:
            return
        begin, end = 0.0, 1.0 - self.scenario.calendar.first_offset
        stop = referral.during / UNIT_DAYS[self.scenario.calendar.unit]
        for period in range(self.world.periods):
            time = max(0.0, min(end, stop) - begin)
            self._bring(referral, self.value(referral.existing) * time, period)
            begin, end = end, end + 1.0

    def _bring(self, referral, time: float, period: int) -> None:
        """Turn the ideas of so many customers' periods into leads."""
        unit = referral.leads.per
        days = UNIT_DAYS[unit] if unit in UNIT_DAYS else MONTH_DAYS * UNIT_MONTHS[unit]
        rate = self.value(referral.leads.amount) / days * UNIT_DAYS[self.scenario.calendar.unit]
        for _ in range(poisson(rate * time, self.rng)):
            later = period + self._delay(referral, referral.channel or "", period)
            if later < self.world.periods:
                self.brought.append((later, self.scenario.referred))

    def _serve(self, key: tuple, size: float, recurring: Recurring, won: int) -> None:
        """Let a customer pay and, at the end of each term, perhaps leave."""
        every = MONTH_DAYS * UNIT_MONTHS[recurring.every]
        payments = round(recurring.term / every)
        grows = self._per_days(recurring.expansion, every)
        self.record.bookings[key] += sum(size * (1.0 + grows) ** k for k in range(payments))
        step = UNIT_DAYS[self.scenario.calendar.unit]
        churn = self._own_churn(recurring.churn)
        term = payments * every
        terms_over = 0
        for period in range(won, self.world.periods):
            age = (period - won) * step
            while age >= (terms_over + 1) * term - 1e-6:
                terms_over += 1
                if self.rng.random() >= (1.0 - churn) ** (term / days_in(recurring.churn.per)):
                    return
            pay = size * (1.0 + grows) ** math.floor(age / every + 1e-9)
            quarter = self.world.quarter_of[period]
            self.record.revenue[(quarter, *key[1:])] += pay * step / every

    def _per_days(self, rate: Rate, days: float) -> float:
        return (1.0 + self.value(rate.amount)) ** (days / days_in(rate.per)) - 1.0

    def _own_churn(self, churn: Rate | BetaGeometric) -> float:
        """The churn of one customer, in a unit of its own."""
        if isinstance(churn, Rate):
            return self.value(churn.amount)
        return self.rng.betavariate(self.value(churn.alpha), self.value(churn.beta))
