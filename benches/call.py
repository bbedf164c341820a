"""The cost of a call, and of a million doubles, beside a hand-written C extension.

Every contender does the same work: an extension in C against this Python's
headers (``-O2``; one argument by ``METH_O``, several by ``METH_FASTCALL``), a
plain Zig module of every compiler and optimize mode, ctypes, cffi, import-zig,
PyOZ, and a Python function. All are loaded into one process; each round times
every contender once, in alternating order, as ``timeit`` does, on the CPU clock
of the thread, and the empty loop of the same process is subtracted. Where the
system happens to put the libraries makes calls up to twice as slow, so all of
this is done in several processes: "min" is the smallest of all, and "ratio" the
median over the processes of the ratio of the minima within one.

What the interpreter does not have of numpy, cffi, setuptools and import-zig is
installed with pip into a temporary folder, beside the interpreter and not into
it; PyOZ is cloned with git there. What cannot be had is left out, with a line
that says so. Needs a C compiler (else that of ``ziglang``) and Python's headers.
"""

import argparse
import functools
import glob
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import timeit
from array import array

import measure

BASE = "C extension"
MODES = ["ReleaseFast", "ReleaseSafe", "Debug"]
#: What pip is asked for, and what is then imported.
PACKAGES = {"numpy": "numpy", "cffi": "cffi", "setuptools": "setuptools", "import-zig": "import_zig"}
COUNT = 1_000_000
FILLED = "a returned array of a million doubles, numpy.asarray"
EMPTY = "(empty loop)"
#: Seconds that one timing should take: short, so that many escape the other processes.
GOAL = 0.0015

SUMS = """
{public}fn sum(values: {slice}) f64 {{
    var total: f64 = 0;
    for (values{data}) |value| total += value;
    return total;
}}

{public}fn sum_lanes(values: {slice}) f64 {{
    var totals: @Vector(16, f64) = @splat(0);
    var rest = values{data};
    while (rest.len >= 16) : (rest = rest[16..]) totals += rest[0..16].*;
    var total = @reduce(.Add, totals);
    for (rest) |value| total += value;
    return total;
}}
"""

ZIG = """const std = @import("std");

pub fn add(a: i64, b: i64) i64 {
    return a + b;
}

pub fn echo(text: []const u8) []const u8 {
    return text;
}

pub fn upper(allocator: std.mem.Allocator, text: []const u8) ![]const u8 {
    const result = try allocator.alloc(u8, text.len);
    for (result, text) |*to, from| to.* = if (from >= 'a' and from <= 'z') from - 32 else from;
    return result;
}

pub fn filled(allocator: std.mem.Allocator, count: usize, value: f64) ![]const f64 {
    const values = try allocator.alloc(f64, count);
    for (values) |*each| each.* = value;
    return values;
}

pub const Point = struct {
    x: i64 = 0,
    y: i64 = 0,

    pub fn move(self: *Point, dx: i64, dy: i64) i64 {
        self.x += dx;
        self.y += dy;
        return self.x & 1;
    }
};
""" + SUMS.format(public="pub ", slice="[]const f64", data="")

#: import-zig has no classes, no keywords, and makes lists of slices.
IMPORT_ZIG = """const std = @import("std");

pub fn add(a: i64, b: i64) i64 {
    return a + b;
}

pub fn echo(text: []const u8) []const u8 {
    return text;
}

pub fn upper(allocator: std.mem.Allocator, text: []const u8) ![]const u8 {
    const result = try allocator.alloc(u8, text.len);
    for (result, text) |*to, from| to.* = if (from >= 'a' and from <= 'z') from - 32 else from;
    return result;
}
"""

PYOZ = """const pyoz = @import("PyOZ");

fn add(a: i64, b: i64) i64 {
    return a + b;
}

fn addKeywords(arguments: pyoz.Args(struct { a: i64, b: i64 })) i64 {
    return arguments.value.a + arguments.value.b;
}

fn echo(text: []const u8) []const u8 {
    return text;
}

const Point = struct {
    x: i64,
    y: i64,

    pub fn move(self: *Point, dx: i64, dy: i64) i64 {
        self.x += dx;
        self.y += dy;
        return self.x & 1;
    }
};

const Module = pyoz.module(.{
    .name = "bench_pyoz",
    .doc = "",
    .funcs = &.{
        pyoz.func("add", add, ""),
        pyoz.kwfunc_named("add_keywords", addKeywords, ""),
        pyoz.func("echo", echo, ""),
        pyoz.func("sum", sum, ""),
        pyoz.func("sum_lanes", sum_lanes, ""),
    },
    .classes = &.{pyoz.class("Point", Point)},
});

pub export fn PyInit_bench_pyoz() ?*pyoz.PyObject {
    return Module.init();
}
""" + SUMS.format(public="", slice="pyoz.BufferView(f64)", data=".data")

#: The functions themselves, for ctypes and cffi, and for the extension to include.
C_LIBRARY = """#include <stddef.h>
#include <stdint.h>

int64_t add(int64_t a, int64_t b) { return a + b; }

const char *echo(const char *text) { return text; }

double sum(const double *values, size_t count) {
    double total = 0;
    for (size_t i = 0; i < count; i++) total += values[i];
    return total;
}

typedef double lanes __attribute__((vector_size(16), aligned(8)));

double sum_lanes(const double *values, size_t count) {
    lanes a = {0}, b = {0}, c = {0}, d = {0}, e = {0}, f = {0}, g = {0}, h = {0};
    size_t i = 0;
    for (; i + 16 <= count; i += 16) {
        const lanes *next = (const lanes *)(values + i);
        a += next[0], b += next[1], c += next[2], d += next[3];
        e += next[4], f += next[5], g += next[6], h += next[7];
    }
    a += b + c + d + e + f + g + h;
    double total = a[0] + a[1];
    for (; i < count; i++) total += values[i];
    return total;
}
"""
C_DECLARATIONS = """
int64_t add(int64_t a, int64_t b);
const char *echo(const char *text);
double sum(const double *values, size_t count);
double sum_lanes(const double *values, size_t count);
"""

C_EXTENSION = """#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <structmember.h>
#define add c_add
#define echo c_echo
#define sum c_sum
#define sum_lanes c_sum_lanes
#include "library.c"
#undef add
#undef echo
#undef sum
#undef sum_lanes

static int two(PyObject *const *arguments, Py_ssize_t count, int64_t *a, int64_t *b) {
    if (count != 2) {
        PyErr_SetString(PyExc_TypeError, "expected 2 arguments");
        return 0;
    }
    *a = PyLong_AsLongLong(arguments[0]);
    if (*a == -1 && PyErr_Occurred()) return 0;
    *b = PyLong_AsLongLong(arguments[1]);
    return *b != -1 || !PyErr_Occurred();
}

static PyObject *add(PyObject *self, PyObject *const *arguments, Py_ssize_t count) {
    int64_t a, b;
    if (!two(arguments, count, &a, &b)) return NULL;
    return PyLong_FromLongLong(a + b);
}

static PyObject *names[2];

/* Keywords by hand: names in source code are interned, so they are mostly the same objects. */
static PyObject *add_keywords(PyObject *self, PyObject *const *arguments, Py_ssize_t count, PyObject *keywords) {
    PyObject *slots[2] = {NULL, NULL};
    int64_t a, b;
    if (count > 2) goto wrong;
    for (Py_ssize_t i = 0; i < count; i++) slots[i] = arguments[i];
    for (Py_ssize_t i = 0; keywords && i < PyTuple_GET_SIZE(keywords); i++) {
        PyObject *name = PyTuple_GET_ITEM(keywords, i);
        int slot = name == names[0] ? 0 : name == names[1] ? 1 : -1;
        for (int k = 0; slot < 0 && k < 2; k++) if (PyUnicode_Compare(name, names[k]) == 0) slot = k;
        if (slot < 0 || slots[slot]) goto wrong;
        slots[slot] = arguments[count + i];
    }
    if (!slots[0] || !slots[1]) goto wrong;
    if (!two(slots, 2, &a, &b)) return NULL;
    return PyLong_FromLongLong(a + b);
wrong:
    if (!PyErr_Occurred()) PyErr_SetString(PyExc_TypeError, "expected a and b");
    return NULL;
}

static PyObject *add_parsed(PyObject *self, PyObject *arguments, PyObject *keywords) {
    static char *list[] = {"a", "b", NULL};
    long long a, b;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "LL", list, &a, &b)) return NULL;
    return PyLong_FromLongLong(a + b);
}

static PyObject *echo(PyObject *self, PyObject *text) {
    Py_ssize_t size;
    const char *data = PyUnicode_AsUTF8AndSize(text, &size);
    return data ? PyUnicode_FromStringAndSize(data, size) : NULL;
}

static PyObject *upper(PyObject *self, PyObject *text) {
    Py_ssize_t size;
    const char *data = PyUnicode_AsUTF8AndSize(text, &size);
    if (!data) return NULL;
    char *memory = PyMem_Malloc(size ? size : 1);
    if (!memory) return PyErr_NoMemory();
    for (Py_ssize_t i = 0; i < size; i++) memory[i] = data[i] >= 'a' && data[i] <= 'z' ? data[i] - 32 : data[i];
    PyObject *result = PyUnicode_FromStringAndSize(memory, size);
    PyMem_Free(memory);
    return result;
}

static PyObject *summed(PyObject *object, double (*function)(const double *, size_t)) {
    Py_buffer view;
    if (PyObject_GetBuffer(object, &view, PyBUF_ND | PyBUF_FORMAT) < 0) return NULL;
    PyObject *result = NULL;
    if (view.ndim == 1 && view.format && strcmp(view.format, "d") == 0) {
        result = PyFloat_FromDouble(function(view.buf, view.shape[0]));
    } else {
        PyErr_SetString(PyExc_TypeError, "expected doubles");
    }
    PyBuffer_Release(&view);
    return result;
}

static PyObject *sum(PyObject *self, PyObject *object) { return summed(object, c_sum); }
static PyObject *sum_lanes(PyObject *self, PyObject *object) { return summed(object, c_sum_lanes); }

/* The plain loop over memory: no object has to be asked for it. */
static PyObject *sum_at(PyObject *self, PyObject *const *arguments, Py_ssize_t count) {
    const double *values = PyLong_AsVoidPtr(arguments[0]);
    size_t length = PyLong_AsSize_t(arguments[1]);
    return PyErr_Occurred() ? NULL : PyFloat_FromDouble(c_sum(values, length));
}
static PyObject *sum_lanes_at(PyObject *self, PyObject *const *arguments, Py_ssize_t count) {
    const double *values = PyLong_AsVoidPtr(arguments[0]);
    size_t length = PyLong_AsSize_t(arguments[1]);
    return PyErr_Occurred() ? NULL : PyFloat_FromDouble(c_sum_lanes(values, length));
}

typedef struct {
    PyObject_HEAD
    double *values;
    Py_ssize_t count, stride;
} Doubles;

static int doubles_buffer(PyObject *self, Py_buffer *view, int flags) {
    Doubles *doubles = (Doubles *)self;
    if (PyBuffer_FillInfo(view, self, doubles->values, doubles->count * 8, 0, flags) < 0) return -1;
    view->itemsize = 8;
    view->format = flags & PyBUF_FORMAT ? "d" : NULL;
    if (flags & PyBUF_ND) view->shape = &doubles->count;
    if ((flags & PyBUF_STRIDES) == PyBUF_STRIDES) view->strides = &doubles->stride;
    return 0;
}

static void doubles_free(PyObject *self) {
    PyMem_Free(((Doubles *)self)->values);
    PyObject_Free(self);
}

static PyBufferProcs doubles_as_buffer = {doubles_buffer, NULL};
static PyTypeObject doubles_type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "Doubles", .tp_basicsize = sizeof(Doubles), .tp_dealloc = doubles_free,
    .tp_flags = Py_TPFLAGS_DEFAULT, .tp_as_buffer = &doubles_as_buffer,
};

static PyObject *filled(PyObject *self, PyObject *const *arguments, Py_ssize_t count) {
    Py_ssize_t length = PyLong_AsSsize_t(arguments[0]);
    double value = PyFloat_AsDouble(arguments[1]);
    if (PyErr_Occurred()) return NULL;
    Doubles *doubles = PyObject_New(Doubles, &doubles_type);
    if (!doubles) return NULL;
    doubles->count = length;
    doubles->stride = 8;
    doubles->values = PyMem_Malloc(length * 8);
    if (!doubles->values) {
        Py_DECREF(doubles);
        return PyErr_NoMemory();
    }
    for (Py_ssize_t i = 0; i < length; i++) doubles->values[i] = value;
    return (PyObject *)doubles;
}

typedef struct {
    PyObject_HEAD
    int64_t x, y;
} Point;

static PyObject *move(PyObject *self, PyObject *const *arguments, Py_ssize_t count) {
    Point *point = (Point *)self;
    int64_t dx, dy;
    if (!two(arguments, count, &dx, &dy)) return NULL;
    point->x += dx;
    point->y += dy;
    return PyLong_FromLongLong(point->x & 1);
}

static PyMethodDef point_methods[] = {{"move", (PyCFunction)(void *)move, METH_FASTCALL, NULL}, {NULL}};
static PyTypeObject point_type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "Point", .tp_basicsize = sizeof(Point), .tp_new = PyType_GenericNew,
    .tp_flags = Py_TPFLAGS_DEFAULT, .tp_methods = point_methods,
};

#define FAST(name) {#name, (PyCFunction)(void *)name, METH_FASTCALL, NULL}
#define ONE(name) {#name, name, METH_O, NULL}
static PyMethodDef methods[] = {
    FAST(add), ONE(echo), ONE(upper), ONE(sum), ONE(sum_lanes), FAST(sum_at), FAST(sum_lanes_at), FAST(filled),
    {"add_keywords", (PyCFunction)(void *)add_keywords, METH_FASTCALL | METH_KEYWORDS, NULL},
    {"add_parsed", (PyCFunction)(void *)add_parsed, METH_VARARGS | METH_KEYWORDS, NULL},
    {NULL},
};
static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, "NAME", NULL, -1, methods};

PyMODINIT_FUNC PyInit_NAME(void) {
    names[0] = PyUnicode_InternFromString("a");
    names[1] = PyUnicode_InternFromString("b");
    if (PyType_Ready(&point_type) < 0 || PyType_Ready(&doubles_type) < 0) return NULL;
    PyObject *module = PyModule_Create(&definition);
    Py_INCREF(&point_type);
    if (module) PyModule_AddObject(module, "Point", (PyObject *)&point_type);
    return module;
}
"""

CFFI_BUILD = """
import sys, cffi
ffi = cffi.FFI()
ffi.cdef(sys.argv[2])
ffi.set_source("bench_cffi", open(sys.argv[1]).read(), extra_compile_args=["-O2"])
print(ffi.compile(tmpdir="."))
"""
IMPORT_ZIG_BUILD = """
import sys, import_zig
import_zig.custom_zig_binary = sys.argv[1]
import_zig.compile_to(".", "bench_import_zig", source_code=sys.argv[2], optimize=import_zig.Optimize.ReleaseFast)
"""


def main():
    """Runs the bench."""
    parser = measure.parser(__doc__, 200)
    absolute = os.path.abspath
    parser.add_argument("--processes", type=int, default=10, help="processes that share the rounds (default: %(default)s)")
    parser.add_argument("--zig", action="append", metavar="PATH", type=absolute, help="a compiler, repeatable (default: the ziglang package's)")
    parser.add_argument("--mode", action="append", choices=MODES, help="an optimize mode, repeatable (default: all)")
    parser.add_argument("--case", action="append", help="only cases whose name has this text, repeatable")
    parser.add_argument("--cc", help="the C compiler (default: cc, gcc or clang, else that of ziglang)")
    parser.add_argument("--pyoz", default="https://github.com/pyozig/PyOZ", help="what git clones for PyOZ (default: %(default)s)")
    parser.add_argument("--offline", action="store_true", help="install nothing, and leave PyOZ out")
    parser.add_argument("--work", type=absolute, help="folder for what is built, kept for the next run (default: a temporary one)")
    parser.add_argument("--child", metavar="SPEC", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        with open(options.child, encoding="utf-8") as file:
            print(json.dumps(Child(json.load(file)).run()))
        return
    work = options.work or tempfile.mkdtemp(prefix="zigimport-call-")
    try:
        measure.finish(options, Bench(options, work).run())
    finally:
        if not options.work:
            shutil.rmtree(work)


class Bench:
    """Builds every contender, has them measured, and prints the tables."""

    def __init__(self, options, work):
        self.options = options
        self.work = work
        self.packages = os.path.join(work, "packages")
        os.makedirs(self.packages, exist_ok=True)
        self.environment = measure.clean_environment(PYTHONPATH=self.packages)
        self.contenders = []
        facts = "import json, sys, sysconfig\nprint(json.dumps([sysconfig.get_path('include'), sysconfig.get_config_var('EXT_SUFFIX')]))"
        self.include, self.suffix = json.loads(self.python(facts))

    def command(self, arguments, **environment):
        """Runs a command in the folder, and returns its output. ``CalledProcessError`` if it fails."""
        options = {"cwd": self.work, "env": {**self.environment, **environment}}
        return subprocess.run(arguments, check=True, text=True, capture_output=True, **options).stdout

    def python(self, code, *arguments, **environment):
        """Runs code in the measured interpreter."""
        return self.command([self.options.python, "-c", code, *arguments], **environment)

    def path(self, name, text=None):
        """Returns the path of a file of this run, written if there is a text."""
        path = os.path.join(self.work, name)
        if text is not None:
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
        return path

    def run(self):
        """Measures everything, prints it, and returns the figures."""
        self.install()
        zigs = self.options.zig or [self.default_zig()]
        self.versions = {zig: self.command([zig, "version"]).strip() for zig in zigs}
        self.compiler = self.find_compiler(zigs[-1])
        self.build_c()
        for zig in zigs:
            for mode in self.options.mode or MODES:
                self.build_ours(zig, mode)
        self.attempt("ctypes", self.build_ctypes)
        self.attempt("cffi", self.build_cffi)
        self.attempt("import-zig", self.build_import_zig)
        self.attempt("PyOZ", self.build_pyoz)
        self.add("Python function", "python")
        rounds = max(self.options.rounds // self.options.processes, 3)
        specification = {"rounds": rounds, "cases": self.options.case, "contenders": self.contenders}
        spec = self.path("spec.json", json.dumps(specification))
        arguments = [self.options.python, os.path.abspath(__file__), "--child", spec]
        runs = []
        for _ in range(self.options.processes):
            ended = measure.checked(arguments, environment=self.environment, folder=self.work)
            runs.append(json.loads(ended.output))
        if not runs[0]["cases"]:
            raise SystemExit("no case has such a name")
        figures = self.merged(runs)
        self.report(figures)
        return figures

    def merged(self, runs):
        """Returns the figures of all processes together."""
        figures = {"memory": runs[0]["memory"], "empty loop": {"min_ns": min(run["empty loop"] for run in runs)}, "cases": {}}
        for case, contenders in runs[0]["cases"].items():
            base = BASE if BASE in contenders else next(iter(contenders))
            figures["cases"][case] = [
                {
                    "name": name,
                    "min_ns": min(run["cases"][case][name]["min"] for run in runs),
                    "median_ns": measure.median([run["cases"][case][name]["median"] for run in runs]),
                    "ratio": measure.median([run["cases"][case][name]["min"] / run["cases"][case][base]["min"] for run in runs]),
                }
                for name in contenders
            ]
        return figures

    def install(self):
        """Installs the packages that the interpreter does not have."""
        for name, module in PACKAGES.items():
            try:
                self.python(f"import {module}")
            except subprocess.CalledProcessError:
                if self.options.offline:
                    continue
                # import-zig asks for a compiler of its own, which is given anyway.
                flags = ["--quiet", *(["--no-deps"] if name == "import-zig" else []), "--target", self.packages]
                pip = [self.options.python, "-m", "pip", "install", *flags, name]
                self.attempt(name, functools.partial(self.command, pip))

    def attempt(self, name, build):
        """Leaves a contender out if it cannot be built."""
        try:
            build()
        except (subprocess.CalledProcessError, OSError, LookupError) as error:
            lines = (getattr(error, "stderr", None) or str(error)).strip().splitlines()
            reasons = [line for line in lines if "rror" in line] or lines or ["?"]
            print(f"left out: {name}: {reasons[-1][:160]}")

    def default_zig(self):
        """Returns the compiler of the interpreter's ``ziglang`` package."""
        return self.python("import os, ziglang; print(os.path.join(os.path.dirname(ziglang.__file__), 'zig'))").strip()

    def find_compiler(self, zig):
        """Returns the command of the C compiler."""
        for name in [self.options.cc] if self.options.cc else ["cc", "gcc", "clang"]:
            if shutil.which(name):
                print(f"C compiler: {self.command([name, '--version']).splitlines()[0]}")
                return [name]
        print(f"C compiler: zig cc {self.versions[zig]}")
        return [zig, "cc"]

    def add(self, name, kind, path=None, module=None):
        """Adds a contender."""
        self.contenders.append({"name": name, "kind": kind, "path": path, "module": module})

    def build_c(self):
        """Builds the extension as it is compared, and with more optimisation."""
        self.path("library.c", C_LIBRARY)
        variants = {BASE: ("bench_c", ["-O2"]), "C extension, -O3": ("bench_c3", ["-O3"])}
        for name, (module, flags) in variants.items():
            source = self.path(f"{module}.c", C_EXTENSION.replace("NAME", module))
            path = self.path(module + self.suffix)
            shared = ["-undefined", "dynamic_lookup"] if sys.platform == "darwin" else []
            self.command([*self.compiler, *flags, "-DNDEBUG", "-shared", "-fPIC", *shared, f"-I{self.include}", "-o", path, source])
            self.add(name, "extension", path, module)

    def build_ours(self, zig, mode):
        """Builds the plain module with zigimport."""
        version = self.versions[zig]
        module = f"bench_{version.replace('.', '').replace('-', '').replace('+', '')[:12]}_{mode}"
        self.path(f"{module}.zig", ZIG)
        settings = {"ZIGIMPORT_ZIG": zig, "ZIGIMPORT_OPTIMIZE": mode, "ZIGIMPORT_BUILD_DIR": self.path(f"store-{version}")}
        code = f"import zigimport, {module} as m\nassert not m.__zigimport_skipped__, m.__zigimport_skipped__\nprint(m.__file__)"
        path = self.python(code, **settings).strip()
        self.add(f"zigimport {version} {mode}", "extension", path, module)

    def build_ctypes(self):
        """Builds the C functions as a library."""
        path = self.path("library.so")
        self.command([*self.compiler, "-O2", "-shared", "-fPIC", "-o", path, self.path("library.c")])
        self.add("ctypes", "ctypes", path)

    def build_cffi(self):
        """Compiles cffi's own wrapper, or takes the one that it makes at run time."""
        try:
            self.python(CFFI_BUILD, self.path("library.c"), C_DECLARATIONS, CC=" ".join(self.compiler))
            self.add("cffi, API mode", "cffi", glob.glob(self.path("bench_cffi*" + self.suffix))[0], "bench_cffi")
        except (subprocess.CalledProcessError, LookupError):
            print("left out: cffi in API mode could not be compiled; ABI mode instead")
            self.python("import cffi")
            self.add("cffi, ABI mode", "cffi", self.path("library.so"))

    def build_import_zig(self):
        """Builds with import-zig, by the first compiler that does."""
        self.with_some_zig("import-zig", lambda zig: self.python(IMPORT_ZIG_BUILD, zig, IMPORT_ZIG), "bench_import_zig")

    def build_pyoz(self):
        """Builds with PyOZ's library, by the first compiler that does."""
        sources = self.path("pyoz")
        if not os.path.exists(sources):
            if self.options.offline:
                raise LookupError("--offline")
            self.command(["git", "clone", "--quiet", "--depth", "1", self.options.pyoz, sources], GIT_TERMINAL_PROMPT="0")
        root = self.path("bench_pyoz.zig", PYOZ)
        settings = self.path("pyoz_options.zig", "pub const abi3 = false;\npub const abi3_version: u32 = 0x03080000;\n")
        library = os.path.join(sources, "src", "lib", "root.zig")
        version = os.path.join(sources, "src", "version.zig")

        def build(zig):
            modules = ["--dep", "PyOZ", f"-Mroot={root}", f"-I{self.include}", "--dep", "version", "--dep", "build_options"]
            modules += [f"-MPyOZ={library}", f"-Mversion={version}", f"-Mbuild_options={settings}"]
            emit = f"-femit-bin={self.path('bench_pyoz' + self.suffix)}"
            flags = ["-dynamic", "-fallow-shlib-undefined", "-fstrip", "-OReleaseFast", "-lc", "--name", "bench_pyoz"]
            self.command([zig, "build-lib", *flags, emit, *modules])

        self.with_some_zig("PyOZ", build, "bench_pyoz")

    def with_some_zig(self, name, build, module):
        """Adds a contender made by the newest compiler that can make it."""
        failure = LookupError("no compiler")
        for zig, version in reversed(self.versions.items()):
            try:
                build(zig)
            except subprocess.CalledProcessError as error:
                failure = error
                continue
            return self.add(f"{name} (Zig {version})", "extension", self.path(module + self.suffix), module)
        raise failure

    def report(self, figures):
        """Prints one table for each case."""
        print(f"empty loop: {figures['empty loop']['min_ns']:.1f} ns")
        for case, rows in figures["cases"].items():
            is_memory = case in figures["memory"]
            base = next((row for row in rows if row["name"] == BASE), rows[0])
            title = f"{case}; ratios over the {base['name']}, {self.options.rounds} rounds in {self.options.processes} processes"
            if is_memory:
                head = ["CPU time", "min µs", "median µs", "ns an element", "GB/s", "of minima", "ratio"]
            else:
                head = ["CPU ns a call", "min", "median", "of minima", "ratio"]
            lines = []
            for row in rows:
                ratios = [f"{row['min_ns'] / base['min_ns']:.2f}", f"{row['ratio']:.2f}"]
                if is_memory:
                    each = row["min_ns"] / COUNT
                    values = [f"{row['min_ns'] / 1e3:.0f}", f"{row['median_ns'] / 1e3:.0f}", f"{each:.3f}", f"{8 / each:.1f}"]
                else:
                    values = [f"{row['min_ns']:.1f}", f"{row['median_ns']:.1f}"]
                lines.append([row["name"], *values, *ratios])
            measure.table(title, head, lines)


class Child:
    """Runs in the measured process: loads the contenders and times them."""

    def __init__(self, specification):
        self.rounds = specification["rounds"]
        self.wanted = specification["cases"]
        #: Statements of each case by contender, with the names that they use.
        self.cases = {}
        self.memory = set()
        self.values = array("d", [1.0]) * COUNT
        try:
            import numpy

            self.numpy = numpy
            self.vector = numpy.ones(COUNT)
        except ImportError:
            self.numpy = self.vector = None
        self.native = None
        for contender in specification["contenders"]:
            getattr(self, contender["kind"])(contender)
        self.plain_memory()

    def case(self, case, contender, statement, expected, **names):
        """Adds a statement, after a look at what it does."""
        answer = eval(statement, names)
        assert answer == expected or expected is None, (case, contender, answer)
        self.cases.setdefault(case, {})[contender] = (statement, names)

    def sums(self, name, statement, **names):
        """Adds the cases of both sums over both kinds of memory."""
        kinds = {"array.array": self.values, "numpy array": self.vector}
        for kind, values in kinds.items():
            for title, key in {"one sum": "sum", "sixteen sums at a time": "sum_lanes"}.items():
                if values is None or key not in names:
                    continue
                case = f"a million doubles, {kind}, {title}"
                self.memory.add(case)
                others = {other: value for other, value in names.items() if other not in ("sum", "sum_lanes")}
                self.case(case, name, statement, COUNT, f=names[key], values=values, count=COUNT, **others)

    def extension(self, contender):
        """A library with an init function of Python's."""
        from importlib.machinery import ExtensionFileLoader, ModuleSpec

        name, module_name = contender["name"], contender["module"]
        loader = ExtensionFileLoader(module_name, contender["path"])
        module = loader.create_module(ModuleSpec(module_name, loader, origin=contender["path"]))
        loader.exec_module(module)
        self.case("add(1, 2)", name, "f(1, 2)", 3, f=module.add)
        if hasattr(module, "add_parsed") and name == BASE:
            self.case("add(1, 2)", f"{name}, also with keywords", "f(1, 2)", 3, f=module.add_keywords)
        if not module_name.startswith("bench_import_zig"):
            self.case("add(a=1, b=2)", name, "f(a=1, b=2)", 3, f=getattr(module, "add_keywords", module.add))
        if hasattr(module, "add_parsed") and name == BASE:
            self.case("add(a=1, b=2)", f"{name}, PyArg_ParseTupleAndKeywords", "f(a=1, b=2)", 3, f=module.add_parsed)
        self.case("echo('zigimport')", name, "f(text)", "zigimport", f=module.echo, text="zigimport")
        if hasattr(module, "upper"):
            self.case("upper('zigimport'), with memory for the result", name, "f(text)", "ZIGIMPORT", f=module.upper, text="zigimport")
        if hasattr(module, "Point"):
            point = module.Point(0, 0) if "pyoz" in module_name else module.Point()
            self.case("point.move(1, 2)", name, "p.move(1, 2)", None, p=point)
        if hasattr(module, "sum"):
            self.sums(name, "f(values)", sum=module.sum, sum_lanes=module.sum_lanes)
        if hasattr(module, "filled") and self.numpy:
            names = {"f": module.filled, "asarray": self.numpy.asarray, "count": COUNT}
            self.memory.add(FILLED)
            self.case(FILLED, name, "asarray(f(count, 2.0))[-1]", 2.0, **names)
        if name == BASE:
            self.native = module

    def plain_memory(self):
        """What the sums are compared with: the loops without objects, and numpy's own."""
        addresses = {"array.array": self.values.buffer_info()[0]}
        if self.numpy:
            addresses["numpy array"] = self.vector.ctypes.data
        for kind, address in addresses.items():
            one, lanes = (f"a million doubles, {kind}, {title}" for title in ("one sum", "sixteen sums at a time"))
            names = {"address": address, "count": COUNT}
            self.case(one, "C loop over the address", "f(address, count)", COUNT, f=self.native.sum_at, **names)
            self.case(lanes, "C loop over the address", "f(address, count)", COUNT, f=self.native.sum_lanes_at, **names)
            if kind == "numpy array":
                self.case(lanes, "numpy.sum", "f(values)", COUNT, f=self.numpy.sum, values=self.vector)
        if self.numpy:
            self.case(FILLED, "numpy.empty and fill", "f(count, 2.0)[-1]", 2.0, f=self.numpy_filled, count=COUNT)

    def numpy_filled(self, count, value):
        """Returns what ``filled`` does, made by numpy."""
        made = self.numpy.empty(count)
        made.fill(value)
        return made

    def ctypes(self, contender):
        """The C functions by ctypes, with the types declared."""
        import ctypes

        library = ctypes.CDLL(contender["path"])
        library.add.argtypes, library.add.restype = [ctypes.c_int64] * 2, ctypes.c_int64
        library.echo.argtypes, library.echo.restype = [ctypes.c_char_p], ctypes.c_char_p
        for function in (library.sum, library.sum_lanes):
            function.argtypes, function.restype = [ctypes.c_void_p, ctypes.c_size_t], ctypes.c_double
        name = contender["name"]
        self.case("add(1, 2)", name, "f(1, 2)", 3, f=library.add)
        self.case("echo('zigimport')", name, "f(text.encode()).decode()", "zigimport", f=library.echo, text="zigimport")
        make, cast = ctypes.c_char.from_buffer, ctypes.addressof
        self.sums(name, "f(cast(make(values)), count)", sum=library.sum, sum_lanes=library.sum_lanes, make=make, cast=cast)

    def cffi(self, contender):
        """The C functions by cffi."""
        if contender["module"]:
            from importlib.machinery import ExtensionFileLoader, ModuleSpec

            loader = ExtensionFileLoader(contender["module"], contender["path"])
            module = loader.create_module(ModuleSpec(contender["module"], loader, origin=contender["path"]))
            loader.exec_module(module)
            ffi, library = module.ffi, module.lib
        else:
            import cffi

            ffi = cffi.FFI()
            ffi.cdef(C_DECLARATIONS)
            library = ffi.dlopen(contender["path"])
        name = contender["name"]
        self.case("add(1, 2)", name, "f(1, 2)", 3, f=library.add)
        names = {"f": library.echo, "string": ffi.string, "text": "zigimport"}
        self.case("echo('zigimport')", name, "string(f(text.encode())).decode()", "zigimport", **names)
        make = ffi.from_buffer
        self.sums(name, "f(make('double[]', values), count)", sum=library.sum, sum_lanes=library.sum_lanes, make=make)

    def python(self, contender):
        """The same in Python."""

        def add(a, b):
            return a + b

        class Point:
            __slots__ = ("x", "y")

            def __init__(self):
                self.x = self.y = 0

            def move(self, dx, dy):
                self.x += dx
                self.y += dy
                return self.x & 1

        name = contender["name"]
        self.case("add(1, 2)", name, "f(1, 2)", 3, f=add)
        self.case("add(a=1, b=2)", name, "f(a=1, b=2)", 3, f=add)
        self.case("echo('zigimport')", name, "f(text)", "zigimport", f=lambda text: text, text="zigimport")
        self.case("upper('zigimport'), with memory for the result", name, "f()", "ZIGIMPORT", f="zigimport".upper)
        self.case("point.move(1, 2)", name, "p.move(1, 2)", None, p=Point())

    @staticmethod
    def timer(statement, names):
        """Returns a timer whose statement uses local variables, and how often it should run."""
        setup = "\n".join(f"{name} = names_[{name!r}]" for name in names) or "pass"
        made = timeit.Timer(statement, setup, time.thread_time, globals={"names_": names})
        number = 1
        while made.timeit(number) < GOAL and number < 1 << 20:
            number *= 2
        return made, number

    def run(self):
        """Measures every case, and returns the figures."""
        figures = {"cases": {}, "memory": sorted(self.memory), "empty loop": None}
        empty = self.timer("pass", {})
        for case, contenders in self.cases.items():
            if self.wanted and not any(text in case for text in self.wanted):
                continue
            timers = {name: self.timer(*made) for name, made in contenders.items()}
            timers[EMPTY] = empty
            variants = {name: lambda _, timer=timer: timer[0].timeit(timer[1]) / timer[1] * 1e9 for name, timer in timers.items()}
            times = measure.interleaved(self.rounds, variants)
            loop = min(times.pop(EMPTY))
            figures["empty loop"] = min(loop, figures["empty loop"] or loop)
            figures["cases"][case] = {
                name: {"min": min(values) - loop, "median": measure.median(values) - loop} for name, values in times.items()
            }
        return figures


if __name__ == "__main__":
    main()
