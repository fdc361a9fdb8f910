"""The command: its tables and trees, its JSON, its words when something is wrong, its exit
codes.
"""

from __future__ import annotations

import base64
import gzip
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from langchain_core.outputs import Generation, LLMResult

from langchain_sagemaker_experiments import (
    OfflineRun,
    SageMakerCallbackHandler,
    __version__,
    export_spans,
    load_spans,
    render_report,
)
from support.secrets import SECRETS
from support.spans import record


def command(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    code = "from langchain_sagemaker_experiments._cli import main; main()"
    env = {**os.environ, "COLUMNS": "140", **environment}
    return subprocess.run(
        [sys.executable, "-c", code, *words], capture_output=True, text=True, env=env
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    with (
        OfflineRun(tmp_path, experiment_name="e", run_name="r") as run,
        SageMakerCallbackHandler(run) as handler,
    ):
        with handler.span(
            "agent", kind="agent", inputs={"question": "\x1b[31mred\x1b[0m <b>bold</b> שלום 🐟"}
        ):
            handler.on_llm_start({"name": "Model"}, ["prompt"])
            handler.on_llm_end(
                LLMResult(
                    generations=[[Generation(text="answer")]],
                    llm_output={"token_usage": {"prompt_tokens": 3}},
                )
            )
        with pytest.raises(ValueError, match="bad"), handler.span("failing", kind="tool"):
            raise ValueError("bad")
    return tmp_path


def test_list_shows_a_row_for_each_trace(folder: Path) -> None:
    done = command("list", str(folder))
    assert done.returncode == 0
    assert "2 traces, 3 spans" in done.stdout
    assert "agent" in done.stdout
    assert "ValueError: bad" in done.stdout
    assert "\x1b[31m" not in done.stdout


def test_what_looks_like_markup_is_shown_as_it_is(tmp_path: Path) -> None:
    # Llama's own prompts have such marks.
    with (
        OfflineRun(tmp_path, experiment_name="e", run_name="r") as run,
        SageMakerCallbackHandler(run) as handler,
    ):
        with handler.span("[bold]name[/x]", inputs="[/INST] :fish:") as span:
            span.set_outputs("[red]so[/]")
    for words in (["list"], ["show", "last"]):
        done = command(*words, str(tmp_path))
        assert done.returncode == 0, done.stderr
        for text in ("[bold]name[/x]", "[/INST] :fish:", "[red]so[/]"):
            assert text in done.stdout


def test_a_reader_that_has_gone_ends_it_without_a_word(tmp_path: Path) -> None:
    with (
        OfflineRun(tmp_path, experiment_name="e", run_name="r") as run,
        SageMakerCallbackHandler(run) as handler,
    ):
        for _ in range(200):
            with handler.span("long", inputs="x" * 2_000):
                pass
    code = "from langchain_sagemaker_experiments._cli import main; main()"
    words = ["list", str(tmp_path), "--json"]
    with subprocess.Popen(
        [sys.executable, "-c", code, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline().startswith(b"{")
        process.stdout.close()
        assert process.stderr.read() == b""


def test_a_narrow_terminal_shows_names_and_no_times(folder: Path) -> None:
    wide, narrow = (
        command("list", str(folder), COLUMNS=columns).stdout for columns in ("140", "80")
    )
    assert "time" in wide
    assert "time" not in narrow
    assert "failing" in narrow


def test_list_and_show_speak_json(folder: Path) -> None:
    rows = [json.loads(line) for line in command("list", str(folder), "--json").stdout.splitlines()]
    assert [(row["name"], row["status"], row["spans"]) for row in rows] == [
        ("agent", "ok", 2),
        ("failing", "error", 1),
    ]
    records = [
        json.loads(line)
        for line in command("show", rows[0]["trace_id"], str(folder), "--json").stdout.splitlines()
    ]
    assert [record["kind"] for record in records] == ["agent", "llm"]
    assert records[0]["inputs"]["question"].endswith("שלום 🐟")


def test_show_draws_the_tree(folder: Path) -> None:
    trace_id = load_spans(folder)["trace_id"].iloc[0]
    for beginning in (trace_id, trace_id[:9], trace_id[-9:]):
        done = command("show", beginning, str(folder))
        assert done.returncode == 0
        assert done.stdout.index("agent agent ok") < done.stdout.index("└── llm Model ok")
        assert "3+0 tokens" in done.stdout
        assert "answer" in done.stdout
    last = command("show", "last", str(folder)).stdout
    assert "tool failing error" in last
    assert "ValueError: bad" in last


def test_errors_are_one_message_and_a_code(folder: Path, tmp_path: Path) -> None:
    for words, code, message in (
        (
            ("show", "zzz", str(folder)),
            1,
            "There is no trace 'zzz' here; `sagemaker-traces list` shows those there are.",
        ),
        (("list", str(tmp_path / "none")), 1, "There is no folder or file"),
        (("list",), 2, "say what to read"),
        (("list", "x", "--experiment", "e"), 2, "say what to read"),
        (("list", "x", "--run", "r"), 2, "--run goes with --experiment"),
        (("sync", str(tmp_path / "none")), 1, "There is no folder"),
        (("nonsense",), 2, "No such command"),
    ):
        done = command(*words)
        assert (done.returncode, message in done.stderr) == (code, True), (words, done.stderr)
        assert "Traceback" not in done.stderr


def test_what_could_not_be_read_is_told_on_the_side(folder: Path) -> None:
    (part,) = folder.rglob("part-*.jsonl")
    with part.open("a") as file:
        file.write('{"torn')
    done = command("list", str(folder))
    assert done.returncode == 0
    assert "torn last line" in done.stderr
    assert "2 traces" in done.stdout


def test_help_and_version() -> None:
    shown = command("--help").stdout
    for word in ("demo", "list", "show", "sync", "Exit codes"):
        assert word in shown
    assert command("--version").stdout == f"sagemaker-traces {__version__}\n"
    assert "last" in command("show", "--help").stdout


def test_a_missing_package_is_named_with_the_command_that_installs_it() -> None:
    code = (
        "import sys\nsys.modules['typer'] = None\nfrom langchain_sagemaker_experiments._cli "
        "import main\nmain()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 4
    assert 'pip install "langchain-sagemaker-experiments[cli]"' in done.stderr
    for module, extra, call in (
        ("pandas", "analysis", "load_spans('.')"),
        (
            "moto",
            "local",
            "__import__('langchain_sagemaker_experiments.local').local.local_sagemaker().__enter__()",
        ),
    ):
        code = (
            f"import sys\nsys.modules['{module}'] = None\nfrom langchain_sagemaker_experiments "
            f"import load_spans\n{call}"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert f'pip install "langchain-sagemaker-experiments[{extra}]"' in done.stderr


def test_report_writes_one_file(folder: Path, tmp_path: Path) -> None:
    done = command("report", str(folder), "-o", str(tmp_path / "out" / "r.html"), "--title", "mine")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"{tmp_path}/out/r.html: 2 traces, 3 spans, ")
    assert "<title>mine</title>" in (tmp_path / "out" / "r.html").read_text()
    told = json.loads(
        command("report", str(folder), "-o", str(tmp_path / "r.html"), "--json").stdout
    )
    assert (told["traces"], told["spans"], told["path"]) == (2, 3, str(tmp_path / "r.html"))
    told = json.loads(
        command("export", str(folder), "-o", str(tmp_path / "x.csv"), "--json").stdout
    )
    assert (told["format"], told["spans"]) == ("csv", 3)


def test_export_writes_the_format_that_is_asked_for(folder: Path, tmp_path: Path) -> None:
    done = command("export", str(folder), "-o", str(tmp_path / "x.parquet"))
    assert done.returncode == 0, done.stderr
    assert "x.parquet: 3 spans, " in done.stdout
    assert (
        command("export", str(folder), "-o", str(tmp_path / "x.txt"), "--format", "otlp").returncode
        == 0
    )
    assert "resourceSpans" in json.loads((tmp_path / "x.txt").read_text())


def test_compact_says_what_it_did_and_ddl_prints_the_table(folder: Path) -> None:
    done = command("compact", str(folder))
    assert done.returncode == 0, done.stderr
    assert "3 spans of 1 parts put into 1 Parquet files" in done.stdout
    assert json.loads(command("compact", str(folder), "--json").stdout)["parts"] == 0
    assert "3 spans" in command("list", str(folder)).stdout
    ddl = command(
        "ddl", "s3://bucket/trial-component-artifacts", "-e", "e", "-r", "one", "-r", "two"
    )
    assert ddl.stdout.startswith("CREATE EXTERNAL TABLE")
    assert "'one,two'" in ddl.stdout
    assert command("ddl", "bucket", "-e", "e", "-r", "one").returncode == 2


def test_report_and_export_say_what_is_wrong_and_with_which_code(
    folder: Path, tmp_path: Path
) -> None:
    for words, code, said in (
        (["export", str(folder), "-o", "x.txt"], 2, "does not say its format"),
        (["export", str(folder), "-o", "x", "-f", "xml"], 2, "There is no format 'xml'"),
        (["report", str(folder), "--upload"], 2, "--upload goes with --experiment and --run"),
        (["report", str(tmp_path / "nowhere")], 1, "There is no folder or file"),
        (
            ["report", str(folder), "-o", "/proc/nowhere/r.html"],
            1,
            "/proc/nowhere/r.html can't be written",
        ),
    ):
        done = command(*words)
        assert done.returncode == code, done.stderr
        assert said in " ".join(done.stderr.replace("│", " ").split())
        assert "Traceback" not in done.stderr


def test_report_uploads_to_the_run_it_read(
    open_run: Any, local: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from typer.testing import CliRunner

    from langchain_sagemaker_experiments._cli.app import app

    with open_run() as run, SageMakerCallbackHandler(run) as handler, handler.span("work"):
        pass
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(
        app, ["report", "--experiment", "experiment", "--run", "run-1", "--upload"]
    )
    assert done.exit_code == 0, done.output
    assert "uploaded to s3://" in done.output
    assert (tmp_path / "langchain-report.html").is_file()


def test_the_demo_shows_runs_traces_and_where_the_json_lies(sdk: Any, tmp_path: Path) -> None:
    done = command("demo", "--output", str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert "3 rows" in done.stdout
    assert "14 spans in 3 traces" in done.stdout
    assert (
        done.stdout.count("s3://sagemaker-us-east-1-123456789012/trial-component-artifacts/") == 3
    )
    assert len(load_spans(tmp_path)) == 14
    assert done.stderr == ""


def test_no_secret_of_the_corpus_is_in_s3_on_disk_or_on_the_screen(
    open_run: Any, tmp_path: Path
) -> None:
    corpus = {
        name: secret.split("\n")[1] if "\n" in secret else secret
        for name, secret in SECRETS.items()
    }
    with open_run() as run:
        for durable in (False, True):
            handler = SageMakerCallbackHandler(run, durable=durable, spool_dir=tmp_path)
            for secret in SECRETS.values():
                with (
                    pytest.raises(ValueError, match="failed"),
                    handler.span(
                        f"span {secret}", inputs={"headers": {"x-api-key": secret}}
                    ) as span,
                ):
                    span.add_event("used", secret)
                    span.set_attribute("note", secret)
                    handler.on_llm_start(
                        {"kwargs": {"api_key": secret}},
                        [f"prompt {secret}"],
                        metadata={"m": secret},
                        tags=[secret],
                    )
                    handler.on_llm_end(
                        LLMResult(generations=[[Generation(text=f"output {secret}")]])
                    )
                    handler.on_tool_start({"name": "t"}, f"input {secret}")
                    handler.on_tool_end({"nested": [f"output {secret}"]})
                    raise ValueError(f"failed with {secret}")
            on_disk = b"".join(path.read_bytes() for path in tmp_path.rglob("*.jsonl")).decode()
            handler.flush_tracker()
        spans = load_spans(run)
        assert len(spans) == 2 * 3 * len(SECRETS)
        in_s3 = spans.to_json(default_handler=str) + json.dumps(spans["attributes"].tolist())
    assert on_disk
    rows = [
        {**row, "start_time": None, "end_time": None} for row in spans.to_dict(orient="records")
    ]
    (tmp_path / "screen.jsonl").write_text("\n".join(json.dumps(row, default=str) for row in rows))
    screen = command("list", str(tmp_path / "screen.jsonl"), COLUMNS="400").stdout
    assert "REDACTED" in screen
    page = render_report(spans, tmp_path / "report.html").path.read_text()
    packed = re.findall(r'<script type="application/gzip"[^>]*>([^<]*)<', page)
    report = page + "".join(gzip.decompress(base64.b64decode(block)).decode() for block in packed)
    assert "REDACTED" in report
    exported = "".join(
        export_spans(spans, tmp_path / f"x.{ending}").read_text()
        for ending in ("csv", "jsonl", "trace.json", "otlp.json")
    )
    for name, secret in corpus.items():
        for written in (
            in_s3,
            on_disk,
            screen,
            report,
            exported,
            json.dumps(run._trial_component.parameters),
        ):
            assert secret not in written, name


def test_what_keeps_aws_from_answering_is_one_message_and_no_stack_trace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    done = command(
        "evaluate", "json:dumps", str(tmp_path), "--evaluator", "exact_match", "--run", "r",
        AWS_CONFIG_FILE=os.devnull, AWS_SHARED_CREDENTIALS_FILE=os.devnull,
        AWS_DEFAULT_REGION="us-east-1",
    )  # fmt: skip
    assert done.returncode == 1
    assert "There are no usable AWS credentials" in done.stderr
    assert "then run the command again." in done.stderr
    assert "Traceback" not in done.stderr


def test_a_file_of_something_else_is_named_in_a_few_lines(tmp_path: Path) -> None:
    (tmp_path / "page.jsonl").write_text("<p>no record</p>\n" * 500)
    done = command("list", str(tmp_path / "page.jsonl"))
    assert done.stderr.count("not read:") == 6
    assert "not read: 495 more places" in done.stderr


def test_a_run_beside_a_folder_is_told_how_to_name_it(folder: Path) -> None:
    done = command("list", str(folder), "--run", "one")
    assert done.returncode == 2
    assert "FOLDER/EXPERIMENT/RUN" in done.stderr


def test_the_count_of_spans_leaves_out_how_the_run_was_made(tmp_path: Path) -> None:
    run = OfflineRun(tmp_path, experiment_name="e", run_name="r")
    with SageMakerCallbackHandler(run, record_provenance=True) as handler:
        record(handler)
    assert "1 trace, 1 span " in command("list", str(tmp_path)).stdout
