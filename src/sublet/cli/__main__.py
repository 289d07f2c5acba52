"""`python -m sublet.cli`, for where the script is not on the path."""

from sublet.cli.main import main

if __name__ == "__main__":
    main()
