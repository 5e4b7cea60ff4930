"""`python -m anylead`: the same as the command `anylead`."""

import sys

from anylead.cli import main

if __name__ == "__main__":
    sys.exit(main())
