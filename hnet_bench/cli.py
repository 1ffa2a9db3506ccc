"""The command line, `hnet-bench`: the only file that reads argv. Its verbs stand in `commands/`.

What is imported here at the top loads neither torch nor Avalanche; `run` imports the engine when there is work to do.
Exit codes: 0 success; 1 some runs failed, or numbers or files are not what they should be; 2 something the user can
mend (one sentence on stderr) or no verdict yet; 70 a fault in the program (a traceback on stderr); 75 a sweep stopped
in time with something left; 130 interrupted; 141 whoever read the output went away. So no crash looks like a verdict.
"""

from __future__ import annotations

import sys
import traceback
from typing import Annotated, Any

import typer

from hnet_bench import __version__
from hnet_bench.__main__ import FAULT
from hnet_bench.arguments import SEVERAL, expand
from hnet_bench.commands import extend, figures, plan, report, rerun, show, store, sweep, trace
from hnet_bench.commands.options import print_anything
from hnet_bench.commands.sweep import INTERRUPTED
from hnet_bench.interfaces import UserError

_PIPE_CLOSED = 141  # what shells report of a process that SIGPIPE ended

# Typer keeps the class of all usage errors to itself.
_UsageError: Any = typer.BadParameter.__base__

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def main(argv: list[str] | None = None) -> int:
    """Runs one command and returns its exit code; `argv` is what follows the program's name."""
    print_anything()
    arguments = sys.argv[1:] if argv is None else argv
    command = typer.main.get_command(app)
    try:
        code = command.main(expand(arguments) or ["--help"], prog_name="hnet-bench", standalone_mode=False)
    except UserError as error:
        return _fail(str(error))
    except _UsageError as error:
        return _fail(error.format_message(), _advice(error, arguments))
    except typer.Abort:
        return INTERRUPTED
    except (Exception, SystemExit) as error:
        # Typer and rich leave with 1 if the reader of a pipe, such as `head`, has had enough.
        if isinstance(error.__context__, BrokenPipeError):
            return _PIPE_CLOSED
        traceback.print_exc()
        return FAULT
    return code if isinstance(code, int) else 0


@app.callback(invoke_without_command=True)
def _program(
    version: Annotated[bool, typer.Option("--version", help="Show the version and exit.")] = False,
) -> None:
    """Benchmarks and reproducible comparisons for continual learning with hypernetworks.

    A [bold]table[/bold] has rows of strategies in the scenarios CL1 (task), CL2
    (domain) and CL3 (class), and what a paper reports for each.
    Every finished run leaves one record below results/.

    [bold]Exit codes[/bold] 0: success. 1: some runs failed, or numbers or files are not
    what they should be. 2: a mistake, in one sentence, or no verdict yet.
    70: a fault of hnet-bench, with a traceback. 75: something is left after
    --stop-after. 130: interrupted. 141: nobody reads the output any more.

    [bold]Begin with[/bold] hnet-bench run quick
    """
    if version:
        typer.echo(f"hnet-bench {__version__}")


app.command()(sweep.run)
app.command()(plan.plan)
app.command()(sweep.status)
app.command()(report.report)
app.command()(report.verify)
app.command()(figures.figures)
app.command()(trace.trace)
app.command()(rerun.rerun)
app.command()(store.merge)
app.command("list")(show.list_all)
app.command("data")(show.data_sets)
app.command()(extend.new)
app.command()(extend.check)


def _advice(error: Any, arguments: list[str]) -> str:
    parameter = getattr(error, "param", None)
    if parameter is not None and parameter.name == "table" and any(option in arguments for option in SEVERAL):
        command = getattr(error.ctx, "info_name", "run")
        return f"Put TABLE first, as in hnet-bench {command} quick --rows finetune joint."
    path = error.ctx.command_path if error.ctx else "hnet-bench"
    return f"See {path} --help."


def _fail(*sentences: str) -> int:
    ended = (sentence if sentence.endswith(".") else f"{sentence}." for sentence in sentences)
    print("Error:", UserError(" ".join(ended)), file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
