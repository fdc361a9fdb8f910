"""Scenario 3, an agent with tools (chain of thought), as the "SageMaker Tracking" page of LangChain
has it.
"""

import _stand_ins  # noqa: F401
from langchain_classic.agents import initialize_agent
from langchain_openai import OpenAI
from langchain_sagemaker_experiments import SageMakerCallbackHandler

# LangChain's own load_tools, but with canned search results when SERPAPI_API_KEY is missing
from langchain_sagemaker_experiments.demo import load_tools

try:  # sagemaker 3
    from sagemaker.core.analytics import ExperimentAnalytics
    from sagemaker.core.experiments.run import Run
    from sagemaker.core.helper.session_helper import Session
except ImportError:  # sagemaker 2
    from sagemaker.analytics import ExperimentAnalytics
    from sagemaker.experiments.run import Run
    from sagemaker.session import Session

# LLM Hyperparameters
HPARAMS = {
    "temperature": 0.1,
    "model_name": "gpt-3.5-turbo-instruct",
}

# Bucket used to save prompt logs (Use `None` is used to save the default bucket or otherwise change
# it)
BUCKET_NAME = None

# Experiment name
EXPERIMENT_NAME = "langchain-sagemaker-tracker"

# Create SageMaker Session with the given bucket
session = Session(default_bucket=BUCKET_NAME)

RUN_NAME = "run-scenario-3"
PROMPT_TEMPLATE = (
    "Who is the oldest person alive? And what is their current age raised to the power of 1.51?"
)

with Run(experiment_name=EXPERIMENT_NAME, run_name=RUN_NAME, sagemaker_session=session) as run:
    # Create SageMaker Callback
    sagemaker_callback = SageMakerCallbackHandler(run)

    # Define LLM model with callback
    llm = OpenAI(callbacks=[sagemaker_callback], **HPARAMS)

    # Define tools
    tools = load_tools(["serpapi", "llm-math"], llm=llm, callbacks=[sagemaker_callback])

    # Initialize agent with all the tools
    agent = initialize_agent(
        tools, llm, agent="zero-shot-react-description", callbacks=[sagemaker_callback]
    )

    # Run agent
    agent.run(input=PROMPT_TEMPLATE)

    # Reset the callback
    sagemaker_callback.flush_tracker()

# Load
logs = ExperimentAnalytics(experiment_name=EXPERIMENT_NAME)

# Convert as pandas dataframe
df = logs.dataframe(force_refresh=True)

print(df.shape)
print(df.head())
