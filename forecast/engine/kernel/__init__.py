"""The compiled kernel, and where its machine code is kept between processes.

numba's cache notices a change in the file of the function it compiled, but not in the other files
that function calls into. The cache directory is therefore named by a hash of every source file of
this folder: any edit starts an empty cache, and no stale machine code is ever run.
"""

import atexit
import hashlib
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, cast

import numba
import numba.core.config
from numba import types

_Function = TypeVar("_Function", bound=Callable[..., object])

_PREFIX = "forecast-kernel-"
_UNUSED_SECONDS = 30 * 24 * 3600


def jit(
    *, entry: bool = False, inline: bool = False, merge: bool = False, allocates: bool = False
) -> Callable[[_Function], _Function]:
    """Decorator that compiles a kernel function; every kernel file uses it and nothing else.

    ``entry``: may be called from Python; its machine code, with all it calls, is kept on disk.
    ``inline``: small and in a hot loop; the compiler must inline it, to vectorise with the loop.
    ``merge``: a step of one larger function; it is merged into the source of its caller, so that a
    chain of such steps is compiled once and not once a link. It may be passed a kernel function.
    ``allocates``: creates arrays. Without, numba does not count references to the arrays passed,
    which costs some 50 ns a call; to create an array is then an error when it is compiled.

    A constant among what a function is passed is a type of its own to numba, which would compile
    the function once more for it; here it is taken for any number.

    Floating point stays strict (no ``fastmath``): a value depends neither on the function it was
    inlined into nor on the processor's vectors. Division by zero follows IEEE 754, as in NumPy.
    """

    options: dict[str, Any] = {
        "nogil": True,
        "cache": entry,
        "error_model": "numpy",
        "fastmath": False,
        "forceinline": inline,
        "inline": "always" if merge else "never",
        "_nrt": allocates,
        "no_cpython_wrapper": not entry,
        "no_cfunc_wrapper": True,
    }

    def compiled(function: _Function) -> _Function:
        with _kernel_cache():
            wrapped: Any = numba.njit(**options)(function)
        resolve, plain = wrapped.get_call_template, _without_constant

        def without_constants(given: tuple[Any, ...], named: Mapping[str, Any]) -> Any:
            by_name = {name: plain(of) for name, of in named.items()}
            return resolve(tuple(plain(of) for of in given), by_name)

        wrapped.get_call_template = without_constants
        if not entry:  # no wrapper for Python: a call from there would crash the process
            wrapped._insert = lambda *_: None
            wrapped._compile_for_args = _refuse
        return cast(_Function, wrapped)

    return compiled


def _refuse(*_: object, **__: object) -> None:
    raise TypeError("only kernel functions with entry=True can be called from Python")


_without_constant: Any = types.unliteral


@contextmanager
def _kernel_cache() -> Iterator[None]:
    """Point numba at our directory while it decorates; the user's own functions keep theirs.

    numba chooses the directory of a cached function once, when the function is decorated.
    """
    config: Any = numba.core.config
    before = config.CACHE_DIR
    config.CACHE_DIR = str(cache_directory())
    try:
        yield
    finally:
        config.CACHE_DIR = before


@cache
def cache_directory() -> Path:
    """The directory of this version's machine code, ``<base>/forecast-kernel-<hash>``; it exists.

    The base is ``FORECAST_CACHE_DIR`` if set, else the user's cache directory. Where that cannot be
    written to, it is a private directory under the system's temporary one.
    """
    name = _PREFIX + _source_hash()
    for base in _bases():
        directory = base / name
        with suppress(OSError):
            is_new = not directory.exists()
            directory.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=directory).close()
            os.utime(directory)  # the time of last use, for _remove_unused
            if is_new:
                _remove_unused(base)
            return directory
    last_resort = Path(tempfile.mkdtemp(prefix=_PREFIX))
    atexit.register(shutil.rmtree, last_resort, ignore_errors=True)
    return last_resort


def _source_hash() -> str:
    digest = hashlib.blake2b(numba.__version__.encode(), digest_size=10)
    for path in sorted(Path(__file__).parent.glob("*.py")):
        content = path.read_bytes()
        digest.update(f"{path.name}:{len(content)}:".encode())
        digest.update(content)
    return digest.hexdigest()


def _bases() -> Iterator[Path]:
    """Where the cache may live, best first."""
    chosen = os.environ.get("FORECAST_CACHE_DIR")
    if chosen:
        yield Path(chosen).expanduser().absolute()
    else:
        with suppress(RuntimeError):  # no home directory
            yield Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "forecast"
    with suppress(OSError):
        yield _private_temporary()


def _private_temporary() -> Path:
    """A directory under the temporary one, the same in every process of this user and no other.

    Cached code is executed when loaded, so a directory that somebody else prepared is refused.
    """
    user = os.getuid() if hasattr(os, "getuid") else 0
    path = Path(tempfile.gettempdir()) / f"forecast-{user}"
    with suppress(FileExistsError):
        path.mkdir(mode=0o700)
    found = path.lstat()
    others = found.st_mode & (stat.S_IRWXG | stat.S_IRWXO) if os.name == "posix" else 0
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != user or others:
        raise PermissionError(f"{path} is not private to this user")
    return path


def _remove_unused(base: Path) -> None:
    """Delete the machine code of versions not used for 30 days, as far as it can be deleted."""
    oldest = time.time() - _UNUSED_SECONDS
    for sibling in base.glob(_PREFIX + "*"):
        with suppress(OSError):
            if sibling.lstat().st_mtime < oldest:
                shutil.rmtree(sibling, ignore_errors=True)
