"""The command line but for what `_plan` reads of it: its parser, and the commands."""

import argparse
import json
import os
import re
import shlex
import shutil
import sys
import time

from zigimport import __version__, _api, _build, _native, _plan, _registry
from zigimport._errors import CacheError, ZigImportError
from zigimport._settings import OPTIMIZE_MODES


ARTIFACT_HELP = "its key, the start of that, the name of its module, or the path of that"
#: How many digits of a key are shown.
KEY_DIGITS = 12
STUBS = "--stubs"
TIMINGS = "--timings"
#: Where the page of a build's timings goes unless the user says otherwise.
TIMINGS_FILE = "zigimport-timings.html"


class _Parser(argparse.ArgumentParser):
    """Takes options between arguments, only by their whole names, and knows the command
    that was meant."""

    def __init__(self, *arguments, **keywords):
        super().__init__(*arguments, allow_abbrev=False, **keywords)
        self._is_mixing = False

    def parse_known_args(self, args=None, namespace=None):
        # What has commands of its own leaves the rest to them. Behind `--` nothing is an option,
        # which argparse forgets when it mixes.
        if self._subparsers is not None or self._is_mixing or (args is not None and "--" in args):
            return super().parse_known_args(args, namespace)
        self._is_mixing = True
        try:
            return self.parse_known_intermixed_args(args, namespace)
        finally:
            self._is_mixing = False

    def format_help(self):
        return _with_optional_values(super().format_help())

    def format_usage(self):
        return _with_optional_values(super().format_usage())

    def _check_value(self, action, value):
        if isinstance(action, argparse._SubParsersAction) and value not in action.choices:
            import difflib

            near = difflib.get_close_matches(value, action.choices, 1)
            known = f"did you mean {near[0]!r}?" if near else f"expected one of {', '.join(action.choices)}"
            raise argparse.ArgumentError(None, f"unknown command {value!r}: {known}")
        super()._check_value(action, value)


def _with_optional_values(text):
    """Shows the value of an option that takes it only behind an equals sign."""
    return re.sub(r"\s=([A-Z]+)", r"[=\1]", text)


def parse(arguments):
    """Returns the options of a command line, with the function ``run`` that answers it;
    whatever is wrong with it ends the process."""
    if not arguments:
        _parser(COMMANDS).print_help(sys.stderr)
        raise SystemExit(2)
    # Of all commands only the one that is wanted is described, if it is one.
    name = arguments[0]
    parser = _parser({name: COMMANDS[name]} if name in COMMANDS else COMMANDS)
    # Alone they take no value: the next argument is a path of its own.
    return parser.parse_args([f"{one}=" if one in (STUBS, TIMINGS) else one for one in arguments])


def _parser(commands):
    parser = _Parser(
        prog="zigimport", description="Import Zig modules into Python: plan, build and look at what is cached."
    )
    parser.add_argument("--version", action="version", version=f"zigimport {__version__}")
    added = parser.add_subparsers(metavar="COMMAND", required=True)
    for name, add in commands.items():
        add(added, name)
    return parser


def _add_plan(commands, name):
    plan = _command(commands, name, _plan.run, "show what would be done, without doing anything", _plan.FORMATS)
    _add_paths(plan)
    _add_build_options(plan)
    plan.add_argument("--explain", action="store_true", help="show inputs, keys and commands")
    plan.add_argument("--check", action="store_true", help="exit with 1 if anything would be built")
    plan.add_argument("--diff", metavar="OLD.json", help="show what differs from an earlier plan in JSON")


def _add_build(commands, name):
    build = _command(commands, name, _build_command, "build modules as an import would")
    _add_paths(build)
    _add_build_options(build)
    build.add_argument("-j", "--jobs", type=_jobs, metavar="N", help="modules to build at once (default: the cores)")
    build.add_argument("--force", action="store_true", help="build although the artifact is there")
    build.add_argument(
        "--fetch", action="store_true", help="download the packages that a build.zig.zon names by hash, if they are missing"
    )
    build.add_argument(
        STUBS, metavar="=DIR", help="write a .pyi file beside each source, or below DIR (give it with the equals sign)"
    )
    build.add_argument(
        TIMINGS,
        metavar="=FILE",
        help=f"write a page with what took how long (default: {TIMINGS_FILE}; give FILE with the equals sign)",
    )
    build.add_argument(
        "--output-dir", metavar="DIR", help="copy the artifacts to DIR, or to DIR/TARGET for several targets"
    )


def _add_watch(commands, name):
    watch = commands.add_parser(
        name, help="build modules whenever they change", description="Build modules now and whenever they change."
    )
    watch.set_defaults(run=_watch)
    _add_paths(watch)
    watch.add_argument(
        "--run",
        dest="run_command",
        metavar="CMD",
        help="shell command to run, and to run again after each good build of new code",
    )


def _add_scan(commands, name):
    scan = _command(commands, name, _scan, "show what sources depend on and declare")
    scan.add_argument("paths", nargs="+", metavar="FILE")


def _add_info(commands, name):
    info = _command(commands, name, _info, "show configuration, compiler and cache for a bug report")
    info.add_argument(
        "--zls",
        nargs="?",
        const=".",
        metavar="DIR",
        help="write a build.zig for editors to DIR (default: here); `python -m ziglang build test` runs the tests of its modules",
    )


def _add_version(commands, name):
    _command(commands, name, _version, "show the versions of zigimport and Python")


def _add_new(commands, name):
    new = _command(commands, name, _new, "make a module, a package or a project to start from")
    new.add_argument("name", metavar="NAME", help="its name, under which it is imported")
    new.add_argument("--kind", choices=_new_kinds(), default="module", help="what to make (default: module)")
    new.add_argument("--directory", default=".", metavar="DIR", help="where to make it (default: the current folder)")


def _add_site(commands, name):
    site = commands.add_parser(name, help="import Zig modules without importing zigimport first")
    actions = site.add_subparsers(metavar="ACTION", required=True)
    for action_name, run, description in [
        ("install", _site_install, "make every process of this interpreter import Zig modules"),
        ("uninstall", _site_uninstall, "take that back"),
    ]:
        action = _command(actions, action_name, run, description)
        action.add_argument("--user", action="store_true", help="for this user, in the user's site-packages folder")
    _command(actions, "info", _site_info, "show whether that is so, and by which file")


def _add_plugin(commands, name):
    plugin = commands.add_parser(name, help="make, check and use plugins, which find more dependencies")
    _add_plugin_commands(plugin.add_subparsers(metavar="ACTION", required=True))


def _add_cache(commands, name):
    cache = commands.add_parser(name, help="look at the cache, carry it elsewhere, check it, clear it")
    _add_cache_commands(cache.add_subparsers(metavar="ACTION", required=True))


#: What describes each command, in the order of the help.
COMMANDS = {
    "plan": _add_plan,
    "build": _add_build,
    "watch": _add_watch,
    "scan": _add_scan,
    "info": _add_info,
    "version": _add_version,
    "new": _add_new,
    "site": _add_site,
    "plugin": _add_plugin,
    "cache": _add_cache,
}


def _command(commands, name, run, description, formats=("text", "json")):
    command = commands.add_parser(name, help=description, description=description[0].upper() + description[1:] + ".")
    command.set_defaults(run=run)
    command.add_argument("--format", choices=formats, default="text", help="form of the answer")
    return command


def _add_plugin_commands(actions):
    new = _command(actions, "new", _plugin_new, "make the folder of a plugin to start from")
    new.add_argument("name", metavar="NAME", help="its name, lower-case words joined by `-`")
    new.add_argument("--language", choices=_plugin_languages(), default="zig", help="what it is written in (default: zig)")
    new.add_argument("--directory", default=".", metavar="DIR", help="where to make it (default: the current folder)")
    build = _command(actions, "build", _plugin_build, "make the component of a plugin, and record its digest")
    build.add_argument("path", nargs="?", default=".", metavar="PATH", help="its folder, or a core module to make a component of (default: the current folder)")
    build.add_argument("--output", metavar="FILE", help="where the component goes (default: NAME.wasm in the folder)")
    check = _command(actions, "check", _plugin_check, "try a component; exit with 1 if it breaks a rule")
    check.add_argument("component", metavar="COMPONENT", help="the component, with its manifest beside it")
    check.add_argument("files", nargs="*", metavar="FILE", help="sources whose inputs are shown")
    check.add_argument("--project", metavar="DIR", help="project whose folders the plugin may read, if it asks for any")
    add = _command(actions, "add", _plugin_add, "pin a plugin by its digest, after looking at it")
    add.add_argument("path", metavar="PLUGIN", help="its folder, its manifest NAME.toml or its component NAME.wasm")
    add.add_argument(
        "--view", action="append", default=[], metavar="FOLDER", help="folder of the project that it may read, repeatable"
    )
    add.add_argument(
        "--on-failure",
        choices=("stop", "no-cache"),
        help="what is done when it fails: nothing is built (stop, the default), or built and not cached",
    )
    _command(actions, "list", _plugin_list, "list the plugins of the project and of the user")
    remove = _command(actions, "remove", _plugin_remove, "take a plugin out of the configuration; its files stay")
    remove.add_argument("name", metavar="NAME", help="its name")
    for command in (add, remove):
        command.add_argument("--user", action="store_true", help="in the user's configuration, for every project")


def _add_cache_commands(actions):
    _command(actions, "info", _cache_info, "show where the cache is and how large")
    _command(actions, "list", _cache_list, "list the artifacts in the cache")
    verify = _command(actions, "verify", _cache_verify, "read and check every file; exit with 1 if any is wrong")
    verify.add_argument("--repair", action="store_true", help="remove what is wrong, or make it again of its copy")
    collect = _command(actions, "gc", _cache_gc, "remove what was not used for the longest time")
    collect.add_argument(
        "--max-size", type=_size_option, metavar="SIZE", help="get below SIZE (default: ZIGIMPORT_CACHE_SIZE)"
    )
    collect.add_argument(
        "--older-than", type=_age_option, metavar="AGE", help="remove what was not used for AGE, as 30d"
    )
    collect.add_argument("--dry-run", action="store_true", help="say only what would go")
    _command(actions, "clear", _cache_clear, "remove everything that zigimport stored")
    export = _command(actions, "export", _cache_export, "write artifacts for another cache")
    export.add_argument("keys", nargs="*", metavar="ARTIFACT", help=ARTIFACT_HELP)
    export.add_argument("--all", action="store_true", help="every artifact")
    export.add_argument("destination", metavar="DEST", help="a folder, or an archive NAME.tar.zst")
    import_ = _command(actions, "import", _cache_import, "take in what was exported, after checking all of it")
    import_.add_argument("source", metavar="SOURCE", help="the folder or archive")
    for name, run, description in (
        ("push", _cache_push, "put artifacts into the shared cache, ZIGIMPORT_REMOTE_CACHE"),
        ("pull", _cache_pull, "take artifacts from the shared cache, ZIGIMPORT_REMOTE_CACHE"),
    ):
        command = _command(actions, name, run, description)
        is_here = run is _cache_push
        command.add_argument(
            "keys",
            nargs="*",
            metavar="ARTIFACT" if is_here else "KEY",
            help=ARTIFACT_HELP if is_here else "key of an artifact, or its start",
        )
        command.add_argument("--all", action="store_true", help="every artifact")
    for name, run, description in (
        ("pin", _cache_pin, "keep artifacts whatever the limits say"),
        ("unpin", _cache_unpin, "let artifacts be removed again"),
    ):
        command = _command(actions, name, run, description)
        command.add_argument("keys", nargs="+", metavar="ARTIFACT", help=ARTIFACT_HELP)


def _add_paths(command):
    command.add_argument(
        "paths",
        nargs="*",
        type=_path,
        default=["."],
        metavar="PATH",
        help="a .zig file, or a folder (default: the current one)",
    )


def _add_build_options(command):
    labels = ", ".join(_native.targets())
    command.add_argument(
        "--target", action="append", default=[], metavar="T", help=f"target, repeatable: native, {labels}"
    )
    command.add_argument("--optimize", choices=OPTIMIZE_MODES, help="optimize mode")


def _path(text):
    if not text:
        raise argparse.ArgumentTypeError("an empty path: expected a .zig file or a folder")
    return text


def _jobs(text):
    try:
        jobs = int(text)
    except ValueError:
        jobs = 0
    if not 1 <= jobs <= 32:
        raise argparse.ArgumentTypeError(f"{text!r}: expected a whole number from 1 to 32")
    return jobs


def _size_option(text):
    try:
        return _registry.size_of(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _age_option(text):
    try:
        return _registry.seconds_of(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _print_json(value):
    print(json.dumps(value, indent=2))


def _build_command(options):
    modules = _api.modules_at(options.paths)
    timings = _native.Timings() if options.timings is not None else None
    before = os.times()
    places = {found.source_path: place for place, found in enumerate(modules)}
    seconds = {}

    def build(found):
        begun = time.monotonic()
        done = _api.build_found(
            found,
            options.target,
            options.optimize,
            options.force,
            options.jobs,
            options.stubs,
            options.fetch,
            None if timings is None else (timings, places[found.source_path]),
        )
        seconds[found.source_path] = time.monotonic() - begun
        return done

    outcomes = _in_parallel(modules, options.jobs, build)
    if timings is not None:
        _write_timings(options.timings or TIMINGS_FILE, timings, modules, outcomes, before)
    results = [result for outcome in outcomes if isinstance(outcome, list) for result in outcome]
    errors = [outcome for outcome in outcomes if not isinstance(outcome, list)]
    if options.output_dir:
        results = _copied(results, options)
    if options.format == "json":
        _print_json({"artifacts": [result._asdict() for result in results], "errors": [str(error) for error in errors]})
    else:
        _print_built(results, seconds, bool(options.output_dir))
    for error in errors:
        print(f"error: {error}", file=sys.stderr)
    if options.format == "text":
        states = _states(outcomes)
        counts = {"built": "built", "cached": "unchanged", "failed": "failed"}
        shown = [f"{states.count(state)} {word}" for state, word in counts.items() if state in states]
        sys.stdout.flush()
        print(", ".join(shown), file=sys.stderr)
    return max((error.exit_code for error in errors), default=0)


def _print_built(results, seconds, is_copied):
    """Prints a line for each artifact. A person gets what fits and tells something,
    a program always the paths."""
    is_brief = _is_terminal() and not is_copied
    several = len({result.target for result in results}) > 1
    rows = []
    for result in results:
        row = ["built " if result.built else "cached", result.module]
        if several or not is_brief:
            row.append(result.target)
        if not is_brief:
            row.append(result.library)
        elif result.built:
            row.append(f"({seconds[result.source]:.1f} s)")
        rows.append(row)
    for line in _aligned(rows):
        print(line)


def _is_terminal():
    return sys.stdout.isatty()


def _aligned(rows):
    """Returns the lines of a table."""
    columns = max(map(len, rows), default=0)
    widths = [max(len(row[column]) for row in rows if column < len(row)) for column in range(columns)]
    return ["  ".join(text.ljust(width) for text, width in zip(row, widths)).rstrip() for row in rows]


def _states(outcomes):
    """Returns what became of each module: ``built``, ``cached`` or ``failed``."""
    return [
        "failed" if not isinstance(outcome, list) else "built" if any(one.built for one in outcome) else "cached"
        for outcome in outcomes
    ]


def _write_timings(path, timings, modules, outcomes, before):
    results = _states(outcomes)
    # Windows does not count what processes used that have ended.
    used = None if os.name == "nt" else sum(os.times()[:4]) - sum(before[:4])
    page = timings.page(list(zip((found.name for found in modules), results)), used, os.cpu_count() or 1)
    with open(path, "w", encoding="utf-8") as file:
        file.write(page)
    print(f"timings: {path}", file=sys.stderr)


def _in_parallel(modules, jobs, build):
    """Builds modules, and returns what ``build`` returned or its ``ZigImportError``."""
    from concurrent.futures import ThreadPoolExecutor, wait

    jobs = jobs or min(len(modules), os.cpu_count() or 1) or 1

    def one(found):
        try:
            return build(found)
        except ZigImportError as error:
            return error

    if len(modules) == 1 or jobs == 1:
        return [one(found) for found in modules]
    pool = ThreadPoolExecutor(jobs)
    try:
        futures = [pool.submit(one, found) for found in modules]
        # The kernel may hand a signal to any thread, which does not wake this
        # one, and only this one can act on it: so it looks now and then.
        while wait(futures, timeout=0.1).not_done:
            pass
        return [future.result() for future in futures]
    except KeyboardInterrupt:
        # The others do not see the signal.
        _native.interrupt()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def _watch(options):
    from zigimport import _rerun

    _rerun.watch(options.paths, options.run_command, _in_parallel)


def _copied(results, options):
    """Copies artifacts to the output folder under the names that Python
    expects, below the folders of their packages."""
    copies = {}
    for result in results:
        folder = os.path.join(options.output_dir, result.target) if len(options.target) > 1 else options.output_dir
        packages, file_name = _api.place_of(_api.finder(), result.module, result.source, result.target, result.abi)
        path = os.path.join(folder, *packages, file_name)
        other, _ = copies.setdefault((folder, result.module), (result, path))
        if other is not result:
            raise ValueError(
                f"{other.source!r} and {result.source!r} would both be {result.module!r} in {folder!r}: build one at a time"
            )
    for result, path in copies.values():
        _registry.copy_library(result.library, path)
    return [result._replace(library=path) for result, path in copies.values()]


def _scan(options):
    for path in options.paths:
        if os.path.isdir(path):
            raise ZigImportError(
                f"{path!r} is a folder: expected files", hint=f"zigimport scan {os.path.join(path, '*.zig')}"
            )
    scans = [json.loads(_native.scan(path)) for path in options.paths]
    if options.format == "json":
        _print_json(scans)
        return 0
    for scan in scans:
        print(f"{scan['path']}  {scan['binding']} binding")
        for dependency in scan["dependencies"]:
            literal = "" if dependency["literal"] else "  (no literal)"
            print(f"  {dependency['span']['line']:>5}  {dependency['kind']} {dependency['operand']}{literal}")
        for declaration in scan["declarations"]:
            name = ".".join(part for part in (declaration["container"], declaration["name"]) if part)
            parameters = ", ".join(f"{one['name'] or '_'}: {one['type']}" for one in declaration["parameters"])
            signature = f"({parameters}) {declaration['type']}" if declaration["kind"] == "function" else ""
            print(f"  {declaration['line']:>5}  pub {declaration['kind']} {name}{signature}")
        if scan["invalid"]:
            print(f"  {scan['invalid']['line']:>5}  invalid token at column {scan['invalid']['column']}")
    return 0


def _platform():
    import platform

    if not hasattr(os, "uname"):
        return platform.platform()
    # That would start the program `uname`.
    system = os.uname()
    return " ".join((system.sysname, system.release, system.machine, *platform.libc_ver())).strip()


def _info(options):
    if options.zls is not None:
        return _write_editor_files(options)
    import platform

    from zigimport import _activation

    states = [_activation.state(os.path.join(folder, _activation.FILE_NAME)) for folder in _activation.folders() if folder]
    lines = {"python": f"{platform.python_implementation()} {platform.python_version()} at {sys.executable}"}
    lines["platform"] = _platform()
    exit_code = 0
    try:
        lines.update(_api.configuration())
    except ZigImportError as error:
        # What a report about it needs is the rest.
        lines["zigimport"] = __version__
        lines["problem"] = str(error).replace("\n", "; ")
        exit_code = error.exit_code
    lines["site"] = next((state for state in states if state != "not installed"), "not installed")
    lines["variables"] = " ".join(_variables()) or "none"
    if options.format == "json":
        _print_json(lines)
    else:
        for name, value in lines.items():
            print(f"{name:<13} {value}")
    return exit_code


def _write_editor_files(options):
    found = _native.modules_at(options.zls)
    path, modules = _native.write_editor_files(options.zls, found, _build.Listener().header_folders())
    if options.format == "json":
        _print_json({"path": str(path), "modules": modules})
    else:
        print(f"wrote {path} with {', '.join(modules) or 'no module'}")
    return 0


def _variables():
    """Yields the variables of ours that are set, without what could be a secret."""
    for name, value in sorted(os.environ.items()):
        if name.startswith("ZIGIMPORT_"):
            secret = name in ("ZIGIMPORT_SALT", "ZIGIMPORT_REMOTE_PASSWORD") or "@" in value
            yield f"{name}={'(not shown)' if secret else shlex.quote(value)}"


def _new_kinds():
    from zigimport import _new

    return _new.KINDS


def _new(options):
    from zigimport import _new

    paths = _new.make(options.name, options.kind, options.directory)
    (test,) = (path for path in paths if os.path.basename(path).startswith("test_") and path.endswith(".py"))
    made = {"kind": options.kind, "name": options.name, "paths": paths}
    return _print_made(options, made, f"test with: python -m pytest {test}")


def _print_made(options, made, next_step):
    if options.format == "json":
        _print_json(made)
        return 0
    for path in made["paths"]:
        print(f"made  {path}")
    print(next_step)
    return 0


def _plugin_languages():
    from zigimport import _plugin_author

    return tuple(_plugin_author.LANGUAGES)


def _plugin_new(options):
    from zigimport import _plugin_author

    paths = _plugin_author.make(options.name, options.language, options.directory)
    folder = os.path.normpath(os.path.join(options.directory, options.name))
    made = {"language": options.language, "name": options.name, "paths": paths}
    return _print_made(options, made, f"build with: zigimport plugin build {folder}")


def _plugin_build(options):
    from zigimport import _plugin_author

    path, digest = _plugin_author.build(options.path, options.output)
    if options.format == "json":
        _print_json({"component": path, "digest": digest})
    else:
        print(f"built  {path}  {digest}")
    return 0


def _plugin_check(options):
    from zigimport import _plugin_author

    answer = _plugin_author.check(options.component, options.files, options.project)
    if options.format == "json":
        _print_json(answer)
    else:
        for one in answer["rules"]:
            print(f"{one['verdict']:<8} {one['rule']:<14} {_plugin_author.RULES[one['rule']]}: {one['detail']}")
        for path, lines in answer["found"].items():
            print(path)
            for line in lines:
                print(f"  {line}")
    return int(any(one["verdict"] == "failed" for one in answer["rules"]))


def _site_install(options):
    from zigimport import _activation

    return _site_changed(options, *_activation.install(options.user), "installed", "was installed already")


def _site_uninstall(options):
    from zigimport import _activation

    return _site_changed(options, *_activation.uninstall(options.user), "removed", "was not installed")


def _site_changed(options, path, changed, done, nothing_to_do):
    if options.format == "json":
        _print_json({"path": path, "changed": changed})
    else:
        print(f"{path}  {done if changed else nothing_to_do}")
    return 0


def _site_info(options):
    from zigimport import _activation

    packages, own = _activation.folders()
    scopes = [("interpreter", packages)] + ([("user", own)] if own is not None else [])
    files = []
    for scope, folder in scopes:
        path = os.path.join(folder, _activation.FILE_NAME)
        files.append({"scope": scope, "path": path, "state": _activation.state(path)})
    if options.format == "json":
        _print_json(files)
    else:
        for one in files:
            print(f"{one['state']:<13}  {one['path']} ({one['scope']})")
    return 0


def _version(options):
    versions = {"zigimport": __version__, "python": sys.version.split()[0]}
    if options.format == "json":
        _print_json(versions)
    else:
        print("  ".join(f"{name} {version}" for name, version in versions.items()))
    return 0


def _plugin_add(options):
    from zigimport import _plugin_author

    made = json.loads(
        _native.plugin_add(
            _registry.request(),
            os.getcwd(),
            _plugin_author.manifest_at(options.path),
            options.user,
            options.view,
            options.on_failure,
            _build.Listener(),
        )
    )
    if options.format == "json":
        _print_json(made)
    else:
        done = "pinned" if made["changed"] else "was pinned already"
        print(f"{made['name']} {made['version']}  {done} in {made['pinned_in']}")
    return 0


def _plugin_list(options):
    plugins = json.loads(_native.plugin_list(_registry.request(), os.getcwd(), _build.Listener()))
    if options.format == "json":
        _print_json(plugins)
        return 0
    if not plugins:
        print("no plugins")
    for one in plugins:
        print(f"{one['name']} {one['version'] or '?'}  {' '.join(one['patterns'])}  on failure: {one['on_failure']}")
        print(f"  {one['digest']}  {one['manifest']}")
        print(f"  pinned in {one['pinned_in']}" + (f", reads {' '.join(one['view'])}" if one["view"] else ""))
        if one["problem"]:
            print(f"  problem: {one['problem']}")
    return 0


def _plugin_remove(options):
    path = _native.plugin_remove(_registry.request(), os.getcwd(), options.name, options.user, _build.Listener())
    if options.format == "json":
        _print_json({"name": options.name, "path": str(path)})
    else:
        print(f"{options.name}  removed from {path}")
    return 0


def _cache_info(options):
    path, reason, entries, buckets = _native.cache_info(_native.Request(_api.finder(), sys.path))
    if options.format == "json":
        sizes = [{"name": name, "files": files, "bytes": size} for name, files, size in buckets]
        _print_json({"path": path, "chosen_by": reason, "entries": entries, "buckets": sizes})
        return 0
    print(f"{path} ({reason})")
    print(_count(entries))
    for name, files, size in buckets:
        print(f"  {name:<11} {files:>6} files  {_size(size):>10}")
    print(f"  {'total':<11} {sum(b[1] for b in buckets):>6} files  {_size(sum(b[2] for b in buckets)):>10}")
    return 0


def _size(count):
    for unit in ("B", "KiB", "MiB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} GiB"


def _cache_clear(options):
    freed = _api.clear_cache()
    if options.format == "json":
        _print_json({"bytes_freed": freed})
    else:
        print(f"{_size(freed)} freed")
    return 0


def _cache_list(options):
    artifacts = _registry.list_cached()
    if options.format == "json":
        _print_json(artifacts)
        return 0
    if not artifacts:
        print("no artifacts")
        return 0
    header = ("KEY", "MODULE", "TARGET", "MODE", "ABI", "ZIG", "SIZE", "LAST USED", "")
    rows = [list(header)] + [
        [
            one["key"][:KEY_DIGITS],
            one["module"],
            one["target"],
            one["optimize"],
            one["abi"],
            one["zig_version"],
            _size(one["stored_bytes"]),
            one["last_used_utc"],
            "pinned" if one["pinned"] else "",
        ]
        for one in artifacts
    ]
    for line in _fitting(rows, ("ABI", "ZIG", "LAST USED", "MODE", "SIZE", "TARGET")):
        print(line)
    return 0


def _fitting(rows, dispensable):
    """Returns the lines of a table with a header; on a terminal without those of the
    ``dispensable`` columns that there is no room for."""
    lines = _aligned(rows)
    if not _is_terminal():
        return lines
    room = shutil.get_terminal_size().columns
    for name in dispensable:
        if max(map(len, lines)) <= room:
            break
        left_out = rows[0].index(name)
        rows = [row[:left_out] + row[left_out + 1 :] for row in rows]
        lines = _aligned(rows)
    return [line if len(line) <= room else line[: room - 1] + "…" for line in lines]


def _cache_verify(options):
    is_left, answer = _registry.verify_cache(repair=options.repair)
    if options.format == "json":
        _print_json(answer)
    else:
        for problem in answer["problems"]:
            outcome = "" if problem["outcome"] == "found" else f" ({problem['outcome']})"
            print(f"{problem['path']}: {problem['message']}{outcome}")
        wrong = sum(problem["outcome"] != "noted" for problem in answer["problems"])
        problems = "1 problem" if wrong == 1 else f"{wrong or 'no'} problems"
        print(f"{answer['files']} files, {_size(answer['bytes'])}: {problems}")
        if is_left and not options.repair:
            print("hint: zigimport cache verify --repair", file=sys.stderr)
    return int(is_left)


def _cache_gc(options):
    age = None if options.older_than is None else f"{options.older_than}s"
    done = _registry.gc_cache(max_size=options.max_size, older_than=age, dry_run=options.dry_run)
    if options.format == "json":
        _print_json(done)
        return 0
    rows = [["KIND", "KEY", "MODULE", "SIZE", "LAST USED"]]
    records = [one for one in done["removed"] if one["kind"] == "record"]
    for one in done["removed"]:
        if one["kind"] != "record":
            # Of several builds with the same bytes each has its key, and all have one artifact.
            keys = ", ".join(key[:KEY_DIGITS] for key in one["keys"]) or one["name"]
            rows.append([one["kind"], keys, ", ".join(one["modules"]), _size(one["bytes"]), one["last_used_utc"]])
    for line in _fitting(rows, ("LAST USED", "SIZE")) if len(rows) > 1 else ():
        print(line)
    if records:
        print(f"{len(records)} small record{'s' * (len(records) > 1)}  {_size(sum(one['bytes'] for one in records))}")
    would = "would be " if options.dry_run else ""
    print(f"{_size(done['bytes_freed'])} {would}freed, {_size(done['bytes_left'])} {would}left")
    return 0


def _cache_export(options):
    keys = _chosen_keys(options, "export --all mods.tar.zst")
    if keys is None and not _registry.list_cached():
        raise CacheError("there is nothing to export: the cache has no artifacts", exit_code=1)
    entries, size = _native.cache_export(_registry.request(), keys, options.destination)
    if options.format == "json":
        _print_json({"path": os.path.abspath(options.destination), "artifacts": entries, "bytes": size})
    else:
        print(f"{options.destination}: {_count(entries)}, {_size(size)}")
    return 0


def _chosen_keys(options, example):
    """The keys that were named; ``None`` for all."""
    if options.all == bool(options.keys):
        raise ValueError(f"expected artifacts or --all: zigimport cache {example}")
    return None if options.all else _registry.keys_of(options.keys)


def _cache_import(options):
    return _print_carried(options, "imported", _native.cache_import(_registry.request(), options.source))


def _cache_push(options):
    keys = _chosen_keys(options, "push --all")
    return _print_carried(options, "pushed", _native.cache_push(_registry.request(), keys))


def _cache_pull(options):
    # What is to be fetched is not known here: by its key alone.
    if options.all == bool(options.keys):
        raise ValueError("expected keys or --all: zigimport cache pull --all")
    keys = None if options.all else options.keys
    return _print_carried(options, "pulled", _native.cache_pull(_registry.request(), keys))


def _print_carried(options, verb, carried):
    entries, present, size = carried
    if options.format == "json":
        _print_json({"artifacts": entries, "present": present, "bytes": size})
    else:
        print(f"{_count(entries)} {verb} ({_size(size)}), {present} already there")
    return 0


def _count(artifacts):
    return "1 artifact" if artifacts == 1 else f"{artifacts} artifacts"


def _cache_pin(options):
    return _pinned(options, True)


def _cache_unpin(options):
    return _pinned(options, False)


def _pinned(options, pinned):
    request = _registry.request()
    # All of them or none: each is looked up before the first is changed.
    keys = _registry.keys_of(options.keys)
    for key in keys:
        _native.cache_find(request, key)
    done = [_native.cache_pin(request, key, pinned) for key in keys]
    if options.format == "json":
        _print_json([{"key": key, "module": module, "pinned": pinned} for key, module in done])
    else:
        for key, module in done:
            print(f"{'pinned' if pinned else 'unpinned'}  {key[:KEY_DIGITS]}  {module}")
    return 0
