"""`python -m config.page`: docs/configuration.md, one row for every key, from the models. A test keeps it so."""

import json
from collections.abc import Iterator
from typing import Any

from config.course import Course

_HEAD = """# Configuration

Every key of a stack file, `Pulumi.<stack>.yaml`, under `config: coursehub:<section>:`. Made by `python -m config.page`.
A key that is not here is a fault; all faults are told at once, and nothing is touched before all are mended.

| key | takes | default | meaning |
|---|---|---|---|"""


def page() -> str:
    """The whole page."""
    schema = Course.model_json_schema(by_alias=True)
    rows = (f"| `{path}` | {_takes(key)} | {_default(key)} | {_meaning(key)} |" for path, key in keys(schema))
    return "\n".join([_HEAD, *rows, ""])


def keys(schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every plain key by dotted path, with its schema."""
    definitions = schema["$defs"]

    def walk(section: dict[str, Any], prefix: str) -> Iterator[tuple[str, dict[str, Any]]]:
        for name, key in section["properties"].items():
            inner = [
                definitions[option["$ref"].rsplit("/", 1)[-1]]
                for option in (key, *key.get("anyOf", ()))
                if "$ref" in option
            ]
            if inner:
                yield from walk(inner[0], f"{prefix}{name}.")
            else:
                yield f"{prefix}{name}", key

    yield from walk(schema, "")


def _takes(key: dict[str, Any]) -> str:
    kinds = [kind for option in key.get("anyOf", [key]) if (kind := _kind(option))]
    return ", ".join(kinds)


def _kind(key: dict[str, Any]) -> str:
    if "enum" in key:
        return " \\| ".join(f"`{choice}`" for choice in key["enum"])
    if "const" in key:
        return f"`{key['const']}`"
    if "examples" in key:
        return f"size, such as {key['examples'][1]}"
    if key.get("format") == "password":
        return "secret text"
    if key.get("format") == "path":
        return "path of a file"
    if key.get("format") == "ipv4":
        return "IPv4 address"
    words = {"string": "text", "integer": "whole number", "number": "number", "boolean": "`true` \\| `false`"}
    if key["type"] == "array":
        return f"list of {key['items'].get('$ref', 'name').rsplit('/', 1)[-1].lower()}s"
    bounds = [f"{word} {key[bound]}" for bound, word in (("minimum", "from"), ("maximum", "to")) if bound in key]
    return " ".join([words.get(key["type"], ""), *bounds]).strip()


def _meaning(key: dict[str, Any]) -> str:
    return " ".join(str(key.get("description", "")).split())


def _default(key: dict[str, Any]) -> str:
    default = key.get("default")
    return "" if default in (None, []) else f"`{default if isinstance(default, str) else json.dumps(default)}`"


if __name__ == "__main__":
    print(page(), end="")
