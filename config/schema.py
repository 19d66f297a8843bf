"""`python -m config.schema`: the JSON schema of a stack file, for editors. A test keeps config/schema.json like it."""

import json
from typing import Any

from config.course import Course


def stack_schema() -> dict[str, Any]:
    """JSON schema (2020-12) of a Pulumi.<stack>.yaml of this project; only `coursehub:` keys are described."""
    course = Course.model_json_schema(by_alias=True)
    definitions = course.pop("$defs")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A coursehub stack: one course",
        "type": "object",
        "properties": {
            "config": {
                "type": "object",
                "properties": {f"coursehub:{key}": value for key, value in course["properties"].items()},
                # A mistyped section is shown by the editor; keys of other namespaces (pulumi:, kubernetes:) stay free.
                "patternProperties": {"^(?!coursehub:)": {}},
                "additionalProperties": False,
            }
        },
        "$defs": definitions,
    }


if __name__ == "__main__":
    print(json.dumps(stack_schema(), indent=2))
