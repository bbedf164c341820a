//! Work on many items with a state for each thread.

use std::sync::OnceLock;

use rayon::ThreadPool;
use rayon::prelude::*;

/// More threads than this do not make reading files faster.
const THREADS_MAX: usize = 8;
/// Fewer items than this are done faster by one thread.
const ITEMS_MIN: usize = 16;

/// The threads of one operation, which are started when they are first needed.
///
/// A pool of its own: the threads of a global one would be missing in a process
/// that was forked from this one, and it would wait for them for ever.
#[derive(Default)]
pub struct Workers(OnceLock<Option<ThreadPool>>);

impl Workers {
    /// Maps items in order, in parallel where that pays. `one` gets a state of its
    /// thread beside the item.
    pub fn map<T: Send, S: Default, R: Send>(
        &self,
        items: Vec<T>,
        one: impl Fn(&mut S, T) -> R + Sync + Send,
    ) -> Vec<R> {
        if items.len() >= ITEMS_MIN {
            // One of these threads would take up other items while it waits for its own,
            // one inside the other, as deep as there are items.
            if rayon::current_thread_index().is_some() && self.0.get().is_some() {
                return Self::default().map(items, one);
            }
            if let Some(pool) = self.0.get_or_init(pool) {
                return pool.install(|| items.into_par_iter().map_init(S::default, one).collect());
            }
        }
        let mut state = S::default();
        items.into_iter().map(|item| one(&mut state, item)).collect()
    }
}

fn pool() -> Option<ThreadPool> {
    rayon::ThreadPoolBuilder::new().num_threads(threads()).build().ok()
}

fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from).min(THREADS_MAX)
}
