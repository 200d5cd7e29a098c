"""`python -m kelsey` is `kelsey`."""

from kelsey.cli import main

if __name__ == "__main__":
    main()
