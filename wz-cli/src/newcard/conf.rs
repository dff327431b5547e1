//! Configuration files that are made from a template: whether one is, and its options.

/// Whether `text` is the template with, at most, other values: every line is there, in its order.
pub fn is_made_from(template: &str, text: &str) -> bool {
    let shape = |text: &str| -> Vec<String> {
        text.lines()
            .map(|line| match key(line) {
                Some(key) => format!("{key}="),
                None => line.trim_end().to_owned(),
            })
            .collect()
    };
    shape(template) == shape(text.trim_start_matches('\u{feff}'))
}

/// `text` with this value for `key`, which stands in it.
pub fn set(text: &str, key_to_set: &str, value: &str) -> String {
    let line = |line: &str| match key(line) {
        Some(key) if key == key_to_set => format!("{key}=\"{value}\"\n"),
        _ => format!("{line}\n"),
    };
    text.lines().map(line).collect()
}

/// The options in `text`, in their order.
pub fn keys(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter_map(key)
}

/// The option that a line of a template sets.
fn key(line: &str) -> Option<&str> {
    let (key, _) = line.split_once('=')?;
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    (!key.is_empty() && key.chars().all(is_name)).then_some(key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    const TEMPLATE: &str = "# What to do\na=\"no\"\n\n# How = why\nb=\"\"\n";

    #[rstest]
    #[case::as_it_is(TEMPLATE)]
    #[case::other_values("# What to do\na='yes'\n\n# How = why\nb=\"x\" # mine\n")]
    #[case::windows("# What to do\r\na=\"no\"\r\n\r\n# How = why\r\nb=\"\"\r\n")]
    #[case::mark("\u{feff}# What to do\na=\"no\"\n\n# How = why\nb=\"\"")]
    fn other_values_leave_a_file_ours(#[case] text: &str) {
        assert!(is_made_from(TEMPLATE, text));
    }

    #[rstest]
    #[case::empty("")]
    #[case::an_option_more("# What to do\na=\"no\"\n\n# How = why\nb=\"\"\nc=\"\"\n")]
    #[case::an_option_less("# What to do\na=\"no\"\n\n# How = why\n")]
    #[case::a_remark("# What to do\n# not now\na=\"no\"\n\n# How = why\nb=\"\"\n")]
    fn other_lines_make_a_file_somebody_elses(#[case] text: &str) {
        assert!(!is_made_from(TEMPLATE, text));
    }

    #[test]
    fn only_the_line_of_an_option_changes() {
        let expected = "# What to do\na=\"yes\"\n\n# How = why\nb=\"\"\n";
        assert_eq!(set(TEMPLATE, "a", "yes"), expected);
        assert_eq!(set(TEMPLATE, "c", "yes"), TEMPLATE);
        assert_eq!(keys(TEMPLATE).collect::<Vec<_>>(), ["a", "b"]);
    }
}
