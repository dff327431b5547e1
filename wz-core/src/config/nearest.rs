//! Which known name was most likely meant.

/// The known name that is nearest to `name`, if one is near: letter case and the kind of dash do
/// not count, and at most a third of the characters (at least two) may differ.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let name: Vec<char> = name.to_lowercase().replace('-', "_").chars().collect();
    let farthest = (name.len() / 3).max(2);
    known
        .into_iter()
        .filter(|candidate| candidate.len().abs_diff(name.len()) <= farthest)
        .map(|candidate| (distance(&name, candidate), candidate))
        .filter(|&(distance, _)| distance <= farthest)
        .min_by_key(|&(distance, _)| distance)
        .map(|(_, candidate)| candidate)
}

/// How many characters have to be put in, left out or changed (Levenshtein).
fn distance(a: &[char], b: &str) -> usize {
    let mut previous: Vec<usize> = (0..=a.len()).collect();
    for (row, from_b) in b.chars().enumerate() {
        let mut current = vec![row + 1];
        let mut left = row + 1;
        for (pair, from_a) in previous.windows(2).zip(a) {
            let change = pair[0] + usize::from(*from_a != from_b);
            left = change.min(pair[1] + 1).min(left + 1);
            current.push(left);
        }
        previous = current;
    }
    previous.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    const KNOWN: [&str; 3] = ["dry_run", "backup_partitions", "re_run"];

    #[rstest]
    #[case("dryrun", Some("dry_run"))]
    #[case("DRY-RUN", Some("dry_run"))]
    #[case("backup_partition", Some("backup_partitions"))]
    #[case("rerun", Some("re_run"))]
    #[case("something_else", None)]
    #[case("", None)]
    fn the_nearest_known_name_is_found(#[case] typed: &str, #[case] meant: Option<&str>) {
        assert_eq!(nearest(typed, KNOWN), meant);
    }

    #[rstest]
    #[case("kitten", "sitting", 3)]
    #[case("", "abc", 3)]
    #[case("abc", "", 3)]
    #[case("abc", "abc", 0)]
    fn the_distance_is_the_number_of_edits(
        #[case] a: &str,
        #[case] b: &str,
        #[case] expected: usize,
    ) {
        assert_eq!(distance(&a.chars().collect::<Vec<_>>(), b), expected);
    }
}
