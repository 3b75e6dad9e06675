"""`python -m lsg_convert` is `lsg-convert`."""

import sys

from lsg_convert.cli.main import main

sys.exit(main())
