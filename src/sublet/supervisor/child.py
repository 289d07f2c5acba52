"""Runs one of Sublet's processes in two halves: load everything at once, and begin when told.

`sublet up` starts its processes while the database is still coming up: loading takes longest, and needs none of it.
"""

import importlib
import sys

GO = b"go\n"


def main() -> int:
    """Load the module named first, wait for the word on standard input, and run its `main` with the other arguments."""
    module = importlib.import_module(sys.argv[1])
    if sys.stdin.buffer.readline() != GO:
        return 0  # whoever started us is gone
    code = module.main(sys.argv[2:])
    return code if isinstance(code, int) else 0


if __name__ == "__main__":
    sys.exit(main())
