"""What the importing code imports next is built beside what it waits for."""

import os
import signal

import pytest

from conftest import ADD, dedented, finish, script

BROKEN = "pub fn f() u8 {\n    return missing;\n}\n"


class OrderedZig:
    """A compiler that notes in ``log`` when it starts and ends with a module, and
    first waits for what ``rules`` says: shell commands by module."""

    def __init__(self, folder, zig, rules=()):
        folder.mkdir()
        self.log = folder / "log"
        cases = "\n".join(f"{name}) {commands} ;;" for name, commands in dict(rules).items())
        self.path = script(
            folder / "zig",
            f"""case "$*" in *-Muser=*) ;; *) exec '{zig}' "$@" ;; esac
            name=$(printf '%s\\n' "$@" | sed -n 's|^-Muser=.*/\\(.*\\)[.]zig$|\\1|p')
            echo "start $name" >> '{self.log}'
            case $name in
            {cases}
            esac
            '{zig}' "$@"
            code=$?
            echo "end $name" >> '{self.log}'
            exit $code""",
        )

    @property
    def lines(self):
        return self.log.read_text().split("\n")[:-1] if self.log.exists() else []


@pytest.fixture
def ordered(project, default_zig, tmp_path):
    """Makes a project of four modules use an `OrderedZig` with some rules."""

    def use(rules=()):
        zig = OrderedZig(tmp_path / "ordered", default_zig, rules)
        project.environment.update(ZIGIMPORT_ZIG=zig.path, ZIGIMPORT_MAX_WORKERS="4")
        return zig

    for name in "abcd":
        project.write(f"{name}.zig", ADD.replace("a + b", f"a + b + {ord(name)}"))
    return use


def waiting(tmp_path, rules):
    """Makes rules by which a compile waits for a line of the log."""
    log = tmp_path / "ordered" / "log"
    return {
        name: f"for _ in $(seq 1 300); do grep -q '^{event}$' '{log}' && break; sleep 0.1; done"
        for name, event in rules.items()
    }


def test_all_that_a_line_imports_is_built_at_once(project, ordered, tmp_path):
    # Each waits until all have been started.
    rules = waiting(tmp_path, {"a": "start d", "b": "start d", "c": "start d"})
    zig = ordered(rules)
    ran = project.run("import zigimport\nimport a, b, c, d\nprint(a.add(0, 0), b.add(0, 0), c.add(0, 0), d.add(0, 0))")
    assert ran.stdout == "97 98 99 100\n", ran
    assert sorted(zig.lines[:4]) == ["start a", "start b", "start c", "start d"], zig.lines
    assert len(zig.lines) == 8


def test_an_import_that_only_waits_leaves_its_place_to_another_build(project, ordered, tmp_path):
    # By the time of `import c` it is being built by the only thread beside the importing one.
    zig = ordered(waiting(tmp_path, {"a": "start b", "b": "end a", "c": "start d"}))
    project.environment["ZIGIMPORT_MAX_WORKERS"] = "2"
    ran = project.run("import zigimport, a, b, c, d")
    assert ran.returncode == 0, ran
    assert zig.lines.index("start d") < zig.lines.index("end c"), zig.lines
    assert len(zig.lines) == 8
    running = 0
    for line in zig.lines:
        running += 1 if line.startswith("start") else -1
        assert running <= 2, zig.lines


@pytest.mark.parametrize("variables", [{"ZIGIMPORT_PARALLEL": "0"}, {"ZIGIMPORT_MAX_WORKERS": "1"}])
def test_one_at_a_time_if_that_is_wanted(project, ordered, variables):
    zig = ordered()
    project.environment.update(variables)
    ran = project.run("import zigimport, a, b, c")
    assert ran.returncode == 0, ran
    assert zig.lines == [f"{event} {name}" for name in "abc" for event in ("start", "end")]


def test_no_more_are_built_at_once_than_there_are_workers(project, ordered):
    zig = ordered()
    project.environment["ZIGIMPORT_MAX_WORKERS"] = "2"
    assert project.run("import zigimport, a, b, c, d").returncode == 0
    under_way = 0
    for line in zig.lines:
        under_way += 1 if line.startswith("start") else -1
        assert under_way <= 2, zig.lines


def test_only_what_is_still_to_be_imported_is_built(project, ordered):
    zig = ordered()
    code = """
    if False:
        import d
    import zigimport
    def later():
        import c
    import a
    import b
    """
    assert project.run(dedented(code)).returncode == 0
    assert sorted(zig.lines) == ["end a", "end b", "start a", "start b"]


def test_a_package_builds_its_modules_at_once(project, ordered, tmp_path):
    rules = waiting(tmp_path, {"a": "start b", "b": "start a"})
    zig = ordered(rules)
    for name in "ab":
        os.renames(project.root / f"{name}.zig", project.root / f"pack/{name}.zig")
    project.write("pack/__init__.py", "from . import a, b\nfrom .b import add\n")
    ran = project.run("import zigimport, pack; print(pack.a.add(1, 2), pack.add(1, 2))")
    assert ran.stdout == "100 101\n" and len(zig.lines) == 4, (ran, zig.lines)


def test_what_fails_ahead_is_told_by_its_own_import(project, ordered):
    ordered()
    project.write("b.zig", BROKEN)
    code = """
    import zigimport
    import a
    print("a is there")
    try:
        import b
    except zigimport.ZigCompileError as error:
        print("b:", error.diagnostics[0].message)
    import c
    print(c.add(1, 2))
    """
    ran = project.run(dedented(code))
    assert ran.stdout == "a is there\nb: use of undeclared identifier 'missing'\n102\n", ran
    assert "missing" not in ran.stderr and "Traceback" not in ran.stderr, ran


def test_an_edit_between_two_imports_is_seen(project, ordered):
    ordered()
    code = """
    import zigimport
    import a
    text = open("b.zig").read()
    open("b.zig", "w").write(text.replace("98", "1000"))
    import b
    print(b.add(0, 0))
    """
    assert project.run(dedented(code)).stdout == "1000\n"


def test_the_end_of_the_process_is_not_put_off(project, ordered, default_zig, tmp_path):
    rules = {**waiting(tmp_path, {"a": "start b"}), "b": f"echo $$ > '{tmp_path}/pid'; read line < '{tmp_path}/never'"}
    os.mkfifo(tmp_path / "never")
    zig = ordered(rules)
    ran = project.run("import sys, zigimport\nimport a\nsys.exit(5)\nimport b")
    assert ran.returncode == 5 and "start b" in zig.lines and "end b" not in zig.lines, (ran, zig.lines)
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)
    # Nothing of it is left.
    project.environment["ZIGIMPORT_ZIG"] = default_zig
    assert project.imports("b", "module.add(0, 0)").value == 98


def test_an_interrupt_ends_all_that_is_built(project, ordered, tmp_path):
    stuck = f"echo $$ >> '{tmp_path}/pids'; read line < '{tmp_path}/never'"
    os.mkfifo(tmp_path / "never")
    zig = ordered({**waiting(tmp_path, {"a": "start b"}), "b": stuck})
    code = "import os, zigimport\nimport a\nos.write(1, b'.')\nimport b"
    process = project.start("-c", code)
    assert process.stdout.read(1) == b"."
    process.send_signal(signal.SIGINT)
    ended = finish(process)
    assert ended.returncode != 0 and "KeyboardInterrupt" in ended.stderr, ended
    assert "end b" not in zig.lines
    for pid in (tmp_path / "pids").read_text().split():
        with pytest.raises(ProcessLookupError):
            os.kill(int(pid), 0)


def test_a_child_process_imports_by_itself(project, ordered):
    ordered()
    code = """
    import os, zigimport
    import a
    child = os.fork()
    if child == 0:
        import b
        os._exit(b.add(0, 0))
    _, status = os.waitpid(child, 0)
    print(os.waitstatus_to_exitcode(status))
    import b
    """
    ran = project.run(dedented(code))
    assert ran.stdout == "98\n" and ran.returncode == 0, ran


def test_a_hit_does_not_look_at_what_comes_next(project, ordered):
    ordered()
    assert project.run("import zigimport, a, b").returncode == 0
    ran = project.run("import sys, zigimport\nimport a, b\nprint('zigimport._ahead' in sys.modules, 'dis' in sys.modules)")
    assert ran.stdout == "False False\n", ran
