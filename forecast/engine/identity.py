"""Things known by what they are, not by what they say: what is large takes long to compare."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")

KEPT = 8  # scenarios that stay laid out


@dataclass(frozen=True, eq=False)
class Same(Generic[T]):
    """A thing that is equal to itself only, as a key of what is kept for it."""

    it: T

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Same) and other.it is self.it

    def __hash__(self) -> int:
        return id(self.it)
