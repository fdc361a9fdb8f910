"""Any Python value to a plain one of JSON: dict, list, str, int, float, bool, None. It knows Python
and its data libraries.

What has no JSON form becomes a marked string, `<...>`, that says what it was; nothing here raises.
Libraries are recognised by the name of a type's module, so that none is imported for its own sake.
"""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import math
import pathlib
import re
import uuid
from collections.abc import Callable, Mapping
from typing import Any, Final

from .._record.limits import MAX_REPR_CHARS
from .._record.text import clean_text
from .foreign_code import is_from_signal
from .media import describe_bytes

Convert = Callable[[Any], Any]
"""One step of conversion: an object orjson does not know → something it may know. Never raises,
never returns its argument.
"""

Choose = Callable[[type], Convert | None]
"""A type → what converts its values, or None for one that is not known. Its converters may
raise.
"""

MAX_DEPTH: Final = 200
"""Nesting past which a value is cut with a mark. orjson itself stops at 254 levels."""

_MAX_TABLE_ROWS: Final = 20
_INT64_MIN: Final = -(2**63)
_UINT64_MAX: Final = 2**64 - 1


class LargeText:
    """Marks a long text within a value. A text can't change, so holding it is as good as a copy of
    it.
    """

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text


class LongList:
    """Marks a long list within a value, of which the encoder may keep a part by reference."""

    __slots__ = ("items",)

    def __init__(self, items: list[Any]) -> None:
        self.items = items


def type_name(value: object) -> str:
    """Return `module.Class` of a value."""
    cls = type(value)
    return f"{cls.__module__}.{cls.__qualname__}"


_CUT_WORD: Final = re.compile(r"[^\s,'\"]{1,600}\Z")
"""A word that a cut leaves half of it: it may be a secret, and half of one is not recognised."""


def safe_repr(value: object) -> str:
    """Return a bounded `repr`, or a note of what went wrong when the object's own `__repr__`
    raises.
    """
    try:
        text = repr(value)
    except BaseException as error:
        if is_from_signal(error):
            raise
        return f"<repr failed: {type(error).__name__}>"
    if len(text) > MAX_REPR_CHARS:
        text = f"{_CUT_WORD.sub('', text[:MAX_REPR_CHARS])}… ({len(text)} characters)"
    return text


def convert_object(value: Any) -> Any:
    """One step from an object that JSON does not know towards one it does. Never raises."""
    try:
        return _convert_object(value)
    except BaseException as error:
        if is_from_signal(error):
            raise
        return f"<{type_name(value)}: can't be read: {type(error).__name__}>"


def _convert_object(value: Any) -> Any:
    cls = type(value)
    module = cls.__module__
    if isinstance(value, (bytes, bytearray, memoryview)):
        return describe_bytes(value)
    if isinstance(value, tuple):
        fields = getattr(value, "_fields", None)
        return dict(zip(fields, value, strict=False)) if fields else list(value)
    if isinstance(value, (set, frozenset)):
        return sorted(value, key=repr)
    if isinstance(value, BaseException):
        return {"type": cls.__name__, "message": str(value)}
    if isinstance(value, (decimal.Decimal, pathlib.PurePath, datetime.timedelta, complex)):
        return str(value)
    if isinstance(value, (datetime.datetime, datetime.date, datetime.time)):
        return value.isoformat()
    if isinstance(value, uuid.UUID):
        return str(value)
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, Mapping):
        return dict(value)
    if "Secret" in cls.__name__ and hasattr(value, "get_secret_value"):
        return "**********"
    if module.startswith(("numpy", "pandas", "polars", "pyarrow", "torch")):
        converted = _convert_data(value)
        if converted is not value:
            return converted
    fields = _model_fields(value)
    if fields is not None:
        return fields
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name, None) for field in dataclasses.fields(value)}
    if isinstance(value, type) or (callable(value) and hasattr(value, "__qualname__")):
        return (
            f"<{'class' if isinstance(value, type) else 'function'} "
            f"{value.__module__}.{value.__qualname__}>"
        )
    return f"<{module}.{cls.__qualname__}> {safe_repr(value)}"


def _model_fields(value: Any) -> dict[str, Any] | None:
    """Fields of a pydantic model, version 2 or 1, without its serializer, which the user may have
    made raise.
    """
    cls = type(value)
    names = getattr(cls, "__pydantic_fields__", None)
    if names is None:
        names = getattr(cls, "__fields__", None)
    if not isinstance(names, Mapping):
        return None
    state = getattr(value, "__dict__", {})
    fields = {name: state[name] for name in names if name in state}
    extra = getattr(value, "__pydantic_extra__", None)
    if isinstance(extra, dict):
        fields.update(extra)
    return fields


def _convert_data(value: Any) -> Any:
    """Arrays and tables of the data libraries. Returns its argument when it is none of them."""
    name = type(value).__name__
    if name == "DataFrame":
        head = value.head(_MAX_TABLE_ROWS)
        rows = head.to_dict(orient="records") if hasattr(head, "iterrows") else head.to_dicts()
        return {
            "type": "DataFrame",
            "shape": list(value.shape),
            "columns": [str(c) for c in value.columns],
            "head": rows,
        }
    if name == "Table" and hasattr(value, "to_pylist"):
        head = value.slice(0, _MAX_TABLE_ROWS).to_pylist()
        return {
            "type": "Table",
            "shape": list(value.shape),
            "columns": value.column_names,
            "head": head,
        }
    if name in ("NaTType", "NAType"):
        return f"<{name}>"
    if hasattr(value, "isoformat"):
        return value.isoformat()
    for method in ("tolist", "to_list", "item"):
        if hasattr(value, method):
            converted = getattr(value, method)()
            return converted if converted is not value else safe_repr(value)
    return value


def to_plain(value: Any, convert: Convert) -> Any:
    """Return `value` as plain JSON values, whatever it is: the thorough and slow way, for what
    orjson refuses.

    Marks what JSON has no place for: NaN and infinity `<float nan>`, integers beyond 64 bits `<int
        …>`, cycles, nesting
    deeper than `MAX_DEPTH`, lone surrogates as escapes, and dictionary keys that are no strings as
    their text.
    """
    return _walk(value, convert, (), 0)


def dump_json(value: Any, convert: Convert, option: int = 0) -> bytes:
    """Return JSON of a value. What orjson refuses is as in records; see `to_plain`.

    Args:
        value: JSON values, and objects that `convert` knows.
        convert: returns an object's JSON form, or raises TypeError.
        option: of orjson.

    Raises:
        TypeError: what `convert` raised.
    """
    import orjson  # at the flush: a program that only imports the handler's name needs none of it

    try:
        return orjson.dumps(value, default=convert, option=option)
    except TypeError:
        refused: list[TypeError] = []

        def noting(item: Any) -> Any:
            try:
                return convert(item)
            except TypeError as error:
                refused.append(error)
                raise

        data = orjson.dumps(to_plain(value, noting), option=option)
        if refused:
            raise refused[0] from None
        return data


def _walk(value: Any, convert: Convert, above: tuple[int, ...], depth: int) -> Any:
    if value is None or value is True or value is False:
        return value
    cls = type(value)
    if cls is str:
        return clean_text(value)
    if cls is int:
        return value if _INT64_MIN <= value <= _UINT64_MAX else _describe_int(value)
    if cls is float:
        return value if math.isfinite(value) else f"<float {value}>"
    if depth >= MAX_DEPTH:
        return f"<{type_name(value)}: nested deeper than {MAX_DEPTH}>"
    if id(value) in above:
        return f"<cycle: {type_name(value)}>"
    try:
        return _walk_inside(value, convert, (*above, id(value)), depth + 1)
    except RecursionError:
        return f"<{type_name(value)}: nested too deep>"
    except BaseException as error:
        if is_from_signal(error):
            raise
        return f"<{type_name(value)}: can't be read: {type(error).__name__}>"


def _walk_inside(value: Any, convert: Convert, above: tuple[int, ...], depth: int) -> Any:
    if isinstance(value, dict):
        plain: dict[str, Any] = {}
        for key, item in list(value.items()):
            plain[_key(key, plain)] = _walk(item, convert, above, depth)
        return plain
    if isinstance(value, LargeText):
        return clean_text(value.text)
    if isinstance(value, LongList):
        return [_walk(item, convert, above, depth) for item in list(value.items)]
    if isinstance(value, (list, tuple)) and not hasattr(value, "_fields"):
        return [_walk(item, convert, above, depth) for item in list(value)]
    if isinstance(value, enum.Enum):
        return _walk(value.value, convert, above, depth)
    if isinstance(value, str):
        return clean_text(str.__str__(value))
    if isinstance(value, int):
        return _walk(int(value), convert, above, depth)
    if isinstance(value, float):
        return _walk(float(value), convert, above, depth)
    return _walk(convert(value), convert, above, depth)


def _describe_int(value: int) -> str:
    # Python refuses the decimal text of very large integers (sys.set_int_max_str_digits),
    # hexadecimal always works.
    return f"<int {value}>" if value.bit_length() < 4_000 else f"<int 0x{value:x}>"


def _key(key: Any, taken: dict[str, Any]) -> str:
    text = clean_text(key) if isinstance(key, str) else clean_text(_key_text(key))
    while text in taken:
        text += f" <{type(key).__name__}>"
    return text


def _key_text(key: Any) -> str:
    try:
        return str(key)
    except BaseException as error:
        if is_from_signal(error):
            raise
        return f"<{type_name(key)}: str failed: {type(error).__name__}>"


def holds_non_finite(value: Any, convert: Convert, depth: int = 0) -> bool:
    """Return True if NaN or infinity lies anywhere in `value`: orjson would write them as null
    without notice.
    """
    cls = type(value)
    if cls is float:
        return not math.isfinite(value)
    if cls is str or cls is int or value is None or cls is bool or depth > MAX_DEPTH:
        return False
    if isinstance(value, dict):
        return any(holds_non_finite(item, convert, depth + 1) for item in value.values())
    if isinstance(value, (list, tuple)):
        return any(holds_non_finite(item, convert, depth + 1) for item in value)
    dtype = getattr(value, "dtype", None)
    if dtype is not None:
        return getattr(dtype, "kind", "f") == "f"
    if isinstance(value, LongList):
        return any(holds_non_finite(item, convert, depth + 1) for item in value.items)
    if isinstance(value, (str, int, bytes, datetime.date, uuid.UUID, LargeText)):
        return False
    if isinstance(value, enum.Enum):
        return holds_non_finite(value.value, convert, depth + 1)
    return holds_non_finite(convert(value), convert, depth + 1)
