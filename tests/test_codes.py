"""The kernel may not import the families, so the numbers by which both know one are two lists."""

from forecast.engine.kernel import sizes
from forecast.scenario.families import Code


def test_families_and_kernel_have_the_same_codes() -> None:
    assert {code.name: code.value for code in Code} == {
        name: getattr(sizes, name) for name in (code.name for code in Code)
    }
