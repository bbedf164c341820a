//! SHA-256 digests and the length-prefixed encoding that is hashed into keys.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// A SHA-256 digest.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// Of what is not there; no content has it.
    pub const ABSENT: Self = Self([0; 32]);

    /// Returns the digest of `bytes`.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// Returns the digest written as 64 lower-case hexadecimal digits, if `text` is one.
    #[must_use]
    pub fn from_hex(text: &str) -> Option<Self> {
        let text = text.as_bytes();
        if text.len() != 64 {
            return None;
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
            *byte = nibble(pair[0])? << 4 | nibble(pair[1])?;
        }
        Some(Self(bytes))
    }

    /// Returns the 64 lower-case hexadecimal digits.
    #[must_use]
    pub fn hex(&self) -> String {
        String::from_utf8(self.digits().to_vec()).expect("digits are text")
    }

    /// Returns the same as bytes.
    #[must_use]
    pub fn digits(&self) -> [u8; 64] {
        let mut digits = [0; 64];
        for (pair, byte) in digits.chunks_exact_mut(2).zip(self.0) {
            pair.copy_from_slice(&[byte >> 4, byte & 15].map(|nibble| DIGITS[usize::from(nibble)]));
        }
        digits
    }
}

const DIGITS: &[u8; 16] = b"0123456789abcdef";

fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Digest({})", &self.hex()[..12])
    }
}

/// Bytes of the digest that ends a sealed file.
const CHECKSUM_BYTES: usize = 8;

/// Appends a checksum.
#[must_use]
pub fn seal(mut bytes: Vec<u8>) -> Vec<u8> {
    let checksum = Digest::of(&bytes);
    bytes.extend_from_slice(&checksum.0[..CHECKSUM_BYTES]);
    bytes
}

/// Returns what was sealed; `None` if a bit of it is another now.
#[must_use]
pub fn unseal(bytes: &[u8]) -> Option<&[u8]> {
    let (body, checksum) = bytes.split_at_checked(bytes.len().checked_sub(CHECKSUM_BYTES)?)?;
    (Digest::of(body).0[..CHECKSUM_BYTES] == *checksum).then_some(body)
}

/// Hashes content that comes in pieces: the same as [`Digest::of`] the whole.
#[derive(Default)]
pub struct ContentHasher(Sha256);

impl ContentHasher {
    /// Adds the next piece.
    pub fn update(&mut self, piece: &[u8]) {
        self.0.update(piece);
    }

    /// Returns the digest of all pieces.
    #[must_use]
    pub fn finish(self) -> Digest {
        Digest(self.0.finalize().into())
    }
}

/// Hashes a sequence of fields so that two different sequences never give the
/// same bytes: each field is a tag, a length and the value.
pub struct FieldHasher(Sha256);

impl FieldHasher {
    /// Starts with a name for what is hashed, so that two kinds never collide.
    #[must_use]
    pub fn new(domain: &str) -> Self {
        let mut hasher = Self(Sha256::new());
        hasher.field("domain", domain.as_bytes());
        hasher
    }

    /// Adds one named value.
    pub fn field(&mut self, name: &str, value: &[u8]) {
        for part in [name.as_bytes(), value] {
            self.0.update((part.len() as u64).to_le_bytes());
            self.0.update(part);
        }
    }

    /// Adds a count, before a list of that many entries.
    pub fn count(&mut self, name: &str, count: usize) {
        self.field(name, &(count as u64).to_le_bytes());
    }

    /// Returns the digest of all fields.
    #[must_use]
    pub fn finish(self) -> Digest {
        Digest(self.0.finalize().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_round_trips_and_rejects_what_is_none() {
        let digest = Digest::of(b"zig");
        assert_eq!(Digest::from_hex(&digest.hex()), Some(digest));
        assert_eq!(Digest::from_hex("00"), None);
        assert_eq!(Digest::from_hex(&"G".repeat(64)), None);
    }

    #[test]
    fn moving_a_byte_between_fields_changes_the_digest() {
        let of = |first: &[u8], second: &[u8]| {
            let mut hasher = FieldHasher::new("test");
            hasher.field("a", first);
            hasher.field("a", second);
            hasher.finish()
        };
        assert_ne!(of(b"ab", b"c"), of(b"a", b"bc"));
        assert_ne!(of(b"", b"abc"), of(b"abc", b""));
    }
}
