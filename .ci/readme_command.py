"""Prints the command that the README marks with <!-- command: NAME -->: readme_command.py NAME"""

import re
import sys
from pathlib import Path

readme = (Path(__file__).parent.parent / "README.md").read_text()
found = re.search(rf"<!-- command: {re.escape(sys.argv[1])} -->\s*```\w*\n(.*?)```", readme, re.DOTALL)
if found is None:
    sys.exit(f"README.md marks no command '{sys.argv[1]}'.")
print(found[1].strip())
