//! Objects: how a library is compressed, and how it comes out again.
//!
//! What comes out is hashed and handed over in chunks that stay in the
//! processor's cache, and of a large library a second thread decompresses the
//! next chunk meanwhile. No library is held whole for that, whatever its size.

use std::io::{self, Read};
use std::sync::mpsc;

use crate::digest::{ContentHasher, Digest};

/// Level 3 is the knee: 8 times smaller on Debug artifacts at 500 MB/s, see
/// `benches/README.md`; the next one costs four times as much for a tenth.
const ZSTD_LEVEL: i32 = 3;
/// The largest window that a frame may ask for, as a power of two.
const ZSTD_WINDOW_LOG_MAX: u32 = 27;
/// Fits into the second level of a processor's cache together with the next one.
const CHUNK_BYTES: usize = 256 << 10;
/// Chunks on their way between the threads.
const CHUNKS_AHEAD: usize = 4;
/// Starting a thread costs as much as decompressing a few chunks.
const THREAD_BYTES_MIN: u64 = 3 * CHUNK_BYTES as u64;

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

/// Compresses a library.
///
/// # Errors
/// Memory is short.
pub fn pack(library: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = zstd::bulk::Compressor::new(ZSTD_LEVEL)?;
    encoder.set_parameter(zstd::zstd_safe::CParameter::ChecksumFlag(true))?;
    encoder.compress(library)
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

/// Decompresses a library of exactly `bytes` bytes, gives its chunks to `take`
/// in order, and returns the digest of what was given. One byte more is refused.
///
/// # Errors
/// See [`Failure`]; some chunks may have been given by then.
pub fn unpack(
    packed: impl Read + Send,
    bytes: u64,
    mut take: impl FnMut(&[u8]) -> io::Result<()>,
) -> Result<Digest, Failure> {
    let mut hasher = ContentHasher::default();
    let mut both = |chunk: &[u8]| {
        hasher.update(chunk);
        take(chunk).map_err(Failure::Taker)
    };
    let mut chunks = Chunks { decoder: decoder(packed).map_err(Failure::Object)?, left: bytes };
    if bytes < THREAD_BYTES_MIN || !unpack_ahead(&mut chunks, &mut both)? {
        let mut chunk = vec![0; CHUNK_BYTES];
        while let Some(filled) = chunks.fill(&mut chunk).map_err(Failure::Object)? {
            both(&chunk[..filled])?;
        }
    }
    Ok(hasher.finish())
}

/// Gives all chunks to `take` while another thread decompresses the next ones.
/// Returns whether there is such a thread; without one nothing was done.
fn unpack_ahead(
    chunks: &mut Chunks<impl Read + Send>,
    take: &mut impl FnMut(&[u8]) -> Result<(), Failure>,
) -> Result<bool, Failure> {
    let (full, to_take) = mpsc::sync_channel::<io::Result<(Vec<u8>, usize)>>(CHUNKS_AHEAD);
    let (empty, to_fill) = mpsc::channel::<Vec<u8>>();
    let decompress = move || {
        // Ends with the library, or when nobody takes any more.
        while let Ok(mut chunk) = to_fill.recv() {
            let filled = match chunks.fill(&mut chunk) {
                Ok(Some(filled)) => Ok((chunk, filled)),
                Ok(None) => return,
                Err(error) => Err(error),
            };
            if full.send(filled).is_err() {
                return;
            }
        }
    };
    std::thread::scope(move |scope| {
        // Not of a pool: in a process that was forked its threads are missing.
        if std::thread::Builder::new().spawn_scoped(scope, decompress).is_err() {
            return Ok(false);
        }
        for _ in 0..=CHUNKS_AHEAD {
            let _ = empty.send(vec![0; CHUNK_BYTES]);
        }
        for filled in to_take {
            let (chunk, filled) = filled.map_err(Failure::Object)?;
            take(&chunk[..filled])?;
            let _ = empty.send(chunk);
        }
        Ok(true)
    })
}

/// The content of an object, a chunk at a time.
struct Chunks<R> {
    decoder: R,
    left: u64,
}

impl<R: Read> Chunks<R> {
    /// Fills a chunk as far as there is content; `None` at its right end.
    fn fill(&mut self, chunk: &mut [u8]) -> io::Result<Option<usize>> {
        let mut filled = 0;
        while filled < chunk.len() {
            match self.decoder.read(&mut chunk[filled..]) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        let whole = self.left.checked_sub(filled as u64).filter(|left| *left == 0 || filled == chunk.len());
        self.left =
            whole.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "its size is not the recorded one"))?;
        Ok((filled > 0).then_some(filled))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Content that repeats only partly, of a size below, at and above what a chunk
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
        let limit = usize::try_from(THREAD_BYTES_MIN).unwrap();
        [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, limit - 1, limit, limit + 1, 3 * limit, 3 * limit + 5]
            .into_iter()
            .map(content)
    }

    fn unpacked(packed: &[u8], bytes: u64) -> Result<(Digest, Vec<u8>), Failure> {
        let mut content = Vec::new();
        let digest = unpack(packed, bytes, |chunk| {
            content.extend_from_slice(chunk);
            Ok(())
        })?;
        Ok((digest, content))
    }

    #[test]
    fn what_was_packed_comes_out_and_nothing_of_another_size() {
        for library in libraries() {
            let (packed, bytes) = (pack(&library).unwrap(), library.len() as u64);
            assert_eq!(unpacked(&packed, bytes).unwrap(), (Digest::of(&library), library));
            for wrong in [bytes.wrapping_sub(1), bytes + 1, 2 * bytes + 1].into_iter().filter(|size| *size < u64::MAX) {
                assert!(matches!(unpacked(&packed, wrong), Err(Failure::Object(_))), "{bytes} as {wrong}");
            }
            for cut in [packed.len() / 2, packed.len() - 1] {
                assert!(matches!(unpacked(&packed[..cut], bytes), Err(Failure::Object(_))), "{bytes} cut at {cut}");
            }
            let mut flipped = packed.clone();
            *flipped.last_mut().unwrap() ^= 1;
            assert!(matches!(unpacked(&flipped, bytes), Err(Failure::Object(_))), "the checksum of {bytes}");
        }
    }

    #[test]
    fn a_taker_that_fails_is_not_blamed_on_the_object_and_leaves_no_thread_waiting() {
        for library in libraries().filter(|library| !library.is_empty()) {
            let packed = pack(&library).unwrap();
            let failed = unpack(&packed[..], library.len() as u64, |_| Err(io::Error::other("full")));
            assert!(matches!(failed, Err(Failure::Taker(error)) if error.to_string() == "full"));
        }
    }

    #[test]
    fn more_than_the_recorded_size_is_never_given_out() {
        // A gigabyte of zeros in some kilobytes.
        let mut bomb = zstd::stream::Encoder::new(Vec::new(), ZSTD_LEVEL).unwrap();
        io::copy(&mut io::repeat(0).take(1 << 30), &mut bomb).unwrap();
        let bomb = bomb.finish().unwrap();
        for bytes in [500, THREAD_BYTES_MIN] {
            let mut given = 0;
            let failed = unpack(&bomb[..], bytes, |chunk| {
                given += chunk.len() as u64;
                Ok(())
            });
            assert!(matches!(failed, Err(Failure::Object(_))) && given <= bytes, "{given} of {bytes}");
        }
    }

    #[test]
    fn a_window_beyond_the_limit_is_refused() {
        let mut encoder = zstd::stream::Encoder::new(Vec::new(), ZSTD_LEVEL).unwrap();
        encoder.window_log(ZSTD_WINDOW_LOG_MAX + 1).unwrap();
        io::copy(&mut io::repeat(0).take(10 << 20), &mut encoder).unwrap();
        let failed = unpacked(&encoder.finish().unwrap(), 10 << 20);
        assert!(matches!(failed, Err(Failure::Object(_))), "{failed:?}");
    }
}
