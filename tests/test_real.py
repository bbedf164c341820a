"""Modules that lean on Zig's own standard library, on every supported Zig. What
they answer is compared with what Python's libraries answer."""

import base64
import gzip
import hashlib
import hmac
import json
import math
import random
import shutil
import zlib
from collections import Counter

import pytest

from conftest import ZIGS, Project, base_environment, make_writable

#: The same source for Zig 0.15, 0.16 and 0.17.
REAL = r"""
//! What a user would take from the standard library first.
const std = @import("std");
const Allocator = std.mem.Allocator;

fn hex(allocator: Allocator, bytes: anytype) ![]const u8 {
    return allocator.dupe(u8, &std.fmt.bytesToHex(bytes, .lower));
}

fn hashed(comptime Hash: type, allocator: Allocator, data: []const u8) ![]const u8 {
    var digest: [Hash.digest_length]u8 = undefined;
    Hash.hash(data, &digest, .{});
    return hex(allocator, digest);
}

pub fn md5(allocator: Allocator, data: []const u8) ![]const u8 {
    return hashed(std.crypto.hash.Md5, allocator, data);
}
pub fn sha256(allocator: Allocator, data: []const u8) ![]const u8 {
    return hashed(std.crypto.hash.sha2.Sha256, allocator, data);
}
pub fn sha512(allocator: Allocator, data: []const u8) ![]const u8 {
    return hashed(std.crypto.hash.sha2.Sha512, allocator, data);
}
pub fn sha3(allocator: Allocator, data: []const u8) ![]const u8 {
    return hashed(std.crypto.hash.sha3.Sha3_256, allocator, data);
}
pub fn blake2b(allocator: Allocator, data: []const u8) ![]const u8 {
    return hashed(std.crypto.hash.blake2.Blake2b512, allocator, data);
}
pub fn blake3(allocator: Allocator, data: []const u8) ![]const u8 {
    return hashed(std.crypto.hash.Blake3, allocator, data);
}
pub fn hmac_sha256(allocator: Allocator, key: []const u8, data: []const u8) ![]const u8 {
    const Hmac = std.crypto.auth.hmac.sha2.HmacSha256;
    var mac: [Hmac.mac_length]u8 = undefined;
    Hmac.create(&mac, data, key);
    return hex(allocator, mac);
}
pub fn crc32(data: []const u8) u32 {
    return std.hash.Crc32.hash(data);
}
pub fn adler32(data: []const u8) u32 {
    return std.hash.Adler32.hash(data);
}

/// Sorts lines.
pub fn sort_lines(allocator: Allocator, text: []const u8) ![]const u8 {
    var lines: std.ArrayList([]const u8) = .empty;
    var split = std.mem.splitScalar(u8, text, '\n');
    while (split.next()) |line| try lines.append(allocator, line);
    std.mem.sort([]const u8, lines.items, {}, struct {
        fn less(_: void, left: []const u8, right: []const u8) bool {
            return std.mem.lessThan(u8, left, right);
        }
    }.less);
    return std.mem.join(allocator, "\n", lines.items);
}

/// Counts words, as a JSON object.
pub fn count_words(allocator: Allocator, text: []const u8) ![]const u8 {
    var counts: std.StringArrayHashMapUnmanaged(u32) = .empty;
    var words = std.mem.tokenizeAny(u8, text, " \t\r\n.,;");
    while (words.next()) |word| {
        const entry = try counts.getOrPutValue(allocator, word, 0);
        entry.value_ptr.* += 1;
    }
    const result: std.json.ArrayHashMap(u32) = .{ .map = counts };
    return std.json.Stringify.valueAlloc(allocator, result, .{});
}

/// Parses any JSON and writes it anew.
pub fn json_again(allocator: Allocator, text: []const u8) ![]const u8 {
    const value = try std.json.parseFromSliceLeaky(std.json.Value, allocator, text, .{});
    return std.json.Stringify.valueAlloc(allocator, value, .{ .whitespace = .indent_2 });
}

const Person = struct { name: []const u8, age: u8, tags: []const []const u8 = &.{}, nick: ?[]const u8 = null };

/// Parses JSON of a fixed shape.
pub fn oldest(allocator: Allocator, text: []const u8) !struct { []const u8, u8, ?[]const u8 } {
    const people = try std.json.parseFromSliceLeaky([]const Person, allocator, text, .{});
    if (people.len == 0) return error.Nobody;
    var found = people[0];
    for (people[1..]) |person| if (person.age > found.age) {
        found = person;
    };
    return .{ found.name, found.age, found.nick };
}

pub fn encode64(allocator: Allocator, data: []const u8) ![]const u8 {
    const encoder = std.base64.standard.Encoder;
    return encoder.encode(try allocator.alloc(u8, encoder.calcSize(data.len)), data);
}
pub fn decode64(allocator: Allocator, text: []const u8) ![]const u8 {
    const decoder = std.base64.standard.Decoder;
    const data = try allocator.alloc(u8, try decoder.calcSizeForSlice(text));
    try decoder.decode(data, text);
    return data;
}

fn inflated(allocator: Allocator, container: std.compress.flate.Container, data: []const u8) ![]const u8 {
    var reader: std.Io.Reader = .fixed(data);
    var window: [std.compress.flate.max_window_len]u8 = undefined;
    var stream: std.compress.flate.Decompress = .init(&reader, container, &window);
    var output: std.Io.Writer.Allocating = .init(allocator);
    _ = try stream.reader.streamRemaining(&output.writer);
    return output.written();
}
pub fn inflate(allocator: Allocator, data: []const u8) ![]const u8 {
    return inflated(allocator, .zlib, data);
}
pub fn gunzip(allocator: Allocator, data: []const u8) ![]const u8 {
    return inflated(allocator, .gzip, data);
}
pub fn unzstd(allocator: Allocator, data: []const u8) ![]const u8 {
    var reader: std.Io.Reader = .fixed(data);
    const window = try allocator.alloc(u8, std.compress.zstd.default_window_len + std.compress.zstd.block_size_max);
    var stream: std.compress.zstd.Decompress = .init(&reader, window, .{});
    var output: std.Io.Writer.Allocating = .init(allocator);
    _ = try stream.reader.streamRemaining(&output.writer);
    return output.written();
}

/// Formats numbers in several ways.
pub fn format(allocator: Allocator, integer: i64, float: f64) ![]const u8 {
    return std.fmt.allocPrint(allocator, "{d}|{x}|{b}|{d:0>6}|{d:>8}|{d:.3}|{s:*^9}", .{
        integer, @abs(integer), @abs(integer), @abs(integer), @abs(integer), float, "mid",
    });
}
pub fn parse_float(text: []const u8) !f64 {
    return std.fmt.parseFloat(f64, text);
}
pub fn parse_int(text: []const u8, base: u8) !i64 {
    return std.fmt.parseInt(i64, text, base);
}

/// Code points, UTF-16 units and the largest code point of a text.
pub fn unicode(allocator: Allocator, text: []const u8) !struct { u64, u64, u32 } {
    const units = try std.unicode.utf8ToUtf16LeAlloc(allocator, text);
    var largest: u21 = 0;
    var points = (try std.unicode.Utf8View.init(text)).iterator();
    while (points.nextCodepoint()) |point| largest = @max(largest, point);
    return .{ try std.unicode.utf8CountCodepoints(text), units.len, largest };
}

/// The factorial as text: arbitrary precision.
pub fn factorial(allocator: Allocator, n: u32) ![]const u8 {
    var product = try std.math.big.int.Managed.initSet(allocator, 1);
    var factor = try std.math.big.int.Managed.init(allocator);
    var next: u32 = 2;
    while (next <= n) : (next += 1) {
        try factor.set(next);
        try product.mul(&product, &factor);
    }
    return product.toString(allocator, 10, .lower);
}

pub fn gamma(x: f64) f64 {
    return std.math.gamma(f64, x);
}
pub fn gcd(a: u64, b: u64) u64 {
    return std.math.gcd(a, b);
}

fn addUp(from: u64, to: u64, sum: *u64) void {
    for (from..to) |number| sum.* += number;
}
/// Sums on two threads.
pub fn sum_below(n: u64) !u64 {
    var low: u64 = 0;
    var high: u64 = 0;
    const one = try std.Thread.spawn(.{}, addUp, .{ 0, n / 2, &low });
    const two = try std.Thread.spawn(.{}, addUp, .{ n / 2, n, &high });
    one.join();
    two.join();
    return low + high;
}
"""

CALL = """
import json, sys
import zigimport, real
answers = []
for name, arguments in json.load(sys.stdin):
    decoded = [bytes.fromhex(one["bytes"]) if isinstance(one, dict) else one for one in arguments]
    try:
        answers.append(getattr(real, name)(*decoded))
    except Exception as error:
        answers.append([type(error).__name__, getattr(error, "name", None)])
print(json.dumps(answers))
"""

TEXTS = ["", "a", "abc" * 1000, "Zoë, \u4e16\u754c \U0001f40d", "one two\ntwo three. three, three;\n"]
RANDOM = [random.Random(size).randbytes(size) for size in (0, 1, 55, 56, 63, 64, 65, 127, 128, 1000, 100_003)]


class Real:
    """The module, built once for a line of Zig and a mode."""

    def __init__(self, project):
        self.project = project
        project.write("real.zig", REAL)
        built = project.cli("build", "real.zig")
        assert built.returncode == 0, built

    def call(self, *calls):
        """Returns the answers to ``(name, argument, …)``, from one process."""
        encoded = [
            [name, [{"bytes": one.hex()} if isinstance(one, bytes) else one for one in arguments]]
            for name, *arguments in calls
        ]
        self.project.write("calls.json", json.dumps(encoded))
        result = self.project.run(CALL.replace("sys.stdin", "open('calls.json')"))
        assert result.returncode == 0 and not result.builds, result
        return result.json

    def each(self, name, arguments):
        """Returns the answers of a function to each of some arguments."""
        return self.call(*((name, argument) for argument in arguments))


BUILDS = [(line, "Debug") for line in ZIGS] + [("0.16", "ReleaseSafe"), ("0.16", "ReleaseFast")]


@pytest.fixture(scope="module", params=BUILDS, ids=lambda build: f"zig{build[0]}-{build[1]}")
def real(request, environments, tmp_path_factory):
    line, mode = request.param
    folder = tmp_path_factory.mktemp(f"real-{line}")
    environment = base_environment(folder, environments["zigs"][line], folder / "store")
    environment["ZIGIMPORT_OPTIMIZE"] = mode
    made = Real(Project(folder, environments["pythons"][environments["main"]], environment))
    yield made
    make_writable(made.project.store)
    shutil.rmtree(made.project.store)


@pytest.mark.parametrize(
    "name, python",
    [
        ("md5", hashlib.md5),
        ("sha256", hashlib.sha256),
        ("sha512", hashlib.sha512),
        ("sha3", hashlib.sha3_256),
        ("blake2b", hashlib.blake2b),
    ],
)
def test_hashes_are_those_of_hashlib(real, name, python):
    data = [*RANDOM, *(text.encode() for text in TEXTS)]
    assert real.each(name, data) == [python(one).hexdigest() for one in data]


def test_blake3_is_that_of_its_paper(real):
    # Python has none; these are the published vectors for 0, 1 and 2,048 bytes of 0, 1, … 250, 0, ….
    vectors = {
        0: "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262",
        1: "2d3adedff11b61f14c886e35afa036736dcd87a74d27b5c1510225d0f592e213",
        2048: "e776b6028c7cd22a4d0ba182a8bf62205d2ef576467e838ed6f2529b85fba24a",
    }
    data = [bytes(number % 251 for number in range(size)) for size in vectors]
    assert real.each("blake3", data) == list(vectors.values())


def test_checksums_are_those_of_zlib(real):
    assert real.each("crc32", RANDOM) == [zlib.crc32(one) for one in RANDOM]
    assert real.each("adler32", RANDOM) == [zlib.adler32(one) for one in RANDOM]


def test_message_authentication_is_that_of_hmac(real):
    pairs = [(b"key", b"message"), (b"", b""), (b"k" * 200, b"m" * 5000)]
    expected = [hmac.new(key, message, "sha256").hexdigest() for key, message in pairs]
    assert real.call(*(("hmac_sha256", *pair) for pair in pairs)) == expected


def test_lines_are_sorted_as_python_sorts_bytes(real):
    generator = random.Random(7)
    lines = ["".join(generator.choices("abcäöü\u4e16", k=generator.randrange(8))) for _ in range(3000)]
    expected = [line.decode() for line in sorted(line.encode() for line in lines)]
    assert real.call(("sort_lines", "\n".join(lines))) == ["\n".join(expected)]


def test_words_are_counted_in_a_hash_map(real):
    generator = random.Random(8)
    words = [f"w{generator.randrange(500)}" for _ in range(20_000)] + ["größe"] * 3
    (answer,) = real.call(("count_words", " ".join(words)))
    assert json.loads(answer) == Counter(words)
    assert list(json.loads(answer)) == list(Counter(words))


def test_json_survives_being_parsed_and_written(real):
    values = [
        None,
        True,
        -12,
        1.5,
        'text with "quotes", \\, \n and \u4e16\U0001f40d\x7f',
        [],
        {},
        [1, [2, [3, {"a": {"b": [None, False]}}]]],
        {f"key {number}": [number, str(number), number / 4] for number in range(200)},
        2**63 - 1,
        -(2**63),
    ]
    answers = real.each("json_again", [json.dumps(value) for value in values])
    assert [json.loads(answer) for answer in answers] == values
    assert answers[7] == json.dumps(values[7], indent=2)


def test_json_of_another_shape_is_an_error_with_a_name(real):
    people = [
        {"name": "Ada", "age": 36},
        {"name": "Zoë", "age": 90, "nick": "Z", "tags": ["a"]},
        {"name": "B", "age": 1},
    ]
    wrong = ["[]", "[", '[{"name": 1}]', '[{"name": "x", "age": 300}]']
    answers = real.each("oldest", [json.dumps(people), json.dumps(people[:1]), *wrong])
    assert answers[:2] == [["Zoë", 90, "Z"], ["Ada", 36, None]]
    assert answers[2:] == [
        ["ZigError", "Nobody"],
        ["ZigError", "UnexpectedEndOfInput"],
        ["ZigError", "UnexpectedToken"],
        ["ZigError", "Overflow"],
    ]


def test_base64_is_that_of_python(real):
    encoded = [base64.b64encode(one).decode() for one in RANDOM]
    assert real.each("encode64", RANDOM) == encoded
    texts = [base64.b64encode(text.encode()).decode() for text in TEXTS]
    assert real.each("decode64", texts) == TEXTS
    assert [kind for kind, _ in real.each("decode64", ["a", "????", "YQ"])] == ["ZigError"] * 3


def long_text():
    generator = random.Random(9)
    words = ["zig", "python", "größe", "\u4e16\u754c"]
    return " ".join(generator.choice([*words, str(generator.random())]) for _ in range(40_000))


def test_what_python_deflated_is_inflated(real):
    texts = [*TEXTS, long_text()]
    for level in (0, 1, 9):
        assert real.each("inflate", [zlib.compress(text.encode(), level) for text in texts]) == texts
        assert real.each("gunzip", [gzip.compress(text.encode(), level) for text in texts]) == texts


def test_a_damaged_stream_is_an_error(real):
    good = zlib.compress(long_text().encode())
    answers = real.each("inflate", [good[: len(good) // 2], b"", b"no zlib at all"])
    assert [kind for kind, _ in answers] == ["ZigError"] * 3


def test_zstandard_is_decompressed(real):
    # An empty, a raw and a run-length frame by hand, and one of `zstd -19` with a checksum.
    frames = {
        "28b52ffd2400010000" + "99e9d851": "",
        "28b52ffd2005290000" + b"hello".hex(): "hello",
        "28b52ffd200a530000" + b"a".hex(): "aaaaaaaaaa",
        "28b52ffd64cc00550100f848656c6c6f2c2057c3b6726c6421207a69"
        "6720616e6420707974686f6e3b2002001a33a94543d45907ef070d86": (
            "Hello, W\u00f6rld! " * 20 + "zig and python; " * 10
        ),
    }
    assert real.each("unzstd", [bytes.fromhex(frame) for frame in frames]) == list(frames.values())


def test_numbers_are_formatted_as_python_formats_them(real):
    pairs = [(0, 0.0), (-255, 1.5), (2**63 - 1, -1234.56789), (7, 1e15), (-(2**62), 0.0005)]
    expected = [
        f"{integer}|{abs(integer):x}|{abs(integer):b}|{abs(integer):0>6}|{abs(integer):>8}|{number:.3f}|{'mid':*^9}"
        for integer, number in pairs
    ]
    assert real.call(*(("format", *pair) for pair in pairs)) == expected


def test_numbers_are_parsed_as_python_parses_them(real):
    generator = random.Random(10)
    texts = [repr(generator.uniform(-1, 1) * 10 ** generator.randrange(-300, 300)) for _ in range(300)]
    texts += ["5e-324", "1.7976931348623157e308", "0.1", "123456789012345678901234567890", "1e23"]
    assert real.each("parse_float", texts) == [float(text) for text in texts]
    assert real.call(("parse_int", "-7f", 16), ("parse_int", "101", 2), ("parse_int", "12x", 10)) == [
        -0x7F,
        5,
        ["ZigError", "InvalidCharacter"],
    ]


def test_text_has_as_many_code_points_and_units_as_in_python(real):
    texts = [text for text in [*TEXTS, long_text()] if text]
    assert real.each("unicode", texts) == [
        [len(text), len(text.encode("utf-16-le")) // 2, max(map(ord, text))] for text in texts
    ]


def test_integers_of_any_size_are_multiplied(real):
    numbers = [0, 1, 5, 20, 21, 100, 500]
    assert real.each("factorial", numbers) == [str(math.factorial(number)) for number in numbers]


def test_mathematics_agrees_with_pythons(real):
    values = [0.5, 1.0, 3.25, 10.5]
    assert real.each("gamma", values) == pytest.approx([math.gamma(value) for value in values], rel=1e-12)
    pairs = [(12, 18), (2**63, 2**40 * 3), (17, 4)]
    assert real.call(*(("gcd", *pair) for pair in pairs)) == [math.gcd(*pair) for pair in pairs]


def test_threads_of_zig_run(real):
    assert real.call(("sum_below", 100_001)) == [sum(range(100_001))]
