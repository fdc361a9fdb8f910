"""Imported first by every example: stands in for what is not configured, so that each runs without
an account or a key.

With OPENAI_API_KEY, SERPAPI_API_KEY and AWS credentials set, the examples talk to the real
services.
"""

import atexit
import json
import os
import tempfile

from langchain_sagemaker_experiments.demo import stand_ins
from langchain_sagemaker_experiments.local import current_local_sagemaker

_context = stand_ins()
for what in _context.__enter__():
    print(f"[{what}]")
atexit.register(_context.__exit__, None, None, None)


def endpoint_answer(text: str, *, account: str, region: str) -> None:
    """Let moto's SageMaker endpoints give this answer next; a real endpoint answers for itself."""
    if current_local_sagemaker():
        from moto.sagemakerruntime.models import sagemakerruntime_backends

        body = json.dumps([{"generated_text": text}])
        sagemakerruntime_backends[account][region].results_queue.append(
            (body, "application/json", "prod", "")
        )


def aws_profile(name: str) -> None:
    """Make a profile with the stand-in's credentials; a real one lies in ~/.aws."""
    if current_local_sagemaker():
        file = tempfile.NamedTemporaryFile("w", prefix="credentials-", delete=False)  # noqa: SIM115
        atexit.register(os.unlink, file.name)
        with file:
            file.write(f"[{name}]\naws_access_key_id = testing\naws_secret_access_key = testing\n")
        os.environ["AWS_SHARED_CREDENTIALS_FILE"] = file.name
