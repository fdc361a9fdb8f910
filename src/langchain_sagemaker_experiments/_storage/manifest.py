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
from urllib.parse import unquote

import orjson

from .keys import TRACES_FOLDER

FOLDER: Final = "compacted"
MANIFEST: Final = "_manifest.json"
"""An underscore at its beginning: Athena, Spark and pyarrow pass such files over."""
LEASE: Final = "_compacting.json"
ENDING: Final = ".parquet"
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

    Raises:
        ValueError: it is damaged, or of a newer version.
    """
    if data is None:
        return Manifest()
    value: Any = orjson.loads(data)
    if not isinstance(value, Mapping) or value.get("version") != VERSION:
        raise ValueError(
            f"the manifest is of version {value.get('version') if isinstance(value, Mapping) else '?'}, not {VERSION}"
        )
    return Manifest(dict(value["files"]), dict(value["parts"]))


def place_of(address: str) -> tuple[str, str] | None:
    """Return the run's traces folder and the name below `compacted/`, of an address there; None of
    any other address.
    """
    head, found, name = address.replace("\\", "/").rpartition(f"/{TRACES_FOLDER}/{FOLDER}/")
    return (f"{head}/{TRACES_FOLDER}", name) if found else None


def names_of(name: str) -> tuple[str | None, str | None]:
    """Return experiment and run of a Parquet file from its name below `compacted/`."""
    told = dict(piece.split("=", 1) for piece in name.split("/") if "=" in piece)
    return unquote(told["experiment_name"]) if "experiment_name" in told else None, (
        unquote(told["run_name"]) if "run_name" in told else None
    )


def visible(addresses: Iterable[str], manifests: Mapping[str, Manifest]) -> list[str]:
    """Return the addresses that a reader takes: parts that no manifest has taken, and the files
    that manifests name.

    The files are taken from the manifest alone, not from a listing: one made a moment earlier may
    lack them.

    Args:
        addresses: of all parts and Parquet files found.
        manifests: traces folder → its manifest.
    """
    taken = [
        f"{folder}/{FOLDER}/{name}"
        for folder, manifest in manifests.items()
        for name in manifest.files
    ]
    for address in addresses:
        folder, _, name = address.replace("\\", "/").rpartition("/")
        if place_of(address) is None and name not in manifests.get(folder, _NONE).parts:
            taken.append(address)
    return taken


_NONE: Final = Manifest()
