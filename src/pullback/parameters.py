"""Which parameters are there, what may each be, and what is it if nothing is said? `python -m pullback.parameters`.

The rules and defaults are read off the models in `config.py` and in the plug-ins, the meanings off the comments of
params.yaml, or off the plug-in where params.yaml does not name it. The table is docs/parameters.md.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo

from pullback import plugins
from pullback.config import Config, Params

# Where the blocks of plug-ins stand, and their folders.
BLOCKS = {
    "features.maps": "features",
    "models": "models",
    "sample.methods": "sampling",
    "evaluate.metrics": "evaluation",
    "manifold.maps": "manifold",
}
KINDS = {
    "array": "list",
    "boolean": "`true` or `false`",
    "integer": "whole number",
    "null": "`null`",
    "number": "number",
    "string": "text",
}


def table(comments: dict[str, str]) -> str:
    """Every parameter as a row in Markdown; `comments` by key, as `read_comments` returns them."""
    lines = ["| parameter | may be | if not said | what it is |", "|---|---|---|---|"]
    for key, rule, default, meaning in _rows(Config, ""):
        lines.append(f"| `{key}` | {rule} | {default} | {comments.get(key) or meaning} |".replace("  ", " "))
    return "\n".join(lines)


def read_comments(path: Path = Path("params.yaml")) -> dict[str, str]:
    """What params.yaml says of each key behind its value, and on comment lines below."""
    found: dict[str, str] = {}
    at: list[tuple[int, str]] = []
    for line in path.read_text().splitlines():
        if named := re.match(r"( *)(?:- )?([\w-]+):", line):
            at = [*((depth, name) for depth, name in at if depth < len(named[1])), (len(named[1]), named[2])]
        told = re.search(r"(?:^| )# ?(.*)", line)
        if at and told:
            key = re.sub(r"^sample\.methods\.\w+", "sample.methods", ".".join(name for _, name in at))
            found[key] = f"{found[key]} {told[1]}" if not named and key in found else told[1]
    return found


def _rows(schema: type[Params], prefix: str) -> Iterator[tuple[str, str, str, str]]:
    properties = schema.model_json_schema()["properties"]
    for name, field in schema.model_fields.items():
        key = f"{prefix}{name}"
        if key in BLOCKS:
            for plugin in plugins.names(BLOCKS[key]):
                yield from _rows(getattr(plugins.load(BLOCKS[key], plugin), "Params", Params), f"{key}.{plugin}.")
        elif isinstance(field.annotation, type) and issubclass(field.annotation, Params):
            yield from _rows(field.annotation, f"{key}.")
        else:
            yield key, _rule(properties[name]), _default(field), (field.description or "").replace("\n", " ")


def _rule(schema: dict[str, Any]) -> str:
    """The part of a JSON schema that a person wants to know."""
    if "anyOf" in schema:
        return " or ".join(_rule(each) for each in schema["anyOf"])
    if choices := schema.get("enum", [schema["const"]] if "const" in schema else []):
        return ", ".join(f"`{each}`" for each in choices)
    limits = {"minimum": ">=", "exclusiveMinimum": ">", "maximum": "<=", "exclusiveMaximum": "<"}
    told = (f"{word} {schema[limit]:,}" for limit, word in limits.items() if limit in schema)
    return f"{KINDS[schema['type']]} {', '.join(told)}".strip()


def _default(field: FieldInfo) -> str:
    return "must be said" if field.is_required() else f"`{json.dumps(field.default)}`"


if __name__ == "__main__":
    print(table(read_comments()))
