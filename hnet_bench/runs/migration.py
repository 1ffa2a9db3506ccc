"""Records of earlier schemas as those of the present one, in memory: what is committed is never edited.

In schema 2 every cell of a matrix was a number. Schema 3 had no revisions and nothing that was measured of the
strategy, and did not name the arrays beside a record. Schema 4 did not say which trainings a run shared, and measured
no bytes and no operations, which stay absent. Schema 1 had no checksum, so that nothing would say whether such a record
was changed since: it is refused, and ours were written anew as those of schema 2.
"""

from __future__ import annotations

from collections.abc import Callable

from hnet_bench.interfaces import Settings, UserError


def _new_in_4(content: Settings) -> Settings:
    """Every record from before there were revisions is what the first ones compute: fingerprints of the code that made
    them said so. Those of a user's own file, whose content was not noted, are stale, since it has a hash now."""
    return {"revisions": {"strategy": 1, "benchmark": 1, "protocol": 1}, "arrays": None, "measured": None}


# From which schema -> the fields that are new in the next. Add a line with each new schema.
_STEPS: dict[int, Callable[[Settings], Settings]] = {
    2: lambda content: {},
    3: _new_in_4,
    4: lambda content: {"trainings": None},
}


class Newer(UserError):
    """The record is of a later schema, and may be sound."""


def migrated(content: Settings, schema: int, *, where: str) -> Settings:
    """The content of a record as schema `schema` has it. Raises UserError if it is of no known schema."""
    found, known = content.get("schema"), [*_STEPS, schema]
    if type(found) is int and found == 1:
        raise UserError(
            f"{where} is of schema 1, which had no checksum: nothing says whether it was changed after it was written."
        )
    if type(found) is int and found > schema:
        raise Newer(f"{where} has schema {found}, and this hnet_bench reads records up to {schema}: update hnet_bench.")
    if type(found) is not int or found not in known:
        either = f"{', '.join(map(str, known[:-1]))} or {known[-1]}"
        raise UserError(f"{where} is not a record: expected schema {either}, found {found!r}.")
    if found == schema:
        return content
    if "sha256" not in content:
        raise UserError(f"{where} is not a sound record: schema {found} needs a sha256.")
    new: Settings = {}
    for step in range(found, schema):
        new |= _STEPS[step]({**content, **new})
    if early := sorted(new.keys() & content.keys()):
        raise UserError(f"{where} is not a sound record: schema {found} has no {' and no '.join(early)}.")
    return {**content, **new, "schema": schema}
