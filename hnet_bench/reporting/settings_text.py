"""Settings as text: one line for a reader, one name for each value."""

from __future__ import annotations

from typing import Any

from hnet_bench.interfaces import Settings


def flat(settings: Settings) -> dict[str, str]:
    """Every value of nested settings by its dotted name, as TOML writes it.

    >>> flat({"protocol": {"hidden_units": [400, 400], "lookahead": True}})
    {'protocol.hidden_units': '[400, 400]', 'protocol.lookahead': 'true'}
    """
    found: dict[str, str] = {}
    for name, value in settings.items():
        if isinstance(value, dict):
            found |= {f"{name}.{inner}": text for inner, text in flat(value).items()}
        else:
            found[name] = _value(value)
    return found


def one_line(settings: Settings) -> str:
    """ "chunk_size = 42000, lookahead = true"; strings without quotes."""
    return ", ".join(f"{name} = {text}" for name, text in flat(settings).items())


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(_value(item) for item in value)}]"
    if value is None:
        return "none"
    return f"{value:g}" if isinstance(value, float) else str(value)
