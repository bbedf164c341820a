//! Bytes that nobody meant to write: sources, requests to the planner, and every
//! format that is read from a disk, a pipe or a shared cache. The corpus is kept in
//! `tests/corpus`, the mutations are seeded, so that a run can be repeated.

use std::path::Path;

use proptest::prelude::*;
use zigimport_fuzz::{CHECKSUM_BYTES, OBJECT_BYTES, with_checksum};
use zigimport_host::archive;
use zigimport_host::closure;
use zigimport_host::collect;
use zigimport_host::compiler::protocol;
use zigimport_host::config::{Layer, ModuleSettings, ProjectSettings};
use zigimport_host::digest::{self, Digest};
use zigimport_host::error::Error;
use zigimport_host::guest::source::Language;
use zigimport_host::manifest::{BuildRecord, Library, Manifest, Recorded, StoredPath};
use zigimport_host::object;
use zigimport_host::registry;
use zigimport_host::remote::transport::NoTransport;
use zigimport_host::remote::{self, Remote};
use zigimport_host::stamp::Stamp;
use zigimport_host::store::{Entry, EntryInput, History, Store};

/// A small generator: the same numbers in every run.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit.max(1) as u64).unwrap_or(0)
    }
}

/// Bytes that mean something to one of the readers.
const WORDS: [&[u8]; 16] = [
    b"\"",
    b"'",
    b"\\",
    b"\n",
    b"\0",
    b"\xff",
    b"#include <",
    b"*/",
    b"R\"(",
    b"@import(\"",
    b".{ .path = \"",
    b"{",
    b"}",
    b"//!",
    b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
    b"\xef\xbb\xbf",
];

/// Changes, removes, repeats and inserts bytes.
fn mutated(numbers: &mut Numbers, original: &[u8]) -> Vec<u8> {
    let mut bytes = original.to_vec();
    for _ in 0..=numbers.below(8) {
        let at = numbers.below(bytes.len());
        match numbers.below(5) {
            0 if !bytes.is_empty() => bytes[at] = numbers.next().to_le_bytes()[0],
            1 if !bytes.is_empty() => bytes[at] ^= 1 << numbers.below(8),
            2 => bytes.truncate(at),
            3 => {
                let end = at + numbers.below(bytes.len() - at);
                let repeated = bytes[at..end].to_vec();
                bytes.splice(at..at, repeated);
            }
            _ => {
                bytes.splice(at..at, WORDS[numbers.below(WORDS.len())].iter().copied());
            }
        }
    }
    bytes
}

#[test]
fn any_bytes_are_scanned_in_every_language() {
    let mut numbers = Numbers(0x5eed);
    for name in ["all.zig", "all.c", "build.zig.zon"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus").join(name);
        let original = std::fs::read(&path).unwrap();
        assert!(zigimport_fuzz::scanned(&original, closure::language(&path)).dependencies.len() > 2, "{name}");
        for _ in 0..2_000 {
            let bytes = mutated(&mut numbers, &original);
            for language in [Language::Zig, Language::Zon, Language::C] {
                zigimport_fuzz::scanned(&bytes, language);
            }
        }
    }
}

fn manifest() -> Manifest {
    let stamp = Stamp { size: 1, modified_ns: i128::MAX, changed_ns: -3, inode: u64::MAX };
    let recorded = |path: &str, is_folder| Recorded {
        path: path.into(),
        is_folder,
        stamp,
        trusted: true,
        digest: Digest::of(path.as_bytes()),
    };
    Manifest {
        inputs: vec![recorded("/p/m.zig", false), recorded("/p", true)],
        absent: vec![StoredPath("/p/pyproject.toml".into())],
        zig: Some((StoredPath("/z/zig".into()), stamp)),
        package: Some(StoredPath("/s/pyz3/src".into())),
        library: Library { digest: Digest::of(b"library"), suffix: ".so".into(), stamp },
        record: BuildRecord {
            module: "m".into(),
            source_path: "/p/m.zig".into(),
            key: "0".repeat(64),
            zig_version: "0.16.0".into(),
            optimize: "Debug".into(),
            target: "x86_64-linux-gnu".into(),
            abi: "abi3".into(),
        },
    }
}

#[test]
fn any_bytes_are_a_manifest_or_a_miss() {
    let mut numbers = Numbers(0xca5e);
    let whole = manifest().encode();
    let body = &whole[..whole.len() - CHECKSUM_BYTES];
    assert_eq!(Manifest::decode(&with_checksum(body.to_vec())), Some(manifest()));
    let mut decoded = 0;
    for _ in 0..50_000 {
        let bytes = mutated(&mut numbers, body);
        let is_same = bytes == body;
        // Without its checksum it is damaged, whatever else it is.
        assert!(is_same || Manifest::decode(&bytes).is_none());
        // With one, the fields themselves are what is read.
        decoded += u32::from(zigimport_fuzz::manifest(&bytes));
    }
    assert!(decoded > 100, "{decoded}");
}

/// A place where many small files are written: in memory, where that is possible.
fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

/// An entry as a build would write it, of a library that the store has.
fn stored_entry(store: &Store) -> Entry {
    let content = b"library".repeat(500);
    let (_, _, record) = store.put_library(&content, ".so").unwrap();
    let digest = |text: &str| Digest::of(text.as_bytes()).hex();
    let input = |role: &str, path: &str| EntryInput { role: role.into(), path: path.into(), digest: digest(path) };
    let mut entry = Entry {
        key: String::new(),
        source_key: digest("source"),
        module: "package.m".into(),
        source: "package/m.zig".into(),
        artifact: record.library.hex(),
        artifact_bytes: record.bytes,
        object: record.object.hex(),
        suffix: ".so".into(),
        abi: "abi3".into(),
        target: "x86_64-linux-gnu".into(),
        optimize: "Debug".into(),
        zig_version: "0.16.0".into(),
        zig_identity: digest("zig"),
        headers: Some(digest("headers")),
        inputs: vec![input("root", "package/m.zig"), input("embed", "d\u{e4}ta.txt")],
        discovered: vec![input("discovered", "/etc/data")],
        created_unix: 1_795_238_400,
        created_utc: "2026-11-21T05:20:00Z".into(),
        builder: "0".into(),
        checksum: String::new(),
    };
    entry.key = entry.key_of_its_fields().unwrap().hex();
    let entry = entry.sealed();
    store.put_entry(&entry).unwrap();
    entry
}

fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

/// Puts other bytes in the place of a read-only file.
fn replace(path: &Path, bytes: &[u8]) {
    std::fs::remove_file(path).unwrap();
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn any_bytes_are_an_entry_or_a_miss() {
    let folder = folder();
    let entry = stored_entry(&Store::open(folder.path().to_owned()).unwrap());
    let text = serde_json::to_vec_pretty(&entry).unwrap();
    let mut numbers = Numbers(0xe47);
    let (mut same, mut sealed) = (0, 0);
    for _ in 0..20_000 {
        let bytes = mutated(&mut numbers, &text);
        // A space more is the same entry.
        if let Ok(read) = Entry::parse(&bytes) {
            assert_eq!(read, entry);
            same += 1;
        }
        // With a checksum of its own, its key still has to be that of its fields.
        sealed += u32::from(zigimport_fuzz::entry(&bytes));
    }
    assert!(same > 0 && sealed > same, "{same} {sealed}");
}

#[test]
fn any_bytes_are_a_history_or_none() {
    let inputs = vec![("m.zig".to_owned(), Digest::of(b"m")), ("n.zig".to_owned(), Digest::of(b"n"))];
    let history = History {
        zig_version: "0.16.0".into(),
        optimize: "Debug".into(),
        abi: "abi3".into(),
        discovered: inputs.clone(),
        inputs,
    };
    let folder = folder();
    let store = Store::open(folder.path().to_owned()).unwrap();
    store.put_history(Path::new("/m.zig"), "x", &history).unwrap();
    let path = files(folder.path()).into_iter().find(|path| path.to_string_lossy().contains("history-v")).unwrap();
    let whole = std::fs::read(path).unwrap();
    let body = digest::unseal(&whole).unwrap();
    assert_eq!(History::decode(&whole), Some(history));
    let mut numbers = Numbers(0x41570);
    let mut decoded = 0;
    for _ in 0..20_000 {
        let bytes = mutated(&mut numbers, body);
        assert!(bytes == body || History::decode(&bytes).is_none());
        decoded += u32::from(zigimport_fuzz::history(&bytes));
    }
    assert!(decoded > 100, "{decoded}");
}

#[test]
fn any_bytes_are_the_record_of_a_compiler_or_none() {
    let folder = folder();
    let store = Store::open(folder.path().to_owned()).unwrap();
    let identity = Digest::of(b"zig");
    store.put_zig_version(identity, "0.16.0").unwrap();
    let path = files(folder.path()).into_iter().find(|path| path.to_string_lossy().contains("toolchains-v")).unwrap();
    let whole = std::fs::read(&path).unwrap();
    let mut numbers = Numbers(0x7001);
    for _ in 0..2_000 {
        replace(&path, &mutated(&mut numbers, &whole));
        let read = store.zig_version(identity);
        assert!(read.is_none() || read.as_deref() == Some("0.16.0"), "{read:?}");
    }
}

#[test]
fn any_bytes_are_an_object_or_refused() {
    let mut content = Vec::new();
    while content.len() < OBJECT_BYTES {
        content.extend(Digest::of(&content).0);
        content.extend([0; 50]);
    }
    content.truncate(OBJECT_BYTES);
    let packed = object::pack(&content).unwrap();
    let mut numbers = Numbers(0x0b1);
    let mut refused = 0;
    for _ in 0..20_000 {
        refused += u32::from(!zigimport_fuzz::unpacked(&mutated(&mut numbers, &packed)));
    }
    assert!(refused > 15_000, "{refused}");
}

#[test]
fn any_bytes_are_an_archive_or_change_nothing() {
    let (folder, other) = (folder(), folder());
    let store = Store::open(folder.path().join("store")).unwrap();
    let entry = stored_entry(&store);
    let path = folder.path().join("mods.tar.zst");
    archive::export(&store, &registry::list(&store), &path).unwrap();
    let members = zstd::stream::decode_all(std::fs::File::open(&path).unwrap()).unwrap();
    let mut numbers = Numbers(0xa4c);
    let mut taken = 0;
    for round in 0..600 {
        let changed = mutated(&mut numbers, &members);
        std::fs::write(&path, zstd::stream::encode_all(&changed[..], 1).unwrap()).unwrap();
        let into = Store::open(other.path().join(round.to_string())).unwrap();
        match archive::import(&into, &path) {
            Ok(_) => {
                assert!(registry::list(&into).iter().all(|one| one.entry == entry));
                taken += 1;
            }
            Err(Error::Archive { .. }) => assert!(!into.root().exists() || into.sizes().is_empty()),
            Err(error) => panic!("{round}: {error}"),
        }
    }
    assert!(taken > 0, "{taken}");
}

#[test]
fn any_bytes_in_a_shared_cache_are_a_miss_or_refused() {
    let (folder, shared, other) = (folder(), folder(), folder());
    let store = Store::open(folder.path().to_owned()).unwrap();
    let entry = stored_entry(&store);
    let layer = Layer { remote_cache: Some(shared.path().to_owned()), ..Layer::default() };
    remote::push(&layer, &NoTransport, &store, &registry::list(&store)).unwrap();
    let remote = Remote::of(&layer, &NoTransport).unwrap().unwrap();
    let key = Digest::from_hex(&entry.source_key).unwrap();
    let into = Store::open(other.path().join("store")).unwrap();
    let paths = files(shared.path());
    assert_eq!(paths.len(), 2);
    let mut numbers = Numbers(0x4e3);
    let mut fetched = 0;
    for path in paths {
        let whole = std::fs::read(&path).unwrap();
        for _ in 0..1_000 {
            replace(&path, &mutated(&mut numbers, &whole));
            for found in remote.entries(key).unwrap() {
                assert_eq!(found.entry, entry);
                match remote.fetch(&into, &found) {
                    Ok(_) => fetched += 1,
                    Err(Error::Remote { .. }) => {}
                    Err(error) => panic!("{error}"),
                }
            }
        }
        replace(&path, &whole);
    }
    assert!(fetched > 0, "{fetched}");
    let (library, _) = registry::library(&into, &entry).unwrap();
    assert_eq!(Digest::of(&std::fs::read(library).unwrap()).hex(), entry.artifact);
}

#[test]
fn any_bytes_are_a_log_of_the_stores_size_or_make_a_new_one() {
    let folder = folder();
    let store = Store::open(folder.path().to_owned()).unwrap();
    let entry = stored_entry(&store);
    let add = || collect::after_publication(&store, Some(1 << 30), 1_000, &[]).unwrap();
    add();
    add();
    let path = files(folder.path()).into_iter().find(|path| path.to_string_lossy().contains("usage-v")).unwrap();
    let whole = std::fs::read(&path).unwrap();
    let mut numbers = Numbers(0x109);
    for _ in 0..2_000 {
        std::fs::write(&path, mutated(&mut numbers, &whole)).unwrap();
        add();
    }
    // The largest sum that a log can have.
    std::fs::write(&path, [&whole[..8], &u64::MAX.to_le_bytes()].concat()).unwrap();
    add();
    assert!(
        store.has_object(Digest::from_hex(&entry.artifact).unwrap())
            && std::fs::read(&path).unwrap()[8..16] != u64::MAX.to_le_bytes()
    );
}

#[test]
fn any_text_is_settings_or_one_error_that_names_its_place() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/pyproject.toml");
    let original = std::fs::read(&corpus).unwrap();
    let whole = ProjectSettings::parse(std::str::from_utf8(&original).unwrap(), &corpus).unwrap();
    assert!(whole.optimize.is_some() && whole.debug_info.is_some());
    let mut numbers = Numbers(0x70a1);
    let (mut good, mut bad) = (0, 0);
    for _ in 0..20_000 {
        let bytes = mutated(&mut numbers, &original);
        match zigimport_fuzz::settings(&String::from_utf8_lossy(&bytes)) {
            true => good += 1,
            false => bad += 1,
        }
    }
    assert!(good > 1_000 && bad > 1_000, "{good} {bad}");

    let lines = ["optimize=ReleaseFast", "debug-info=true", "c-sources=a.c b.c", "libraries=m", "c-flags=-DX=1"];
    for _ in 0..20_000 {
        let line = lines[numbers.below(lines.len())];
        let line = mutated(&mut numbers, line.as_bytes());
        let line = String::from_utf8_lossy(&line).into_owned();
        let (name, value) = line.split_once('=').unwrap_or((&line, ""));
        if let Err(error) = ModuleSettings::parse([(name, value, 7)], Path::new("/m.zig")) {
            assert!(error.to_string().contains("/m.zig:7"), "{error}");
        }
    }
}

#[test]
fn any_bytes_are_an_answer_of_the_compiler_or_none() {
    let message = |tag: u32, body: &[u8]| {
        let length = u32::try_from(body.len()).unwrap();
        [&tag.to_le_bytes(), &length.to_le_bytes(), body].concat()
    };
    let read = b"\x01m.zig\0\x01inner/n.zig\0\x02std.zig\0\x05other.zig";
    let original = [message(0, b"0.16.0"), message(2, &[1; 17]), message(5, read), message(6, read)].concat();
    assert_eq!(protocol::parse(&original, "0.16", Path::new("/p")).unwrap().read.len(), 3);
    let text = b"m.zig:1:2: error: no\n    return;\n    ^\nnote: called\nC:\\m.zig:3:4: note: here\n";
    let mut numbers = Numbers(0x9401);
    let mut answers = 0;
    for _ in 0..50_000 {
        let bytes = mutated(&mut numbers, &original);
        for line in ["0.15", "0.16", "0.17"] {
            answers += u32::from(zigimport_fuzz::answered(&bytes, line));
        }
        let text = mutated(&mut numbers, text);
        zigimport_fuzz::diagnosed(&String::from_utf8_lossy(&text));
    }
    assert!(answers > 10_000, "{answers}");
}

#[test]
fn any_request_is_planned() {
    let mut numbers = Numbers(0x9e9);
    let mut planned = 0;
    for _ in 0..20_000 {
        let bytes: Vec<u8> = (0..numbers.below(500)).map(|_| numbers.next().to_le_bytes()[0]).collect();
        planned += u32::from(zigimport_fuzz::request(&bytes));
    }
    assert!(planned > 1_000, "{planned}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever a compiler writes as its steps, in whatever pieces, is shown in a
    /// line or not at all.
    #[test]
    fn any_bytes_are_steps_or_nothing(
        bytes in proptest::collection::vec(any::<u8>(), 0..4_000),
        cuts in proptest::collection::vec(0..4_000_usize, 0..8),
        line in prop_oneof![Just("0.15"), Just("0.16"), Just("0.17")],
    ) {
        zigimport_fuzz::steps(&bytes, &cuts, line);
    }

    /// The same of packets whose parts are well formed, whatever refers to whatever.
    #[test]
    fn any_tree_is_a_step_or_nothing(
        packets in proptest::collection::vec(
            proptest::collection::vec((prop_oneof![Just(255_u8), 0..6_u8], any::<u32>(), any::<u32>(), "[a-zA-Z. é\0]{0,50}"), 0..6),
            0..4,
        ),
        cuts in proptest::collection::vec(0..4_000_usize, 0..8),
    ) {
        let mut bytes = Vec::new();
        for nodes in &packets {
            bytes.push(u8::try_from(nodes.len()).unwrap());
            for (_, done, total, name) in nodes {
                bytes.extend(done.to_le_bytes());
                bytes.extend(total.to_le_bytes());
                let mut name = name.clone().into_bytes();
                name.resize(120, 0);
                bytes.extend(name);
            }
            bytes.extend(nodes.iter().map(|(parent, ..)| *parent));
        }
        zigimport_fuzz::steps(&bytes, &cuts, "0.16");
    }
}
