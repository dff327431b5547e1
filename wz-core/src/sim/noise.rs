//! Chance that is the same on every machine and in every run.

/// A number that looks random and depends on nothing but `seed` and `index` (splitmix64, Steele,
/// Lea and Flood, "Fast splittable pseudorandom number generators", 2014).
pub(crate) fn hash(seed: u64, index: u64) -> u64 {
    let mut z = seed.wrapping_add(index.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// The numbers that follow from one seed.
#[derive(Clone, Debug)]
pub(crate) struct Noise {
    seed: u64,
    drawn: u64,
}

impl Noise {
    pub(crate) fn new(seed: u64) -> Self {
        Self { seed, drawn: 0 }
    }

    pub(crate) fn draw(&mut self) -> u64 {
        self.drawn += 1;
        hash(self.seed, self.drawn)
    }

    /// A number from 0 up to, and without, `end`; 0 if there is none.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.draw() % end.max(1)
    }

    /// The same for indices.
    pub(crate) fn index_below(&mut self, end: usize) -> usize {
        self.below(end as u64) as usize
    }

    /// Turns one bit of `bytes` over, if there is one.
    pub(crate) fn flip_a_bit(&mut self, bytes: &mut [u8]) {
        let (at, bit) = (self.index_below(bytes.len()), self.below(8));
        if let Some(byte) = bytes.get_mut(at) {
            *byte ^= 1 << bit;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_seeds_draw_equal_numbers_and_others_do_not() {
        let draw = |seed| {
            let mut noise = Noise::new(seed);
            [noise.draw(), noise.draw(), noise.draw()]
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
    }

    #[test]
    fn every_number_below_the_end_is_drawn() {
        let mut noise = Noise::new(1);
        let mut seen = [false; 5];
        (0..200).for_each(|_| seen[noise.index_below(5)] = true);
        assert_eq!(seen, [true; 5]);
        assert_eq!(noise.below(0), 0);
    }

    #[test]
    fn exactly_one_bit_is_flipped() {
        for seed in 0..100 {
            let mut bytes = [0; 3];
            Noise::new(seed).flip_a_bit(&mut bytes);
            assert_eq!(bytes.iter().map(|byte| byte.count_ones()).sum::<u32>(), 1);
        }
        Noise::new(1).flip_a_bit(&mut []);
    }
}
