//! The faults of one device, and when they strike.

use super::fault::Transient;

/// The faults of one device.
#[derive(Clone, Debug)]
pub(crate) struct Faults<F> {
    lasting: Vec<F>,
    /// Those that strike once, with the operations until then.
    waiting: Vec<(F, u64)>,
}

impl<F> Default for Faults<F> {
    fn default() -> Self {
        let (lasting, waiting) = (Vec::new(), Vec::new());
        Self { lasting, waiting }
    }
}

impl<F: Transient> Faults<F> {
    pub(crate) fn add(&mut self, fault: F) {
        match fault.nth() {
            None => self.lasting.push(fault),
            Some(nth) => self.waiting.push((fault, nth.max(1))),
        }
    }

    pub(crate) fn lasting(&self) -> impl Iterator<Item = F> {
        self.lasting.iter().copied()
    }

    /// Lets one operation pass that `concerns` some of the transient faults; tells which one
    /// strikes it. Of two at once, the first that was added.
    pub(crate) fn strike(&mut self, concerns: impl Fn(&F) -> bool) -> Option<F> {
        let mut striking = None;
        self.waiting.retain_mut(|(fault, left)| {
            if !concerns(fault) {
                return true;
            }
            *left -= 1;
            if *left == 0 {
                striking.get_or_insert(*fault);
            }
            *left > 0
        });
        striking
    }
}

#[cfg(test)]
mod tests {
    use super::super::FlashFault;
    use super::*;

    #[test]
    fn a_transient_fault_strikes_the_nth_operation_that_concerns_it_and_no_other() {
        let mut faults = Faults::default();
        faults.add(FlashFault::FailsErase { nth: 2 });
        faults.add(FlashFault::FailsRead { nth: 1 });
        let is_erase = |fault: &FlashFault| matches!(fault, FlashFault::FailsErase { .. });
        assert_eq!(faults.strike(is_erase), None);
        assert_eq!(
            faults.strike(is_erase),
            Some(FlashFault::FailsErase { nth: 2 })
        );
        assert_eq!(faults.strike(is_erase), None);
        assert_eq!(
            faults.strike(|_| true),
            Some(FlashFault::FailsRead { nth: 1 })
        );
    }
}
