"""The service's limits, read from botocore's model of the service, which names them but does not
check them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import botocore.session
from botocore.model import ListShape, MapShape, ServiceModel, Shape, StringShape, StructureShape


@lru_cache(maxsize=4)
def service_model(service: str) -> ServiceModel:
    """Return botocore's model of a service."""
    return botocore.session.get_session().get_service_model(service)


def violations(service: str, operation: str, request: Mapping[str, Any]) -> list[str]:
    """Return what of a request breaks the service's model, in the words AWS uses; empty when it
    fits.
    """
    found: list[str] = []
    shape = service_model(service).operation_model(operation).input_shape
    if shape is not None:
        _check(request, shape, "", found)
    return found


def error_message(found: list[str]) -> str:
    """Return the message of the ValidationException that AWS would answer."""
    plural = "s" if len(found) > 1 else ""
    return f"{len(found)} validation error{plural} detected: {'; '.join(found)}"


def maximum(service: str, shape_name: str) -> int:
    """Return the greatest length or number the service's model allows for a shape."""
    return int(service_model(service).shape_for(shape_name).metadata["max"])


def _check(value: Any, shape: Shape, path: str, found: list[str]) -> None:
    if isinstance(shape, StructureShape) and isinstance(value, Mapping):
        for name in shape.required_members:
            if name not in value:
                found.append(
                    f"Value null at '{_join(path, name)}' failed to satisfy constraint: Member "
                    f"must not be null"
                )
        for name, member in value.items():
            if name in shape.members and member is not None:
                _check(member, shape.members[name], _join(path, name), found)
    elif isinstance(shape, MapShape) and isinstance(value, Mapping):
        _check_size(len(value), shape, value, path, found)
        for key, member in value.items():
            _check(key, shape.key, f"{path}.key", found)
            _check(member, shape.value, f"{path}.{key[:40]}", found)
    elif isinstance(shape, ListShape) and isinstance(value, list):
        _check_size(len(value), shape, value, path, found)
        for position, member in enumerate(value):
            _check(member, shape.member, f"{path}.{position + 1}", found)
    elif isinstance(shape, StringShape) and isinstance(value, str):
        _check_size(len(value), shape, value, path, found)
        _check_text(value, shape, path, found)
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        low, high = shape.metadata.get("min"), shape.metadata.get("max")
        if low is not None and value < low:
            found.append(
                f"Value '{value}' at '{path}' failed to satisfy constraint: Member must have value "
                f"greater than or equal to {low}"
            )
        if high is not None and value > high:
            found.append(
                f"Value '{value}' at '{path}' failed to satisfy constraint: Member must have value "
                f"less than or equal to {high}"
            )


def _check_size(size: int, shape: Shape, value: Any, path: str, found: list[str]) -> None:
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    shown = str(value)[:60]
    if low is not None and size < low:
        found.append(
            f"Value '{shown}' at '{path}' failed to satisfy constraint: Member must have length "
            f"greater than or equal to {low}"
        )
    if high is not None and size > high:
        found.append(
            f"Value '{shown}' at '{path}' failed to satisfy constraint: Member must have length "
            f"less than or equal to {high}"
        )


def _check_text(value: str, shape: StringShape, path: str, found: list[str]) -> None:
    if shape.enum and value not in shape.enum:
        found.append(
            f"Value '{value}' at '{path}' failed to satisfy constraint: Member must satisfy enum "
            f"value set: {list(shape.enum)}"
        )
    pattern = shape.metadata.get("pattern")
    # Java's \p{...} classes are unknown to Python's re; the few shapes that use them (tags) are
    # checked by length only.
    if (
        pattern
        and pattern != ".*"
        and "\\p{" not in pattern
        and not re.fullmatch(pattern, value, re.DOTALL)
    ):
        found.append(
            f"Value '{value[:60]}' at '{path}' failed to satisfy constraint: "
            f"Member must satisfy regular expression pattern: {pattern}"
        )


def _join(path: str, name: str) -> str:
    name = name[0].lower() + name[1:]
    return f"{path}.{name}" if path else name
