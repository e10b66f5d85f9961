"""Writing small files: whole or not at all, and never over one that is there unless asked to."""

from __future__ import annotations

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


def write_file(file: Path, text: str) -> None:
    """Write a text beside its place and rename it; raises ``BadInput``."""
    beside = file.with_name(f".{file.name}.part")
    try:
        beside.write_text(text, encoding="utf-8", newline="\n")
        beside.replace(file)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise BadInput(f"{file}: cannot be written ({error.strerror}).") from None
