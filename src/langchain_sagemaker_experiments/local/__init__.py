"""A faithful SageMaker Experiments and S3 on this machine, for tests, demos and work without an
account.

    from langchain_sagemaker_experiments.local import local_sagemaker

    with local_sagemaker():
        with Run(experiment_name="my-experiment", run_name="my-run") as run:
            ...

It is moto with what moto lacks for SageMaker Experiments: existing names are refused, so that
`load_run` loads; tags are kept, so that `list_runs` lists; `ExperimentAnalytics(...).dataframe()`
works; updates merge; the service's limits are enforced, read from botocore's own model, so that a
request that AWS would refuse is refused here. Needs the extra `local`.
"""

from ._context import LocalSageMaker, current_local_sagemaker, local_sagemaker

__all__ = ["LocalSageMaker", "current_local_sagemaker", "local_sagemaker"]
