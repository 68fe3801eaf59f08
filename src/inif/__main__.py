"""The ``inif`` script and ``python -m inif``: Ctrl-C is heeded even while the commands load.

SIGTERM is heeded as Ctrl-C is, so that nothing half done is left, and gives 143 instead of 130.
After either the process ends at once, and with it any encoder that is still at work.
"""

import os
import signal
import sys

PARTIAL, INTERRUPTED, TERMINATED = 3, 130, 143  # as in inif.cli.common, which loads typer


def main() -> None:
    """Run the command line; ends in `SystemExit`, or the process."""
    terminated = False

    def terminate(*_: object) -> None:
        nonlocal terminated
        terminated = True
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, terminate)
    try:
        from inif.cli.app import app

        app()
    except KeyboardInterrupt:
        print("error: interrupted; nothing was written", file=sys.stderr)
        code = INTERRUPTED
    except SystemExit as end:
        if end.code not in (PARTIAL, INTERRUPTED):
            raise
        code = end.code
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(TERMINATED if terminated and code == INTERRUPTED else code)


if __name__ == "__main__":
    main()
