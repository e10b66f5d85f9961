"""Faults: one line each, safe to print, sorted, with the nearest word offered."""

from __future__ import annotations

import pickle

from forecast.scenario.errors import Fault, ScenarioError, did_you_mean, nearest


def test_a_fault_reads_as_promised() -> None:
    fault = Fault("plan.yaml", 3, "horizon", "8", "a duration", "Say the unit: 8 quarters.")
    assert str(fault) == (
        "plan.yaml:3: horizon: got 8; must be a duration. Say the unit: 8 quarters."
    )


def test_a_fault_stays_on_one_line_and_is_safe_to_print() -> None:
    text = str(Fault("p\n", 1, "a\x1b[2J", "x\n\x00\udc80" + "y" * 500, "z", "Mend it."))
    assert "\n" not in text
    assert "\x1b" not in text
    assert r"got x\n\x00\udc80yyy" in text
    assert "y…y" in text
    assert len(text) < 200
    text.encode("utf-8")


def test_faults_are_sorted_and_said_once() -> None:
    def fault(line: int, file: str = "b.yaml") -> Fault:
        return Fault(file, line, "x", "1", "2", "Write 2.")

    error = ScenarioError([fault(10), fault(9), fault(10), fault(11, "a.yaml")])
    assert [(each.file, each.line) for each in error.faults] == [
        ("a.yaml", 11),
        ("b.yaml", 9),
        ("b.yaml", 10),
    ]
    assert len(str(error).split("\n")) == 3
    assert pickle.loads(pickle.dumps(error)).faults == error.faults


def test_the_nearest_word_is_offered() -> None:
    assert nearest("leeds", ["cost", "leads"]) == "leads"
    assert nearest("LEADS", ["leads"]) == "leads"
    assert nearest("zzz", ["leads"]) is None
    assert nearest("x" * 100_000, ["leads"]) is None
    assert did_you_mean("leeds", ["cost", "leads"]) == (
        "Did you mean leads? The choices are cost and leads."
    )
    assert did_you_mean("zzz", ["a"]) == "The only choice is a."
    many = [f"channel{index}" for index in range(50)]
    assert did_you_mean("chanel7", many) == "Did you mean channel7? Then write that."
    assert did_you_mean("zzz", many) == ""
    assert did_you_mean("zzz", []) == ""
