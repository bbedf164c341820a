"""Real servers of shared caches, on free ports of the loopback."""

import contextlib
import http.server
import json
import os
import shutil
import socket
import subprocess
import threading
import time
import urllib.request

import pytest

#: A server that takes this long to answer will never.
START_SECONDS = 120
#: How often it is started on another port, where somebody else was faster.
STARTS_MAX = 5

BUILDGRID = """
description: tests
server:
  - !channel
    address: 127.0.0.1:{port}
    insecure-mode: true
authorization:
  method: none
monitoring:
  enabled: false
storages:
  - !disk-storage &cas
    path: {folder}/cas
caches:
  - !lru-action-cache &ac
    storage: *cas
    max-cached-refs: 4096
    allow-updates: true
    cache-failed-actions: false
instances:
  - name: ''
    description: default
    services:
      - !action-cache
        cache: *ac
      - !cas
        storage: *cas
      - !bytestream
        storage: *cas
thread-pool-size: 20
"""

#: Nginx's own module, which knows neither PROPFIND nor LOCK, and makes no folders by itself.
NGINX = """
daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 64; }}
http {{
  access_log off; client_max_body_size 1g;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  server {{
    listen 127.0.0.1:{port}; root {folder}/files;
    location / {{ dav_methods PUT DELETE MKCOL COPY MOVE; }}
  }}
}}
"""


def free_port():
    """Returns a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def program(name):
    """Returns the path of a program of the system, or skips the test."""
    found = shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin")
    return found or pytest.skip(f"{name} is not on this machine")


@contextlib.contextmanager
def running(folder, command):
    """Starts ``command(port)`` until it listens; gives the port, and ends it."""
    with open(folder / "server.log", "wb") as log:
        for _ in range(STARTS_MAX):
            port = free_port()
            process = subprocess.Popen(
                [str(part) for part in command(port)], stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=folder
            )
            try:
                if listens(process, port):
                    yield port
                    return
            finally:
                process.kill()
                process.wait()
        pytest.fail(f"does not start: {command(port)}\n{(folder / 'server.log').read_text(errors='replace')}")


def listens(process, port):
    """Waits until a process answers, or ends."""
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return process.poll() is None
        time.sleep(0.05)
    return False


@contextlib.contextmanager
def wsgidav(python, folder, users=None):
    """WebDAV; gives the port. The files are in ``folder / "files"``."""
    (folder / "files").mkdir()
    everybody = {"*": users or True}
    configuration = {
        "host": "127.0.0.1",
        "provider_mapping": {"/": str(folder / "files")},
        "simple_dc": {"user_mapping": everybody},
        "http_authenticator": {"accept_basic": True, "accept_digest": False, "default_to_digest": False},
    }
    (folder / "wsgidav.json").write_text(json.dumps(configuration))
    command = [python, "-m", "wsgidav.server.server_cli", "--config", folder / "wsgidav.json", "--port"]
    with running(folder, lambda port: [*command, port]) as port:
        yield port


@contextlib.contextmanager
def nginx(folder):
    """WebDAV without folders; gives the port."""
    path = program("nginx")
    (folder / "files").mkdir()
    folder.chmod(0o755)

    def command(port):
        (folder / "nginx.conf").write_text("user root;\n" + NGINX.format(folder=folder, port=port))
        return [path, "-c", folder / "nginx.conf", "-e", folder / "error.log", "-p", folder]

    with running(folder, command) as port:
        yield port


@contextlib.contextmanager
def redis(folder, password=None):
    """Gives the port."""
    options = ("--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", folder)
    secret = ("--requirepass", password) if password else ()
    path = program("redis-server")
    with running(folder, lambda port: [path, "--port", port, *options, *secret]) as port:
        yield port


@contextlib.contextmanager
def moto(python, folder, *buckets):
    """S3 with buckets; gives the port."""
    command = [python, "-m", "moto.server", "-H", "127.0.0.1", "-p"]
    with running(folder, lambda port: [*command, port]) as port:
        for bucket in buckets:
            request = urllib.request.Request(f"http://127.0.0.1:{port}/{bucket}", method="PUT")
            urllib.request.urlopen(request, timeout=START_SECONDS).close()
        yield port


@contextlib.contextmanager
def buildgrid(python, folder):
    """A cache of the Remote Execution API; gives the port."""

    def command(port):
        (folder / "cas.yml").write_text(BUILDGRID.format(folder=folder, port=port))
        return [python.parent / "bgd", "server", "start", folder / "cas.yml"]

    with running(folder, command) as port:
        yield port


@contextlib.contextmanager
def casd(path, folder):
    """Another cache of the Remote Execution API; gives the port."""
    with running(folder, lambda port: [path, f"--bind=127.0.0.1:{port}", "--quota-high=1G", folder / "cas"]) as port:
        yield port


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers as the server's ``answer(handler)`` does, or as an honest server."""

    protocol_version = "HTTP/1.1"

    def handle_any(self):
        length = int(self.headers.get("Content-Length", 0))
        self.content = self.rfile.read(length)
        self.server.requests.append((self.command, self.path))
        if not self.server.answer(self):
            self.honest()

    def honest(self):
        blobs = self.server.blobs
        if self.command == "PUT":
            blobs[self.path] = self.content
            self.reply(201)
        elif self.path in blobs:
            self.reply(200, blobs[self.path])
        else:
            self.reply(404)

    def reply(self, status, content=b"", *, length=None):
        self.send_response(status)
        self.send_header("Content-Length", str(len(content) if length is None else length))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)
        self.close_connection = length is not None

    do_GET = do_HEAD = do_PUT = do_MKCOL = handle_any

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def scripted(answer):
    """A server that fails as ``answer(handler)`` says; gives it, with ``url``, ``requests``
    and ``blobs``."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        server.answer, server.requests, server.blobs = answer, [], {}
        server.url = f"http://127.0.0.1:{server.server_address[1]}/cache"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@contextlib.contextmanager
def black_hole():
    """A socket that takes connections and never answers; gives its port."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(64)
        yield listener.getsockname()[1]
