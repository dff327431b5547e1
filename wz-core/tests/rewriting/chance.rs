//! Chance that is the same in every run of the tests.

use wz_core::sim::Cut;

/// Numbers that follow from a seed (splitmix64, as in `wz_core::sim`).
pub struct Chance(u64);

impl Chance {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `end`; 0 if there is none.
    pub fn below(&mut self, end: u64) -> u64 {
        self.draw() % end.max(1)
    }

    /// Any form of a power cut.
    pub fn cut(&mut self) -> Cut {
        let seed = self.draw();
        match self.below(3) {
            0 => Cut::NotStarted,
            1 => Cut::Torn { seed },
            _ => Cut::DoneUnacknowledged,
        }
    }
}
