"""Records of earlier schemas as those of the present one, in memory: what is committed is never edited.

In schema 2 every cell of a matrix was a number. Schema 3 had no revisions, and did not name the arrays beside a record.
Schema 1 had no checksum, so that nothing would say whether such a record was changed since: it is refused, and ours
were written anew as those of schema 2.
"""

from __future__ import annotations

from collections.abc import Callable

from hnet_bench.interfaces import Settings, UserError


def _as_it_is(content: Settings) -> Settings:
    return content


def _with_revisions(content: Settings) -> Settings:
    """Every record of ours from before there were revisions is what the first ones compute: fingerprints of the code
    that made them said so. What a user's own file held then is not known."""
    spec = content.get("spec")
    names = {part: _name_of(spec, part) for part in ("strategy", "benchmark")}
    revisions = {part: None if ".py:" in name else 1 for part, name in names.items()}
    return {**content, "revisions": {**revisions, "protocol": 1}, "arrays": None}


def _name_of(spec: object, part: str) -> str:
    # Whether the record is sound is asked later.
    described = spec.get(part) if isinstance(spec, dict) else None
    return str(described.get("name")) if isinstance(described, dict) else ""


# From which schema -> how its records become those of the next. Add a line with each new schema.
_STEPS: dict[int, Callable[[Settings], Settings]] = {2: _as_it_is, 3: _with_revisions}


def migrated(content: Settings, schema: int, *, where: str) -> Settings:
    """The content of a record as schema `schema` has it. Raises UserError if it is of no known schema."""
    found = content.get("schema")
    if found == schema:
        return content
    known = [*_STEPS, schema]
    if found == 1 and not isinstance(found, bool):
        raise UserError(
            f"{where} is of schema 1, which had no checksum: nothing says whether it was changed after it was written."
        )
    if isinstance(found, bool) or not isinstance(found, int) or found not in known:
        raise UserError(f"{where} is not a record: expected schema {_either(known)}, found {found!r}.")
    if "sha256" not in content:
        raise UserError(f"{where} is not a sound record: schema {found} needs a sha256.")
    for step in range(found, schema):
        content = {**_STEPS[step](content), "schema": step + 1}
    return content


def _either(schemas: list[int]) -> str:
    return f"{', '.join(map(str, schemas[:-1]))} or {schemas[-1]}"
