"""A file for HDF5 to write to, which keeps the disk's errors from it."""

from __future__ import annotations

import io
import os
from pathlib import Path


class DiskFile(io.RawIOBase):
    """A file whose writes never fail; ``check`` raises the first error of the disk instead.

    HDF5 that cannot write what it holds back cannot close its file either: it complains when
    Python frees it, and may crash the process. So it writes through here, and after an error of
    the disk into nothing, until it has closed in good order.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._file = open(path, "w+b", buffering=0)  # noqa: SIM115
        self._error: OSError | None = None

    def check(self) -> None:
        """Raise the first error of the disk, if there was one."""
        if self._error is not None:
            raise self._error

    def write(self, data: object) -> int:
        """Write all of it, or nothing once the disk has failed."""
        view = memoryview(data).cast("B")  # type: ignore[arg-type]
        done = 0
        while done < len(view) and self._error is None:
            try:
                done += os.write(self._file.fileno(), view[done:])
            except OSError as error:
                self._error = error
        return len(view)

    def readinto(self, buffer: object) -> int:
        """Read back what was written; zeros where nothing is."""
        view = memoryview(buffer).cast("B")  # type: ignore[arg-type]
        count = self._file.readinto(view) or 0
        view[count:] = bytes(len(view) - count)
        return len(view)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to a place."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """Say at what place it is."""
        return self._file.tell()

    def truncate(self, size: int | None = None) -> int:
        """Cut or lengthen the file."""
        try:
            return self._file.truncate(size)
        except OSError as error:
            self._error = self._error or error
            return size or 0

    def readable(self) -> bool:
        """It can be read back."""
        return True

    def writable(self) -> bool:
        """It can be written."""
        return True

    def seekable(self) -> bool:
        """It has places to move to."""
        return True

    def close(self) -> None:
        """Close the file."""
        if not self.closed:
            self._file.close()
            super().close()
