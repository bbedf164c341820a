//! Gives one format to libFuzzer, the one that `FORMAT` in the environment names:
//!
//!     FORMAT=source fuzz -max_total_time=60 host/fuzz/corpus/source
#![no_main]

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use zigimport_fuzz::{FORMATS, Format};

static CHOSEN: OnceLock<Format> = OnceLock::new();

#[expect(clippy::disallowed_methods, reason = "libFuzzer takes the arguments")]
fn chosen() -> Format {
    let name = std::env::var("FORMAT").unwrap_or_default();
    let names = FORMATS.map(|(name, _)| name).join(", ");
    *FORMATS.iter().find(|format| format.0 == name).unwrap_or_else(|| panic!("FORMAT={name}: expected one of {names}"))
}

fuzz_target!(|bytes: &[u8]| {
    CHOSEN.get_or_init(chosen).1(bytes);
});
