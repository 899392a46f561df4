"""`python -m pixel_edu.cli` is `pixel-edu`."""

from pixel_edu.cli import main

if __name__ == "__main__":
    main()
