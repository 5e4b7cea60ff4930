"""`python -m anylead`, which is also what `torchrun -m anylead` starts."""

import sys

from anylead.cli import main

if __name__ == "__main__":
    sys.exit(main())
