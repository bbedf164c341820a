//! Objects: how a library is compressed, and how it comes out again.
//!
//! An object is a row of zstd frames, each of [`FRAME_BYTES`] of the library. One
//! thread hashes what comes out, in order, while another decompresses the next
//! frames and hands them over to be written. Whoever hashes does the same when there
//! is nothing to hash, so that two processors are busy until the end. What is on its
//! way stays in the processor's cache, and no library is held whole for it.

use std::collections::VecDeque;
use std::io::{self, Read};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

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
/// Frames that are decompressed before it is their turn.
const FRAMES_AHEAD: usize = 4;
/// Starting a thread costs as much as decompressing a few frames.
const THREAD_BYTES_MIN: u64 = 3 * FRAME_BYTES as u64;

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

/// Decompresses a library of exactly `bytes` bytes, gives its pieces to `put`, in
/// any order and maybe two at once, and returns the digest of all. One byte more is
/// refused.
///
/// # Errors
/// See [`Failure`]; some pieces may have been given by then.
pub fn unpack(packed: &[u8], bytes: u64, put: &Put<'_>) -> Result<Digest, Failure> {
    let mut hasher = ContentHasher::default();
    let queue = Queue::new(Frames { packed, left: bytes }, put);
    std::thread::scope(|scope| {
        // Whatever ends this, a panic too: nobody waits for a turn that does not come.
        let _ends = EndsQueue(&queue);
        if bytes >= THREAD_BYTES_MIN {
            // Not of a pool: in a process that was forked its threads are missing. Without
            // it, all is done here.
            let _ = std::thread::Builder::new().spawn_scoped(scope, || queue.decompress_ahead());
        }
        let mut decoder = zstd::bulk::Decompressor::new().map_err(Failure::Object)?;
        while let Some(content) = queue.next(&mut decoder) {
            let content = content?;
            hasher.update(&content);
            queue.give_back(content);
        }
        Ok(hasher.finish())
    })
}

/// The frames of an object, in order.
struct Frames<'a> {
    packed: &'a [u8],
    /// What the rest has to hold, in bytes.
    left: u64,
}

/// A frame and the size of its content.
type Frame<'a> = (&'a [u8], usize);

impl<'a> Frames<'a> {
    /// Returns the next frame; `None` at the right end.
    fn next(&mut self) -> Option<io::Result<Frame<'a>>> {
        if self.packed.is_empty() && self.left == 0 {
            return None;
        }
        let frame = self.split();
        if frame.is_none() {
            (self.packed, self.left) = (&[], 0);
        }
        Some(frame.ok_or_else(damaged))
    }

    fn split(&mut self) -> Option<Frame<'a>> {
        let bytes = self.left.min(FRAME_BYTES as u64);
        let content_bytes = zstd_safe::get_frame_content_size(self.packed).ok()??;
        if bytes == 0 || content_bytes != bytes {
            return None;
        }
        let (frame, rest) = self.packed.split_at_checked(zstd_safe::find_frame_compressed_size(self.packed).ok()?)?;
        (self.packed, self.left) = (rest, self.left - bytes);
        Some((frame, bytes as usize))
    }
}

/// What came out of a frame and was put where it belongs.
type Content = Result<Vec<u8>, Failure>;

/// Frames on their way through two threads.
struct Queue<'a> {
    put: &'a Put<'a>,
    state: Mutex<State<'a>>,
    changed: Condvar,
}

struct State<'a> {
    frames: Frames<'a>,
    /// The frames that somebody decompresses or has decompressed, in their order.
    begun: VecDeque<Option<Content>>,
    /// How many frames were taken out of it.
    taken: usize,
    /// Memory to decompress into.
    spare: Vec<Vec<u8>>,
    is_over: bool,
}

impl<'a> Queue<'a> {
    fn new(frames: Frames<'a>, put: &'a Put<'a>) -> Self {
        let state = State { frames, begun: VecDeque::new(), taken: 0, spare: Vec::new(), is_over: false };
        Self { put, state: Mutex::new(state), changed: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, State<'a>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'b>(&self, state: MutexGuard<'b, State<'a>>) -> MutexGuard<'b, State<'a>> {
        self.changed.wait(state).unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the content whose turn it is; `None` at the end.
    fn next(&self, decoder: &mut zstd::bulk::Decompressor<'_>) -> Option<Content> {
        let mut state = self.lock();
        loop {
            if let Some(content) = state.begun.front_mut().and_then(Option::take) {
                state.begun.pop_front();
                state.taken += 1;
                self.changed.notify_all();
                return Some(content);
            }
            if let Some((number, frame, memory)) = state.begin() {
                drop(state);
                let content = self.decompress(decoder, number, frame, memory);
                state = self.lock();
                state.end(number, content);
            } else if state.begun.is_empty() {
                return None;
            } else {
                state = self.wait(state);
            }
        }
    }

    /// Decompresses frames before it is their turn, until there is none left.
    fn decompress_ahead(&self) {
        let Ok(mut decoder) = zstd::bulk::Decompressor::new() else { return };
        let mut state = self.lock();
        while !state.is_over {
            if state.begun.len() > FRAMES_AHEAD {
                state = self.wait(state);
            } else if let Some((number, frame, memory)) = state.begin() {
                drop(state);
                let content = self.decompress(&mut decoder, number, frame, memory);
                state = self.lock();
                state.end(number, content);
                self.changed.notify_all();
            } else {
                return;
            }
        }
    }

    fn decompress(
        &self,
        decoder: &mut zstd::bulk::Decompressor<'_>,
        number: usize,
        frame: io::Result<Frame<'_>>,
        mut memory: Vec<u8>,
    ) -> Content {
        let (frame, bytes) = frame.map_err(Failure::Object)?;
        memory.resize(bytes, 0);
        let filled = decoder.decompress_to_buffer(frame, &mut memory[..]).map_err(Failure::Object)?;
        if filled != bytes {
            return Err(Failure::Object(damaged()));
        }
        (self.put)((number * FRAME_BYTES) as u64, &memory).map_err(Failure::Taker)?;
        Ok(memory)
    }

    /// Gives memory back to decompress into.
    fn give_back(&self, memory: Vec<u8>) {
        self.lock().spare.push(memory);
    }
}

impl<'a> State<'a> {
    /// Returns the next frame that nobody has begun, its number, and memory for it.
    fn begin(&mut self) -> Option<(usize, io::Result<Frame<'a>>, Vec<u8>)> {
        let frame = self.frames.next()?;
        self.begun.push_back(None);
        Some((self.taken + self.begun.len() - 1, frame, self.spare.pop().unwrap_or_default()))
    }

    fn end(&mut self, number: usize, content: Content) {
        self.begun[number - self.taken] = Some(content);
    }
}

/// Ends a queue for the other thread.
struct EndsQueue<'a, 'b>(&'b Queue<'a>);

impl Drop for EndsQueue<'_, '_> {
    fn drop(&mut self) {
        self.0.lock().is_over = true;
        self.0.changed.notify_all();
    }
}

fn damaged() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "it is damaged, or its size is not the recorded one")
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

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
        [0, 1, FRAME_BYTES - 1, FRAME_BYTES, FRAME_BYTES + 1, limit - 1, limit, limit + 1, 3 * limit, 3 * limit + 5]
            .into_iter()
            .map(content)
    }

    fn unpacked(packed: &[u8], bytes: u64) -> Result<(Digest, Vec<u8>), Failure> {
        let content = Mutex::new(vec![0; usize::try_from(bytes).unwrap()]);
        let put = |at: u64, piece: &[u8]| {
            content.lock().unwrap()[usize::try_from(at).unwrap()..][..piece.len()].copy_from_slice(piece);
            Ok(())
        };
        let digest = unpack(packed, bytes, &put)?;
        Ok((digest, content.into_inner().unwrap()))
    }

    #[test]
    fn what_was_packed_comes_out_and_nothing_of_another_size() {
        for library in libraries() {
            let (packed, bytes) = (pack(&library).unwrap(), library.len() as u64);
            assert_eq!(unpacked(&packed, bytes).unwrap(), (Digest::of(&library), library.clone()));
            for wrong in [bytes.wrapping_sub(1), bytes + 1, 2 * bytes + 1].into_iter().filter(|size| *size < u64::MAX) {
                assert!(matches!(unpacked(&packed, wrong), Err(Failure::Object(_))), "{bytes} as {wrong}");
            }
            let Some(last) = packed.len().checked_sub(1) else { continue };
            for cut in [0, packed.len() / 2, last] {
                assert!(matches!(unpacked(&packed[..cut], bytes), Err(Failure::Object(_))), "{bytes} cut at {cut}");
            }
            let mut flipped = packed.clone();
            flipped[last] ^= 1;
            assert!(matches!(unpacked(&flipped, bytes), Err(Failure::Object(_))), "the checksum of {bytes}");
        }
    }

    #[test]
    fn a_taker_that_fails_is_not_blamed_on_the_object_and_leaves_no_thread_waiting() {
        for library in libraries().filter(|library| !library.is_empty()) {
            let packed = pack(&library).unwrap();
            let failed = unpack(&packed, library.len() as u64, &|_, _| Err(io::Error::other("full")));
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
            let furthest = AtomicU64::new(0);
            let failed = unpack(&bomb, bytes, &|at, piece| {
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
        assert!(matches!(unpacked(&whole, library.len() as u64), Err(Failure::Object(_))));
        let more = [pack(&library).unwrap(), zstd::bulk::compress(&[], ZSTD_LEVEL).unwrap()].concat();
        assert!(matches!(unpacked(&more, library.len() as u64), Err(Failure::Object(_))));
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
