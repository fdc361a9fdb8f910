"""What README and docs show is true: their Python blocks run, their tables name what is there."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from made_spans import write_run
from publish import pages, put_between_marks

import langchain_sagemaker_experiments as package
from langchain_sagemaker_experiments._destinations.sagemaker_sdk import Sdk
from langchain_sagemaker_experiments._reading import COLUMNS
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
    "README.md": (
        "langchain-sagemaker-tracker-run-scenario-1",
        "['chain', 'prompt', 'chat_model']",
    ),
    "docs/evaluation.md": (
        "exact_match   0.5      2       0",
        "Rome\n",
        "no difference can be told from 2 examples; about",
        "0.0 4\n",
    ),
    "docs/getting-started.md": ("3 spans, ", "chat_model", "gpt-4o-mini", "getting-started-first"),
    "docs/offline.md": ("parts=1, spans=3", "['chain', 'prompt', 'chat_model']\n"),
    "docs/scale.md": ("gpt-4o-mini",),
    "docs/scenarios.md": ("calculating-agent ok", "sequential-chain RunnableSequence ok"),
    "docs/security.md": ("{'to': '<mail>', 'api_key': '[REDACTED]'}",),
    "docs/services.md": ("9\n",),
    "docs/spans-by-hand.md": ("founded in 1998", "25 years old"),
}
"""What the Python of a page prints, as far as it is told here; pages whose output is trivial are
not.
"""


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "name", [name for name in PAGES if blocks((ROOT / name).read_text(), "python")]
)
def test_the_python_of_a_page_runs_from_top_to_bottom(
    name: str,
    sdk: Sdk,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)  # some write files
    code = blocks((ROOT / name).read_text(), "python")
    if name == "docs/scale.md":
        write_run(tmp_path, 20)
    names: dict[str, Any] = {"folder": tmp_path, "__name__": "page"}
    with stand_ins(force=True):
        for block in code:
            exec(compile(for_sdk(block, sdk), name, "exec"), names)
    shown = capsys.readouterr().out
    for words in SHOWN.get(name, ()):
        assert words in shown


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


def test_every_message_of_the_troubleshooting_page_is_one_of_ours() -> None:
    source = "".join(path.read_text() for path in sorted((ROOT / "src").rglob("*.py")))
    # Messages are written over several lines of source.
    source = re.sub(r'"\s*\n\s*f?"', "", source)
    page = (ROOT / "docs" / "troubleshooting.md").read_text()
    messages = re.findall(r"^### `(.+)`$", page, re.MULTILINE)
    assert len(messages) > 25
    for message in messages:
        if message == "No module named 'sagemaker.experiments'":
            continue
        for piece in message.split("…"):
            assert piece.strip() in source, piece


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
    assert set(quoted) == {"request_path", "bulk", "scale", "window"}
    for name, text in quoted.items():
        assert text.count("\n|") >= 4, name


def test_a_benchmarks_table_replaces_the_one_before_and_nothing_else() -> None:
    page = "a\n<!-- benchmark: x -->\n<!-- end of benchmark -->\nb\n<!-- benchmark: y -->\nold\n<!-- end of benchmark -->\n"
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
