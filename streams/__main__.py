"""`python -m streams` is `squall`."""

from streams.cli import main

if __name__ == "__main__":
    main()
