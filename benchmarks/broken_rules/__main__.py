"""Runs the command line of `run`."""

from .run import main

if __name__ == "__main__":
    main()
