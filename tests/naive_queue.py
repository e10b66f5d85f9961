"""The slow and obvious simulator with queues: all items side by side, period by period."""

from __future__ import annotations

import datetime as dt
import math
from collections import Counter, defaultdict
from dataclasses import dataclass

from naive import MONTH_DAYS, UNIT_DAYS, UNIT_MONTHS, _Run, pick


@dataclass
class Item:
    """A lead or what became of it: where it is, since when, and whether it comes from a stage."""

    channel: str
    segment: str
    stage: str
    before: str | None = None
    since: int = 0


class QueueRun(_Run):
    """One run in which stages take up only so many items."""

    def __init__(self, world, rng) -> None:
        super().__init__(world, rng)
        self.lengths = world.__dict__.setdefault("unit_lengths", {})  # by unit and day

    def simulate(self):
        """Live through all periods."""
        self.agenda = defaultdict(list)
        self.queues: dict[str, list[Item]] = defaultdict(list)
        self.inside: Counter = Counter()
        self.slots = {stage: self._slots(stage) for stage in self.scenario.stages}
        self._begin()
        for c, channel in enumerate(self.scenario.channels):
            means = self._mean_leads(c, channel)
            for period in range(self.world.periods):
                count = self.world.fixed[c][period] + self._arrivals(channel, period, means[period])
                for _ in range(count):
                    self._expect(channel, period)
            self._pay_fixed(c, channel)
        self._recommend_as_existing()
        for period in range(self.world.periods):
            self._period(period)
        return self.record

    def _begin(self) -> None:
        """Let happen what comes before all leads."""

    def _expect(self, channel: str, period: int) -> None:
        """Put a lead on the agenda."""
        segment = self._segment(period)
        self.record.leads[self.world.quarter_of[period], channel, segment] += 1
        self._pay(channel, period, 1)
        self.agenda[period].append(Item(channel, segment, self.scenario.first_stage(channel)))

    def _period(self, t: int) -> None:
        quarter = self.world.quarter_of[t]
        for later, channel in self.brought:
            self._expect(channel, later)
        self.brought.clear()
        self.coming = defaultdict(list)
        self.left = {stage: slots[t] for stage, slots in self.slots.items()}
        for item in self.agenda.pop(t, []):
            self._arrive(item, t)
        again = True
        while again:
            again = False
            for stage in self.scenario.stages:
                came, self.coming[stage] = self.coming[stage], []
                for item in came:
                    self.record.entered[quarter, item.channel, item.segment, stage] += 1
                worked = self._queue_up(stage, came, t)
                again = again or bool(worked)
                for item in worked:
                    self._work(item, t)
        self._give_up(t)
        for last_quarter, last in self.world.quarter_ends:
            if last == t:
                for stage in self.scenario.stages:
                    self.record.open[last_quarter, stage] += self.inside[stage]
                    self.record.backlog[last_quarter, stage] += len(self.queues[stage])

    def _arrive(self, item: Item, t: int) -> None:
        """Let an item leave the stage before, and be where it is going."""
        if item.before is not None:
            self.inside[item.before] -= 1
        item.since = t
        if item.stage in ("won", "lost"):
            quarter = self.world.quarter_of[t]
            self.record.entered[quarter, item.channel, item.segment, item.stage] += 1
            if item.stage == "won":
                self._book(item.channel, item.segment, t)
                self._recommend(t)
        else:
            self.inside[item.stage] += 1
            self.coming[item.stage].append(item)

    def _lose(self, item: Item, t: int) -> None:
        self._arrive(Item(item.channel, item.segment, "lost", item.stage), t)

    def _capacity(self, stage: str, version: int):
        return self.scenario.versions[version].capacity.get(stage)

    def _queue_up(self, stage: str, came: list[Item], t: int) -> list[Item]:
        """Let items join the queue, and take some up."""
        quarter, queue = self.world.quarter_of[t], self.queues[stage]
        for item in came:
            capacity = self._capacity(stage, self._version(t))
            if capacity and self.rng.random() >= self.value(capacity.follow_up):
                self.record.unworked[quarter, stage] += 1
                self._lose(item, t)
            else:
                queue.append(item)
        taken = []
        alike = defaultdict(list)
        for item in queue:
            alike[self._level(item), item.since].append(item)
        for _, same in sorted(alike.items()):
            taken += self._some(same, min(self.left[stage] - len(taken), len(same)))
        self.left[stage] -= len(taken)
        gone = set(map(id, taken))
        self.queues[stage] = [item for item in queue if id(item) not in gone]
        for item in taken:
            self.record.worked[quarter, stage] += 1
            self.record.waited[quarter, stage] += t - item.since
            self.record.spend[quarter, item.channel] += self._cost(item, t)
        return taken

    def _some(self, items: list[Item], count: int) -> list[Item]:
        """So many items in proportion: every one that a comb with equal gaps meets (Madow)."""
        groups = self.scenario.groups
        ordered = sorted(items, key=lambda item: groups.index((item.channel, item.segment)))
        u, n = self.rng.random(), len(ordered)
        marks = [math.floor(i * count / n + u) if i < n else count for i in range(n + 1)]
        marks[0] = 0
        return [item for i, item in enumerate(ordered) if marks[i + 1] > marks[i]]

    def _level(self, item: Item) -> int:
        capacity = self._capacity(item.stage, 0)
        order = capacity.priority if capacity else ()
        return order.index(item.channel) if item.channel in order else len(order)

    def _cost(self, item: Item, t: int) -> float:
        costs = (
            (v, self.scenario.versions[v].channels[item.channel].cost) for v in self.weights(t)
        )
        return sum(
            self.weights(t)[v] * self.value(cost.worked.get(item.stage, 0.0)) for v, cost in costs
        )

    def weights(self, t: int) -> dict[int, float]:
        """The share of a period's days under each version."""
        return self.world.weights[t]

    def _work(self, item: Item, t: int) -> None:
        """Choose what becomes of an item that is taken up."""
        version = self._version(t)
        chances = self._chances(version, item.channel, item.segment, item.stage)
        target = pick(chances, self.rng)
        group = item.channel, item.segment
        target = self._turn_away(target, version, group, item.stage)
        later = t
        if target is not None:
            body = self.scenario.versions[version].journeys[group][item.stage]
            later = t + self._delay(body.transitions[target], target, t)
        onward = Item(item.channel, item.segment, target or "lost", item.stage)
        if later == t:
            self._arrive(onward, t)
        else:
            self.agenda[later].append(onward)

    def _give_up(self, t: int) -> None:
        for stage, queue in self.queues.items():
            kept = []
            for item in queue:
                capacity = self._capacity(stage, self._version(t))
                if capacity and self.rng.random() < self._patience(capacity.give_up):
                    self.record.given_up[self.world.quarter_of[t], stage] += 1
                    self._lose(item, t)
                else:
                    kept.append(item)
            self.queues[stage] = kept

    def _patience(self, rate) -> float:
        units = {**UNIT_DAYS, **{u: n * MONTH_DAYS for u, n in UNIT_MONTHS.items()}}
        periods = UNIT_DAYS[self.scenario.calendar.unit] / units[rate.per]
        return 1.0 - (1.0 - self.value(rate.amount)) ** periods

    # --- how many can be taken up ---------------------------------------------------------------

    def _slots(self, stage: str) -> list[int]:
        """Whole slots by period: what is left of a part is added to the next period's."""
        slots, total, given = [], 0.0, 0
        for t in range(self.world.periods):
            capacity = self._limit(stage, t)
            if math.isinf(capacity):
                slots.append(10**9)
                continue
            total += capacity
            slots.append(math.floor(total + 1e-9) - given)
            given += slots[-1]
        return slots

    def _limit(self, stage: str, t: int) -> float:
        """Items that can be worked in a period, day by day."""
        first, after = self.world.edges[t], self.world.edges[t + 1]
        by_version: Counter = Counter()
        for day in range(first, after):
            v = self.world.version_of[day]
            capacity = self._capacity(stage, v)
            if capacity is None or not capacity.is_limited:
                return math.inf
            if capacity.per_period is not None:
                figures, then = capacity.per_period.figures, capacity.per_period.then
                i = t % len(figures) if then == "repeat" else min(t, len(figures) - 1)
                figure = 0.0 if then == "zero" and t >= len(figures) else self.value(figures[i])
                by_version[v] += figure / (after - first)
            else:
                by_version[v] += self._reps(capacity.reps, day)
        return sum(max(amount, 0.0) for amount in by_version.values())

    def _reps(self, reps, day: int) -> float:
        """What all reps take up on a day."""
        date, heads = dt.date.fromordinal(day), self.value(reps.now)
        for hire in reps.hires:
            if date < hire.since:
                continue
            count = self.value(hire.count)
            months = 12 * (date.year - hire.since.year) + date.month - hire.since.month
            months -= date.day < hire.since.day
            ramp = self.value(reps.ramp[min(months, len(reps.ramp) - 1)])
            heads += count * ramp if count > 0 else count
        key = reps.each.per, day
        if key not in self.lengths:
            spans = self.world.spans(reps.each.per)
            self.lengths[key] = next(b - a for a, b in spans if a <= day < b)
        length = self.lengths[key]
        return heads * self.value(reps.each.amount) / length
