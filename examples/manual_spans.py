"""Spans by hand, for programs without LangChain: an agent that calls a tool and a chain, and the
chain a model.
"""

import _stand_ins  # noqa: F401
from _sagemaker_sdk import Run
from langchain_sagemaker_experiments import SageMakerCallbackHandler, Span, load_spans

# A tree put together by hand …
parent_span = Span("Example Span", kind="AGENT")
tool_span = Span("Tool 1", kind="TOOL")
chain_span = Span("LLM CHAIN 1", kind="CHAIN")
llm_span = chain_span.add_child(Span("LLM 1", kind="LLM"))

tool_span.add_named_result({"input": "search: google founded in year"}, {"response": "1998"})
chain_span.add_named_result({"input": "calculate: 2023 - 1998"}, {"response": "25"})
llm_span.add_named_result(
    {"input": "calculate: 2023 - 1998", "system": "you are a helpful assistant"},
    {"response": "25", "tokens_used": 218},
)

parent_span.add_child(tool_span)
parent_span.add_child(chain_span)
parent_span.add_named_result({"user": "calculate: 2023 - 1998"}, {"response": "25 years old"})

with Run(experiment_name="manual-span-demo", run_name="run-1") as run:
    with SageMakerCallbackHandler(run) as handler:
        handler.log_trace(parent_span)

        # … and the same while the work is being done.
        @handler.trace(kind="tool")
        def subtract(year: int, founded: int) -> int:
            return year - founded

        with handler.span(
            "Example Span, live", kind="agent", inputs={"user": "calculate: 2023 - 1998"}
        ) as span:
            span.set_outputs({"response": f"{subtract(2023, 1998)} years old"})

    spans = load_spans(run)

print(spans[["kind", "name", "inputs", "outputs"]].to_string())
