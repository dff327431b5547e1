//! Words for the program on the kernel's command line. All are for the emulated camera.
//!
//! ```text
//! wz.chip=<name>            which chip to be: there are no registers that tell
//! wz.panic=work|supervisor  panic there, to show that even this ends well
//! wz.watchdog=<seconds>     how long the watchdog waits for a sign of life
//! wz.idle=<seconds>         how long a shell is kept in which nothing is typed
//! wz.lights=unwatched       do not wait until somebody has counted the blinks
//! ```

use crate::root::Root;

/// What follows `word=`; the last one wins, as with the kernel's own words: the boot loader's come
/// behind the built-in ones.
pub fn value(word: &str) -> Option<String> {
    value_in(&Root::of_the_camera(), word)
}

/// The same on the command line that `root` shows.
pub fn value_in(root: &Root, word: &str) -> Option<String> {
    find(&root.proc("cmdline"), word)
}

fn find(command_line: &str, word: &str) -> Option<String> {
    command_line
        .split_whitespace()
        .filter_map(|text| text.split_once('='))
        .rfind(|(name, value)| *name == word && !value.is_empty())
        .map(|(_, value)| value.to_owned())
}

/// Panics where the command line asks for it.
#[allow(clippy::panic)]
pub fn panic_if_asked(place: &str) {
    if value("wz.panic").as_deref() == Some(place) {
        panic!("the kernel command line says wz.panic={place}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("console=ttyS0 wz.chip=t31x panic=5\n", Some("t31x"))]
    #[case("wz.chip=t20 wz.chip=t31x", Some("t31x"))]
    #[case("wz.chip=", None)]
    #[case("xwz.chip=t31x", None)]
    #[case("wz.chip", None)]
    #[case("", None)]
    fn the_last_word_with_a_value_counts(#[case] line: &str, #[case] value: Option<&str>) {
        assert_eq!(find(line, "wz.chip").as_deref(), value);
    }
}
