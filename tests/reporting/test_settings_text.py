"""Settings as a reader sees them."""

from hnet_bench.reporting.settings_text import flat, one_line


def test_nested_settings_have_dotted_names_and_values_as_in_toml() -> None:
    settings = {"name": "hnet", "sizes": [10, 10], "inner": {"rate": 1e-05, "on": False}, "one": 1.0}
    assert flat(settings) == {
        "name": "hnet",
        "sizes": "[10, 10]",
        "inner.rate": "1e-05",
        "inner.on": "false",
        "one": "1",
    }
    assert one_line({"a": 0.001, "b": True}) == "a = 0.001, b = true"
