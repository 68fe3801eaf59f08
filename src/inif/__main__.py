"""The ``inif`` script and ``python -m inif``: Ctrl-C is heeded even while the commands load."""

import os
import sys


def main() -> None:
    """Run the command line."""
    try:
        from inif.cli.app import main as run

        run()
    except KeyboardInterrupt:
        print("error: interrupted; nothing was written", file=sys.stderr, flush=True)
        os._exit(130)


if __name__ == "__main__":
    main()
