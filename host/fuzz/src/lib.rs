//! What has to hold of any bytes that a reader of the host is given.
//!
//! `tests/seeded.rs` tries the checks on mutations of real files, the same in every
//! run. `fuzz_targets/fuzz.rs` gives them to libFuzzer, which follows the branches:
//! of the host, and of the scanner, which it is given as a native program too.

mod requests;

use std::cell::RefCell;
use std::path::Path;
use std::sync::Mutex;

use arbitrary::Unstructured;
use zigimport_host::compiler::steps::Decoder;
use zigimport_host::compiler::{diagnostics, protocol, reads};
use zigimport_host::config::{ProjectSettings, UserSettings};
use zigimport_host::difference;
use zigimport_host::digest::{self, Digest};
use zigimport_host::guest::Scanner;
use zigimport_host::guest::source::{Language, Scan};
use zigimport_host::manifest::Manifest;
use zigimport_host::object::{self, Record};
use zigimport_host::plugin::Description;
use zigimport_host::sources;
use zigimport_host::store::{Entry, History};

/// Bytes of the digest that ends a manifest.
pub const CHECKSUM_BYTES: usize = 8;
/// Lines of Zig whose build systems speak to us.
const LINES: [&str; 3] = ["0.15", "0.16", "0.17"];
/// What an object is unpacked to.
pub const OBJECT_BYTES: usize = 5_000;

/// A format by its name, and its check: returns whether the bytes are of it.
pub type Format = (&'static str, fn(&[u8]) -> bool);

/// Every format.
pub const FORMATS: [Format; 13] = [
    ("compiler", compiler),
    ("entry", entry),
    ("files", files),
    ("history", history),
    ("manifest", manifest),
    ("object", unpacked),
    ("plan", plan),
    ("plugin", plugin),
    ("request", request),
    ("settings", |bytes| settings(&String::from_utf8_lossy(bytes))),
    ("source", source),
    ("steps", any_steps),
    ("table", |bytes| sources::is_table(&digest::seal(bytes.to_vec()))),
];

/// Scans a source with the component: what it answers is about the source.
pub fn scanned(source: &[u8], language: Language) -> Scan {
    thread_local! {
        static SCANNER: RefCell<Scanner> = RefCell::new(Scanner::new().expect("the engine runs"));
    }
    let scan = SCANNER.with_borrow_mut(|scanner| scanner.scan(source, language));
    let scan = scan.expect("no trap, and within the limits").expect("the source is not too large");
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
    scan
}

/// The first byte chooses the language. Every source is one.
fn source(bytes: &[u8]) -> bool {
    let Some((&first, source)) = bytes.split_first() else { return false };
    let number = first % 3;
    let scan = scanned(source, [Language::Zig, Language::Zon, Language::C][usize::from(number)]);
    #[cfg(feature = "libfuzzer")]
    native::agrees(source, number, &scan);
    !scan.dependencies.is_empty()
}

/// The scanner as a native program, in which libFuzzer sees the branches.
#[cfg(feature = "libfuzzer")]
mod native {
    use super::Scan;

    unsafe extern "C" {
        fn scan_fuzz(source: *const u8, length: usize, language: u8) -> u64;
    }

    /// Scans with safety checks, and compares the numbers of what was found.
    pub fn agrees(source: &[u8], language: u8, scan: &Scan) {
        let ended = [source, b"\0"].concat();
        // SAFETY: the zero behind `source.len()` bytes is there, and nothing is kept.
        let found = unsafe { scan_fuzz(ended.as_ptr(), source.len(), language) };
        let count = |list: usize| u64::try_from(list).expect("64 bits");
        assert_eq!(found, count(scan.declarations.len()) << 32 | count(scan.dependencies.len()));
    }
}

/// Ends bytes with the checksum that a manifest has.
pub fn with_checksum(mut body: Vec<u8>) -> Vec<u8> {
    let checksum = Digest::of(&body);
    body.extend_from_slice(&checksum.0[..CHECKSUM_BYTES]);
    body
}

/// Reads the fields of a manifest; returns whether they are one, which is the same
/// when it is written and read again.
pub fn manifest(body: &[u8]) -> bool {
    let read = Manifest::decode(&with_checksum(body.to_vec()));
    if let Some(read) = &read {
        assert_eq!(Manifest::decode(&read.encode()).as_ref(), Some(read));
    }
    read.is_some()
}

/// Reads an entry, whatever its checksum is; returns whether it is one. Its key has
/// to be that of its fields then.
pub fn entry(bytes: &[u8]) -> bool {
    let Ok(read) = serde_json::from_slice::<Entry>(bytes).map(Entry::sealed) else { return false };
    let Ok(read) = Entry::parse(&serde_json::to_vec(&read).expect("no map has other keys than text")) else {
        return false;
    };
    assert_eq!(Some(&read.key), read.key_of_its_fields().map(|key| key.hex()).as_ref());
    assert!(Digest::from_hex(&read.artifact).is_some() && !read.suffix.contains('/'), "{read:?}");
    true
}

/// Reads a history, whatever its checksum is; returns whether it is one.
pub fn history(bytes: &[u8]) -> bool {
    History::decode(&digest::seal(bytes.to_vec())).is_some()
}

/// Unpacks an object; returns whether it holds [`OBJECT_BYTES`]. More is never given.
pub fn unpacked(bytes: &[u8]) -> bool {
    let given = Mutex::new((vec![0; OBJECT_BYTES], 0));
    let record = Record { library: Digest::ABSENT, bytes: OBJECT_BYTES as u64, object: Digest::of(bytes) };
    let unpacked = object::unpack(bytes, &record, &|at, piece| {
        let (content, count) = &mut *given.lock().unwrap();
        // More than there has to be would be out of bounds.
        content[usize::try_from(at).unwrap()..][..piece.len()].copy_from_slice(piece);
        *count += piece.len();
        Ok(())
    });
    let (content, count) = given.into_inner().unwrap();
    assert!(unpacked.is_err() || count == OBJECT_BYTES);
    // Whoever hashes the content comes to the same.
    let record = Record { library: Digest::of(&content), ..record };
    assert_eq!(object::check(bytes, &record).is_ok(), unpacked.is_ok());
    unpacked.is_ok()
}

/// Reads the settings of a project; returns whether they are right. An error names
/// its place.
pub fn settings(text: &str) -> bool {
    let read = ProjectSettings::parse(text, Path::new("/p/pyproject.toml"));
    if let Err(error) = &read {
        assert!(error.to_string().contains("pyproject.toml`, line "), "{error}");
    }
    let of_user = UserSettings::parse(text, Path::new("/p/config.toml"));
    if let Err(error) = &of_user {
        assert!(error.to_string().contains("config.toml`, line "), "{error}");
    }
    read.is_ok() || of_user.is_ok()
}

/// Reads a plan as JSON; returns whether it is one. It does not differ from itself.
fn plan(bytes: &[u8]) -> bool {
    let read = difference::parse(bytes, Path::new("/p/plan.json"));
    match &read {
        Ok(read) => drop(difference::between(read, read)),
        Err(error) => assert!(error.to_string().contains("`/p/plan.json` is "), "{error}"),
    }
    read.is_ok()
}

/// Reads what a compiler's cache says that a compilation read: paths that can be
/// looked up from anywhere.
fn files(bytes: &[u8]) -> bool {
    let named = [true, false].map(|is_text| reads::parse(bytes, is_text, Path::new("/p")));
    assert!(named.iter().flatten().all(|path| path.is_absolute()));
    named.iter().any(|paths| !paths.is_empty())
}

/// Reads the manifest of a plugin. An error names a line of it.
fn plugin(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let read = Description::parse(&text);
    if let Err((reason, line)) = &read {
        assert!(!reason.is_empty() && (1..=1 + text.matches('\n').count()).contains(&(*line as usize)), "{line}");
    }
    read.is_ok()
}

/// Reads what a compiler wrote, as messages and as text.
fn compiler(bytes: &[u8]) -> bool {
    diagnosed(&String::from_utf8_lossy(bytes));
    // Each line of Zig has numbers of its own.
    LINES.map(|line| answered(bytes, line)).contains(&true)
}

/// Reads the messages of a compiler; returns whether they are any.
pub fn answered(bytes: &[u8], line: &str) -> bool {
    protocol::parse(bytes, line, Path::new("/p")).is_some()
}

/// Reads the errors and notes of a compiler.
pub fn diagnosed(text: &str) {
    for found in diagnostics::parse(text, Path::new("/p")) {
        assert!(found.severity == "error" || found.severity == "note");
    }
}

/// Makes a request of the bytes; returns whether they are enough for one.
pub fn request(bytes: &[u8]) -> bool {
    let made = requests::request(&mut Unstructured::new(bytes));
    made.is_ok_and(|made| {
        requests::planned(&made);
        true
    })
}

/// The first byte chooses the line of Zig, the next two are places to cut.
fn any_steps(bytes: &[u8]) -> bool {
    let &[line, first, second, ref rest @ ..] = bytes else { return false };
    steps(rest, &[first.into(), second.into()], LINES[usize::from(line % 3)])
}

/// Decodes the steps of a compiler in pieces; returns whether there are any: what comes out fits into a line and
/// does not depend on the pieces.
pub fn steps(bytes: &[u8], cuts: &[usize], line: &str) -> bool {
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).chain([0, bytes.len()]).collect();
    cuts.sort_unstable();
    let mut decoder = Decoder::new(line);
    let pieces: Vec<_> = cuts.windows(2).filter_map(|cut| decoder.push(&bytes[cut[0]..cut[1]])).collect();
    for step in &pieces {
        assert!(!step.name.is_empty() && step.name.chars().count() <= 61);
        assert!(!step.name.chars().any(char::is_control));
    }
    if let Some(step) = Decoder::new(line).push(bytes) {
        assert_eq!(pieces.last(), Some(&step));
    }
    !pieces.is_empty()
}
