"""Imported first by every example: stands in for what is not configured, so that each runs without an account or a key.

With OPENAI_API_KEY, SERPAPI_API_KEY and AWS credentials set, the examples talk to the real services.
"""

import atexit

from langchain_sagemaker_experiments.demo import stand_ins

_context = stand_ins()
for what in _context.__enter__():
    print(f"[{what}]")
atexit.register(_context.__exit__, None, None, None)
