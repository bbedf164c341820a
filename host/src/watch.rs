//! Tells when it is worth looking at files again.
//!
//! Changes are hints, and may be reported for nothing: whether a module changed
//! is decided by its manifest. Folders are watched and not files, because editors
//! put a new file in the place of the old one. Where the system has no events,
//! the metadata of the files are looked at in intervals.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use notify::event::{AccessKind, AccessMode, EventKind, ModifyKind};
use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};

use crate::stamp::{self, Stamp};

/// A change is over when nothing follows for so long. Linux says when a file that
/// was written to is closed; elsewhere a pause has to do.
const QUIET: Duration = Duration::from_millis(if cfg!(target_os = "linux") { 5 } else { 50 });
/// A program that keeps a file open for writing is waited for so long.
const WRITING_MAX: Duration = Duration::from_millis(200);
/// Changes that never pause are reported so often.
const CHANGE_MAX: Duration = Duration::from_secs(1);

/// What to watch, all paths absolute.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Paths {
    /// Files, there or not.
    pub files: BTreeSet<PathBuf>,
    /// Folders in which every entry counts, outputs and caches left out.
    pub folders: BTreeSet<PathBuf>,
}

enum Message {
    /// Something happened to a file.
    Change { path: PathBuf, writing: bool },
    /// A file that was written to was closed.
    Closed(PathBuf),
    /// The system has forgotten events.
    Lost,
    /// `wait` shall return.
    Wake,
}

/// Waits for changes of some files.
pub struct Watcher {
    interval: Duration,
    polls_only: bool,
    sender: Sender<Message>,
    receiver: Mutex<Receiver<Message>>,
    state: Mutex<State>,
    /// The process that has the thread behind `State::notifier`.
    process: u32,
}

#[derive(Default)]
struct State {
    paths: Paths,
    /// Every name under which a file may be reported, and the one it is watched by.
    names: BTreeMap<PathBuf, PathBuf>,
    notifier: Option<RecommendedWatcher>,
    /// Folders that the notifier watches, with their inode numbers.
    notified: BTreeMap<PathBuf, u64>,
    /// Files without events, as they were when last looked at.
    polled: BTreeMap<PathBuf, Option<Stamp>>,
}

impl Watcher {
    /// Makes a watcher of nothing, which has no thread yet. `interval` counts
    /// where there are no events.
    #[must_use]
    pub fn new(interval: Duration) -> Self {
        let (sender, receiver) = mpsc::channel();
        Self {
            interval,
            polls_only: false,
            sender,
            receiver: Mutex::new(receiver),
            state: Mutex::default(),
            process: std::process::id(),
        }
    }

    /// Watches these paths, and no others any more. Call it after each change:
    /// a folder may be another one since. Returns why some are looked at in
    /// intervals only, if they are.
    #[must_use]
    pub fn watch(&self, paths: Paths) -> Option<String> {
        let mut state = self.state();
        state.names = paths.files.iter().flat_map(|path| names(path).map(|name| (name, path.clone()))).collect();
        let mut reason = None;
        let mut wanted: BTreeMap<PathBuf, u64> = BTreeMap::new();
        let mut polled: BTreeSet<PathBuf> = BTreeSet::new();
        let places = state.names.iter().map(|(name, path)| (name.parent().unwrap_or(name), path.clone()));
        let folders = paths.folders.iter().map(|folder| (folder.as_path(), folder.clone()));
        for (folder, path) in places.chain(folders) {
            let Some((folder, inode)) = existing(folder) else { continue };
            if self.polls_only || has_no_events(&folder) {
                reason.get_or_insert_with(|| format!("`{}` is on a file system without events", folder.display()));
                polled.insert(path);
            } else {
                wanted.insert(folder, inode);
            }
        }
        let stale: Vec<PathBuf> = state
            .notified
            .iter()
            .filter(|(folder, inode)| wanted.get(*folder) != Some(*inode))
            .map(|(folder, _)| folder.clone())
            .collect();
        for folder in stale {
            state.notified.remove(&folder);
            if let Some(notifier) = &mut state.notifier {
                // It is gone already where the folder is.
                let _ = notifier.unwatch(&folder);
            }
        }
        for (folder, inode) in wanted {
            if state.notified.contains_key(&folder) {
                continue;
            }
            match self.notify(&mut state, &folder) {
                Ok(()) => {
                    state.notified.insert(folder, inode);
                }
                Err(error) => {
                    reason.get_or_insert_with(|| format!("the system does not watch `{}`: {error}", folder.display()));
                    polled.extend(
                        state.names.iter().filter(|(name, _)| name.starts_with(&folder)).map(|(_, path)| path.clone()),
                    );
                    polled.extend(paths.folders.iter().filter(|inner| inner.starts_with(&folder)).cloned());
                }
            }
        }
        // What is polled already keeps its stamp, or a change since then would be lost.
        let mut before = std::mem::take(&mut state.polled);
        state.polled = polled
            .into_iter()
            .map(|path| {
                let stamp = before.remove(&path).unwrap_or_else(|| Stamp::at(&path).ok());
                (path, stamp)
            })
            .collect();
        state.paths = paths;
        reason
    }

    fn notify(&self, state: &mut State, folder: &Path) -> notify::Result<()> {
        let notifier = match &mut state.notifier {
            Some(notifier) => notifier,
            none => {
                let sender = self.sender.clone();
                // A send fails only when there is no one to hear it any more.
                let handler = move |event| messages(event).into_iter().for_each(|message| drop(sender.send(message)));
                none.insert(notify::recommended_watcher(handler)?)
            }
        };
        notifier.watch(folder, RecursiveMode::NonRecursive)
    }

    /// Waits for changes, and for them to be over, and returns the paths that may
    /// have changed: watched files, and entries of watched folders. Empty after
    /// `timeout`, or when [`Watcher::wake`] was called.
    #[must_use]
    pub fn wait(&self, timeout: Option<Duration>) -> Vec<PathBuf> {
        let receiver = self.receiver.lock().unwrap_or_else(PoisonError::into_inner);
        let deadline = timeout.map(|timeout| Instant::now() + timeout);
        let mut changed = BTreeSet::new();
        let mut writing = BTreeSet::new();
        let mut started = Instant::now();
        let mut poll_at = Instant::now() + self.interval;
        loop {
            let now = Instant::now();
            if now >= poll_at {
                changed.extend(self.poll());
                poll_at = now + self.interval;
            }
            let until = if !changed.is_empty() {
                let pause = if writing.is_empty() { QUIET } else { WRITING_MAX };
                Some((started + CHANGE_MAX).min(now + pause))
            } else if self.state().polled.is_empty() {
                deadline
            } else {
                Some(deadline.map_or(poll_at, |deadline| deadline.min(poll_at)))
            };
            let message = match until {
                None => receiver.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(until) => receiver.recv_timeout(until.saturating_duration_since(now)),
            };
            match message {
                Ok(Message::Change { path, writing: is_writing }) => {
                    let concerned = self.state().concerned(&path);
                    if concerned.is_empty() {
                        continue;
                    }
                    if changed.is_empty() {
                        started = Instant::now();
                    }
                    changed.extend(concerned);
                    if is_writing && cfg!(target_os = "linux") {
                        writing.insert(path);
                    }
                }
                Ok(Message::Closed(path)) => {
                    writing.remove(&path);
                }
                Ok(Message::Lost) => changed.extend(self.state().paths.files.iter().cloned()),
                Ok(Message::Wake) | Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) if !changed.is_empty() => break,
                Err(RecvTimeoutError::Timeout) => {
                    if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                        break;
                    }
                }
            }
            if !changed.is_empty() && started.elapsed() > CHANGE_MAX {
                break;
            }
        }
        changed.into_iter().collect()
    }

    /// Lets [`Watcher::wait`] return, now or when it is called next.
    pub fn wake(&self) {
        // It fails only when there is no one to hear it any more.
        let _ = self.sender.send(Message::Wake);
    }

    fn poll(&self) -> Vec<PathBuf> {
        let mut changed = Vec::new();
        for (path, stamp) in &mut self.state().polled {
            let now = Stamp::at(path).ok();
            if now != *stamp {
                *stamp = now;
                changed.push(path.clone());
            }
        }
        changed
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        // A forked process has the notifier's descriptors, which are the parent's
        // too, and not its thread.
        if self.process != std::process::id() {
            // Without the lock, which that thread may have had.
            let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
            std::mem::forget(state.notifier.take());
        }
    }
}

impl State {
    /// Returns what is watched of a path: the file, the files below a folder that
    /// came, went or was renamed, the entry of a listed folder.
    fn concerned(&self, path: &Path) -> Vec<PathBuf> {
        let below = self.names.range(path.to_owned()..).take_while(|(name, _)| name.starts_with(path));
        let mut concerned: Vec<PathBuf> = below.map(|(_, path)| path.clone()).collect();
        let is_ignored = path.file_name().is_none_or(|name| stamp::is_ignored(&name.to_string_lossy()));
        let is_listed = |folder: &PathBuf| path == folder || path.parent() == Some(folder) || folder.starts_with(path);
        if concerned.is_empty() && !is_ignored && self.paths.folders.iter().any(is_listed) {
            concerned.push(path.to_owned());
        }
        concerned
    }
}

/// Makes messages of what the system reports. That a file is read is none.
fn messages(event: notify::Result<notify::Event>) -> Vec<Message> {
    let Ok(event) = event else { return vec![Message::Lost] };
    if event.need_rescan() {
        return vec![Message::Lost];
    }
    let message = |path| match event.kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => Some(Message::Closed(path)),
        EventKind::Access(_) => None,
        EventKind::Modify(ModifyKind::Data(_)) => Some(Message::Change { path, writing: true }),
        _ => Some(Message::Change { path, writing: false }),
    };
    event.paths.iter().cloned().filter_map(message).collect()
}

/// Returns a path and, where a link leads elsewhere, the path behind it.
fn names(path: &Path) -> impl Iterator<Item = PathBuf> {
    let behind = match (path.canonicalize(), path.parent(), path.file_name()) {
        (Ok(behind), ..) => Some(behind),
        (Err(_), Some(folder), Some(name)) => folder.canonicalize().ok().map(|folder| folder.join(name)),
        _ => None,
    };
    let other = behind.filter(|behind| behind != path);
    std::iter::once(path.to_owned()).chain(other)
}

/// Returns the folder, or the nearest one around it that is there, and its inode number.
fn existing(folder: &Path) -> Option<(PathBuf, u64)> {
    folder.ancestors().find_map(|folder| {
        let is_folder = folder.is_dir();
        Stamp::at(folder).ok().filter(|_| is_folder).map(|stamp| (folder.to_owned(), stamp.inode))
    })
}

/// Returns whether changes made on another machine would not be seen.
#[cfg(target_os = "linux")]
fn has_no_events(folder: &Path) -> bool {
    // The numbers are in statfs(2): NFS, SMB, CIFS, SMB2, 9p, AFS, Ceph, VirtualBox.
    const REMOTE: [u32; 8] =
        [0x6969, 0x517B, 0xFF53_4D42, 0xFE53_4D42, 0x0102_1997, 0x5346_414F, 0x00C3_6400, 0x786F_4256];
    rustix::fs::statfs(folder).is_ok_and(|found| REMOTE.contains(&(found.f_type as u32)))
}

#[cfg(not(target_os = "linux"))]
fn has_no_events(_folder: &Path) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// A wait that takes longer than this hangs.
    const HANG: Option<Duration> = Some(Duration::from_secs(120));

    fn watching(files: &[&Path], folders: &[&Path]) -> Watcher {
        let watcher = Watcher::new(Duration::from_millis(500));
        rewatch(&watcher, files, folders);
        watcher
    }

    fn rewatch(watcher: &Watcher, files: &[&Path], folders: &[&Path]) {
        let owned = |paths: &[&Path]| paths.iter().map(|path| path.to_path_buf()).collect();
        assert_eq!(watcher.watch(Paths { files: owned(files), folders: owned(folders) }), None);
    }

    #[test]
    fn writing_replacing_and_removing_a_file_are_seen_and_others_are_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.zig");
        let other = folder.path().join("m.zig.new");
        fs::write(&path, "one").unwrap();
        let watcher = watching(&[&path], &[]);
        fs::write(&other, "two").unwrap();
        fs::write(&path, "two").unwrap();
        assert_eq!(watcher.wait(HANG), std::slice::from_ref(&path));
        fs::rename(&other, &path).unwrap();
        assert_eq!(watcher.wait(HANG), std::slice::from_ref(&path));
        fs::remove_file(&path).unwrap();
        assert_eq!(watcher.wait(HANG), std::slice::from_ref(&path));
        fs::write(&other, "three").unwrap();
        fs::read(&other).unwrap();
        watcher.wake();
        assert_eq!(watcher.wait(HANG), Vec::<PathBuf>::new());
    }

    #[test]
    fn a_file_behind_a_link_and_one_whose_folder_is_absent_are_seen() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        fs::create_dir(root.join("real")).unwrap();
        fs::write(root.join("real/m.zig"), "one").unwrap();
        let link = root.join("m.zig");
        #[cfg(unix)]
        std::os::unix::fs::symlink("real/m.zig", &link).unwrap();
        #[cfg(not(unix))]
        fs::hard_link(root.join("real/m.zig"), &link).unwrap();
        let absent = root.join("a/b/c.zig");
        let watcher = watching(&[&link, &absent], &[]);
        fs::write(root.join("real/m.zig"), "two").unwrap();
        assert_eq!(watcher.wait(HANG), std::slice::from_ref(&link));
        fs::create_dir_all(root.join("a/b")).unwrap();
        assert_eq!(watcher.wait(HANG), std::slice::from_ref(&absent));
        rewatch(&watcher, &[&link, &absent], &[]);
        fs::write(&absent, "").unwrap();
        assert_eq!(watcher.wait(HANG), std::slice::from_ref(&absent));
    }

    #[test]
    fn a_folder_that_took_the_place_of_another_is_watched() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        let (now, next) = (root.join("now"), root.join("next"));
        let path = now.join("m.zig");
        for folder in [&now, &next] {
            fs::create_dir(folder).unwrap();
            fs::write(folder.join("m.zig"), "").unwrap();
        }
        let watcher = watching(&[&path], &[]);
        fs::rename(&now, root.join("old")).unwrap();
        fs::rename(&next, &now).unwrap();
        assert_eq!(watcher.wait(HANG), std::slice::from_ref(&path));
        rewatch(&watcher, &[&path], &[]);
        fs::write(root.join("old/m.zig"), "old").unwrap();
        fs::write(&path, "new").unwrap();
        assert_eq!(watcher.wait(HANG), std::slice::from_ref(&path));
    }

    #[test]
    fn entries_of_a_folder_are_seen_and_outputs_are_not() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        let watcher = watching(&[], &[&root]);
        fs::create_dir(root.join("zig-out")).unwrap();
        fs::write(root.join("new.zig"), "").unwrap();
        assert_eq!(watcher.wait(HANG), [root.join("new.zig")]);
    }

    #[test]
    fn changes_are_seen_where_there_are_no_events() {
        let folder = tempfile::tempdir().unwrap();
        let (path, absent) = (folder.path().join("m.zig"), folder.path().join("absent.zig"));
        fs::write(&path, "one").unwrap();
        let mut watcher = Watcher::new(Duration::from_millis(1));
        watcher.polls_only = true;
        let paths = Paths { files: [path.clone(), absent.clone()].into(), folders: BTreeSet::new() };
        assert!(watcher.watch(paths.clone()).is_some());
        fs::write(&path, "three").unwrap();
        assert!(watcher.watch(paths).is_some());
        assert_eq!(watcher.wait(HANG), std::slice::from_ref(&path));
        fs::write(&absent, "").unwrap();
        assert_eq!(watcher.wait(HANG), std::slice::from_ref(&absent));
        assert!(watcher.state().notifier.is_none());
    }

    #[test]
    fn a_wake_that_comes_first_is_not_lost() {
        let watcher = Watcher::new(Duration::from_secs(1));
        watcher.wake();
        assert_eq!(watcher.wait(HANG), Vec::<PathBuf>::new());
        assert_eq!(watcher.wait(Some(Duration::ZERO)), Vec::<PathBuf>::new());
    }
}
