"""``zigimport plugin new``, ``build`` and ``check``: for the authors of scanner plugins."""

import hashlib
import os
import random
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile

from zigimport import _api, _build, _native
from zigimport._errors import ZigImportError, ZigNotFoundError

#: Each with the file of a plugin's folder that tells it.
LANGUAGES = {"zig": "plugin.zig", "rust": "Cargo.toml", "python": "tracker.py", "javascript": "plugin.js"}
#: What the templates call themselves.
TEMPLATE_NAME = "example"
#: With which the recipes are tested.
COMPONENTIZE_PY = "componentize-py==0.25.1"
CORE_MAGIC = b"\0asm\x01\0\0\0"


def engine():
    """Returns the module that compiles and runs plugins, which is a package of its own."""
    try:
        import zigimport_plugins
    except ImportError as error:
        raise ZigImportError(
            f"the engine for plugins cannot be loaded: {error}",
            hint="pip install zigimport-plugins, or ./host/plugins in a checkout of zigimport",
            exit_code=3,
        ) from None
    return zigimport_plugins


def make(name, language, directory):
    """Makes the folder of a plugin; returns the paths of its files.

    Raises:
        ValueError: the name is none for a plugin.
        ZigImportError: something is in the way; nothing was written.
    """
    if not re.fullmatch("[a-z0-9]+(-[a-z0-9]+)*", name):
        raise ValueError(f"a plugin cannot be named {name!r}: expected lower-case words, joined by `-`")
    folder = os.path.join(directory, name)
    if os.path.lexists(folder):
        raise ZigImportError(
            f"nothing was made, because there already is `{folder}`",
            hint="choose another name, or another folder with --directory",
        )
    templates = os.path.join(os.path.dirname(os.path.abspath(__file__)), "templates", "plugin")
    files = {f"{name}.toml": _text(os.path.join(templates, "manifest.toml"))}
    files.update(_template(os.path.join(templates, language), ""))
    files.update(_template(os.path.join(templates, "cases"), "cases"))
    if language != "zig":
        files["wit/plugin.wit"] = engine().WIT
    for path, text in files.items():
        path = os.path.join(folder, path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "x", encoding="utf-8", newline="\n") as file:
            if not path.endswith(".wit"):
                text = re.sub(rf'"{TEMPLATE_NAME}"', f'"{name}"', text)
            file.write(text)
    return [os.path.normpath(os.path.join(folder, path)) for path in files]


def _template(folder, below):
    """Yields the path below the new folder and the text of each file of a template."""
    for path, _, file_names in os.walk(folder):
        for file_name in sorted(file_names):
            if not file_name.endswith(".pyc"):
                source = os.path.join(path, file_name)
                yield os.path.normpath(os.path.join(below, os.path.relpath(source, folder))), _text(source)


def _text(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def _bytes(path):
    with open(path, "rb") as file:
        return file.read()


def digest_of(component):
    """Returns the digest of a component as manifests have it."""
    return "sha256:" + hashlib.sha256(component).hexdigest()


class Manifest:
    """The TOML file beside a component."""

    def __init__(self, path):
        self.path = path
        try:
            self.name, self.digest, self.view = _native.plugin_manifest(_text(path))
        except UnicodeDecodeError as error:
            raise ZigImportError(f"{path}: {error}, expected UTF-8") from None
        except ValueError as error:
            raise ZigImportError(f"{path}: {error}") from None

    @classmethod
    def in_folder(cls, folder):
        """Returns the only manifest in a plugin's folder."""
        others = ("Cargo.toml", "pyproject.toml")
        names = sorted(name for name in os.listdir(folder) if name.endswith(".toml") and name not in others)
        if len(names) != 1:
            found = f"found {', '.join(names)}" if names else "found none"
            raise ZigImportError(
                f"`{folder}` is no folder of a plugin: expected one manifest NAME.toml, {found}",
                hint="`zigimport plugin new NAME` makes such a folder",
            )
        return cls(os.path.join(folder, names[0]))

    def record(self, digest):
        """Writes another digest into the file, and leaves the rest as it is."""
        text = re.sub(r'^digest\s*=\s*("[^"]*"|\'[^\']*\')', f'digest = "{digest}"', _text(self.path), flags=re.MULTILINE)
        with open(self.path, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)


def manifest_at(path):
    """Returns the path of the manifest in a plugin's folder, or the path itself."""
    return Manifest.in_folder(path).path if os.path.isdir(path) else path


def build(path, output=None):
    """Makes the component of a plugin's folder and records its digest in the
    manifest; or makes one of a core module, at ``output``.

    Returns the path and the digest of the component.
    """
    if os.path.isdir(path):
        manifest = Manifest.in_folder(path)
        output = output or os.path.join(path, f"{manifest.name}.wasm")
        made = _compiled(path)
    else:
        manifest, made = None, _bytes(path)
        if output is None:
            raise ValueError("expected --output NAME.wasm, where the component of a core module goes")
    plugins = engine()
    try:
        component = plugins.componentize(made) if made.startswith(CORE_MAGIC) else made
        plugins.inspect(component)
    except plugins.PluginError as error:
        raise ZigImportError(f"{path}: {error}") from None
    with open(output, "wb") as file:
        file.write(component)
    digest = digest_of(component)
    if manifest is not None:
        manifest.record(digest)
    return output, digest


def _compiled(folder):
    """Runs the tools of a folder's language; returns the core module or component."""
    language = next((one for one, mark in LANGUAGES.items() if os.path.isfile(os.path.join(folder, mark))), None)
    if _api.configuration()["native"] == "never":
        hint = "set ZIGIMPORT_NATIVE=auto"
        raise ZigNotFoundError("ZIGIMPORT_NATIVE=never forbids running a compiler", hint=hint, exit_code=3)
    if language is None:
        marks = ", ".join(f"{mark} ({one})" for one, mark in LANGUAGES.items())
        raise ZigImportError(f"`{folder}` has no source of a plugin: expected one of {marks}")
    with tempfile.TemporaryDirectory() as temporary:
        output = os.path.join(temporary, "made.wasm")
        if language == "zig":
            # With safety checks: what goes wrong is a trap, never a wrong answer.
            options = ["-fno-entry", "-rdynamic", "-target", "wasm32-freestanding", "-O", "ReleaseSafe", "-fstrip"]
            _run(folder, [_zig(), "build-exe", *options, "plugin.zig", f"-femit-bin={output}"])
        elif language == "rust":
            target = os.path.join(os.path.abspath(folder), "target")
            command = [_program("cargo", "https://rustup.rs"), "build", "--release", "--target", "wasm32-unknown-unknown"]
            _run(folder, [*command, "--target-dir", target])
            (output,) = _modules(os.path.join(target, "wasm32-unknown-unknown", "release"))
        elif language == "python":
            program = _program("componentize-py", f"pip install {COMPONENTIZE_PY}", sysconfig.get_path("scripts"))
            _run(folder, [program, "-d", "wit", "-w", "plugin", "componentize", "--stub-wasi", "tracker", "-o", output])
        else:
            local = os.path.join(os.path.abspath(folder), "node_modules", ".bin")
            program = _program("jco", f"run `npm install` in {folder}", local)
            command = [program, "componentize", "plugin.js", "--wit", "wit", "--world-name", "plugin", "-o", output]
            _run(folder, [*command, "--backend", "quickjs", "--backend-qjs-disable-async", "--backend-qjs-stub-wasi"])
        return _bytes(output)


def _zig():
    path = _native.compiler(_native.Request(_api.finder(), sys.path), _build.Listener())
    if path is None:
        hint = "pip install ziglang, or set ZIGIMPORT_ZIG"
        raise ZigNotFoundError("no Zig compiler was found", hint=hint, exit_code=3)
    return path


def _modules(folder):
    modules = [os.path.join(folder, name) for name in os.listdir(folder) if name.endswith(".wasm")]
    if len(modules) != 1:
        raise ZigImportError(f"expected one .wasm file in `{folder}`, found {len(modules)}")
    return modules


def _program(name, remedy, *folders):
    search = os.pathsep.join([*folders, os.environ.get("PATH", os.defpath)])
    program = shutil.which(name, path=search)
    if program is None:
        raise ZigImportError(f"`{name}` was not found", hint=remedy, exit_code=3)
    return program


def _run(folder, command):
    finished = subprocess.run(
        command, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    if finished.returncode != 0:
        text = finished.stdout.decode(errors="replace").strip()
        raise ZigImportError(f"`{' '.join(command)}` failed in `{folder}`:\n{text}")


#: Where the sources lie that a plugin is tried on: deep in a project, as they may name what is above.
DEEP = "a/b/c/d/"

#: The rules of `check`, in order.
RULES = {
    "manifest": "describes this component",
    "world": "is a component of the world",
    "imports": "imports nothing that no plugin gets",
    "compiles": "can be compiled, and the image loaded",
    "cases": "answers as its cases say",
    "robust": "stands every input within the limits",
    "honest": "names only what is in the project",
    "deterministic": "answers the same twice",
}


def check(path, files=(), project=None):
    """Tries a component; returns the rules with their verdicts, and what it finds in ``files``.

    ``path`` is the component, with its manifest beside it. The folders of its
    view are those of ``project``, else empty ones.
    """
    return _Check(path, files, project).run()


class _Failed(Exception):
    """A rule is broken: what is wrong."""


class _Check:
    def __init__(self, path, files, project):
        if not os.path.isfile(path):
            raise ZigImportError(
                f"there is no component `{path}`", hint="`zigimport plugin build` makes one of a plugin's folder"
            )
        self.path = path
        self.component = _bytes(path)
        self.folder = os.path.dirname(path)
        self.files = [(file, _bytes(file)) for file in files]
        self.project = project
        self.plugins = engine()
        self.manifest = None
        self.plugin = None
        #: What was wrong in calls: the input, and the error.
        self.errors = {"robust": [], "honest": [], "deterministic": []}

    def run(self):
        rules = []
        stopped = False
        with tempfile.TemporaryDirectory() as self.temporary:
            for rule in RULES:
                if stopped:
                    rules.append((rule, "skipped", "needs the rules above"))
                    continue
                try:
                    rules.append((rule, "ok", getattr(self, f"_check_{rule}")()))
                except _Failed as error:
                    rules.append((rule, "failed", str(error)))
                    # A manifest can be mended later; without a component there is nothing to try.
                    stopped = rule in ("world", "imports", "compiles")
            found = {} if stopped else {file: self._lines(file.replace(os.sep, "/"), source) for file, source in self.files}
        return {
            "component": self.path,
            "digest": digest_of(self.component),
            "engine": self.plugins.ENGINE,
            "rules": [{"rule": rule, "verdict": verdict, "detail": detail} for rule, verdict, detail in rules],
            "found": found,
        }

    def _check_manifest(self):
        path = os.path.splitext(self.path)[0] + ".toml"
        if not os.path.isfile(path):
            raise _Failed(f"there is no `{path}`")
        try:
            manifest = Manifest(path)
        except ZigImportError as error:
            raise _Failed(str(error)) from None
        self.manifest = manifest
        expected = os.path.splitext(os.path.basename(self.path))[0]
        if manifest.name != expected:
            raise _Failed(f"{path}: its name is {manifest.name!r}, expected {expected!r} as the file is named")
        if manifest.digest != digest_of(self.component):
            raise _Failed(f"{path}: its digest is {manifest.digest!r}, expected {digest_of(self.component)!r}")
        return path

    def _check_world(self):
        try:
            self.found = self.plugins.inspect(self.component)
        except self.plugins.PluginError as error:
            raise _Failed(str(error)) from None
        return self.found["world"]

    def _check_imports(self):
        if self.found["forbidden"]:
            raise _Failed("it imports " + ", ".join(self.found["forbidden"]))
        return ", ".join(self.found["imports"]) or "none"

    def _check_compiles(self):
        view = []
        for number, name in enumerate(self.manifest.view if self.manifest else ()):
            folder = os.path.join(self.project or os.path.join(self.temporary, str(number)), name)
            if self.project is None:
                os.makedirs(folder)
            view.append((name, folder))
        try:
            image = self.plugins.precompile(self.component)
            self.plugin = self.plugins.Plugin(self.component, image, view)
            self.plugin.track("empty.zig", b"")
        except self.plugins.PluginError as error:
            if error.kind == "component":
                raise _Failed(str(error)) from None
        return f"{len(image)} bytes for {self.plugins.ENGINE}"

    def _check_cases(self):
        cases = self._case_files()
        for path, expected in cases:
            lines = self._lines(DEEP + os.path.basename(path), _bytes(path))
            wanted = _text(expected).splitlines()
            if lines != wanted:
                differing = next(
                    (pair for pair in zip(lines, wanted) if pair[0] != pair[1]),
                    (f"{len(lines)} lines", f"{len(wanted)} lines"),
                )
                raise _Failed(f"{path}: it answers {differing[0]!r}, expected {differing[1]!r}")
        return f"{len(cases)} in {os.path.join(self.folder, 'cases')}"

    def _case_files(self):
        """The sources in the folder `cases`, each with what is expected of it."""
        ending = ".expected"
        folder = os.path.join(self.folder, "cases")
        names = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
        paths = [os.path.join(folder, name) for name in names if name.endswith(ending)]
        return [(path[: -len(ending)], path) for path in paths]

    def _check_robust(self):
        sources = [(path, _bytes(path)) for path, _ in self._case_files()] + self.files
        inputs = [(path, DEEP + os.path.basename(path), source, False) for path, source in sources]
        inputs += corpus([source for _, source in sources])
        for name, path, source, is_made in inputs:
            try:
                first = self._answer(path, source)
                if first != self._answer(path, source):
                    self.errors["deterministic"].append(name)
            except self.plugins.PluginError as error:
                # What a variation of a source asks for may well be a path that no plugin may name.
                if error.kind != "answer" or error.line is None:
                    # The others may take as long as this one, which is long where a loop has no end.
                    self.errors["robust"].append(f"{name}: {error}")
                    break
                elif not is_made:
                    self.errors["honest"].append(f"{name}: {error}")
        self.tried = f"{len(inputs)} inputs"
        return self._verdict("robust")

    def _check_honest(self):
        return self._verdict("honest")

    def _check_deterministic(self):
        return self._verdict("deterministic")

    def _verdict(self, rule):
        errors = self.errors[rule]
        if errors:
            more = f" (and {len(errors) - 1} more of {self.tried})" if len(errors) > 1 else ""
            raise _Failed(errors[0] + more)
        return self.tried

    def _answer(self, path, source):
        """What the plugin says, where a problem that it reports is an answer too."""
        try:
            return self.plugin.track(path, source)
        except self.plugins.PluginError as error:
            if error.kind != "problem":
                raise
            return (str(error), error.line, error.column)

    def _lines(self, path, source):
        """An answer as lines of text."""
        try:
            answer = self._answer(path, source)
        except self.plugins.PluginError as error:
            return [f"{error.kind}: {error}"]
        if isinstance(answer, tuple):
            return ["problem {1}:{2} {0}".format(*answer)]
        return ["{} {} {}:{}".format(*one) for one in answer]


def corpus(seeds):
    """Yields inputs that break programs, fixed ones and variations of ``seeds``: name,
    path, bytes, and whether it is a variation. The same seeds give the same inputs anywhere."""
    fixed = {
        "empty": b"",
        "a zero byte": b"\0",
        "every byte": bytes(range(256)),
        "no UTF-8": b"// \xff\xfe\xc0\xaf \xed\xa0\x80\n" * 10,
        "a byte order mark": b"\xef\xbb\xbf// a\n",
        "carriage returns": b"a\r\nb\rc\r\r\n",
        "many lines": b"\n" * 100_000,
        "a long line": b"a" * 300_000,
        "nesting": b"({[" * 30_000,
        "quotes": b"\"'`\\" * 30_000,
        "controls": b"\x1b[31m\x07\x7f\x00" * 1_000,
    }
    for name, source in fixed.items():
        yield name, DEEP + "a.zig", source, False
    for path in ("a b.zig", "ünï/\N{SNOWMAN}.zig", "a/" * 200 + "a.zig"):
        yield f"the path {path[:20]!r}", path, b"// a\n", False
    chance = random.Random(1)
    for number, seed in enumerate(seeds or [b"// a: b/*.txt\nconst c = @embedFile(\"d\");\n"]):
        for cut in sorted({len(seed) * step // 8 for step in range(9)}):
            yield f"sample {number}, the first {cut} bytes", DEEP + "a.zig", seed[:cut], True
        for kind, change in _CHANGES.items():
            for count in range(4):
                yield f"sample {number}, {kind} {count}", DEEP + "a.zig", change(chance, seed), True
    for count in range(8):
        yield f"noise {count}", DEEP + "a.zig", bytes(chance.getrandbits(8) for _ in range(1 << count * 2)), True


def _somewhere(chance, seed):
    return int(chance.random() * (len(seed) + 1))


def _flipped(chance, seed):
    place = _somewhere(chance, seed)
    return seed[:place] + bytes(byte ^ 1 << chance.getrandbits(3) for byte in seed[place : place + 1]) + seed[place + 1 :]


def _inserted(chance, seed):
    place = _somewhere(chance, seed)
    return seed[:place] + bytes(chance.getrandbits(8) for _ in range(3)) + seed[place:]


def _doubled(chance, seed):
    first, second = sorted((_somewhere(chance, seed), _somewhere(chance, seed)))
    return seed[:second] + seed[first:]


def _dropped(chance, seed):
    first, second = sorted((_somewhere(chance, seed), _somewhere(chance, seed)))
    return seed[:first] + seed[second:]


_CHANGES = {"a bit flipped": _flipped, "bytes inserted": _inserted, "a part doubled": _doubled, "a part dropped": _dropped}
