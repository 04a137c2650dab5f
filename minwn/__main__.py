"""`python -m minwn` is `minwn`."""

import sys

from .cli import main

sys.exit(main())
