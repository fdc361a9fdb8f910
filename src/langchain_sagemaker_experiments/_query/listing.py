"""What a source holds now: the parts, each with a fingerprint that changes with its content."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from .._reading.parts import Part
from .._reading.sources import find_all_parts
from .._storage.keys import is_part, is_s3_address, run_folder_of
from ..exceptions import SpanReadError

_KEYS_A_PAGE: Final = 1_000
"""Keys of one answer of ListObjectsV2."""
GONE: Final = "gone"


@dataclass(frozen=True)
class Source:
    """What a window looks at: the arguments of `load_spans`."""

    source: Any = None
    experiment_name: str | None = None
    run_name: str | None = None
    sagemaker_session: Any = None

    @property
    def title(self) -> str:
        """Its name for people, and for the cache."""
        if self.source is None:
            return ": ".join(filter(None, (self.experiment_name, self.run_name)))
        path = getattr(self.source, "path", self.source)
        if isinstance(path, (str, Path)):
            text = str(path)
            return text if is_s3_address(text) else str(Path(text).expanduser().absolute())
        names = (getattr(self.source, name, None) for name in ("experiment_name", "run_name"))
        return ": ".join(str(name) for name in names if name) or type(self.source).__name__

    @property
    def folder(self) -> Path | None:
        """The folder or file, where it is one on this machine."""
        path = getattr(self.source, "path", self.source)
        if is_s3_address(path):
            return None
        return Path(path).expanduser() if isinstance(path, (str, Path)) else None

    @property
    def place_of_examples(self) -> str | None:
        """The folder or prefix that a file of examples may lie in; None where there is none."""
        if self.source is None:
            return None
        path = getattr(self.source, "path", self.source)
        if is_s3_address(path):
            return run_folder_of(str(path)) if is_part(str(path)) else str(path)
        folder = self.folder
        if folder is None:
            return None
        return str((folder.parent if folder.is_file() else folder).absolute())


@dataclass(frozen=True)
class Listing:
    """What one look at a source found, and what the look cost.

    Attributes:
        parts: address → part.
        fingerprints: address → what changes with its content.
        seconds: how long it took.
        pages: how many requests for keys S3 answered, approximately; 0 for a folder.
        missing: why there is nothing, where the source does not exist yet.
        scores: the parts of scores; their fingerprints are among the others.
    """

    parts: dict[str, Part] = field(default_factory=dict)
    fingerprints: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    pages: int = 0
    missing: str | None = None
    scores: list[Part] = field(default_factory=list)


def list_source(where: Source) -> Listing:
    """Return the parts of a source. One that does not exist yet has none.

    Raises:
        SpanReadError: it can't be reached.
    """
    begin = time.monotonic()
    missing = None
    try:
        found, scores = find_all_parts(
            where.source, where.experiment_name, where.run_name, where.sagemaker_session
        )
    except SpanReadError as error:
        if not _is_empty(where, error):
            raise
        found, scores, missing = [], [], str(error)
    parts = {part.address: part for part in found}
    fingerprints = {part.address: _fingerprint(part) for part in (*found, *scores)}
    for address in [address for address, told in fingerprints.items() if told == GONE]:
        del fingerprints[address]
        parts.pop(address, None)
    kept = [part for part in scores if part.address in fingerprints]
    pages = 0 if where.folder is not None else 1 + len(fingerprints) // _KEYS_A_PAGE
    return Listing(parts, fingerprints, time.monotonic() - begin, pages, missing, kept)


def _is_empty(where: Source, error: SpanReadError) -> bool:
    """Return True if a source may still come into being: no folder yet, no objects yet."""
    folder = where.folder
    if folder is not None:
        return not folder.exists()
    return error.__cause__ is None


def _fingerprint(part: Part) -> str:
    content = _fingerprint_of_content(part)
    if part.tombstone is None or content == GONE:
        return content
    return f"{content}-{part.tombstone.digest}"  # what is forgotten is not read


def _fingerprint_of_content(part: Part) -> str:
    if is_s3_address(part.address):
        return part.etag
    try:
        found = os.stat(part.address)
    except FileNotFoundError:
        return GONE
    return f"{found.st_size}-{found.st_mtime_ns}-{found.st_ino}"
