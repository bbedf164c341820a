//! Work on many items with a state for each thread.

use rayon::prelude::*;

/// More threads than this do not make reading files faster.
const THREADS_MAX: usize = 8;
/// Fewer items than this are done faster by one thread.
const ITEMS_MIN: usize = 16;

/// Maps items in order, in parallel where that pays. `one` gets a state of its
/// thread beside the item.
pub fn map<T: Send, S: Default, R: Send>(items: Vec<T>, one: impl Fn(&mut S, T) -> R + Sync + Send) -> Vec<R> {
    // A pool of its own: the threads of a global one would be missing in a
    // process that was forked from this one, and it would wait for them for ever.
    if items.len() >= ITEMS_MIN
        && let Ok(pool) = rayon::ThreadPoolBuilder::new().num_threads(threads()).build()
    {
        return pool.install(|| items.into_par_iter().map_init(S::default, one).collect());
    }
    let mut state = S::default();
    items.into_iter().map(|item| one(&mut state, item)).collect()
}

fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from).min(THREADS_MAX)
}
