"""Is what was kept still what was made: its hash, and its bits made once more."""

from __future__ import annotations

import forecast
from forecast.engine.run import Progress, forecast_run
from forecast.operate.archive import Archive
from forecast.operate.draft import Digesting, hash_file
from forecast.operate.kept import Kept, NoForecast


def fault_of(archive: Archive, kept: Kept) -> str | None:
    """Hash a kept forecast again; says what is wrong, or gives None."""
    try:
        with archive.place.local(f"{kept.stem}.nc") as path:
            _, content = hash_file(path)
    except NoForecast as error:
        return f"{kept.path}: {error}."
    except OSError as error:
        return f"{kept.path}: cannot be read ({error.strerror or error})."
    return None if content == kept.content_hash else f"{kept.path}: another file than was listed."


def difference_from_made_again(
    archive: Archive, kept: Kept, progress: Progress | None = None
) -> str | None:
    """Simulate a kept forecast again and compare every bit; says what differs, or gives None."""
    with archive.place.local(f"{kept.stem}.nc") as path:
        before, _ = hash_file(path)
    again = Digesting()
    forecast_run(
        archive.scenario(kept), runs=kept.runs, seed=kept.seed, detail=kept.detail,
        output=again.open, progress=progress,
    )  # fmt: skip
    after = again.digest.variables()
    differing = sorted(name for name in {*before, *after} if before.get(name) != after.get(name))
    if not differing:
        return None
    made_by = ""
    if kept.version != forecast.__version__:
        made_by = f" It was made by version {kept.version}, this is {forecast.__version__}."
    return f"{kept.path}: made again, other bits in {', '.join(differing)}.{made_by}"
