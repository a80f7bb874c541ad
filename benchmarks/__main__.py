"""`python -m benchmarks`: side by side with peers, see `docs/benchmarks.md`."""

from benchmarks.peers.run import main

if __name__ == "__main__":
    main()
