"""What README and docs show is true: their Python blocks run, their tables name what is there."""

from __future__ import annotations

import json
import os
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from publish import pages, put_between_marks

import langchain_sagemaker_experiments as package
from langchain_sagemaker_experiments._destinations.sagemaker_sdk import Sdk
from langchain_sagemaker_experiments._masking.rule_coverage import coverage_table
from langchain_sagemaker_experiments._reading import COLUMNS
from langchain_sagemaker_experiments._record import limits
from langchain_sagemaker_experiments._record.schema import KINDS
from langchain_sagemaker_experiments.demo import stand_ins

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def for_sdk(code: str, sdk: Sdk) -> str:
    """The pages show sagemaker 3; docs/sagemaker-versions.md says what differs in 2."""
    if sdk.major == 2:
        for new, old in (
            ("sagemaker.core.experiments.run", "sagemaker.experiments.run"),
            ("sagemaker.core.helper.session_helper", "sagemaker.session"),
            ("sagemaker.core.analytics", "sagemaker.analytics"),
        ):
            code = code.replace(f"from {new} import", f"from {old} import")
    return code


PAGES = [
    "README.md",
    *(str(page.relative_to(ROOT)) for page in sorted((ROOT / "docs").glob("*.md"))),
]
SHOWN: dict[str, tuple[str, ...]] = {
    "README.md#1": ("report.html",),
    "README.md#2": ("report.html",),
    "docs/cookbook-agent-loops.md#1": ('{"query": "founded"}    3\n',),
    "docs/cookbook-cost-per-customer.md#1": ("customer-1", "0.0420", "0.0105"),
    "docs/cookbook-prompt-change.md#1": ("no difference can be told from 3 examples",),
    "docs/cookbook-slow-tools.md#1": ("search", "subtract"),
    "docs/evaluation.md#1": ("exact_match   0.5      2       0",),
    "docs/evaluation.md#2": ("Rome\n",),
    "docs/evaluation.md#4": ("no difference can be told from 2 examples; about",),
    "docs/evaluation.md#5": ("0.0 1\n",),
    "docs/getting-started.md#1": ("3 spans, ",),
    "docs/getting-started.md#2": ("chat-7",),
    "docs/getting-started.md#3": ("look", "report.html"),
    "docs/keep-and-forget.md#1": ("1\n1\n['ben']\n",),
    "docs/keep-and-forget.md#2": ("traces=90-days",),
    "docs/migration.md#1": ("agent  Plan a trip", "tool    Timetable"),
    "docs/offline.md#1": ("['chain', 'prompt', 'chat_model']\n",),
    "docs/offline.md#2": ("parts=1, spans=1", "['chain']\n"),
    "docs/scale.md#1": ("2026",),
    "docs/scenarios.md#1": ("chat_model",),
    "docs/scenarios.md#2": ("sequential-chain RunnableSequence ok",),
    "docs/scenarios.md#3": ("calculating-agent ok",),
    "docs/security.md#1": ("{'to': '<mail>', 'api_key': '[REDACTED]'}",),
    "docs/services.md#1": ("9\n",),
    "docs/spans-by-hand.md#1": ("1\n",),
    "docs/spans-by-hand.md#2": ("25\n",),
    "docs/spans-by-hand.md#3": ("25 years old",),
}
"""Page and number of a block → what it prints, as far as it is told here."""

BLOCKS = {
    f"{name}#{number}": code
    for name in PAGES
    for number, code in enumerate(blocks((ROOT / name).read_text(), "python"), 1)
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("block", BLOCKS)
def test_each_block_of_python_runs_alone_as_pasted(
    block: str,
    sdk: Sdk,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)  # some write files
    with stand_ins(force=True):
        exec(compile(for_sdk(BLOCKS[block], sdk), block, "exec"), {"__name__": "__main__"})
    shown = capsys.readouterr().out
    for words in SHOWN.get(block, ()):
        assert words in shown


def test_what_blocks_print_is_told_of_blocks_that_are_there() -> None:
    assert set(SHOWN) <= set(BLOCKS)


SERVICES = {
    "AWS credentials": r"from sagemaker\.|BotoRun\(|\bsync\(",
    "an OpenAI key": r"ChatOpenAI\(|\bOpenAI\(",
}
"""What the words before a block say that it needs, and what in it needs that."""


@pytest.mark.parametrize("name", PAGES)
def test_a_block_that_needs_a_service_says_so_in_words(name: str) -> None:
    page = (ROOT / name).read_text()
    for found in re.finditer(r"^```python\n(.*?)^```", page, re.DOTALL | re.MULTILINE):
        before = page[: found.start()].rsplit("```", 1)[-1]
        for service, signs in SERVICES.items():
            if re.search(signs, found[1]) and "ImportError" not in found[1]:
                assert service in before, found[1][:200]


def anchors(page: str) -> set[str]:
    """The anchors of a page's headings, as GitHub and MkDocs make them."""
    outside = re.sub(r"^```.*?^```", "", page, flags=re.DOTALL | re.MULTILINE)
    headings = re.findall(r"^#+ (.+)$", outside, re.MULTILINE)
    plain = (re.sub(r"[^\w\s-]", "", heading).strip().lower() for heading in headings)
    return {re.sub(r"\s+", "-", heading) for heading in plain}


LINKED = [
    *PAGES,
    *(path.name for path in ROOT.glob("*.md") if path.name != "README.md"),
]


@pytest.mark.parametrize("name", LINKED)
def test_each_relative_link_and_anchor_leads_somewhere(name: str) -> None:
    page = (ROOT / name).read_text()
    targets = re.findall(r"\]\(([^)\s]+)\)|(?:src|srcset)=\"([^\"]+)\"", page)
    for target in (first or second for first, second in targets):
        if re.match(r"https?:|mailto:", target):
            continue
        path, _, anchor = target.partition("#")
        place = (ROOT / name).parent / path if path else ROOT / name
        assert place.exists(), target
        if anchor and not anchor.startswith("only-"):
            assert anchor in anchors(place.read_text()), target


def test_each_promise_of_the_readme_names_a_test_that_is_there() -> None:
    section = README.split("## What you can count on")[1].split("## ")[0]
    rows = re.findall(r"^\| ([A-Z].+?\.) \| `(tests/\w+)` `(test_\w+)` \|$", section, re.MULTILINE)
    assert len(rows) >= 12
    assert len(rows) == section.count("\n|") - 2
    for promise, folder, test in rows:
        found = [f for f in (ROOT / folder).rglob("*.py") if f"def {test}(" in f.read_text()]
        assert found, f"{promise} {folder} {test}"


def test_the_limits_page_says_what_the_code_holds() -> None:
    page = (ROOT / "docs" / "limits.md").read_text()
    mib = 1024 * 1024
    for shown in (
        f"| {limits.MAX_EVENTS_PER_SPAN:,} |",
        f"| {limits.DEFAULT_MAX_FIELD_BYTES // mib} MiB each |",
        f"| {limits.MAX_REPR_CHARS:,} characters |",
        f"| {limits.MAX_STACKTRACE_CHARS:,} characters |",
        f"| {limits.DEFAULT_BUFFER_BYTES // mib} MiB |",
        f"| {limits.DEFAULT_MAX_OPEN_SPANS:,} |",
        f"| {limits.MAX_PARAMETERS} |",
        f"| {limits.MAX_PARAMETER_KEY} and {limits.MAX_PARAMETER_STRING:,} characters |",
        f"| {limits.MAX_ARTIFACT_NAME} characters |",
        f"| {limits.MAX_METRICS_PER_CALL} |",
        f"| {limits.MAX_METRIC_NAME} characters |",
        f"| {limits.MAX_STATUS_MESSAGE:,} characters |",
        f"| {limits.MAX_PART_BYTES // mib} MiB, approximately",
        f"| {limits.MAX_EXPANDED_PART_BYTES // mib} MiB |",
        f"| {limits.MAX_SHARED_RECORD_BYTES // mib} MiB |",
        f"| {limits.MAX_SHARED_PART_BYTES // 1024**3} GiB, "
        f"and {limits.MAX_SHARED_PART_ITEMS // 10**6} million items |",
        f"| {limits.MAX_FOREIGN_COLUMNS:,} |",
    ):
        assert shown in page, shown


def test_the_page_of_masked_formats_is_the_table_of_the_code() -> None:
    page = ROOT / "docs" / "secrets.md"
    rows = [
        f"| `{row.rule}` | {row.service} | {'yes' if row.masked else 'no'} | {row.why} |"
        for row in coverage_table()
    ]
    head = "| rule | service | masked | by, or why not |\n|---|---|---|---|\n"
    marks = re.compile(r"(<!-- generated: secrets -->\n).*(<!-- end of generated -->)", re.DOTALL)
    table = head + "\n".join(rows)
    text = marks.sub(lambda found: f"{found[1]}\n{table}\n\n{found[2]}", page.read_text())
    if os.environ.get("UPDATE_DOCS") == "1":
        page.write_text(text)
    assert text == page.read_text()


@pytest.mark.parametrize("name", PAGES)
def test_the_commands_of_a_page_exist_with_their_options(name: str) -> None:
    from typer.main import get_command

    from langchain_sagemaker_experiments._cli.app import app

    group: Any = get_command(app)
    for line in re.findall(r"sagemaker-traces [^\n`,;)]+", (ROOT / name).read_text()):
        words = shlex.split(line.split("#")[0].split("(")[0])[1:]
        if words[0] not in group.commands:
            assert words[0] in ("without", "|", "--version"), line
            continue
        group.commands[words[0]].make_context(
            words[0], [word for word in words[1:] if word != "…"], resilient_parsing=True
        )


def test_every_page_is_in_the_navigation_and_every_public_name_in_the_reference() -> None:
    config = (ROOT / "mkdocs.yml").read_text()
    for page in (ROOT / "docs").glob("*.md"):
        assert f": {page.name}\n" in config, page.name
    reference = (ROOT / "docs" / "reference.md").read_text()
    for public in package.__all__:
        error = public.endswith(("Error", "Warning"))
        assert (
            error
            or public == "__version__"
            or f"::: langchain_sagemaker_experiments.{public}\n" in reference
        ), public


def test_the_benchmarks_tables_stand_where_they_are_quoted() -> None:
    quoted = {
        name: text.strip()
        for page in pages()
        for name, text in re.findall(
            r"<!-- benchmark: (\w+) -->\n(.*?)<!-- end of benchmark -->",
            page.read_text(),
            re.DOTALL,
        )
    }
    assert set(quoted) == {
        "request_path", "bulk", "scale", "window", "cold_start", "storage", "tail", "growth",
    }  # fmt: skip
    for name, text in quoted.items():
        assert text.count("\n|") >= 4, name


def test_a_benchmarks_table_replaces_the_one_before_and_nothing_else() -> None:
    page = (
        "a\n<!-- benchmark: x -->\n<!-- end of benchmark -->\nb\n<!-- benchmark: y "
        "-->\nold\n<!-- end of benchmark -->\n"
    )
    once, found = put_between_marks(page, "x", "| table |")
    assert found == 1
    assert once == page.replace("x -->\n", "x -->\n\n| table |\n\n")
    assert put_between_marks(once, "x", "| table |") == (once, 1)
    assert put_between_marks(once, "z", "| table |") == (once, 0)


def test_the_readme_names_both_commands_and_a_valid_policy() -> None:
    assert "make demo\nmake test\n" in README
    (policy,) = blocks(README, "json")
    actions = {
        action for statement in json.loads(policy)["Statement"] for action in statement["Action"]
    }
    assert {"s3:PutObject", "sagemaker:UpdateTrialComponent"} <= actions


def test_the_record_page_names_every_field_and_kind() -> None:
    page = (ROOT / "docs" / "record.md").read_text()
    for name in (*COLUMNS, *KINDS):
        assert f"`{name}`" in page
