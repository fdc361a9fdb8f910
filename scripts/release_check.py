"""What must hold before a release: version, changelog and tag agree, two builds give the same
bytes, and every dependency names its licence. `--sizes` also installs each extra and prints its
size.

    python scripts/release_check.py [--sizes]
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
import tempfile
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

ROOT = Path(__file__).parent.parent
NAME = "langchain-sagemaker-experiments"
EXTRAS = (
    "",
    "cli",
    "analysis",
    "report",
    "view",
    "evaluation",
    "scale",
    "mlflow",
    "otlp",
    "prices",
    "sagemaker-core",
    "local",
)


def run(*command: str, **environment: str) -> str:
    """Run a command in the checkout and return what it printed."""
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True
    )
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
    return done.stdout.strip()


def check_version() -> str:
    """Return the version; stop if changelog or tag name another one."""
    text = (ROOT / "src/langchain_sagemaker_experiments/_version.py").read_text()
    version = re.search(r'__version__ = "([^"]+)"', text)[1]  # type: ignore[index]
    changelog = (ROOT / "CHANGELOG.md").read_text()
    heading = re.search(r"^## \[([^]]+)\]", changelog, re.MULTILINE)[1]  # type: ignore[index]
    tags = [tag for tag in run("git", "tag", "--points-at", "HEAD").split() if tag.startswith("v")]
    if tags and tags != [f"v{version}"]:
        sys.exit(f"the tag {tags} is not the version {version}")
    if tags and heading != version:
        sys.exit(f"the newest heading of CHANGELOG.md is {heading}, not {version}")
    print(f"version {version}; changelog begins with [{heading}]; tag {tags or 'none'}")
    return version


def build(into: Path) -> dict[str, str]:
    """Build wheel and sdist; return the SHA-256 of each file."""
    epoch = run("git", "log", "-1", "--format=%ct")
    run(sys.executable, "-m", "build", "--outdir", str(into), ".", SOURCE_DATE_EPOCH=epoch)
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(into.iterdir())
    }


def check_builds() -> None:
    """Build twice into fresh folders, stop if a byte differs, and leave the files in dist/."""
    dist = ROOT / "dist"
    dist.mkdir(exist_ok=True)
    for path in dist.iterdir():
        path.unlink()
    first = build(dist)
    with tempfile.TemporaryDirectory() as folder:
        second = build(Path(folder))
    if first != second:
        sys.exit(f"two builds differ:\n{first}\n{second}")
    run(sys.executable, "-m", "twine", "check", "--strict", *map(str, dist.iterdir()))
    for name, digest in first.items():
        print(f"{name}  {(dist / name).stat().st_size:,} bytes  sha256 {digest}")


def licence_of(package: str) -> str:
    """Return the licence that an installed package names, or an empty text."""
    metadata = distribution(package).metadata
    classified = [
        line.split("::")[-1].strip()
        for line in metadata.get_all("Classifier", [])
        if line.startswith("License")
    ]
    return (
        metadata.get("License-Expression")
        or "; ".join(classified)
        or (metadata.get("License") or "").split("\n")[0]
    )


def closure(package: str) -> set[str]:
    """Return the names of all packages that this one needs without an extra."""
    found: set[str] = set()
    waiting = [package]
    while waiting:
        name = waiting.pop()
        for requirement in distribution(name).requires or ():
            name = re.match(r"[\w.-]+", requirement)[0]  # type: ignore[index]
            needed = name.lower().replace("_", "-")
            if "extra ==" in requirement or needed in found:
                continue
            try:
                distribution(needed)
            except PackageNotFoundError:
                continue  # for another platform or Python
            found.add(needed)
            waiting.append(needed)
    return found


def check_licences() -> None:
    """Print the licence of each dependency; stop if one names none."""
    licences = {package: licence_of(package) for package in sorted(closure(NAME))}
    for package, licence in licences.items():
        print(f"{package}: {licence}")
    if nameless := [package for package, licence in licences.items() if not licence]:
        sys.exit(f"no licence is named by: {', '.join(nameless)}")


def print_sizes() -> None:
    """Install the wheel with each extra into a folder of its own, and print the size: that of the
    packages as they come, without the bytecode that Python adds.
    """
    (wheel,) = (ROOT / "dist").glob("*.whl")
    for extra in EXTRAS:
        with tempfile.TemporaryDirectory() as folder:
            wanted = f"{wheel}[{extra}]" if extra else str(wheel)
            pip = (sys.executable, "-m", "pip", "install", "--quiet", "--no-compile")
            run(*pip, "--target", folder, wanted)
            size = sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())
        print(f"[{extra}]  {size / 1e6:,.0f} MB")


if __name__ == "__main__":
    check_version()
    check_builds()
    check_licences()
    if "--sizes" in sys.argv[1:]:
        print_sizes()
    print("release-check: all good")
