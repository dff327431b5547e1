//! Values that must not be shown (S9), wherever a script says them.

use crate::config::{HIDDEN, looks_secret};

/// Wi-Fi names and passwords that are known to be in use.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secrets(Vec<String>);

/// A shorter value is hidden only where it stands for itself: it may be a part of any word.
const DISTINCT: usize = 4;

impl Secrets {
    /// Those of `values` that are not empty.
    pub fn new(values: impl IntoIterator<Item = String>) -> Self {
        let mut values: Vec<String> = values.into_iter().collect();
        values.retain(|value| !value.trim().is_empty());
        // A secret may be a part of another one.
        values.sort_by_key(|value| std::cmp::Reverse(value.len()));
        values.dedup();
        Self(values)
    }

    /// `text` with each of them replaced by `***`.
    pub fn hide(&self, text: &str) -> String {
        let hidden = |text: String, secret: &String| match secret.chars().count() {
            DISTINCT.. => text.replace(secret.as_str(), HIDDEN),
            _ => hide_word(&text, secret),
        };
        self.0.iter().fold(text.to_owned(), hidden)
    }

    /// The length of the longest in bytes.
    pub fn longest(&self) -> usize {
        self.0.first().map_or(0, String::len)
    }
}

/// Without the values.
impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Secrets").field(&self.0.len()).finish()
    }
}

fn hide_word(text: &str, word: &str) -> String {
    let (mut hidden, mut rest) = (String::new(), text);
    while let Some(at) = rest.find(word) {
        let (before, found) = rest.split_at(at);
        let (found, behind) = found.split_at(word.len());
        let is_apart = !hidden_or(before, &hidden).ends_with(char::is_alphanumeric)
            && !behind.starts_with(char::is_alphanumeric);
        hidden.push_str(before);
        hidden.push_str(if is_apart { HIDDEN } else { found });
        rest = behind;
    }
    hidden + rest
}

/// What stands before a word: at the start of the rest, what came before the rest.
fn hidden_or<'a>(before: &'a str, earlier: &'a str) -> &'a str {
    if before.is_empty() { earlier } else { before }
}

/// What sets a variable that its first argument names.
const SETTERS: [&str; 2] = ["fw_setenv ", "wz env set "];

/// `line` without what stands behind names of secrets, up to its end, for values that only flash knows:
/// `wlan_pass=...`, as `fw_printenv` says it, or `fw_setenv wlan_pass ...` in a trace.
pub fn hide_assigned(line: &str) -> String {
    let assigned = line.match_indices('=').map(|(at, _)| (at, at + 1));
    let set = SETTERS.iter().flat_map(|setter| {
        let calls = line.match_indices(setter);
        calls.filter_map(|(at, _)| {
            let name = at + setter.len();
            let end = name + line[name..].find(' ')?;
            Some((end, end + 1))
        })
    });
    let is_secret = |(name_end, value): &(usize, usize)| {
        looks_secret(name_before(&line[..*name_end])) && !is_no_secret(&line[*value..])
    };
    let values = assigned.chain(set).filter(is_secret);
    match values.map(|(_, value)| value).min() {
        Some(value) => format!("{}{HIDDEN}", &line[..value]),
        None => line.to_owned(),
    }
}

/// The name that `text` ends with.
fn name_before(text: &str) -> &str {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    &text[text.trim_end_matches(is_part).len()..]
}

/// The values in a script that belong to names of secrets: `wifi_password="..."`,
/// `fw_setenv wlanpass ...`, and the lines of a here-document whose first line names one.
pub fn secrets_in(script: &str) -> Vec<String> {
    let mut secrets = Vec::new();
    let mut lines = script.lines();
    while let Some(line) = lines.next() {
        let line = line.trim();
        if line.starts_with('#') || !looks_secret(line) {
            continue;
        }
        if let Some(end) = here_document(line) {
            let text = lines
                .by_ref()
                .map(str::trim)
                .take_while(|text| *text != end);
            secrets.extend(text.map(str::to_owned));
        } else {
            secrets.extend(assigned(line).or_else(|| set_in_environment(line)));
        }
    }
    secrets.retain(|value| !is_no_secret(value));
    secrets
}

/// What ends the here-document that begins in this line.
fn here_document(line: &str) -> Option<&str> {
    let (_, behind) = line.split_once("<<")?;
    let end = behind.trim_start_matches('-').trim();
    let end = end.split_whitespace().next()?;
    Some(end.trim_matches(['\'', '"', '\\']))
}

fn assigned(line: &str) -> Option<String> {
    let (name, value) = line.split_once('=')?;
    let name = name.split_whitespace().next_back()?;
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    (name.chars().all(is_name) && looks_secret(name)).then(|| plain(value))?
}

fn set_in_environment(line: &str) -> Option<String> {
    let arguments = SETTERS.iter().find_map(|setter| line.split_once(setter));
    let (name, value) = arguments?.1.trim_start().split_once(' ')?;
    looks_secret(name).then(|| plain(value))?
}

/// A value without its quotes; none if it is only known when the script runs.
fn plain(value: &str) -> Option<String> {
    let value = value.trim_start();
    let quoted = |quote: char| value.strip_prefix(quote)?.split(quote).next();
    let text = quoted('\'').or_else(|| quoted('"').filter(|text| !is_computed(text)));
    let bare = || value.split([' ', '\t', ';', '&', '|']).next();
    let text = match value.starts_with(['\'', '"']) {
        true => text,
        false => bare().filter(|text| !is_computed(text)),
    };
    text.map(str::to_owned)
}

fn is_computed(value: &str) -> bool {
    value.contains(['$', '`'])
}

fn is_no_secret(value: &str) -> bool {
    matches!(
        value.trim().trim_matches(['\'', '"']),
        "" | "yes" | "no" | "true" | "false" | "0" | "1"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    #[rstest]
    #[case::assigned("wifi_password=\"My  Net *\"", &["My  Net *"])]
    #[case::single_quotes("export WIFI_SSID='a $b'", &["a $b"])]
    #[case::bare("local psk=abcd1234; echo", &["abcd1234"])]
    #[case::u_boot("fw_setenv wlanpass \"hunter two\" && msg ok", &["hunter two"])]
    #[case::by_our_command("wz env set wlan_pass hunter22", &["hunter22"])]
    #[case::here_document("read -r -d '' wifi_ssid <<'EOF'\nMy Net\nEOF\necho x", &["My Net"])]
    #[case::here_document_with_tabs("\tcat > wifi.conf <<-END\n\tssid=abcd\n\tEND", &["ssid=abcd"])]
    #[case::computed("wifi_pass=\"$(cat x)\"", &[])]
    #[case::a_choice("set_wifi_driver_manually=\"no\"", &[])]
    #[case::something_else("timezone=\"Etc/GMT\"", &[])]
    #[case::remark("# wifi_password=\"example\"", &[])]
    #[case::empty("wifi_password=\"\"", &[])]
    fn secrets_of_a_script_are_found(#[case] script: &str, #[case] expected: &[&str]) {
        assert_eq!(secrets_in(script), expected);
    }

    #[rstest]
    #[case::printed("wlan_pass=hunter 22", "wlan_pass=***")]
    #[case::traced("+ local wifi_ssid='My Net' a=1", "+ local wifi_ssid=***")]
    #[case::the_first_counts("a=1 psk=x key=y", "a=1 psk=***")]
    #[case::set("+ fw_setenv wlan_pass hunter 22", "+ fw_setenv wlan_pass ***")]
    #[case::by_our_command("+ wz env set api-key x", "+ wz env set api-key ***")]
    #[case::a_choice("wifi_on=\"yes\"", "wifi_on=\"yes\"")]
    #[case::a_choice_and_more("wlan_pass=1 2", "wlan_pass=***")]
    #[case::empty("wlan_pass=", "wlan_pass=")]
    #[case::unset("fw_setenv wlan_pass", "fw_setenv wlan_pass")]
    #[case::another_name("bootargs=console=ttyS0", "bootargs=console=ttyS0")]
    #[case::no_name("the key is = x", "the key is = x")]
    fn values_behind_names_of_secrets_are_hidden(#[case] line: &str, #[case] expected: &str) {
        assert_eq!(hide_assigned(line), expected);
    }

    #[rstest]
    #[case("+ fw_setenv wlanpass hunter22", "+ fw_setenv wlanpass ***")]
    #[case("hunter22hunter22", "******")]
    #[case("ok, cab ab(ab)", "ok, cab ***(***)")]
    #[case("abab", "abab")]
    fn they_are_hidden_wherever_they_stand(#[case] text: &str, #[case] expected: &str) {
        let secrets = Secrets::new(["ab", "hunter22", "hunter22x", " "].map(str::to_owned));
        assert_eq!(secrets.hide(text), expected);
        assert_eq!(secrets.longest(), 9);
        assert!(!format!("{secrets:?}").contains("hunter"));
    }

    proptest! {
        #[test]
        fn no_long_secret_is_left(secret in "[a-z]{4,12}", before: String, after: String) {
            let secrets = Secrets::new([secret.clone()]);
            let shown = secrets.hide(&format!("{before}{secret}{after}"));
            prop_assert!(!shown.contains(&secret));
        }

        #[test]
        fn behind_a_name_of_a_secret_nothing_is_left(before: String, secret in "[a-z]{4,12}") {
            let line = format!("{before} wlan_pass={secret}");
            let hidden = hide_assigned(&line);
            prop_assert!(line.starts_with(hidden.trim_end_matches('*')));
            prop_assert!(!hidden.ends_with(&secret));
        }

        #[test]
        fn any_text_is_searched_for_secrets(script: String) {
            let _ = secrets_in(&script);
        }
    }
}
