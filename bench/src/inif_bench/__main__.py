"""The ``inif-bench`` script and ``python -m inif_bench``."""

from inif_bench.cli import app


def main() -> None:
    """Run the command line; ends in `SystemExit`."""
    app()


if __name__ == "__main__":
    main()
