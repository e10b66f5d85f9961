"""Writing small files: whole or not at all, and never over one that is there unless asked to."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from .group import BadInput


def check_target(file: Path, force: bool, example: str) -> None:
    """Refuse a place where no file can be written; raises ``BadInput``."""
    if file.is_dir():
        raise BadInput(f"{file}: got a folder; must be a file. Write {file / example}.")
    if file.exists() and not force:
        raise BadInput(f"{file}: is there already. Choose another name, or use --force.")
    if not file.absolute().parent.is_dir():
        raise BadInput(f"{file}: the folder {file.parent} is not there. Create it first.")


def write_files(texts: Mapping[Path, str]) -> None:
    """Write texts beside their places, then rename them, the first one last: all are, or none.

    Raises ``BadInput``.
    """
    beside = {path: path.with_name(f".{path.name}.part") for path in texts}
    try:
        for path, text in texts.items():
            beside[path].write_text(text, encoding="utf-8", newline="\n")
        for path in reversed(beside):
            beside[path].replace(path)
    except OSError as error:
        for part in beside.values():
            part.unlink(missing_ok=True)
        raise BadInput(f"{path}: cannot be written ({error.strerror}).") from None


def check_output(path: Path) -> None:
    """Refuse a place that no result can be written to as bad input, before any work."""
    from forecast.engine import store

    try:
        store.check_output(path)
    except store.OutputError as error:
        raise BadInput(f"--output {error}") from None
