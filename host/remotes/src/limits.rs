//! How long a server may take, and how much it may send.

use std::future::Future;
use std::time::{Duration, Instant};

use crate::Failure;

/// How long a server may take to accept a connection.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// How long a server may say nothing.
const IDLE_TIMEOUT: Duration = Duration::from_secs(2);
/// What a connection may take at first beyond that.
const SLOW_START: Duration = Duration::from_secs(10);
/// To carry bytes slower than this is not worth it: they are made again sooner.
const BYTES_PER_SECOND_MIN: u64 = 128 << 10;

/// Waits for the next that a server says.
///
/// # Errors
/// It says nothing.
pub async fn answer<T>(wait: impl Future<Output = T>) -> Result<T, Failure> {
    tokio::time::timeout(IDLE_TIMEOUT, wait).await.map_err(|_| silence())
}

/// Says that a server says nothing.
pub fn silence() -> Failure {
    Failure::new(format!("no answer for {} seconds", IDLE_TIMEOUT.as_secs()))
}

/// Waits until so many bytes are carried.
///
/// # Errors
/// The server is too slow.
pub async fn carried<T>(bytes: u64, carry: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let limit = SLOW_START + Duration::from_secs(bytes / BYTES_PER_SECOND_MIN);
    tokio::time::timeout(limit, carry)
        .await
        .unwrap_or_else(|_| Err(Failure::new(format!("{bytes} bytes took more than {} seconds", limit.as_secs()))))
}

/// Takes pieces of a blob, which together are no more than they may be, and come fast
/// enough.
pub struct Collected {
    bytes: Vec<u8>,
    bytes_max: u64,
    started: Instant,
}

impl Collected {
    /// Takes nothing yet.
    pub fn new(bytes_max: u64) -> Self {
        Self { bytes: Vec::new(), bytes_max, started: Instant::now() }
    }

    /// Refuses what is known to become too large.
    ///
    /// # Errors
    /// It is.
    pub fn expect(&self, bytes: u64) -> Result<(), Failure> {
        if bytes > self.bytes_max {
            return Err(Failure::new(format!("it is larger than the {} bytes that it may be", self.bytes_max)));
        }
        Ok(())
    }

    /// Takes the next piece.
    ///
    /// # Errors
    /// It is one too many, or comes too late.
    pub fn take(&mut self, piece: &[u8]) -> Result<(), Failure> {
        self.expect((self.bytes.len() + piece.len()) as u64)?;
        self.bytes.extend_from_slice(piece);
        let bytes = self.bytes.len() as u64;
        let taken = self.started.elapsed();
        if taken > SLOW_START + Duration::from_secs(bytes / BYTES_PER_SECOND_MIN) {
            return Err(Failure::new(format!("{bytes} bytes took {} seconds", taken.as_secs())));
        }
        Ok(())
    }

    /// Returns all of it.
    pub fn finish(self) -> Vec<u8> {
        self.bytes
    }
}
