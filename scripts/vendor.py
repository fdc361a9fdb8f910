"""Fetch the libraries within the report from the npm registry, as `versions.json` names them, and
write their hashes there.

To change a version: edit it in `versions.json`, run `make vendor`, look at the report, run its
    tests.
"""

import hashlib
import json
import re
import subprocess
import tarfile
import tempfile
from pathlib import Path

VENDOR = (
    Path(__file__).parent.parent
    / "src"
    / "langchain_sagemaker_experiments"
    / "_views"
    / "report"
    / "vendor"
)
# The last lines of published builds name files that the report does not have.
LOST = re.compile(rb"^(//# sourceMappingURL=.*|/\*! For license information .*)\n?", re.MULTILINE)


def main() -> None:
    versions = json.loads((VENDOR / "versions.json").read_text())
    licenses = []
    for library in versions:
        with tempfile.TemporaryDirectory() as scratch:
            named = f"{library['name']}@{library['version']}"
            packed = subprocess.run(
                ["npm", "pack", "--silent", named],
                cwd=scratch,
                check=True,
                capture_output=True,
                text=True,
            )
            with tarfile.open(Path(scratch) / packed.stdout.split()[-1]) as package:
                for file in library["files"]:
                    data = LOST.sub(b"", package.extractfile(f"package/{file['source']}").read())
                    (VENDOR / file["file"]).write_bytes(data)
                    file["sha256"] = hashlib.sha256(data).hexdigest()
                text = next(
                    name for name in package.getnames() if name.split("/")[-1].startswith("LICENSE")
                )
                words = package.extractfile(text).read().decode().strip()
                licenses.append(f"=== {library['name']}\n\n{words}\n")
        print(named)
    (VENDOR / "LICENSES.txt").write_text("\n\n".join(licenses))
    (VENDOR / "versions.json").write_text(json.dumps(versions, indent=2) + "\n")


if __name__ == "__main__":
    main()
