"""No module hides an object that its package exports: all modules are imported first, then every
public name is looked up and the callable ones are called or are classes.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PROGRAM = """
import importlib, pkgutil, types
import langchain_sagemaker_experiments as package

for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
    if not module.name.endswith("__main__"):
        try:
            importlib.import_module(module.name)
        except package.MissingExtraError as error:
            print("left out:", module.name, error)
for name in package.__all__:
    value = getattr(package, name)
    assert not isinstance(value, types.ModuleType), name
    if name != "__version__":
        assert callable(value), name
with package.OfflineRun("runs", experiment_name="e", run_name="r") as run:
    with package.record_calls(run) as handler:
        with handler.span("a span"):
            pass
frame = package.load_spans("runs")
assert list(frame["name"]) == ["a span"]
for table in (package.trace_table, package.compare_runs, package.summarize, package.slowest_traces):
    assert len(table(frame)) <= 1
print("ok")
"""


def test_every_public_name_works_after_every_module_was_imported(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2_000:]
    assert done.stdout.endswith("ok\n")
