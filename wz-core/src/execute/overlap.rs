//! Two threads and a bounded queue: one makes pieces of work while the other takes them.

use std::io;
use std::panic::resume_unwind;
use std::sync::mpsc::sync_channel;
use std::thread::Builder;

/// How many pieces may wait: enough to ride out a slow write of the card, little enough for a
/// camera's memory.
const QUEUE: usize = 6;

/// Calls `produce` in a thread of its own until it has no more, and `consume` here with each piece,
/// in order. Whoever fails first ends both.
///
/// # Errors
/// The first error of either; `no_thread` makes one if the thread cannot be started.
pub fn overlap<T: Send, E: Send>(
    mut produce: impl FnMut() -> Result<Option<T>, E> + Send,
    mut consume: impl FnMut(T) -> Result<(), E>,
    no_thread: impl FnOnce(io::Error) -> E,
) -> Result<(), E> {
    std::thread::scope(|scope| {
        let (sender, receiver) = sync_channel(QUEUE);
        let make_all = move || -> Result<(), E> {
            while let Some(piece) = produce()? {
                if sender.send(piece).is_err() {
                    break;
                }
            }
            Ok(())
        };
        let producer = match Builder::new()
            .name("reader".into())
            .spawn_scoped(scope, make_all)
        {
            Ok(handle) => handle,
            Err(error) => return Err(no_thread(error)),
        };
        // Dropping the receiver on the way out ends the producer.
        let consumed = receiver.into_iter().try_for_each(&mut consume);
        let produced = producer.join().unwrap_or_else(|panic| resume_unwind(panic));
        consumed.and(produced)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn no_thread(error: io::Error) -> String {
        error.to_string()
    }

    fn count_to(end: u32) -> impl FnMut() -> Result<Option<u32>, String> {
        let mut next = 0;
        move || {
            next += 1;
            Ok((next <= end).then_some(next))
        }
    }

    #[test]
    fn every_piece_arrives_in_order() {
        let mut seen = Vec::new();
        let take = |piece| {
            seen.push(piece);
            Ok(())
        };
        overlap(count_to(1000), take, no_thread).unwrap();
        assert!(seen.into_iter().eq(1..=1000));
    }

    #[test]
    fn a_failing_consumer_stops_the_producer() {
        let take = |piece| {
            if piece == 3 {
                Err("full".to_owned())
            } else {
                Ok(())
            }
        };
        assert_eq!(
            overlap(count_to(u32::MAX), take, no_thread),
            Err("full".to_owned())
        );
    }

    #[test]
    fn a_failing_producer_is_reported_after_what_it_made_was_taken() {
        let mut made = count_to(2);
        let produce = move || made()?.map_or(Err("read error".to_owned()), |n| Ok(Some(n)));
        let mut seen = 0;
        let take = |_| {
            seen += 1;
            Ok(())
        };
        assert_eq!(
            overlap(produce, take, no_thread),
            Err("read error".to_owned())
        );
        assert_eq!(seen, 2);
    }
}
