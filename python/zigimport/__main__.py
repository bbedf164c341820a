"""``python -m zigimport``, and the program ``zigimport``."""


def main():
    """Runs the command line. An interrupt ends it quietly from here on: while it is
    imported, too."""
    try:
        from zigimport._cli import main as run

        return run()
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    raise SystemExit(main())
