//! Bytes that nobody meant to write: manifests, sources, requests to the planner,
//! and what a compiler says that it does. The corpus is kept in `tests/corpus`,
//! the mutations are seeded, so that a run can be repeated.

use std::path::Path;

use proptest::prelude::*;
use zigimport_host::closure;
use zigimport_host::compiler::steps::Decoder;
use zigimport_host::digest::Digest;
use zigimport_host::guest::planning::{
    Input, Module, ModuleKind, NativePolicy, Presence, Previous, Request, Toolchain,
};
use zigimport_host::guest::source::{Binding, Language, Scan};
use zigimport_host::guest::{Planner, Scanner};
use zigimport_host::manifest::{BuildRecord, Library, Manifest, Recorded, StoredPath};
use zigimport_host::stamp::Stamp;

/// Bytes of the digest that ends a manifest.
const CHECKSUM_BYTES: usize = 8;

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

fn check_scan(source: &[u8], scan: &Scan) {
    let spans = scan.dependencies.iter().map(|dependency| &dependency.span).chain(&scan.invalid);
    for span in spans {
        let (start, end) = (span.start as usize, span.end as usize);
        assert!(start <= end && end <= source.len(), "{span:?}");
        let line = 1 + source[..start].iter().filter(|byte| **byte == b'\n').count();
        assert_eq!(span.line as usize, line, "{span:?}");
    }
    for declaration in &scan.declarations {
        assert!(declaration.line as usize <= 1 + source.iter().filter(|byte| **byte == b'\n').count());
    }
}

#[test]
fn any_bytes_are_scanned_in_every_language() {
    let mut scanner = Scanner::new().unwrap();
    let mut numbers = Numbers(0x5eed);
    for name in ["all.zig", "all.c", "build.zig.zon"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus").join(name);
        let original = std::fs::read(&path).unwrap();
        let whole = scanner.scan(&original, closure::language(&path)).unwrap().unwrap();
        assert!(whole.dependencies.len() > 2, "{name}");
        for round in 0..2_000 {
            let bytes = mutated(&mut numbers, &original);
            for language in [Language::Zig, Language::Zon, Language::C] {
                let scan = scanner.scan(&bytes, language).unwrap_or_else(|error| panic!("{name} {round}: {error}"));
                check_scan(&bytes, &scan.unwrap());
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

/// Ends bytes with the checksum that a manifest has.
fn with_checksum(mut body: Vec<u8>) -> Vec<u8> {
    let checksum = Digest::of(&body);
    body.extend_from_slice(&checksum.0[..CHECKSUM_BYTES]);
    body
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
        if let Some(read) = Manifest::decode(&with_checksum(bytes)) {
            assert_eq!(Manifest::decode(&read.encode()), Some(read));
            decoded += 1;
        }
    }
    assert!(decoded > 100, "{decoded}");
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![Just(String::new()), "[a-z0-9./-]{0,12}", ".{0,12}", Just("0.16.0".to_owned())]
}

fn inputs() -> impl Strategy<Value = Vec<Input>> {
    proptest::collection::vec((text(), text()).prop_map(|(path, digest)| Input { path, digest }), 0..5)
}

fn presence() -> impl Strategy<Value = Presence> {
    let previous = (text(), text(), text(), inputs()).prop_map(|(zig_version, optimize, abi, inputs)| Previous {
        zig_version,
        optimize,
        abi,
        inputs,
    });
    let facts = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>());
    (text(), text(), facts, proptest::option::of(previous)).prop_map(
        |(target, key, (library, object, remote, headers_missing), previous)| Presence {
            target,
            key,
            library,
            object,
            remote,
            headers_missing,
            previous,
        },
    )
}

fn module() -> impl Strategy<Value = Module> {
    let kind = prop_oneof![Just(ModuleKind::File), Just(ModuleKind::Package), Just(ModuleKind::Project)];
    let binding = prop_oneof![
        Just(Binding::Plain),
        Just(Binding::PythonH),
        Just(Binding::InitFunction),
        Just(Binding::Pyoz),
        Just(Binding::Pyz3),
        Just(Binding::Pydust),
    ];
    let targets = proptest::collection::vec(presence(), 0..4);
    let facts = (any::<bool>(), any::<bool>(), proptest::option::of(text()));
    (text(), kind, binding, facts, text(), inputs(), targets).prop_map(
        |(name, kind, binding, (c_import, translate_c, shadowed_by), abi, inputs, targets)| Module {
            path: name.clone(),
            name,
            kind,
            binding,
            package: None,
            c_import,
            translate_c,
            shadowed_by,
            optimize: "Debug".to_owned(),
            abi,
            inputs,
            targets,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// Every value of the interface goes in and comes out.
    #[test]
    fn any_request_is_planned(
        modules in proptest::collection::vec(module(), 0..4),
        toolchain in proptest::option::of((text(), proptest::option::of(text()))),
        never in any::<bool>(),
        force_rebuild in any::<bool>(),
    ) {
        let request = Request {
            modules,
            toolchain: toolchain.map(|(path, version)| Toolchain { path, version }),
            native: if never { NativePolicy::Never } else { NativePolicy::Auto },
            force_rebuild,
        };
        let actions = Planner::plan(&request).unwrap();
        for action in &actions {
            let module = &request.modules[action.module as usize];
            for target in &action.targets {
                prop_assert!(module.targets.iter().any(|presence| presence.target == *target));
            }
        }
        for (index, module) in request.modules.iter().enumerate() {
            let planned = actions.iter().filter(|action| action.module as usize == index).map(|action| action.targets.len());
            prop_assert_eq!(planned.sum::<usize>(), module.targets.len());
        }
    }

    /// Whatever a compiler writes as its steps, in whatever pieces, is shown in a
    /// line or not at all.
    #[test]
    fn any_bytes_are_steps_or_nothing(
        bytes in proptest::collection::vec(any::<u8>(), 0..4_000),
        cuts in proptest::collection::vec(0..4_000_usize, 0..8),
        line in prop_oneof![Just("0.15"), Just("0.16"), Just("0.17")],
    ) {
        check_steps(&bytes, &cuts, line)?;
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
        check_steps(&bytes, &cuts, "0.16")?;
    }
}

/// Decodes bytes in pieces, and checks that what comes out fits into a line and
/// does not depend on the pieces.
fn check_steps(bytes: &[u8], cuts: &[usize], line: &str) -> Result<(), TestCaseError> {
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).chain([0, bytes.len()]).collect();
    cuts.sort_unstable();
    let mut decoder = Decoder::new(line);
    let pieces: Vec<_> = cuts.windows(2).filter_map(|cut| decoder.push(&bytes[cut[0]..cut[1]])).collect();
    for step in &pieces {
        prop_assert!(!step.name.is_empty() && step.name.chars().count() <= 61);
        prop_assert!(!step.name.chars().any(char::is_control));
    }
    if let Some(step) = Decoder::new(line).push(bytes) {
        prop_assert_eq!(pieces.last(), Some(&step));
    }
    Ok(())
}
