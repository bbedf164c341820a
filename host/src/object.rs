//! Objects: how a library is compressed, and how it comes out again.
//!
//! An object is a row of zstd frames, each of [`FRAME_BYTES`] of the library, so that
//! two processors can decompress it and have it written. What is on its way stays in
//! the processor's cache, and no library is held whole for it.
//!
//! # What is checked
//!
//! Whoever packs a library records its digest, its size, and the digest of the object
//! that it became: a [`Record`]. An object that still has that last digest has the
//! recorded content, because the same bytes decompress to the same: hashing the few
//! bytes of the object is enough, and is done beside the decompression. Any other
//! object, packed elsewhere, is decompressed in one thread, and all that comes out of
//! it is hashed. What arrives from another machine is always checked like that.

use std::io::{self, Read};
use std::sync::atomic::{AtomicUsize, Ordering};

use zstd::zstd_safe;

use crate::digest::{ContentHasher, Digest};

/// Level 3 is the knee: 8 times smaller on Debug artifacts at 500 MB/s, see
/// `benches/README.md`; the next one costs four times as much for a tenth.
const ZSTD_LEVEL: i32 = 3;
/// The largest window that a frame may ask for, as a power of two.
const ZSTD_WINDOW_LOG_MAX: u32 = 27;
/// Fits into the second level of a processor's cache together with the next one. A
/// library of 50 MB takes a twentieth more in such frames than in one.
const FRAME_BYTES: usize = 256 << 10;
/// Starting a thread costs as much as decompressing a frame.
const THREAD_FRAMES_MIN: usize = 3;

/// What is recorded of an object when it is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record {
    /// Digest of the library.
    pub library: Digest,
    /// Size of the library in bytes.
    pub bytes: u64,
    /// Digest of the object.
    pub object: Digest,
}

/// Why a library did not come out.
#[derive(Debug)]
pub enum Failure {
    /// The object is damaged, cannot be read, or is not of the recorded size.
    Object(io::Error),
    /// Whoever takes the chunks failed.
    Taker(io::Error),
}

impl Failure {
    /// Returns the cause.
    #[must_use]
    pub fn into_error(self) -> io::Error {
        match self {
            Self::Object(error) | Self::Taker(error) => error,
        }
    }
}

impl Record {
    /// Returns it for an object that only its content makes known.
    #[must_use]
    pub fn of_any_object(self) -> Self {
        Self { object: Digest::ABSENT, ..self }
    }

    /// Returns what is to be recorded of a library and what [`pack`] made of it.
    #[must_use]
    pub fn of(library: &[u8], packed: &[u8]) -> Self {
        Self { library: Digest::of(library), bytes: library.len() as u64, object: Digest::of(packed) }
    }
}

/// Compresses a library.
///
/// # Errors
/// Memory is short.
pub fn pack(library: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = zstd::bulk::Compressor::new(ZSTD_LEVEL)?;
    encoder.set_parameter(zstd_safe::CParameter::ChecksumFlag(true))?;
    let mut packed = Vec::new();
    for content in library.chunks(FRAME_BYTES) {
        packed.extend(encoder.compress(content)?);
    }
    Ok(packed)
}

/// Returns what an object of a library of `bytes` bytes never exceeds.
#[must_use]
pub fn packed_bytes_max(bytes: u64) -> u64 {
    bytes.div_ceil(FRAME_BYTES as u64).saturating_mul(zstd_safe::compress_bound(FRAME_BYTES) as u64)
}

/// Reads compressed bytes that may come from anywhere: no frame can ask for more
/// memory than the largest window.
///
/// # Errors
/// Memory is short.
pub fn decoder<R: Read>(packed: R) -> io::Result<zstd::stream::Decoder<'static, io::BufReader<R>>> {
    let mut decoder = zstd::stream::Decoder::new(packed)?;
    decoder.window_log_max(ZSTD_WINDOW_LOG_MAX)?;
    Ok(decoder)
}

/// Takes a piece of a library, which starts so many bytes behind the library's start.
pub type Put<'a> = dyn Fn(u64, &[u8]) -> io::Result<()> + Sync + 'a;

/// Decompresses the object of a library that this machine packed or checked before, and
/// gives its pieces to `put`: in any order, maybe two at once, maybe one twice. One byte
/// more than recorded is refused.
///
/// # Errors
/// See [`Failure`]; some pieces may have been given by then.
pub fn unpack(packed: &[u8], record: &Record, put: &Put<'_>) -> Result<(), Failure> {
    let frames = frames(packed, record.bytes).ok_or_else(damaged)?;
    let row = Row { frames: &frames, next: AtomicUsize::new(0), put };
    let unpacked = std::thread::scope(|scope| {
        // Not of a pool: in a process that was forked its threads are missing. Without
        // it, all is done here.
        let other = || std::thread::Builder::new().spawn_scoped(scope, || row.decompress()).ok();
        let other = (frames.len() >= THREAD_FRAMES_MIN).then(other).flatten();
        let is_as_packed = Digest::of(packed) == record.object;
        if !is_as_packed {
            row.end();
        }
        let here = row.decompress();
        let there = other.map_or(Ok(()), |other| other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        is_as_packed.then(|| here.and(there))
    });
    unpacked.unwrap_or_else(|| unpack_hashing(&frames, record, put))
}

/// Checks that the object of anybody is what an entry records, whatever digest the
/// object itself has there.
///
/// # Errors
/// It is not.
pub fn check(packed: &[u8], record: &Record) -> io::Result<()> {
    let frames = frames(packed, record.bytes).ok_or_else(|| damaged().into_error())?;
    unpack_hashing(&frames, record, &|_, _| Ok(())).map_err(Failure::into_error)
}

/// Returns the size of the library that an object holds, by its frames, if they are ours.
#[must_use]
pub fn library_bytes(mut packed: &[u8]) -> Option<u64> {
    let mut bytes = 0;
    while !packed.is_empty() {
        let frame = zstd_safe::find_frame_compressed_size(packed).ok()?;
        bytes += zstd_safe::get_frame_content_size(packed).ok()??;
        packed = packed.get(frame..)?;
        let is_whole = bytes % FRAME_BYTES as u64 == 0;
        if !is_whole && !packed.is_empty() {
            return None;
        }
    }
    Some(bytes)
}

fn unpack_hashing(frames: &[Frame<'_>], record: &Record, put: &Put<'_>) -> Result<(), Failure> {
    let mut hasher = ContentHasher::default();
    let mut decoder = Decoder::new()?;
    for (number, frame) in frames.iter().enumerate() {
        let content = decoder.decompress(*frame)?;
        hasher.update(content);
        put((number * FRAME_BYTES) as u64, content).map_err(Failure::Taker)?;
    }
    if hasher.finish() == record.library { Ok(()) } else { Err(failure("its digest differs")) }
}

/// A frame and the size of its content.
type Frame<'a> = (&'a [u8], usize);

/// Splits an object into its frames; `None` if they are not those of so many bytes.
fn frames(mut packed: &[u8], bytes: u64) -> Option<Vec<Frame<'_>>> {
    let mut left = bytes;
    let mut frames = Vec::new();
    while left > 0 {
        let bytes = left.min(FRAME_BYTES as u64);
        if zstd_safe::get_frame_content_size(packed).ok()?? != bytes {
            return None;
        }
        let (frame, rest) = packed.split_at_checked(zstd_safe::find_frame_compressed_size(packed).ok()?)?;
        frames.push((frame, bytes as usize));
        (packed, left) = (rest, left - bytes);
    }
    packed.is_empty().then_some(frames)
}

/// Frames that two threads decompress, each the next that nobody has begun.
struct Row<'a> {
    frames: &'a [Frame<'a>],
    next: AtomicUsize,
    put: &'a Put<'a>,
}

impl Row<'_> {
    fn decompress(&self) -> Result<(), Failure> {
        // Whoever fails leaves nothing to do for the other.
        self.decompress_rest().inspect_err(|_| self.end())
    }

    fn decompress_rest(&self) -> Result<(), Failure> {
        let mut decoder = Decoder::new()?;
        loop {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            let Some(frame) = self.frames.get(number) else { return Ok(()) };
            let content = decoder.decompress(*frame)?;
            (self.put)((number * FRAME_BYTES) as u64, content).map_err(Failure::Taker)?;
        }
    }

    fn end(&self) {
        self.next.store(self.frames.len(), Ordering::Relaxed);
    }
}

/// Decompresses frames into the same memory.
struct Decoder {
    decoder: zstd::bulk::Decompressor<'static>,
    content: Vec<u8>,
}

impl Decoder {
    fn new() -> Result<Self, Failure> {
        let decoder = zstd::bulk::Decompressor::new().map_err(Failure::Object)?;
        Ok(Self { decoder, content: Vec::new() })
    }

    fn decompress(&mut self, (frame, bytes): Frame<'_>) -> Result<&[u8], Failure> {
        self.content.resize(bytes, 0);
        let filled = self.decoder.decompress_to_buffer(frame, &mut self.content[..]).map_err(Failure::Object)?;
        if filled == bytes { Ok(&self.content) } else { Err(damaged()) }
    }
}

fn damaged() -> Failure {
    failure("it is damaged, or its size is not the recorded one")
}

fn failure(reason: &str) -> Failure {
    Failure::Object(io::Error::new(io::ErrorKind::InvalidData, reason))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;
    use std::sync::{Mutex, PoisonError};

    use super::*;

    /// Content that repeats only partly, of a size below, at and above what a frame
    /// and what one thread takes.
    fn libraries() -> impl Iterator<Item = Vec<u8>> {
        let content = |bytes: usize| {
            let mut content = Vec::new();
            while content.len() < bytes {
                content.extend(Digest::of(&content[content.len().saturating_sub(64)..]).0);
                content.extend([7; 32]);
            }
            content.truncate(bytes);
            content
        };
        let limit = (THREAD_FRAMES_MIN - 1) * FRAME_BYTES;
        [0, 1, FRAME_BYTES - 1, FRAME_BYTES, FRAME_BYTES + 1, limit - 1, limit, limit + 1, 9 * FRAME_BYTES + 5]
            .into_iter()
            .map(content)
    }

    fn unpacked(packed: &[u8], record: &Record) -> Result<Vec<u8>, Failure> {
        let content = Mutex::new(vec![0; usize::try_from(record.bytes).unwrap()]);
        let put = |at: u64, piece: &[u8]| {
            content.lock().unwrap()[usize::try_from(at).unwrap()..][..piece.len()].copy_from_slice(piece);
            Ok(())
        };
        unpack(packed, record, &put)?;
        Ok(content.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    /// What an object is refused as: by its own digest, and by its content's.
    fn assert_refused(packed: &[u8], record: &Record, case: &str) {
        let (own, other) =
            (Record { object: Digest::of(packed), ..*record }, Record { object: Digest([0; 32]), ..*record });
        for record in [own, other] {
            assert!(matches!(unpacked(packed, &record), Err(Failure::Object(_))), "{case}: {record:?}");
        }
        assert!(check(packed, record).is_err(), "{case}");
    }

    #[test]
    fn what_was_packed_comes_out_and_nothing_of_another_size() {
        for library in libraries() {
            let packed = pack(&library).unwrap();
            let record = Record::of(&library, &packed);
            let bytes = record.bytes;
            assert_eq!(unpacked(&packed, &record).unwrap(), library);
            for wrong in [bytes.wrapping_sub(1), bytes + 1, 2 * bytes + 1].into_iter().filter(|size| *size < u64::MAX) {
                assert_refused(&packed, &Record { bytes: wrong, ..record }, &format!("{bytes} as {wrong}"));
            }
            let Some(last) = packed.len().checked_sub(1) else { continue };
            for cut in [0, packed.len() / 2, last] {
                assert_refused(&packed[..cut], &record, &format!("{bytes} cut at {cut}"));
            }
            let mut flipped = packed.clone();
            flipped[last] ^= 1;
            assert_refused(&flipped, &record, &format!("the checksum of {bytes}"));
        }
    }

    #[test]
    fn an_object_that_was_packed_elsewhere_is_known_by_its_content() {
        for library in libraries() {
            let packed = pack(&library).unwrap();
            let mut encoder = zstd::bulk::Compressor::new(ZSTD_LEVEL + 1).unwrap();
            encoder.set_parameter(zstd_safe::CParameter::ChecksumFlag(false)).unwrap();
            let other: Vec<u8> =
                library.chunks(FRAME_BYTES).flat_map(|content| encoder.compress(content).unwrap()).collect();
            let record = Record::of(&library, &packed);
            assert!(other != packed || library.is_empty());
            assert_eq!(unpacked(&other, &record).unwrap(), library);
            check(&other, &record).unwrap();
            let Some(first) = library.first() else { continue };
            // Whole, of the right size, and of another content.
            let mut forged = library.clone();
            forged[0] = !first;
            let forged = pack(&forged).unwrap();
            assert!(matches!(unpacked(&forged, &record), Err(Failure::Object(_))));
            // Who records both digests is believed only where nothing comes from elsewhere.
            assert!(check(&forged, &Record { object: Digest::of(&forged), ..record }).is_err());
        }
    }

    #[test]
    fn a_taker_that_fails_is_not_blamed_on_the_object_and_leaves_no_thread_waiting() {
        for library in libraries().filter(|library| !library.is_empty()) {
            let packed = pack(&library).unwrap();
            let record = Record::of(&library, &packed);
            for record in [record, Record { object: record.library, ..record }] {
                let failed = unpack(&packed, &record, &|_, _| Err(io::Error::other("full")));
                assert!(matches!(failed, Err(Failure::Taker(error)) if error.to_string() == "full"));
            }
        }
    }

    #[test]
    fn more_than_the_recorded_size_is_never_given_out() {
        // A gigabyte of zeros in some kilobytes.
        let mut bomb = zstd::stream::Encoder::new(Vec::new(), ZSTD_LEVEL).unwrap();
        io::copy(&mut io::repeat(0).take(1 << 30), &mut bomb).unwrap();
        let bomb = bomb.finish().unwrap();
        for bytes in [500, (THREAD_FRAMES_MIN * FRAME_BYTES) as u64] {
            let furthest = AtomicU64::new(0);
            let record = Record { library: Digest([0; 32]), bytes, object: Digest::of(&bomb) };
            let failed = unpack(&bomb, &record, &|at, piece| {
                furthest.fetch_max(at + piece.len() as u64, Ordering::Relaxed);
                Ok(())
            });
            let furthest = furthest.into_inner();
            assert!(matches!(failed, Err(Failure::Object(_))) && furthest <= bytes, "{furthest} of {bytes}");
        }
    }

    #[test]
    fn frames_of_another_size_than_ours_are_refused() {
        let library = vec![7; 3 * FRAME_BYTES];
        let whole = zstd::bulk::compress(&library, ZSTD_LEVEL).unwrap();
        assert_refused(&whole, &Record::of(&library, &whole), "one frame");
        let more = [pack(&library).unwrap(), zstd::bulk::compress(&[], ZSTD_LEVEL).unwrap()].concat();
        assert_refused(&more, &Record::of(&library, &more), "a frame more");
    }

    #[test]
    fn an_object_is_never_larger_than_it_can_be() {
        // Nothing of it can be compressed.
        let mut library = Vec::new();
        while library.len() < 2 * FRAME_BYTES {
            library.extend(Digest::of(&library.len().to_le_bytes()).0);
        }
        for bytes in [0, 1, FRAME_BYTES, FRAME_BYTES + 1, library.len()] {
            let packed = pack(&library[..bytes]).unwrap().len() as u64;
            assert!((bytes as u64..=packed_bytes_max(bytes as u64)).contains(&packed), "{packed} of {bytes}");
        }
    }

    #[test]
    fn a_window_beyond_the_limit_is_refused() {
        let mut encoder = zstd::stream::Encoder::new(Vec::new(), ZSTD_LEVEL).unwrap();
        encoder.window_log(ZSTD_WINDOW_LOG_MAX + 1).unwrap();
        io::copy(&mut io::repeat(0).take(10 << 20), &mut encoder).unwrap();
        let archive = encoder.finish().unwrap();
        assert!(decoder(&archive[..]).unwrap().read_to_end(&mut Vec::new()).is_err());
    }
}
