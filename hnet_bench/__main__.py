"""`python -m hnet_bench`, and what `hnet-bench` calls: a broken installation has an exit code of its own as well."""

from __future__ import annotations

import sys
import traceback

from hnet_bench import FAULT


def main() -> int:
    """Runs the command line; `FAULT` and a traceback if it cannot even be imported, as without one of its libraries."""
    try:
        from hnet_bench.cli import main as command
    except KeyboardInterrupt:
        return 130
    except Exception:
        traceback.print_exc()
        return FAULT
    return command()


if __name__ == "__main__":
    sys.exit(main())
