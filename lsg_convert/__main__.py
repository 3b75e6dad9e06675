"""`python -m lsg_convert` is `lsg-convert`.

Python puts the current folder first on the search path for `-m`. It may be anybody's, and hold a `typer.py`: it is
taken off before anything of another package is imported. Where our own package comes from has been settled by then.
"""

import os
import sys

try:
    _HERE = os.getcwd()  # noqa: PTH109 (pathlib is not imported yet)
except OSError:  # the current folder is gone
    _HERE = ""
if sys.path and sys.path[0] in ("", _HERE) and not getattr(sys.flags, "safe_path", False):
    del sys.path[0]

from lsg_convert.cli.main import main

sys.exit(main())
