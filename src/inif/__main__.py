"""``python -m inif``: the command line where the ``inif`` script is not on the path."""

from inif.cli.app import main

if __name__ == "__main__":
    main()
