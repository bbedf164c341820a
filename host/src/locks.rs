//! Locks of the store: one build for a key at a time, and nobody clears what is in
//! use. Each is a lock of the system on a file in the bucket [`LOCKS`], which the
//! kernel releases with the process that holds it. Where a file system has none,
//! two processes may build the same thing: publication is atomic all the same.

use std::fs::{File, TryLockError};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::stamp::{self, Stamp};
use crate::store::{LOCKS, Store, USAGE, USAGE_LOG, ZIG};

/// How often a waiting process looks at a lock.
const LOOK: Duration = Duration::from_millis(20);
/// The lock that whoever works with the store shares, and the one on the way to it.
const IN_USE: &str = "in-use";
const GATE: &str = "gate";
/// Longer than this only somebody who clears holds the gate.
const GATE_PASSED: Duration = Duration::from_millis(500);

/// How a lock is waited for.
pub struct Wait<'a> {
    /// What it is for, which the error names.
    pub module: &'a str,
    /// Then it is an error.
    pub timeout: Duration,
    /// Called once when somebody else holds it, with the process where that is known.
    pub held: &'a dyn Fn(Option<u32>),
    /// Asked at each look: whether the user does not want to wait any more.
    pub interrupted: &'a dyn Fn() -> bool,
}

impl<'a> Wait<'a> {
    /// Waits so long, whatever happens, and says nothing.
    #[must_use]
    pub fn silent(module: &'a str, timeout: Duration) -> Self {
        Self { module, timeout, held: &|_| {}, interrupted: &|| false }
    }
}

impl Store {
    /// Waits for the one lock of a key.
    ///
    /// # Errors
    /// The store cannot be written, the time is over, or the user interrupted.
    pub fn lock(&self, key: Digest, wait: &Wait<'_>) -> Result<Lock> {
        self.acquire(&key.hex(), false, wait)
    }

    /// Waits for a lock, which several may share.
    fn acquire(&self, name: &str, is_shared: bool, wait: &Wait<'_>) -> Result<Lock> {
        let path = self.root().join(LOCKS).join(name);
        let mut file = self.open_lock(&path)?;
        let started = Instant::now();
        let mut held = Some(wait.held);
        loop {
            match if is_shared { file.try_lock_shared() } else { file.try_lock() } {
                // Collecting removes old lock files: one without its name excludes nobody.
                Ok(()) if !is_named(&file, &path) => {
                    file = self.open_lock(&path)?;
                    continue;
                }
                Ok(()) if is_shared => return Ok(Lock::of(file)),
                Ok(()) => {
                    // Only for the message of whoever waits.
                    let pid = std::process::id().to_string();
                    let _ = file.set_len(0).and_then(|()| file.write_all(pid.as_bytes()));
                    return Ok(Lock::of(file));
                }
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(_)) => return Ok(Lock { file: None }),
            }
            // Whoever only passes the gate is through at once.
            let is_worth_a_word = name != GATE || started.elapsed() > GATE_PASSED;
            if let Some(held) = held.take_if(|_| is_worth_a_word) {
                held(holder(&path));
            }
            if (wait.interrupted)() {
                return Err(Error::Interrupted);
            }
            if started.elapsed() > wait.timeout {
                let (module, seconds) = (wait.module.to_owned(), wait.timeout.as_secs());
                return Err(Error::LockTimeout { module, seconds, holder: holder(&path), path });
            }
            std::thread::sleep(LOOK);
        }
    }

    fn open_lock(&self, path: &Path) -> Result<File> {
        self.folder(LOCKS)?;
        let mut options = File::options();
        options.create(true).truncate(false).write(true);
        #[cfg(unix)]
        {
            use std::os::unix::fs::OpenOptionsExt;
            options.mode(0o600);
        }
        stamp::open_with(options, path).map_err(|error| Error::cache("open the lock", path, &error))
    }

    /// Says that the store is in use until the answer is dropped, so that nobody
    /// clears it meanwhile; waits while somebody does. `None` where the store
    /// cannot be written: then nobody clears it.
    ///
    /// # Errors
    /// The time is over, or the user interrupted.
    pub fn in_use(&self, wait: &Wait<'_>) -> Result<Option<Lock>> {
        // Who wants to clear holds the gate while it waits: it would wait for ever
        // if there were always somebody new.
        let both = self
            .acquire(GATE, false, wait)
            .and_then(|_gate| self.acquire(IN_USE, true, &Wait { held: &|_| {}, ..*wait }));
        match both {
            Err(Error::Cache { .. }) => Ok(None),
            both => both.map(Some),
        }
    }

    /// Waits until nobody uses the store, and lets nobody begin until the answer is
    /// dropped.
    ///
    /// # Errors
    /// The store cannot be written, the time is over, or the user interrupted.
    pub(crate) fn alone(&self, wait: &Wait<'_>) -> Result<[Lock; 2]> {
        let gate = self.acquire(GATE, false, wait)?;
        Ok([gate, self.acquire(IN_USE, false, wait)?])
    }

    /// Says that a compiler's caches are in use until the answer is dropped, so
    /// that nobody removes them. `None` where the file system has no locks.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn use_zig(&self, version: &str) -> Result<Option<Lock>> {
        if !self.root().join(ZIG).join(version).is_dir() {
            // They are about to grow by more than the log can know.
            let _ = std::fs::remove_file(self.root().join(USAGE).join(USAGE_LOG));
        }
        let file = self.open_lock(&self.zig_lock_path(version))?;
        let _ = file.set_modified(SystemTime::now());
        Ok(file.lock_shared().is_ok().then(|| Lock::of(file)))
    }

    /// Removes a compiler's caches; `false` if they are in use or cannot be removed.
    pub(crate) fn remove_zig(&self, version: &str) -> bool {
        let path = self.zig_lock_path(version);
        let Ok(lock) = self.open_lock(&path) else { return false };
        // Whoever compiles holds this lock shared.
        if matches!(lock.try_lock(), Err(TryLockError::WouldBlock)) {
            return false;
        }
        std::fs::remove_dir_all(self.root().join(ZIG).join(version)).is_ok()
    }

    pub(crate) fn zig_lock_path(&self, version: &str) -> PathBuf {
        self.root().join(LOCKS).join(format!("zig-{}", Digest::of(version.as_bytes()).hex()))
    }
}

/// Returns whether an open file still has its name.
fn is_named(file: &File, path: &Path) -> bool {
    match (file.metadata(), std::fs::metadata(path)) {
        (Ok(open), Ok(named)) => Stamp::of(&open).inode == Stamp::of(&named).inode,
        _ => false,
    }
}

/// Returns the process that wrote itself into a lock.
fn holder(path: &Path) -> Option<u32> {
    std::str::from_utf8(&stamp::read(path, 16).ok()?.bytes).ok()?.parse().ok()
}

/// Holds the lock of a key until it is dropped or the process ends.
#[derive(Debug)]
pub struct Lock {
    file: Option<File>,
}

impl Lock {
    fn of(file: File) -> Self {
        #[cfg(unix)]
        inherited::add(&file);
        Self { file: Some(file) }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        if let Some(file) = &self.file {
            #[cfg(unix)]
            inherited::remove(file);
            // A process that was forked without our knowledge has the file open too:
            // closing ours would leave the lock to it.
            let _ = file.unlock();
        }
    }
}

/// Locks in processes that are forked while they are held: these have the files
/// open, too, and would hold the locks when we are killed.
#[cfg(unix)]
pub mod inherited {
    use std::fs::File;
    use std::mem::ManuallyDrop;
    use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
    use std::sync::Mutex;

    static HELD: Mutex<Vec<RawFd>> = Mutex::new(Vec::new());

    pub(super) fn add(file: &File) {
        if let Ok(mut held) = HELD.lock() {
            held.push(file.as_raw_fd());
        }
    }

    pub(super) fn remove(file: &File) {
        if let Ok(mut held) = HELD.lock() {
            held.retain(|number| *number != file.as_raw_fd());
        }
    }

    /// Lets go of the locks of the process that this one was forked from. To be
    /// called in a new process before it does anything else.
    pub fn release() {
        // A thread that is not there any more may have held the list: never wait for it.
        let (Ok(mut held), Ok(nothing)) = (HELD.try_lock(), File::open("/dev/null")) else { return };
        for number in held.drain(..) {
            // SAFETY: the file is open as long as its number is in the list, and it is
            // not closed here: whoever has it still may close it.
            let mut file = ManuallyDrop::new(unsafe { OwnedFd::from_raw_fd(number) });
            let _ = rustix::io::dup2(&nothing, &mut file);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::tests::store;

    #[test]
    fn clearing_waits_for_whoever_uses_the_store_and_lets_nobody_else_begin() {
        let (_folder, store) = store();
        let (path, _, _) = store.put_library(b"x", ".so").unwrap();
        let in_use = || store.in_use(&Wait::silent("m", Duration::ZERO));
        let (one, two) = (in_use().unwrap().unwrap(), in_use().unwrap().unwrap());
        assert!(matches!(store.clear(&Wait::silent("the cache", Duration::ZERO)), Err(Error::LockTimeout { .. })));
        drop(one);
        let began = std::cell::Cell::new(false);
        // Asked while it waits.
        let interrupted = || {
            began.set(began.get() || !matches!(in_use(), Err(Error::LockTimeout { .. })));
            true
        };
        let wait = Wait { interrupted: &interrupted, ..Wait::silent("the cache", Duration::MAX) };
        let refused = store.clear(&wait);
        assert!(matches!(refused, Err(Error::Interrupted)) && path.exists() && !began.get());
        drop(two);
        assert!(store.clear(&Wait::silent("the cache", Duration::ZERO)).unwrap() > 0);
        assert!(!path.exists() && in_use().unwrap().is_some());
    }

    #[test]
    fn a_lock_is_exclusive_and_goes_with_its_holder() {
        let (_folder, store) = store();
        let key = Digest::of(b"key");
        let at_once = Wait::silent("m", Duration::ZERO);
        let held = store.lock(key, &at_once).unwrap();
        let told = std::cell::Cell::new(None);
        let denied = store.lock(key, &Wait { held: &|holder| told.set(holder), ..at_once });
        assert!(matches!(denied, Err(Error::LockTimeout { .. })));
        assert_eq!(told.get(), Some(std::process::id()));
        let interrupted = Wait { interrupted: &|| true, ..Wait::silent("m", Duration::MAX) };
        assert!(matches!(store.lock(key, &interrupted), Err(Error::Interrupted)));
        drop(held);
        store.lock(key, &at_once).unwrap();
    }
}
