"""`python -m langchain_sagemaker_experiments.local`: the local SageMaker as a server for other
processes, until Ctrl-C.
"""

from __future__ import annotations

import argparse
import contextlib
import threading

from ._context import local_sagemaker


def main() -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(
        prog="python -m langchain_sagemaker_experiments.local",
        description="A local SageMaker Experiments and S3. Set the printed variables in the shells "
        "that shall use it.",
    )
    parser.add_argument(
        "--port", type=int, default=0, help="port to listen on (default: a free one)"
    )
    parser.add_argument(
        "--region", default="us-east-1", help="AWS region to stand in for (default: %(default)s)"
    )
    options = parser.parse_args()
    with local_sagemaker(server=True, port=options.port, region=options.region) as local:
        for name, value in local.environment.items():
            print(f"export {name}={value}", flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            threading.Event().wait()


if __name__ == "__main__":
    main()
