"""Programs that the tests use and a machine may lack: emulators with a foreign
Python, and strace. They are Debian's, unpacked beside the tests.

``Debian(folder).unpack("arm64", ["libc6"])`` fetches packages of any
architecture with apt's own tools in a private state folder and unpacks them
without installing anything: nothing outside the folder is touched, and no
rights are needed. What is there already is not fetched again.
"""

import os
import re
import shutil
import subprocess
from pathlib import Path

FOLDER = Path(__file__).resolve().parent.parent / "target" / "test-environments" / "foreign"
#: Debian's name of each architecture, and what its user-mode emulator is called.
EMULATORS = {
    "arm64": "aarch64",
    "armhf": "arm",
    "i386": "i386",
    "ppc64el": "ppc64le",
    "s390x": "s390x",
}


class Unavailable(Exception):
    """This machine cannot fetch it; the text says why."""


def run(*command, cwd=None):
    """Runs a command and returns its standard output."""
    try:
        finished = subprocess.run([str(part) for part in command], cwd=cwd, capture_output=True, text=True)
    except OSError as error:
        raise Unavailable(f"{command[0]}: {error.strerror}") from None
    if finished.returncode != 0:
        raise Unavailable(f"{command[0]} failed: {finished.stderr.strip()[-300:]}")
    return finished.stdout


class Debian:
    """Packages of one Debian architecture."""

    def __init__(self, architecture):
        self.architecture = architecture
        self.folder = FOLDER / architecture
        self.root = self.folder / "root"

    def apt(self, program, *arguments, cwd=None):
        """Runs one of apt's tools on the private state of this architecture."""
        options = {
            "Dir::State": self.folder / "state",
            "Dir::State::status": self.folder / "status",
            "Dir::Cache": self.folder / "cache",
            "Dir::Cache::pkgcache": "",
            "Dir::Cache::srcpkgcache": "",
            "APT::Architecture": self.architecture,
            "APT::Architectures": self.architecture,
            "APT::Sandbox::User": "root",
            "Acquire::Languages": "none",
            "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled": "false",
        }
        flags = [part for name, value in options.items() for part in ("-o", f"{name}={value}")]
        return run(program, *flags, *arguments, cwd=cwd)

    def update(self):
        """Fetches the lists of packages, once."""
        if (self.folder / "updated").exists():
            return
        for folder in ("state/lists/partial", "cache/archives/partial"):
            (self.folder / folder).mkdir(parents=True, exist_ok=True)
        (self.folder / "status").touch()
        try:
            self.apt("apt-get", "update", "--quiet")
        except Unavailable:
            # One of several lists is enough if it has what is asked for.
            return
        (self.folder / "updated").touch()

    def unpack(self, *packages):
        """Unpacks packages and returns the folder that has their files."""
        done = self.folder / "unpacked"
        done.mkdir(parents=True, exist_ok=True)
        missing = [package for package in packages if not (done / package).exists()]
        if missing:
            self.update()
            downloads = self.folder / "downloads"
            shutil.rmtree(downloads, ignore_errors=True)
            downloads.mkdir()
            self.apt("apt-get", "download", "--quiet", *missing, cwd=downloads)
            for archive in downloads.glob("*.deb"):
                run("dpkg-deb", "--extract", archive, self.root)
            shutil.rmtree(downloads)
            self.keep_links_inside()
            for package in missing:
                (done / package).touch()
        return self.root

    def keep_links_inside(self):
        """Lets absolute links lead to this root instead of this machine's."""
        for path in self.root.rglob("*"):
            target = os.readlink(path) if path.is_symlink() else ""
            if target.startswith("/") and not target.startswith(str(self.root)):
                path.unlink()
                path.symlink_to(self.root / target.lstrip("/"))

    def python_version(self):
        """Returns the version of this Debian's Python, such as ``3.11``."""
        self.update()
        names = self.apt("apt-cache", "pkgnames", "python3.").split()
        minors = [int(found.group(1)) for name in names if (found := re.fullmatch(r"python3\.(\d+)-minimal", name))]
        if not minors:
            raise Unavailable(f"no Python for {self.architecture} in the package lists")
        return f"3.{max(minors)}"


def host():
    """Returns the packages of this machine's own architecture."""
    return Debian(run("dpkg", "--print-architecture").strip())


def program(package, path, *libraries):
    """Returns a command that runs a program of the host's architecture: the
    installed one, else one that is unpacked here."""
    installed = shutil.which(Path(path).name)
    if installed:
        return [installed]
    root = host().unpack(package, *libraries)
    folders = ":".join(str(folder) for folder in sorted(root.glob("usr/lib/*-linux-*")))
    return ["env", f"LD_LIBRARY_PATH={folders}", str(root / path)]


class Trace:
    """What a process did, as the kernel saw it.

    ``programs`` are the programs that it started besides its own, ``children``
    the processes (threads are none), ``writes`` the paths that it opened for
    writing, created, renamed or removed.
    """

    CALLS = "execve,execveat,fork,vfork,clone,clone3,openat,open,creat,mkdir,mkdirat,rename,renameat,renameat2,"
    CALLS += "link,linkat,symlink,symlinkat,unlink,unlinkat,truncate,chmod,fchmodat,utimensat,bind,connect"
    #: Looking up a user asks a local daemon, if there is one.
    HARMLESS = re.compile(r'"/dev/null"|"/var/run/nscd/socket"')
    WRITES = re.compile(r"O_WRONLY|O_RDWR|O_CREAT|O_TMPFILE|^(?!open)")

    def __init__(self, text):
        calls = [match.groups() for match in re.finditer(r"^\d+ +(\w+)\((.*)$", text, re.MULTILINE)]
        self.programs = [rest for name, rest in calls if name.startswith("exec")][1:]
        self.children = [
            rest for name, rest in calls if name in ("fork", "vfork", "clone", "clone3") and "CLONE_THREAD" not in rest
        ]
        special = ("exec", "fork", "vfork", "clone")
        self.writes = [
            f"{name}({rest}"
            for name, rest in calls
            if not name.startswith(special) and self.WRITES.search(f"{name}({rest}") and not self.HARMLESS.search(rest)
        ]

    @classmethod
    def prefix(cls, log):
        """Returns the command to put in front of another, which writes ``log``."""
        tracer = program("strace", "usr/bin/strace", "libunwind8", "liblzma5")
        command = [*tracer, "-f", "-qq", "-s", "400", "-e", "signal=none", "-e", f"trace={cls.CALLS}", "-o", str(log)]
        # Containers may forbid tracing.
        run(*command, "/bin/true")
        return command

    @classmethod
    def of(cls, log, command, **keywords):
        """Runs a command; returns how it finished and its trace."""
        finished = subprocess.run(
            [*cls.prefix(log), *(str(part) for part in command)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            **keywords,
        )
        return finished, cls(Path(log).read_text())


def python(architecture):
    """Returns a command that runs Debian's Python of a foreign architecture."""
    debian = Debian(architecture)
    version = debian.python_version()
    root = debian.unpack(
        f"python{version}-minimal",
        f"libpython{version}-minimal",
        f"libpython{version}-stdlib",
        "libc6",
        "libgcc-s1",
        "libexpat1",
        "zlib1g",
    )
    name = f"qemu-{EMULATORS[architecture]}-static"
    emulator = program("qemu-user-static", f"usr/bin/{name}")
    return [*emulator, "-L", str(root), str(root / "usr/bin" / f"python{version}")]
