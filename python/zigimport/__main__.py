"""``python -m zigimport``, and the program ``zigimport``. Answers go to standard
output, everything else to standard error. Exit codes: 0 ok, 1 the user's code or
input is wrong, 2 usage, 3 environment, 130 interrupted."""

import io
import os
import sys


def main(arguments=None):
    """Runs one command and returns its exit code. An interrupt ends it quietly from
    here on: while it is imported, too."""
    try:
        return _run(sys.argv[1:] if arguments is None else arguments)
    except KeyboardInterrupt:
        return 130


def _run(arguments):
    from zigimport import _build, _plan
    from zigimport._errors import ZigImportError

    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            # Whoever started us has closed it: what goes there is wanted by nobody.
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115  As long as the process.
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        # A name that the terminal's encoding does not have is shown all the same.
        sys.stdout.reconfigure(errors="backslashreplace")
    options = _plan.options_of(arguments)
    if options is None:
        from zigimport import _cli

        options = _cli.parse(arguments)
    try:
        _build.warn_once(_plan.finder())
        exit_code = options.run(options)
        sys.stdout.flush()
        return exit_code
    except ZigImportError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        # Whoever read our answer has seen enough; what is left goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 0
    except OSError as error:
        place = "" if error.filename is None else f"{error.filename}: "
        print(f"error: {place}{error.strerror or error}", file=sys.stderr)
        return 3
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130


if __name__ == "__main__":
    raise SystemExit(main())
