"""Questions over many runs: compacted into Parquet, read lazily with Dask; the same functions take
what `load_spans` gives.

With `distributed.Client(...)` before it, the work goes to a cluster.
"""

import tempfile

import _stand_ins  # noqa: F401
from langchain_core.prompts import ChatPromptTemplate
from langchain_openai import ChatOpenAI
from langchain_sagemaker_experiments import (
    OfflineRun,
    compact,
    cost,
    load_spans,
    record_calls,
    repeated_prompts,
    scan_spans,
    slowest_traces,
    summarize,
)

PRICES = {
    "gpt-4o-mini": (0.15, 0.60),
    "gpt-4o": (2.50, 10.00),
}  # a million input and output tokens; put in your own

with tempfile.TemporaryDirectory() as folder:  # or s3://bucket/trial-component-artifacts
    for model in PRICES:
        chain = ChatPromptTemplate.from_template("tell me a joke about {topic}") | ChatOpenAI(
            model=model, temperature=0.1
        )
        with (
            OfflineRun(
                folder, experiment_name="jokes", run_name=model.replace("gpt-4o", "gpt4o")
            ) as run,
            record_calls(run),
        ):
            chain.batch([{"topic": topic} for topic in ("fish", "cats", "fish")])
    done = compact(folder)
    print(f"{done.spans} spans in Parquet")

    spans = scan_spans(folder, kinds=["chat_model"])
    print(type(spans).__name__, spans.npartitions, "partitions; nothing is read yet")
    print(
        summarize(spans, by=["run", "model"])[
            ["run_name", "model", "spans", "input_tokens", "latency_p50_ms"]
        ]
    )
    print(cost(spans, PRICES))
    print(repeated_prompts(spans, 3))
    print(slowest_traces(scan_spans(folder), 3)[["name", "duration_ms"]])

    small = load_spans(folder)  # fits into memory: the same questions, in pandas
    assert summarize(small, by="model").equals(summarize(scan_spans(folder), by="model"))
