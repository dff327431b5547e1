//! What the emulated NOR chip counted, as the kernel tells when the camera restarts.

/// Work of the flash chip since power-on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NorCounters {
    /// Erased blocks, each as often as it was erased.
    pub erases: u64,
    /// Programmed bytes.
    pub programmed: u64,
    /// Bytes read.
    pub read: u64,
    /// Programmed pages in which a bit should have gone from 0 to 1: there was no erase before.
    pub set_bits: u64,
}

impl NorCounters {
    /// The counters in the last `wz-nor: erases=1 programmed=2 read=3 set_bits=4` that the serial
    /// console showed.
    pub(crate) fn in_text(text: &str) -> Option<Self> {
        let line = text
            .rsplit("wz-nor: ")
            .next()
            .filter(|rest| rest.len() < text.len())?;
        let value = |name: &str| {
            let mut words = line.lines().next()?.split_whitespace();
            words.find_map(|word| word.strip_prefix(name)?.strip_prefix('=')?.parse().ok())
        };
        Some(Self {
            erases: value("erases")?,
            programmed: value("programmed")?,
            read: value("read")?,
            set_bits: value("set_bits")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_report_counts() {
        let text = "[1.0] wz-nor: erases=9 programmed=9 read=9 set_bits=9\nmore\n\
                    [2.0] wz-nor: erases=1 programmed=2 read=3 set_bits=4\n[3.0] end";

        assert_eq!(
            NorCounters::in_text(text),
            Some(NorCounters {
                erases: 1,
                programmed: 2,
                read: 3,
                set_bits: 4
            })
        );
    }

    #[test]
    fn no_report_is_no_counters() {
        assert_eq!(
            NorCounters::in_text("erases=1 programmed=2 read=3 set_bits=4"),
            None
        );
        assert_eq!(NorCounters::in_text("wz-nor: erases=1"), None);
    }
}
