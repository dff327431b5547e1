//! The big tests use both cores.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// Does `work` with each of `items`; a panic ends it soon.
pub fn each<T: Sync>(items: &[T], work: impl Fn(&T) + Sync) {
    let next = AtomicUsize::new(0);
    let worker = || {
        let _stop = StopIfPanicking(&next);
        while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
            work(item);
        }
    };
    thread::scope(|scope| {
        scope.spawn(worker);
        worker();
    });
}

/// Leaves nothing for the other thread.
struct StopIfPanicking<'a>(&'a AtomicUsize);

impl Drop for StopIfPanicking<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.store(usize::MAX / 2, Ordering::Relaxed);
        }
    }
}
