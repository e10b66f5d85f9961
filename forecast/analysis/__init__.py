"""Questions asked of scenarios and of simulated futures; an answer is a document."""

from __future__ import annotations

from typing import Any

Document = dict[str, Any]  # plain values, ready to be printed as JSON
