"""Backends that take OTLP over HTTP: any, and CloudWatch with SigV4. Knows requests, not spans."""

from __future__ import annotations

import gzip
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol
from urllib.parse import unquote

import urllib3

from .._conventions.otlp import GENERAL, Convention, Limits, refused_of

PATH: Final = "/v1/traces"
"""Where OTLP over HTTP takes traces, below a backend's base address."""
_AGAIN: Final = frozenset({429, 502, 503, 504})
"""Answers after which the specification of OTLP has the request sent again."""
_RESOURCE: Final = "OTEL_RESOURCE_ATTRIBUTES"


@dataclass(frozen=True)
class Answer:
    """What a backend said to a request.

    Attributes:
        accepted: False if it must be sent again, or was refused for good.
        again: True if it may go well another time.
        pause: seconds that the backend wants to be left alone, or None.
        refused: spans that it refused for good, of a request it accepted.
        message: why.
    """

    accepted: bool
    again: bool = False
    pause: float | None = None
    refused: int = 0
    message: str = ""


class Backend(Protocol):
    """A place that takes traces beside the Run."""

    @property
    def name(self) -> str:
        """What it is called in faults and logs."""

    @property
    def convention(self) -> Convention:
        """The names it reads."""

    @property
    def limits(self) -> Limits:
        """What one request may hold."""

    @property
    def join(self) -> bool:
        """Whether traces are put below the span of OpenTelemetry that they began in."""

    @property
    def resource(self) -> Mapping[str, str]:
        """Attributes of the resource."""

    def send(self, body: bytes) -> Answer:
        """Send one serialized `ExportTraceServiceRequest`. Raises nothing."""


@dataclass(frozen=True)
class Otlp:
    """A backend that takes OTLP over HTTP, as protobuf with gzip, such as a collector or Langfuse.

    Args:
        endpoint: the address that traces are posted to, such as `http://localhost:4318/v1/traces`.
        headers: sent with each request, such as those with a key.
        timeout: seconds for one request.
        resource: attributes of the resource, `service.name` first of all.
        limits: what one request may hold.
        convention: the names of attributes; see `_conventions`.
        join: put a trace that began within a span of OpenTelemetry (or with `traceparent` in its
            metadata) below that span. It then has the trace id of that span. Without it, the root
            has a link to that span.
    """

    endpoint: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    timeout: float = 10.0
    resource: Mapping[str, str] = field(default_factory=lambda: resource_from_environment())
    limits: Limits = field(default_factory=Limits, repr=False)
    convention: Convention = field(default=GENERAL, repr=False)
    join: bool = False

    @property
    def name(self) -> str:
        """The address, without what may be a key in it."""
        return self.endpoint.partition("?")[0].rpartition("@")[2]

    def send(self, body: bytes) -> Answer:
        """Send one serialized `ExportTraceServiceRequest`. Raises nothing."""
        headers = {
            "Content-Type": "application/x-protobuf",
            "Content-Encoding": "gzip",
            **self.headers,
        }
        return _post(self.endpoint, gzip.compress(body, 1), headers, self.timeout)


@dataclass(frozen=True)
class CloudWatch:
    """CloudWatch's traces: X-Ray's OTLP endpoint, with requests signed by SigV4.

    Transaction Search must be on in the account, which stores spans in CloudWatch Logs. Spans are
    kept within CloudWatch's limits: 200 KB a span, 5 MB and 10,000 spans a request.

    Args:
        region: the AWS region; the session's by default.
        boto_session: whose credentials sign; boto3's default ones otherwise.
        endpoint: another address, such as a VPC endpoint's.
        timeout: seconds for one request.
        resource: attributes of the resource, `service.name` first of all.
        join: as of `Otlp`.
    """

    region: str | None = None
    boto_session: Any = field(default=None, repr=False)
    endpoint: str | None = None
    timeout: float = 10.0
    resource: Mapping[str, str] = field(default_factory=lambda: resource_from_environment())
    join: bool = False

    convention = GENERAL
    limits = Limits(spans=10_000, request_bytes=5_000_000, span_bytes=200_000)

    @property
    def name(self) -> str:
        """What it is called in faults and logs."""
        return f"CloudWatch {self._region}"

    @property
    def _region(self) -> str | None:
        return self.region or self._session.region_name

    @property
    def _session(self) -> Any:
        import boto3

        return self.boto_session or boto3.Session()

    def send(self, body: bytes) -> Answer:
        """Sign and send one serialized `ExportTraceServiceRequest`. Raises nothing."""
        from botocore.auth import SigV4Auth
        from botocore.awsrequest import AWSRequest

        credentials = self._session.get_credentials()
        if credentials is None or not self._region:
            return Answer(False, again=True, message="there are no AWS credentials or no region")
        address = self.endpoint or f"https://xray.{self._region}.amazonaws.com{PATH}"
        packed = gzip.compress(body, 1)
        headers = {"Content-Type": "application/x-protobuf", "Content-Encoding": "gzip"}
        request = AWSRequest(method="POST", url=address, data=packed, headers=headers)
        SigV4Auth(credentials.get_frozen_credentials(), "xray", self._region).add_auth(request)
        return _post(address, packed, dict(request.headers.items()), self.timeout)


def otlp_from_environment() -> Otlp:
    """Return the backend that the variables of the OpenTelemetry specification name:
    `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT` (or `OTEL_EXPORTER_OTLP_ENDPOINT`, to which the path is
    added), `_HEADERS` and `_TIMEOUT` likewise, `OTEL_RESOURCE_ATTRIBUTES`, `OTEL_SERVICE_NAME`.

    It is the backend of the application's own spans, so traces are put below those they began in.
    """
    endpoint = os.environ.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
    if not endpoint:
        base = os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT") or "http://localhost:4318"
        endpoint = base.rstrip("/") + PATH
    headers = _pairs(_variable("HEADERS"))
    timeout = _variable("TIMEOUT")
    seconds = float(timeout) / 1e3 if timeout.isdigit() and int(timeout) else 10.0
    return Otlp(endpoint, headers, seconds, join=True)


def _variable(name: str) -> str:
    of_traces = os.environ.get(f"OTEL_EXPORTER_OTLP_TRACES_{name}")
    return of_traces or os.environ.get(f"OTEL_EXPORTER_OTLP_{name}") or ""


def resource_from_environment() -> dict[str, str]:
    """Return the attributes that `OTEL_RESOURCE_ATTRIBUTES` and `OTEL_SERVICE_NAME` name."""
    attributes = _pairs(os.environ.get(_RESOURCE, ""))
    service = os.environ.get("OTEL_SERVICE_NAME")
    if service:
        attributes["service.name"] = service
    return {"service.name": "langchain", **attributes}


def _pairs(text: str) -> dict[str, str]:
    """Return `a=1,b=2` as a dictionary; values are percent-decoded, as the specification says."""
    found = (item.partition("=") for item in text.split(","))
    return {name.strip(): unquote(value.strip()) for name, sign, value in found if sign}


_pool = urllib3.PoolManager(num_pools=8, maxsize=2, retries=False)


def _post(address: str, body: bytes, headers: Mapping[str, str], timeout: float) -> Answer:
    try:
        answer = _pool.request(
            "POST", address, body=body, headers=dict(headers), timeout=timeout, redirect=False
        )
    except (urllib3.exceptions.HTTPError, OSError) as error:
        return Answer(False, again=True, message=f"{type(error).__name__}: {error}"[:300])
    return answer_of(answer.status, answer.data, answer.headers.get("Retry-After"))


def answer_of(status: int, body: bytes, retry_after: str | None) -> Answer:
    """Return what an HTTP answer means to the sender."""
    if 200 <= status < 300:
        refused, message = refused_of(body)
        return Answer(True, refused=refused, message=message)
    pause = float(retry_after) if retry_after and retry_after.isdigit() else None
    told = body[:300].decode("utf-8", "replace")
    return Answer(
        False, again=status in _AGAIN, pause=pause, message=f"HTTP {status} {told}".strip()
    )
