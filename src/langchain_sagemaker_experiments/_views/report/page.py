"""The page: one template and one set of scripts, for the report's file and for the live window."""

from __future__ import annotations

import base64
import datetime
import hashlib
import json
from collections.abc import Sequence
from importlib import resources
from typing import Any, Final

from ..._version import __version__
from ...exceptions import MissingExtraError

VENDORED: Final = (
    "tabulator.min.js",
    "chart.umd.min.js",
    "dagre.min.js",
    "markdown-it.umd.min.js",
    "diff.min.js",
)
_VIEWS: Final = (
    "dom",
    "markdown",
    "filters",
    "table",
    "timeline",
    "details",
    "scores",
    "difference",
    "prompts",
    "charts",
    "overview",
    "sessions",
    "pair",
    "compare",
    "architecture",
    "app",
)
SNAPSHOT_SCRIPTS: Final = tuple(f"{name}.js" for name in ("snapshot_figures", "snapshot", *_VIEWS))
LIVE_SCRIPTS: Final = tuple(f"{name}.js" for name in ("live", *_VIEWS))
STYLES: Final = (("vendor", ("tabulator_simple.min.css",)), ("assets", ("report.css",)))
"""Folder and names, in the order in which they count."""
_TABS: Final = (
    ("traces", "Traces"),
    ("overview", "Overview"),
    ("sessions", "Sessions"),
    ("compare", "Compare runs"),
    ("architecture", "Architecture"),
)


def snapshot_page(title: str, summary: str, blocks: Sequence[tuple[str, str]]) -> str:
    """Return a page that holds its data: packed blocks under names."""
    scripts = [_own("vendor", name) for name in VENDORED]
    scripts += [_own("assets", name) for name in SNAPSHOT_SCRIPTS]
    styles = [_own(folder, name) for folder, names in STYLES for name in names]
    return _render(
        title=title,
        summary=summary,
        live=False,
        policy=_policy(scripts, styles),
        made=datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        scripts=scripts,
        styles=styles,
        blocks=blocks,
    )


def live_page(title: str, files: Sequence[str]) -> str:
    """Return a page that asks a server for its data, and loads these scripts and styles."""

    def of(ending: str) -> list[str]:
        return [file for file in files if file.partition("?")[0].endswith(ending)]

    return _render(title=title, live=True, script_files=of(".js"), style_files=of(".css"))


def _render(**values: Any) -> str:
    try:
        import jinja2
    except ImportError as error:
        raise MissingExtraError("jinja2", "report", "A report") from error
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, keep_trailing_newline=True
    )
    empty: dict[str, Any] = dict.fromkeys(
        ("scripts", "styles", "script_files", "style_files", "blocks"), ()
    )
    empty |= dict.fromkeys(("policy", "made", "summary"), "")
    libraries = ", ".join(
        f"{library['name']} {library['version']} ({library['license']})"
        for library in json.loads(asset("vendor", "versions.json"))
    )
    template = environment.from_string(asset("assets", "report.html.j2"))
    return template.render(
        {**empty, **values}, version=__version__, libraries=libraries, tabs=_TABS
    )


def _own(folder: str, name: str) -> Any:
    """Return a text of our own package, which may stand in the page as it is; everything else is
    escaped by jinja2.
    """
    try:
        from markupsafe import Markup
    except ImportError as error:
        raise MissingExtraError("jinja2", "report", "A report") from error
    return Markup(asset(folder, name))  # noqa: S704


def _policy(scripts: list[Any], styles: list[Any]) -> str:
    """Nothing may run or be loaded but what stands in the page, by its hash."""
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src {' '.join(_hash(script) for script in scripts)}",
            f"style-src {' '.join(_hash(style) for style in styles)}",
            "img-src data:",
            "base-uri 'none'",
            "form-action 'none'",
        )
    )


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def asset(folder: str, name: str) -> str:
    """Return one of the package's own files."""
    return (resources.files(__package__) / folder / name).read_text("utf-8")
