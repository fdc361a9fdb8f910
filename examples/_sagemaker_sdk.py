"""The names of the sagemaker SDK, 3 or 2, for the modern examples."""

try:  # sagemaker 3
    from sagemaker.core.analytics import ExperimentAnalytics
    from sagemaker.core.experiments.run import Run, load_run
    from sagemaker.core.helper.session_helper import Session
except ImportError:  # sagemaker 2
    from sagemaker.analytics import ExperimentAnalytics
    from sagemaker.experiments.run import Run, load_run
    from sagemaker.session import Session

__all__ = ["ExperimentAnalytics", "Run", "Session", "load_run"]
