"""python -m gradlab: the command, where no folder of scripts is on the path."""

import sys

from gradlab.cli import main

if __name__ == "__main__":
    sys.exit(main())
