"""Every fault of a configuration at once: where it is, what was given, what is allowed, what to do."""

import copy
import difflib
import types
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel, SecretStr, ValidationError
from pydantic_core import ErrorDetails

from config.course import Course
from config.rules import RULES


@dataclass(frozen=True)
class Fault:
    """One thing wrong. `given` is empty where it is not known to be free of secrets."""

    path: str
    reason: str
    given: str = ""

    def __str__(self) -> str:
        return f"{self.path}: {self.given and f'{self.given} was given; '}{self.reason}"


class WrongConfiguration(Exception):
    """The configuration has faults; nothing was touched."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(faults)
        lines = "\n".join(f"  - {fault}" for fault in self.faults)
        count = "1 fault" if len(self.faults) == 1 else f"{len(self.faults)} faults"
        super().__init__(f"the configuration has {count}; nothing was changed:\n{lines}")


def check(raw: Mapping[str, Any], secret_sections: frozenset[str] = frozenset(), known: Iterable[Fault] = ()) -> Course:
    """The course that a raw configuration describes. Nothing under `secret_sections` is echoed.

    `known` are faults found before, of keys that are not in `raw` any more. Raises WrongConfiguration with every fault,
    also those of rules over several keys.
    """
    faults, unsound = _key_faults(raw, secret_sections)
    unsound |= {fault.path for fault in known}
    faults = [*known, *faults]
    course = _course_without(raw, unsound)
    for rule in RULES if course else ():
        broken = None if any(_touches(key, unsound) for key in rule.keys) else rule.broken(course)  # type: ignore[arg-type]
        if broken is not None:
            faults.append(Fault(rule.keys[0], broken))
    if faults or course is None:
        raise WrongConfiguration(faults)
    return course


def _key_faults(raw: Mapping[str, Any], secret_sections: frozenset[str]) -> tuple[list[Fault], set[str]]:
    try:
        Course.model_validate(raw)
    except ValidationError as error:
        details = error.errors(include_url=False, include_context=True)
        return [_fault(detail, secret_sections) for detail in details], {_dotted(_unsound(d)) for d in details}
    return [], set()


def _unsound(detail: ErrorDetails) -> tuple[int | str, ...]:
    """What cannot be relied on: a key, or the section that lacks one."""
    return detail["loc"][:-1] if detail["type"] == "missing" else detail["loc"]


def _course_without(raw: Mapping[str, Any], unsound: set[str]) -> Course | None:
    """The course with defaults in place of the unsound keys, so that the rules can be looked at; None if that fails."""
    sound = copy.deepcopy(dict(raw))
    for path in unsound:
        _drop(sound, path.split("."))
    try:
        return Course.model_validate(sound)
    except ValidationError:
        return None


def _drop(tree: Any, keys: list[str]) -> None:
    for key in keys[:-1]:
        if not isinstance(tree, dict) or not isinstance(tree.get(key), dict):
            break
        tree = tree[key]
    else:
        if isinstance(tree, dict):
            tree.pop(keys[-1], None)
        return
    # What is unsound lies inside a list or a value: the whole of it goes.
    if isinstance(tree, dict):
        tree.pop(key, None)


def _touches(key: str, unsound: set[str]) -> bool:
    return any(key == bad or key.startswith(f"{bad}.") or bad.startswith(f"{key}.") for bad in unsound)


def _dotted(loc: tuple[int | str, ...]) -> str:
    return ".".join(str(part) for part in loc)


def _fault(detail: ErrorDetails, secret_sections: frozenset[str]) -> Fault:
    loc = detail["loc"]
    kind = detail["type"]
    if kind == "extra_forbidden":
        # The value of an unknown key is never shown: it may be a secret under a mistyped name.
        return Fault(_dotted(loc), _unknown(loc))
    if kind == "missing":
        return Fault(_dotted(loc), "this key is needed here; add it")
    # An address may hold a password.
    shown = "" if loc[0] in secret_sections or kind == "address" else _shown(loc, detail["input"])
    return Fault(_dotted(loc), reason(detail), shown)


def _unknown(loc: tuple[int | str, ...]) -> str:
    model = _model_at(loc[:-1])
    known = sorted(field.alias or name for name, field in model.model_fields.items()) if model else []
    close = difflib.get_close_matches(str(loc[-1]), known, n=1)
    return (
        f"there is no such key; did you mean {close[0]}?"
        if close
        else f"there is no such key; known here: {', '.join(known)}"
    )


def reason(detail: ErrorDetails) -> str:
    """What is wrong and what is needed, without what was given."""
    context = detail.get("ctx", {})
    match detail["type"]:
        case "literal_error":
            return f"allowed is {context['expected']}"
        case "model_type" | "model_attributes_type" | "dict_type":
            return "a section with keys of its own is needed"
        case "bool_type" | "bool_parsing":
            return "true or false is needed"
        case "int_type" | "int_parsing" | "int_from_float":
            return "a whole number is needed"
        case "string_type":
            return "a text is needed"
        case "tuple_type":
            return "a list is needed"
        case "float_type" | "float_parsing" | "finite_number":
            return "a number is needed, such as 0.5"
        case "greater_than":
            return f"more than {context['gt']} is needed"
        case "greater_than_equal":
            return f"at least {context['ge']} is needed"
        case "less_than_equal":
            return f"at most {context['le']} is allowed"
        case "too_short":
            return f"at least {context['min_length']} is needed in the list"
        case "ip_v4_address":
            return "an IPv4 address of this server is needed, such as 127.0.0.1, or 0.0.0.0 for all of them"
        case _:
            return detail["msg"][:1].lower() + detail["msg"][1:]


def _shown(loc: tuple[int | str, ...], given: object) -> str:
    """What was given, where the key is known to hold no secret and to take a plain value."""
    annotation = _annotation_at(loc)
    if annotation is None or SecretStr in _alternatives(annotation) or _models(annotation):
        return ""
    if isinstance(given, str | int | float | bool):
        text = repr(given)
        if "://" in text and "@" in text:  # an address, also in the wrong place, may hold a password
            return ""
        return text if len(text) <= 80 else f"{text[:77]}..."
    return ""


def _alternatives(annotation: Any) -> tuple[Any, ...]:
    return get_args(annotation) if get_origin(annotation) in (Union, types.UnionType) else (annotation,)


def _models(annotation: Any) -> list[type[BaseModel]]:
    return [a for a in _alternatives(annotation) if isinstance(a, type) and issubclass(a, BaseModel)]


def _annotation_at(loc: tuple[int | str, ...]) -> Any:
    """The declared type of the key at `loc`, or of the list that holds it; None where there is no such key."""
    model: type[BaseModel] | None = Course
    annotation: Any = Course
    for part in loc:
        if isinstance(part, int) or model is None:
            return annotation
        field = next((f for name, f in model.model_fields.items() if part in (f.alias, name)), None)
        if field is None:
            return None
        annotation = field.annotation
        model = next(iter(_models(annotation)), None)
    return annotation


def _model_at(loc: tuple[int | str, ...]) -> type[BaseModel] | None:
    return next(iter(_models(_annotation_at(loc))), None)
