"""The command ``forecast``; nothing heavy is imported before a command runs."""

from __future__ import annotations

from .group import cli
from .interrupt import stop_at_once

__all__ = ["cli", "main"]


def main() -> None:
    """Run the command."""
    stop_at_once()
    cli()
