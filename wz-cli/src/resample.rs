//! Another sampling rate for a sound: each new sample is a weighted sum of the old ones around it, with the
//! weights of a low-pass filter (a sinc function under a Hann window).

use std::f64::consts::PI;

/// How many zero crossings of the sinc function there are on each side.
const REACH: f64 = 24.0;
/// What of the new rate's band is kept; the rest is the filter's slope.
const KEPT: f64 = 0.92;

/// `samples` at the rate `from` as samples at the rate `to`.
pub fn resample(samples: &[i16], from: u32, to: u32) -> Vec<f64> {
    let (from, to) = (f64::from(from), f64::from(to));
    let length = (samples.len() as f64 * to / from) as usize;
    // The band's edge, as a fraction of what the old rate can hold.
    let edge = KEPT * (to / from).min(1.0);
    let around = |n: usize| weighted_sum(samples, n as f64 * from / to, edge);
    (0..length).map(around).collect()
}

fn weighted_sum(samples: &[i16], centre: f64, edge: f64) -> f64 {
    let reach = REACH / edge;
    let first = (centre - reach).ceil().max(0.0) as usize;
    let last = (centre + reach).floor() as usize;
    let near = samples.iter().enumerate().take(last + 1).skip(first);
    near.map(|(at, sample)| {
        let distance = at as f64 - centre;
        f64::from(*sample) * edge * sinc(distance * edge) * hann(distance / reach)
    })
    .sum()
}

fn sinc(x: f64) -> f64 {
    match x.abs() < 1e-9 {
        true => 1.0,
        false => (PI * x).sin() / (PI * x),
    }
}

fn hann(x: f64) -> f64 {
    0.5 + 0.5 * (PI * x).cos()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn tone(hertz: f64, rate: u32) -> Vec<i16> {
        let sample = |n| (f64::from(n) * hertz * 2.0 * PI / f64::from(rate)).sin() * 10_000.0;
        (0..rate).map(|n| sample(n) as i16).collect()
    }

    /// How loud it is, its first and last moment aside.
    fn loudness(samples: &[f64]) -> f64 {
        let middle = &samples[samples.len() / 4..samples.len() * 3 / 4];
        let squares: f64 = middle.iter().map(|s| s * s).sum();
        (squares / middle.len() as f64).sqrt()
    }

    #[rstest]
    #[case::kept(300.0, 0.99, 1.01)]
    #[case::kept_near_the_edge(3300.0, 0.95, 1.05)]
    #[case::removed(4600.0, 0.0, 0.01)]
    #[case::removed_and_not_folded_back(7700.0, 0.0, 0.01)]
    fn what_the_new_rate_can_hold_is_kept_and_the_rest_is_not_heard(
        #[case] hertz: f64,
        #[case] least: f64,
        #[case] most: f64,
    ) {
        let resampled = resample(&tone(hertz, 22_050), 22_050, 8000);
        assert_eq!(resampled.len(), 8000);
        let gain = loudness(&resampled) / (10_000.0 / 2.0_f64.sqrt());
        assert!((least..=most).contains(&gain), "{gain}");
    }

    #[test]
    fn nothing_becomes_nothing() {
        assert_eq!(resample(&[], 22_050, 8000), [0.0; 0]);
        assert!(resample(&[0; 100], 22_050, 8000).iter().all(|s| *s == 0.0));
    }
}
