"""What `import langchain_sagemaker_experiments` costs: none of the heavy packages."""

from __future__ import annotations

import subprocess
import sys

import pytest

import langchain_sagemaker_experiments

HEAVY = (
    "sagemaker",
    "pandas",
    "moto",
    "dask",
    "jinja2",
    "rich",
    "pyarrow",
    "numpy",
    "typer",
    "boto3",
    "botocore",
)


def loaded_by(code: str) -> set[str]:
    """Names of top-level packages loaded after running `code` in a fresh interpreter."""
    program = (
        f"{code}\nimport sys\nprint(' '.join(sorted({{name.split('.')[0] for name in "
        f"sys.modules}})))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


def test_import_loads_nothing_heavy() -> None:
    alone = loaded_by("import langchain_core.callbacks")
    assert (
        loaded_by("import langchain_sagemaker_experiments").difference(alone).intersection(HEAVY)
        == set()
    )


def test_a_first_flush_loads_nothing_of_other_destinations() -> None:
    code = (
        "import sys, tempfile\n"
        "from langchain_sagemaker_experiments import SageMakerCallbackHandler, OfflineRun\n"
        "run = OfflineRun(tempfile.mkdtemp(), experiment_name='e', run_name='r')\n"
        "handler = SageMakerCallbackHandler(run)\n"
        "handler.on_llm_start({}, ['hello'])\n"
        "assert handler.flush_tracker().spans == 1\n"
        "ours = [n for n in sys.modules if n.startswith('langchain_sagemaker_experiments.')]\n"
        "assert not [n for n in ours if 'mlflow' in n or 'otlp' in n], ours"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_offline_recording_needs_neither_the_sdk_nor_pandas() -> None:
    code = (
        "import tempfile\n"
        "from langchain_sagemaker_experiments import SageMakerCallbackHandler, OfflineRun\n"
        "run = OfflineRun(tempfile.mkdtemp(), experiment_name='e', run_name='r')\n"
        "handler = SageMakerCallbackHandler(run)\n"
        "handler.on_llm_start({}, ['hello'])\n"
        "handler.flush_tracker()"
    )
    assert loaded_by(code).intersection({"sagemaker", "pandas", "moto"}) == set()


def test_public_names_are_all_there_and_only_they() -> None:
    for name in langchain_sagemaker_experiments.__all__:
        assert getattr(langchain_sagemaker_experiments, name) is not None
    assert dir(langchain_sagemaker_experiments) == sorted(langchain_sagemaker_experiments.__all__)
    with pytest.raises(AttributeError, match="no attribute 'load_span'"):
        langchain_sagemaker_experiments.load_span  # noqa: B018
