"""What users see of one source tree, as JSON: frozen.py ROOT RESULTS

Standard output, standard error and exit codes of forty commands, and the text of all reports that the records in
RESULTS give. `compare.py` sets two trees side by side before and after a rebuild that must change nothing of it.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import sys
import tempfile
from pathlib import Path

TABLE = """
title = "A tiny table"
seeds = "1-2"
[settings.tiny]
benchmark = { name = "synthetic" }
protocol = { iterations = 5 }
[[rows]]
name = "finetune"
label = "Fine-tuning"
settings = "tiny"
[rows.CL1]
strategy = "finetune"
reported = { mean = 87.19, spread = 0.94, spread_kind = "sem", n = 20, margin = 5.0, known = "recalled" }
[rows.CL3]
strategy = "finetune"
[[rows]]
name = "joint"
settings = "tiny"
[rows.CL3]
strategy = "joint"
"""
# RESULTS stands for the folder of committed records.
COMMANDS = """
--help
--version
list
list --results RESULTS
run --help
report --help
status tiny.toml
plan tiny.toml
run tiny.toml -j 1 --device cpu
run tiny.toml
status tiny.toml
status tiny.toml --json
status tiny.toml --rows joint --seeds 1
verify tiny.toml
plan tiny.toml --seeds 1-4
trace tiny.toml finetune CL1
trace tiny.toml finetune CL1 --json
report tiny.toml
report tiny.toml --check
figures tiny.toml --formats svg
run tiny.toml --rows nobody
run tiny.toml --seeds x
run tiny.toml --scenarios CL4
run nothing_of_this_name
run nothing.toml
run broken.toml
status tiny.toml --results nowhere
trace tiny.toml joint CL1
rerun seed9-000000000000
merge nowhere
check nobody
check tiny.py:Nobody
new 9lives
new mine
run tiny.toml --logger nothing
run tiny.toml --stop-after soon
status von_oswald_2020_table_1 --results RESULTS
verify von_oswald_2020_table_1 --results RESULTS
plan von_oswald_2020_table_1 --seeds 1-20 --results RESULTS
trace von_oswald_2020_table_1 split_hnet_ent CL3 --results RESULTS
""".strip().splitlines()
# Times, and what tells one machine, process or moment from another.
_CHANGING = (
    (re.compile(r"\d+(\.\d+)?( ?)(ms|s|min|h|MiB|GiB|seconds|minutes|hours)\b"), "TIME"),
    (re.compile(r"\b\d{4}-\d\d-\d\d[T ][\d:.+]+"), "DATE"),
    (re.compile(r"\b[0-9a-f]{40,64}\b"), "HASH"),
    (re.compile(r"http://\S+|(?<=port )\d+"), "ADDRESS"),
    (re.compile(r"^\[\d+/\d+\] started .*\n", re.MULTILINE), ""),  # told while another run ends
    (re.compile(r"\"(started|finished|peak_memory_bytes|total)\": .*"), r'"\1": CHANGES'),
)


def said(command: str, results: Path) -> dict[str, object]:
    """Runs one command here; what it says without what changes from time to time."""
    from hnet_bench.cli import main

    out, err = io.StringIO(), io.StringIO()
    sys.argv = ["hnet-bench", *command.split()]  # what records say they were made by
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code: object = main([word.replace("RESULTS", str(results)) for word in command.split()])
        except BaseException as error:
            code = f"{type(error).__name__}: {error}"
    return {"exit": code, "out": _steady(out.getvalue(), results), "err": _steady(err.getvalue(), results)}


def _steady(text: str, results: Path) -> str:
    text = text.replace(str(results), "RESULTS").replace(str(Path.cwd()), "HERE")
    for pattern, word in _CHANGING:
        text = pattern.sub(word, text)
    return text


def reports(results: Path) -> dict[str, str]:
    """The text of all reports by file name, pictures left out."""
    from hnet_bench.cli import main

    folder = Path("all_reports")
    with contextlib.redirect_stdout(io.StringIO()):
        main(["report", "--results", str(results), "--reports", str(folder)])
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.suffix in (".md", ".csv", ".json", ".tex", ".html") and not path.name.startswith("."):
            text = path.read_text(encoding="utf-8")
            found[path.name] = re.sub(r"<svg.*?</svg>|data:image/[^\"')]*", "PICTURE", text, flags=re.DOTALL)
    return found


def main(root: Path, results: Path) -> None:
    """Prints one JSON object."""
    import hnet_bench

    found = Path(hnet_bench.__file__).resolve().parents[1]
    if found != root.resolve():
        sys.exit(f"Expected the code of {root}, found that of {found}.")
    os.environ.update(COLUMNS="100", TERM="dumb", NO_COLOR="1")
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        Path("tiny.toml").write_text(TABLE)
        Path("broken.toml").write_text("title = ")
        content = {
            "commands": {f"{index + 1:02} {one}": said(one, results) for index, one in enumerate(COMMANDS)},
            "reports": reports(results),
        }
        os.chdir("/")
    print(json.dumps(content))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]).resolve())
