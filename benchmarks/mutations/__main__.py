"""`python -m benchmarks.mutations`."""

from benchmarks.mutations.run import main

if __name__ == "__main__":
    main()
