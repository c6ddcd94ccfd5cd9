"""`python -m smelt`."""

import sys

from smelt.cli.main import main

sys.exit(main())
