//! Drives calls on the thread of whoever makes them. There is no other thread that
//! does, and so none that a fork could lose.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use crate::Failure;

/// Drives calls, and what is connected through it.
pub struct Runtime {
    runtime: tokio::runtime::Runtime,
}

impl Runtime {
    /// Makes one.
    ///
    /// # Errors
    /// The system gives no more files.
    pub fn new() -> Result<Self, Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        Ok(Self { runtime: runtime.map_err(|error| Failure::new(format!("failed to start: {error}")))? })
    }

    /// Drives one call to its end.
    pub fn run<T>(&self, call: impl Future<Output = T>) -> T {
        self.runtime.block_on(call)
    }
}

/// What serves one process only, and is made again after a fork.
pub struct PerProcess<T> {
    made: Mutex<Option<(u32, Arc<T>)>>,
}

impl<T> PerProcess<T> {
    /// Makes nothing yet.
    pub fn new() -> Self {
        Self { made: Mutex::new(None) }
    }

    /// Returns what this process has. To be called while nobody else can fork, that is with
    /// the GIL: a child would find the lock taken for ever.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn get(&self, make: impl FnOnce() -> Result<T, Failure>) -> Result<Arc<T>, Failure> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let process = std::process::id();
        if let Some((owner, value)) = &*made
            && *owner == process
        {
            return Ok(value.clone());
        }
        let value = Arc::new(make()?);
        // The parent's connections are not ours to end.
        std::mem::forget(made.replace((process, value.clone())));
        Ok(value)
    }
}
