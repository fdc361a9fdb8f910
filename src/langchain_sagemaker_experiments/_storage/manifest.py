"""What a compaction left in a run's folder, and how readers take it: the manifest and its rules.
Knows names, not stores.

Beside a run's parts lies `compacted/`: Parquet files, partitioned by experiment, run and date, and
`_manifest.json`. The manifest is written last and in one piece; it alone says which Parquet files
count, and which parts they hold. So a reader sees each span once at any moment: before the manifest
the parts, after it the Parquet files and what parts came later. Parquet files that it does not name
are what an interrupted compaction left; the next one removes them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from .keys import (
    COMPACTED_FOLDER,
    folder_of,
    is_compacted_name,
    is_part_name,
    join,
    join_folder,
    name_of,
    split_compacted,
)

VERSION: Final = 1


@dataclass
class Manifest:
    """What the Parquet files of one run are and hold.

    Attributes:
        files: name below `compacted/` → `{"spans", "bytes"}`.
        parts: name of a part the files hold → when it was compacted, seconds since the epoch.
    """

    files: dict[str, dict[str, int]] = field(default_factory=dict)
    parts: dict[str, float] = field(default_factory=dict)

    def dump(self) -> bytes:
        """Return it as JSON."""
        return orjson.dumps(
            {"version": VERSION, "files": self.files, "parts": self.parts},
            option=orjson.OPT_INDENT_2,
        )


def load_manifest(data: bytes | None) -> Manifest:
    """Return the manifest from its JSON; an empty one where there is none.

    A manifest may be anybody's, and files are read and removed by the names in it: every name must
    be that of a file which a compaction could have written or taken.

    Raises:
        ValueError: it is damaged, of a newer version, or names something else.
    """
    if data is None:
        return Manifest()
    value: Any = orjson.loads(data)
    if not isinstance(value, dict) or value.get("version") != VERSION:
        version = value.get("version") if isinstance(value, dict) else "?"
        raise ValueError(f"the manifest is of version {version!r:.20}, not {VERSION}")
    files, parts = value.get("files"), value.get("parts")
    if not isinstance(files, dict) or not isinstance(parts, dict):
        raise ValueError("the manifest lacks its files or its parts")
    for name in files:
        if not is_compacted_name(name):
            raise ValueError(f"the manifest names {name!r:.80}, which no compaction writes")
    for name, moment in parts.items():
        if not is_part_name(name):
            raise ValueError(f"the manifest names {name!r:.80}, which is no part")
        if isinstance(moment, bool) or not isinstance(moment, (int, float)):
            raise ValueError(f"the manifest has {moment!r:.20} for a time")
    return Manifest(dict(files), dict(parts))


def visible(addresses: Iterable[str], manifests: Mapping[str, Manifest]) -> list[str]:
    """Return the addresses that count for a reader: parts that no manifest has taken, and the files
    that manifests name.

    The files are those of the manifest, not of a listing: one made a moment earlier may lack them.

    Args:
        addresses: of all parts and Parquet files found.
        manifests: traces folder → its manifest.
    """
    counting = [
        join_folder(folder, join(COMPACTED_FOLDER, name))
        for folder, manifest in manifests.items()
        for name in manifest.files
    ]
    for address in addresses:
        parts = manifests[folder].parts if (folder := folder_of(address)) in manifests else ()
        if split_compacted(address) is None and name_of(address) not in parts:
            counting.append(address)
    return counting
