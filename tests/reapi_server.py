"""A server of the Remote Execution API for tests: ``reapi_server.py --zig FOLDER --control FOLDER``.

It really stores, looks into its cache of actions, and executes: a command runs in a scratch
folder that is made of its Merkle tree, with the environment that it states and no other. For
whoever looks for a program, ``/zig`` is the folder ``--zig``; with ``--cache``, a compile finds a copy of
that folder as the compiler's global cache. It prints its port once it listens.

In the folder ``--control``, the file ``log`` gets a line for each thing that it did, and the
file ``fault`` may say what it does wrong:

| word | |
| --- | --- |
| ``corrupt`` | sends other bytes than it was asked for |
| ``garbage`` | gives out as the library what is none, with the right digest |
| ``forget`` | has lost what its cache of actions leads to |
| ``refuse`` | says that inputs are missing, once |
| ``broken`` | runs the command, whose end is an error that names no source |
| ``die`` | ends in the middle of an execution |
| ``hang`` | says that the command runs, and no more |
| ``wait`` | the same until the word is taken away |

The messages and services are those of the package ``buildgrid``.
"""

import argparse
import hashlib
import os
import shutil
import subprocess
import tempfile
import threading
from concurrent import futures
from pathlib import Path

import grpc
from buildgrid._protos.build.bazel.remote.execution.v2 import remote_execution_pb2 as api
from buildgrid._protos.build.bazel.remote.execution.v2 import remote_execution_pb2_grpc as services
from buildgrid._protos.google.bytestream import bytestream_pb2, bytestream_pb2_grpc
from buildgrid._protos.google.longrunning import operations_pb2, operations_pb2_grpc
from buildgrid._protos.google.rpc import code_pb2
from google.protobuf import empty_pb2

CHUNK_BYTES = 1 << 20


class Server:
    """What the services share."""

    def __init__(self, zig, cache, control, token):
        self.zig = zig
        self.cache = cache
        self.control = control
        self.token = token
        self.blobs = {}
        self.actions = {}
        self.cancelled = {}
        self.lock = threading.Lock()

    def log(self, line):
        with self.lock, open(self.control / "log", "a") as log:
            log.write(line + "\n")

    def fault(self):
        path = self.control / "fault"
        return path.read_text() if path.exists() else ""

    def check(self, context):
        """Refuses whoever does not state the token, if there is one."""
        stated = dict(context.invocation_metadata()).get("authorization")
        if self.token and stated != self.token:
            context.abort(grpc.StatusCode.UNAUTHENTICATED, "who are you?")

    def put(self, data):
        digest = api.Digest(hash=hashlib.sha256(data).hexdigest(), size_bytes=len(data))
        self.blobs[digest.hash] = data
        return digest

    def message(self, kind, digest):
        return kind.FromString(self.blobs[digest.hash])

    def fill(self, folder, digest):
        """Makes a folder as the tree says."""
        folder.mkdir(exist_ok=True)
        directory = self.message(api.Directory, digest)
        assert [node.name for node in directory.files] == sorted(node.name for node in directory.files)
        for node in directory.files:
            (folder / node.name).write_bytes(self.blobs[node.digest.hash])
        for node in directory.directories:
            self.fill(folder / node.name, node.digest)

    def tree(self, folder):
        """Stores a folder; returns its message, and those of all below."""
        directory, children = api.Directory(), []
        for path in sorted(folder.iterdir()):
            if path.is_dir():
                child, below = self.tree(path)
                children += [child, *below]
                directory.directories.add(name=path.name, digest=self.put(child.SerializeToString()))
            else:
                directory.files.add(name=path.name, digest=self.put(path.read_bytes()))
        return directory, children

    def program(self, name, environment):
        """Looks a program up as a worker does that has Zig in ``/zig``."""
        folders = environment.get("PATH", "").split(":")
        path = os.pathsep.join(str(self.zig) + folder[4:] if folder.startswith("/zig") else folder for folder in folders)
        return shutil.which(name, path=path)

    def execute(self, action, cancelled):
        """Runs an action to its end; returns its result, or ``None`` if it was cancelled."""
        command = self.message(api.Command, action.command_digest)
        arguments = list(command.arguments)
        environment = {variable.name: variable.value for variable in command.environment_variables}
        with tempfile.TemporaryDirectory() as scratch:
            root = Path(scratch).resolve() / "root"
            self.fill(root, action.input_root_digest)
            directory = root / command.working_directory
            outputs = [directory / path for path in command.output_paths]
            for output in outputs:
                output.parent.mkdir(parents=True, exist_ok=True)
            program = self.program(arguments[0], environment)
            if program is None:
                text = f"{arguments[0]}: not found".encode()
                return api.ActionResult(exit_code=127, stderr_digest=self.put(text))
            self.log("run " + " ".join(arguments))
            if self.cache and "--global-cache-dir" in arguments:
                place = directory / arguments[arguments.index("--global-cache-dir") + 1]
                # What is not of all modules is to be made anew.
                shutil.copytree(self.cache, place, ignore=shutil.ignore_patterns("b", "tmp", "zigimport-*"), dirs_exist_ok=True)
            with open(root.parent / "stderr", "wb") as stderr:
                process = subprocess.Popen(
                    [program, *arguments[1:]],
                    cwd=directory,
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=stderr,
                )
                while process.poll() is None:
                    if cancelled.wait(0.02):
                        process.kill()
            text = (root.parent / "stderr").read_bytes()
            if self.fault() == "broken":
                process.returncode, text = 1, b"error: it is broken\n"
            result = api.ActionResult(exit_code=process.returncode, stderr_digest=self.put(text))
            for path, output in zip(command.output_paths, outputs):
                if output.is_dir():
                    directory_message, children = self.tree(output)
                    tree = api.Tree(root=directory_message, children=children)
                    result.output_directories.add(path=path, tree_digest=self.put(tree.SerializeToString()))
                elif output.exists():
                    data = b"\x7fELF and no more" if self.fault() == "garbage" else output.read_bytes()
                    result.output_files.add(path=path, digest=self.put(data))
            return result


class Capabilities(services.CapabilitiesServicer):
    def __init__(self, server):
        self.server = server

    def GetCapabilities(self, request, context):  # noqa: N802
        self.server.check(context)
        answer = api.ServerCapabilities()
        answer.cache_capabilities.digest_functions.append(api.DigestFunction.SHA256)
        answer.cache_capabilities.max_batch_total_size_bytes = 1 << 20
        answer.execution_capabilities.digest_function = api.DigestFunction.SHA256
        answer.execution_capabilities.exec_enabled = True
        answer.high_api_version.major, answer.high_api_version.minor = 2, 3
        return answer


class Storage(services.ContentAddressableStorageServicer):
    def __init__(self, server):
        self.server = server

    def FindMissingBlobs(self, request, context):  # noqa: N802
        self.server.check(context)
        missing = [digest for digest in request.blob_digests if digest.hash not in self.server.blobs]
        return api.FindMissingBlobsResponse(missing_blob_digests=missing)

    def BatchUpdateBlobs(self, request, context):  # noqa: N802
        self.server.check(context)
        answer = api.BatchUpdateBlobsResponse()
        for one in request.requests:
            is_right = self.server.put(one.data) == one.digest
            answer.responses.add(digest=one.digest).status.code = code_pb2.OK if is_right else code_pb2.INVALID_ARGUMENT
        self.server.log(f"took {len(request.requests)}")
        return answer


class Bytes(bytestream_pb2_grpc.ByteStreamServicer):
    def __init__(self, server):
        self.server = server

    def Read(self, request, context):  # noqa: N802
        self.server.check(context)
        _, hash_text, _ = request.resource_name.rsplit("/", 2)
        if hash_text not in self.server.blobs:
            context.abort(grpc.StatusCode.NOT_FOUND, "no such blob")
        data = self.server.blobs[hash_text]
        if self.server.fault() == "corrupt" and data.startswith(b"\x7fELF"):
            data = data[:-1] + bytes([data[-1] ^ 1])
        for start in range(0, len(data), CHUNK_BYTES):
            yield bytestream_pb2.ReadResponse(data=data[start : start + CHUNK_BYTES])

    def Write(self, requests, context):  # noqa: N802
        self.server.check(context)
        name, data = "", b""
        for request in requests:
            assert request.write_offset == len(data)
            name = name or request.resource_name
            data += request.data
        digest = self.server.put(data)
        if name.rsplit("/", 2)[1:] != [digest.hash, str(digest.size_bytes)]:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "another digest")
        self.server.log("took a stream")
        return bytestream_pb2.WriteResponse(committed_size=len(data))


class Actions(services.ActionCacheServicer):
    def __init__(self, server):
        self.server = server

    def GetActionResult(self, request, context):  # noqa: N802
        self.server.check(context)
        result = self.server.actions.get(request.action_digest.hash)
        if result is None:
            context.abort(grpc.StatusCode.NOT_FOUND, "not executed yet")
        if self.server.fault() == "forget":
            for output in result.output_files:
                self.server.blobs.pop(output.digest.hash, None)
        self.server.log("cached")
        return result


class Execution(services.ExecutionServicer):
    def __init__(self, server):
        self.server = server

    def Execute(self, request, context):  # noqa: N802
        server = self.server
        server.check(context)
        name = f"operations/{threading.get_ident()}-{os.urandom(8).hex()}"
        cancelled = server.cancelled[name] = threading.Event()
        metadata = api.ExecuteOperationMetadata(stage=api.ExecutionStage.EXECUTING, action_digest=request.action_digest)
        operation = operations_pb2.Operation(name=name)
        operation.metadata.Pack(metadata)
        server.log("execute" + (" fresh" if request.skip_cache_lookup else ""))
        yield operation
        fault = server.fault()
        if fault == "die":
            os._exit(1)
        if fault == "hang":
            cancelled.wait()
            server.log("cancelled")
            return
        while server.fault() == "wait":
            cancelled.wait(0.02)
        response = api.ExecuteResponse()
        if fault == "refuse":
            (server.control / "fault").unlink()
            server.blobs.clear()
        if request.action_digest.hash not in server.blobs:
            response.status.code = code_pb2.FAILED_PRECONDITION
            response.status.message = "an input is missing"
        else:
            action = server.message(api.Action, request.action_digest)
            result = server.execute(action, cancelled)
            response.result.CopyFrom(result)
            if result.exit_code == 0 and fault != "garbage":
                server.actions[request.action_digest.hash] = result
        done = operations_pb2.Operation(name=name, done=True)
        done.response.Pack(response)
        yield done


class Operations(operations_pb2_grpc.OperationsServicer):
    def __init__(self, server):
        self.server = server

    def CancelOperation(self, request, context):  # noqa: N802
        self.server.check(context)
        self.server.cancelled[request.name].set()
        return empty_pb2.Empty()


def main():
    """Serves until it is killed."""
    parser = argparse.ArgumentParser(description="Serve the Remote Execution API.")
    parser.add_argument("--zig", required=True, type=Path)
    parser.add_argument("--control", required=True, type=Path)
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--token", default="", help="the header `authorization` that every call has to have")
    options = parser.parse_args()
    server = Server(options.zig, options.cache, options.control, options.token)
    listener = grpc.server(futures.ThreadPoolExecutor(max_workers=16))
    services.add_CapabilitiesServicer_to_server(Capabilities(server), listener)
    services.add_ContentAddressableStorageServicer_to_server(Storage(server), listener)
    services.add_ActionCacheServicer_to_server(Actions(server), listener)
    services.add_ExecutionServicer_to_server(Execution(server), listener)
    bytestream_pb2_grpc.add_ByteStreamServicer_to_server(Bytes(server), listener)
    operations_pb2_grpc.add_OperationsServicer_to_server(Operations(server), listener)
    port = listener.add_insecure_port("127.0.0.1:0")
    listener.start()
    print(port, flush=True)
    listener.wait_for_termination()


if __name__ == "__main__":
    main()
