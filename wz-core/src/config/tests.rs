//! Whole files: what is accepted, what is refused with which code, and what is never shown.

use proptest::prelude::*;
use rstest::rstest;

use super::findings::MOST;
use super::*;

const CONF: &str = "general.conf";

/// What the original program's users have on their cards.
const USUAL: &str = "\
# ------ general ------
enable_audio=\"no\"
audio_volume=\"50\"
dry_run=\"no\"

backup_partitions=\"yes\"     # a backup never hurts
restore_partitions=\"no\"
switch_firmware=\"no\"
next_firmware=\"\"
switch_firmware_with_all_partitions=\"no\"

enable_custom_scripts=\"no\"
custom_scripts=\"\"
copy_new_sdcard_kernel=\"no\"
new_sdcard_kernel=\"\"
re_run=\"no\"
manual_current_firmware=\"\"
manual_model=\"\"
";

fn good(text: &str) -> Reading<GeneralConf> {
    read_general(CONF, text.as_bytes())
        .unwrap_or_else(|problems| panic!("{text:?} is refused: {problems:?}"))
}

fn bad(bytes: &[u8]) -> Vec<Problem> {
    read_general(CONF, bytes).expect_err("it should be refused")
}

fn codes(problems: &[Problem]) -> Vec<String> {
    problems.iter().map(|p| p.code().to_string()).collect()
}

fn words(problems: &[Problem]) -> String {
    let sentences: Vec<_> = problems
        .iter()
        .map(|p| format!("{p} -- {}", p.next_step()))
        .collect();
    format!("{}\n{problems:?}", sentences.join("\n"))
}

fn value<T: Copy>(option: &Option<Given<T>>) -> Option<T> {
    option.as_ref().map(|given| given.value)
}

#[test]
fn the_usual_file_is_read_without_a_word() {
    let reading = good(USUAL);
    assert_eq!(reading.warnings, []);
    assert_eq!(value(&reading.value.backup_partitions), Some(YesNo::Yes));
    assert_eq!(value(&reading.value.dry_run), Some(YesNo::No));
    assert_eq!(reading.value.manual_model, None);
    assert_eq!(
        reading
            .value
            .audio_volume
            .map(|given| given.value.percent()),
        Some(50)
    );
}

#[rstest]
#[case::crlf(USUAL.replace('\n', "\r\n"))]
#[case::bom(format!("\u{feff}{USUAL}"))]
#[case::crlf_and_bom(format!("\u{feff}{}", USUAL.replace('\n', "\r\n")))]
#[case::doubled_cr(USUAL.replace('\n', "\r\r\n"))]
#[case::no_newline_at_the_end(USUAL.trim_end().to_owned())]
#[case::single_quotes(USUAL.replace('"', "'"))]
#[case::no_quotes(USUAL.replace('"', ""))]
#[case::exported(USUAL.replace("\nb", "\nexport b").replace("\nd", "\n\texport\td"))]
#[case::blanks_around_the_equals_sign(USUAL.replace('=', " =\t"))]
#[case::toml(USUAL.replace("\"yes\"", "true").replace("\"no\"", "false").replace("\"50\"", "50"))]
#[case::indented(USUAL.replace('\n', "\n  \t"))]
#[case::comment_right_behind(USUAL.replace("     #", "#"))]
fn every_dialect_says_the_same(#[case] text: String) {
    let reading = good(&text);
    assert_eq!(reading.warnings, [], "{text}");
    let values = |conf: &GeneralConf| {
        (
            conf.options(),
            conf.audio_volume.clone().map(|given| given.value),
            conf.custom_scripts.is_none() && conf.next_firmware.is_none(),
        )
    };
    assert_eq!(values(&reading.value), values(&good(USUAL).value));
}

#[test]
fn a_comment_may_hold_any_bytes_but_zero() {
    let bytes = b"# f\xfcr \x1b[31m $(reboot) \"\ndry_run=\"yes\" # \xe9 ; `x`\n";
    let reading = read_general(CONF, bytes).expect("comments are not read");
    assert_eq!(value(&reading.value.dry_run), Some(YesNo::Yes));
    assert_eq!(reading.warnings, []);
}

#[rstest]
#[case::utf16(b"\xff\xfed\0r\0y\0", "WZ-0103", 0, 0)]
#[case::binary(b"\x7fELF\x01\0\0\0", "WZ-0104", 0, 0)]
#[case::latin_1(b"manual_model=\"v\xe9\"", "WZ-0105", 1, 16)]
#[case::noise(b"\x01\x02\xfe\xdc", "WZ-0106", 1, 1)]
#[case::escape_sequence(b"dry_run=\"\x1b[2Jno\"", "WZ-0106", 1, 10)]
#[case::hard_blank("dry_run=\u{a0}\"no\"".as_bytes(), "WZ-0106", 1, 9)]
#[case::plain_words(b"please make a backup", "WZ-0110", 1, 1)]
#[case::no_equals_sign(b"dry_run yes", "WZ-0110", 1, 1)]
#[case::colon(b"\n\ndry_run: yes", "WZ-0110", 3, 1)]
#[case::other_comment_sign(b"// dry run", "WZ-0110", 1, 1)]
#[case::quoted_name(b"\"dry_run\"=\"yes\"", "WZ-0111", 1, 1)]
#[case::dotted_name(b"wz.dry_run=true", "WZ-0111", 1, 1)]
#[case::source(b"source /sdcard/x.sh", "WZ-0112", 1, 1)]
#[case::dot(b". /sdcard/x.sh", "WZ-0112", 1, 1)]
#[case::if_then(b"if [ -f /x ]; then", "WZ-0112", 1, 1)]
#[case::stray_if(b"dry_run=\"no\"\n  if", "WZ-0112", 2, 3)]
#[case::exit(b"exit 0", "WZ-0112", 1, 1)]
#[case::exit_and_more(b"exit; dry_run=\"no\"", "WZ-0112", 1, 1)]
#[case::test_brackets(b"[ -f /x ] && reboot", "WZ-0112", 1, 1)]
#[case::here_document(b"cat > /x <<EOF", "WZ-0113", 1, 1)]
#[case::here_document_as_value(b"dry_run=<<EOF", "WZ-0113", 1, 9)]
#[case::second_command(b"audio_volume=\"50\"; touch /sdcard/pwned", "WZ-0114", 1, 18)]
#[case::substitution(b"dry_run=$(reboot)", "WZ-0114", 1, 9)]
#[case::quoted_substitution(b"dry_run=\"$(reboot)\"", "WZ-0114", 1, 10)]
#[case::backticks(b"dry_run=`reboot`", "WZ-0114", 1, 9)]
#[case::quoted_backticks(b"dry_run=\"`reboot`\"", "WZ-0114", 1, 10)]
#[case::variable(b"next_firmware=\"$OTHER\"", "WZ-0114", 1, 16)]
#[case::background(b"dry_run=yes&reboot", "WZ-0114", 1, 12)]
#[case::pipe(b"dry_run=\"yes\"|sh", "WZ-0114", 1, 14)]
#[case::function(b"main() {", "WZ-0114", 1, 5)]
#[case::open_quote(b"dry_run=\"yes", "WZ-0115", 1, 9)]
#[case::open_single_quote(b"dry_run='yes", "WZ-0115", 1, 9)]
#[case::two_words(b"custom_scripts=a.sh b.sh", "WZ-0116", 1, 21)]
#[case::glued_quotes(b"dry_run=\"y\"\"es\"", "WZ-0116", 1, 12)]
#[case::prefix_of_a_command(b"dry_run=yes reboot", "WZ-0116", 1, 13)]
#[case::curly_quotes("dry_run=\u{201c}yes\u{201d}".as_bytes(), "WZ-0117", 1, 9)]
#[case::backslash(b"new_sdcard_kernel=\"a\\b\"", "WZ-0118", 1, 21)]
#[case::continued_line(b"custom_scripts=a.sh \\", "WZ-0118", 1, 21)]
#[case::table(b"[general]", "WZ-0119", 1, 1)]
#[case::table_array(b"[[general]]", "WZ-0119", 1, 1)]
#[case::list(b"custom_scripts = [\"a.sh\"]", "WZ-0120", 1, 18)]
#[case::inline_table(b"dry_run = { on = true }", "WZ-0120", 1, 11)]
#[case::long_text(b"custom_scripts=\"\"\"", "WZ-0120", 1, 16)]
#[case::capital(b"backup_partitions=\"Yes\"", "WZ-0130", 1, 19)]
#[case::capitals(b"backup_partitions=\"YES\"", "WZ-0130", 1, 19)]
#[case::letter(b"backup_partitions=y", "WZ-0130", 1, 19)]
#[case::number(b"backup_partitions=1", "WZ-0130", 1, 19)]
#[case::on(b"backup_partitions=\"on\"", "WZ-0130", 1, 19)]
#[case::blank_inside(b"backup_partitions=\"yes \"", "WZ-0130", 1, 19)]
#[case::too_loud(b"audio_volume=\"101\"", "WZ-0131", 1, 14)]
#[case::negative(b"audio_volume=-1", "WZ-0131", 1, 14)]
#[case::no_time(b"custom_scripts_timeout_seconds=0", "WZ-0830", 1, 32)]
#[case::more_than_a_day(b"custom_scripts_timeout_seconds=\"86401\"", "WZ-0830", 1, 32)]
#[case::no_number(b"custom_scripts_timeout_seconds=\"10 min\"", "WZ-0830", 1, 32)]
#[case::plus(b"audio_volume=+5", "WZ-0131", 1, 14)]
#[case::words_for_a_name(b"manual_model=\"my camera\"", "WZ-0132", 1, 14)]
#[case::path_for_a_name(b"next_firmware=\"../stock\"", "WZ-0132", 1, 15)]
#[case::path_for_a_file(b"new_sdcard_kernel=\"/tmp/x\"", "WZ-0133", 1, 19)]
#[case::script_elsewhere(b"custom_scripts=\"a.sh ../b.sh\"", "WZ-0133", 1, 16)]
#[case::before_0_9(b"switch_profile=\"no\"\nnext_profile=\"stock\"", "WZ-0145", 1, 1)]
fn what_cannot_be_read_has_a_code_and_a_place(
    #[case] bytes: &[u8],
    #[case] code: &str,
    #[case] line: usize,
    #[case] column: usize,
) {
    let problems = bad(bytes);
    assert_eq!(codes(&problems), [code], "{}", words(&problems));
    let place = format!("Line {line}, column {column} of \"general.conf\" [");
    assert!(
        line == 0 || problems[0].what().starts_with(&place),
        "{}",
        words(&problems)
    );
}

#[rstest]
#[case::too_long(vec![b'#'; LIMIT.as_usize() + 1], "WZ-0102")]
#[case::long_line(["dry_run=\"", &"y".repeat(60_000), "\""].concat().into_bytes(), "WZ-0107")]
#[case::long_words("x ".repeat(30_000).into_bytes(), "WZ-0107")]
#[case::too_many_options("dry_run=no\n".repeat(201).into_bytes(), "WZ-0109")]
fn what_is_too_long_is_refused(#[case] bytes: Vec<u8>, #[case] code: &str) {
    assert_eq!(codes(&bad(&bytes)), [code]);
}

#[test]
fn the_longest_file_is_read() {
    let mut bytes = b"dry_run=\"yes\"\n".to_vec();
    bytes.resize(LIMIT.as_usize(), b'#');
    assert!(read_general(CONF, &bytes).is_ok());
}

#[rstest]
#[case("dry_run: 'yes'", "write dry_run=\"yes\"")]
#[case("dry_run=\"yes", "dry_run=\"yes\"")]
#[case("custom_scripts=a.sh b.sh # both", "custom_scripts=\"a.sh b.sh\"")]
#[case("backup_partitions=\"On\"", "backup_partitions=\"yes\"")]
#[case("backup_partitions=\"FALSE\"", "backup_partitions=\"no\"")]
#[case("switch_profile=\"no\"", "switch_profile is now switch_firmware")]
#[case("make a backup", "put a # before it")]
fn the_next_step_shows_how_to_write_it(#[case] text: &str, #[case] suggestion: &str) {
    let next_step = bad(text.as_bytes())[0].next_step();
    assert!(next_step.contains(suggestion), "{next_step}");
}

#[test]
fn all_problems_are_told_at_once_from_top_to_bottom() {
    let problems = bad(b"dry_run=\"Yes\"\nexit 0\naudio_volume=\"loud\"\n");
    assert_eq!(codes(&problems), ["WZ-0130", "WZ-0112", "WZ-0131"]);
}

#[test]
fn the_list_of_problems_has_an_end() {
    let problems = bad("exit 0\n".repeat(500).as_bytes());
    assert_eq!(problems.len(), MOST + 1);
    let last = problems.last().map(Problem::what);
    assert_eq!(
        last,
        Some("\"general.conf\" has 480 more problems".to_owned())
    );
}

#[test]
fn a_line_is_shown_without_control_characters_and_cut() {
    let text = format!("dry_run=\"\x1b[2J\u{202e}{}\"", "x".repeat(500));
    let said = words(&bad(text.as_bytes()));
    assert!(said.contains("\\u{1b}[2J\\u{202e}xxx"), "{said}");
    assert!(!said.contains('\x1b') && !said.contains('\u{202e}'));
    assert!(!said.contains(&"x".repeat(101)), "{said}");
}

const WRITES: [&str; 4] = [
    "restore_partitions=\"yes\"",
    "switch_firmware=\"yes\"",
    "enable_custom_scripts=\"yes\"",
    "copy_new_sdcard_kernel=\"yes\"",
];

#[rstest]
#[case::misspelt("dryrun=\"yes\"", "WZ-0140", Some("WZ-0141"))]
#[case::unheard_of("colour=\"blue\"", "WZ-0140", Some("WZ-0141"))]
#[case::twice_the_same("dry_run=no\ndry_run=\"no\"", "WZ-0142", None)]
#[case::twice_differently("dry_run=no\ndry_run=yes", "WZ-0143", Some("WZ-0144"))]
#[case::empty("dry_run=\"\"", "WZ-0134", Some("WZ-0135"))]
fn a_doubt_is_a_warning_until_something_is_written(
    #[case] text: &str,
    #[case] warning: &str,
    #[case] refusal: Option<&str>,
) {
    let harmless = good(&format!("backup_partitions=\"yes\"\n{text}"));
    assert_eq!(codes(&harmless.warnings), [warning]);
    for writes in WRITES {
        let outcome = read_general(CONF, format!("{text}\n{writes}").as_bytes());
        match refusal {
            Some(code) => assert_eq!(codes(&outcome.expect_err(writes)), [code]),
            None => assert_eq!(codes(&outcome.expect(writes).warnings), [warning]),
        }
    }
}

#[test]
fn a_dry_run_is_as_strict_as_the_run_that_it_shows() {
    for writes in WRITES {
        let text = format!("dry_run=\"yes\"\n{writes}\ncolour=\"blue\"");
        assert_eq!(codes(&bad(text.as_bytes())), ["WZ-0141"], "{writes}");
    }
}

#[test]
fn the_last_of_two_lines_counts() {
    let conf = good("dry_run=\"no\"\ndry_run=\"yes\"\n").value;
    assert_eq!(value(&conf.dry_run), Some(YesNo::Yes));
}

#[test]
fn a_misspelt_name_is_answered_with_the_right_one() {
    let warnings = good("backup_partition=\"yes\"").warnings;
    assert!(warnings[0].next_step().contains("\"backup_partitions\""));
}

#[rstest]
#[case::unknown_key("wifi_password=\"hunter2\"")]
#[case::exported("export wlan_psk='hunter2'")]
#[case::name_that_tells_nothing("home=\"hunter2\"")]
#[case::twice("api_key=hunter2\napi_key=hunter22")]
#[case::open_quote("wifi_password=\"hunter2")]
#[case::two_words("wifi_ssid=My hunter2")]
#[case::two_words_of_something("home=My hunter2")]
#[case::over_two_lines("wifi_password=\"x\nhunter2\"")]
#[case::rest_as_option("wifi_password=\"x\nhunter2=hunter2")]
#[case::no_equals_sign("wifi password: hunter2")]
#[case::command("fw_setenv wlanpass hunter2")]
#[case::shell_code("psk=$(echo hunter2)")]
#[case::behind_an_option("custom_scripts=\"a.sh --pass hunter2")]
#[case::backslash("password=\"\\hunter2\"")]
#[case::curly("password=\u{201c}hunter2\u{201d}")]
#[case::list("password=[\"hunter2\"]")]
#[case::long("password=".to_owned() + &"hunter2".repeat(1000))]
fn a_secret_is_in_no_message(
    #[case] text: impl Into<String>,
    #[values("", "switch_firmware=\"yes\"\n")] before: &str,
) {
    let text = format!("{before}{}", text.into());
    let problems = match read_general(CONF, text.as_bytes()) {
        Ok(reading) => reading.warnings,
        Err(problems) => problems,
    };
    let said = words(&problems);
    assert!(!problems.is_empty() && !said.contains("hunter2"), "{said}");
}

#[test]
fn lines_behind_a_broken_secret_are_hidden_up_to_the_next_option() {
    let said = words(&bad(
        b"wifi_password=\"a\nhunter2\ndry_run=\"no\"\nexit 0\n",
    ));
    assert!(
        !said.contains("hunter2") && said.contains("[exit 0]"),
        "{said}"
    );
}

#[test]
fn a_secret_is_shown_as_stars() {
    let warning = &good("wifi_password=\"hunter2\"").warnings[0];
    assert!(warning.what().contains("[wifi_password=***]"), "{warning}");
}

#[test]
fn each_option_is_documented_for_owners() {
    let docs = include_str!("../../../docs/config.md");
    for key in Key::ALL {
        assert!(docs.contains(&format!("### `{key}`")), "{key}");
    }
}

fn any_option() -> impl Strategy<Value = (Key, &'static str)> {
    let yes_no = prop::sample::select(vec![
        Key::DryRun,
        Key::BackupPartitions,
        Key::SecondaryBackup,
        Key::SafetyBackup,
        Key::RollBack,
        Key::RestorePartitions,
        Key::RestoreBoot,
        Key::ReRun,
    ]);
    (yes_no, prop::sample::select(vec!["yes", "no"]))
}

fn line_like() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "dry_run", "=", "\"", "'", " ", "\t", "#", "yes", "no", "export ", "\n", "\r", "$(", ")",
        "`", ";", "\\", "[", "{", "<<", "password", "x", "\u{201c}", "\u{fffd}", "\u{1b}", "ü",
    ]);
    prop::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused_within_bounds(bytes: Vec<u8>) {
        let problems = read_general(CONF, &bytes).map_or_else(|p| p, |reading| reading.warnings);
        prop_assert!(problems.len() <= MOST + 1);
        prop_assert!(problems.iter().all(|p| p.what().len() < 5000));
    }

    #[test]
    fn any_mix_of_syntax_is_read_or_refused_within_bounds(text in line_like()) {
        let problems = read_general(CONF, text.as_bytes()).map_or_else(|p| p, |r| r.warnings);
        prop_assert!(problems.len() <= MOST + 1);
        for problem in &problems {
            let said = problem.what() + &problem.next_step();
            prop_assert!(!said.chars().any(is_invisible), "{said:?}");
        }
    }

    #[test]
    fn no_option_has_an_effect_that_its_line_does_not_have_in_a_shell(
        name in "[a-z_]{1,12}", extra in "[;&|<>()$`]", command in "[a-z ]{0,9}",
    ) {
        let text = format!("{name}=\"yes\"{extra}{command}");
        prop_assert!(read_general(CONF, text.as_bytes()).is_err(), "{text}");
    }

    #[test]
    fn options_read_back_the_same_in_both_dialects(options in prop::collection::vec(any_option(), 0..8)) {
        let mut options = options;
        options.sort_by_key(|(key, _)| key.name());
        options.dedup_by_key(|(key, _)| key.name());
        let shell: String = options.iter().map(|(k, v)| format!("export {k}=\"{v}\"\r\n")).collect();
        let toml: String = options
            .iter()
            .map(|(k, v)| format!("{k} = {}\n", *v == "yes"))
            .collect();
        let (shell, toml) = (good(&shell).value, good(&toml).value);
        prop_assert_eq!(shell.options(), toml.options());
        prop_assert_eq!(value(&shell.restore_boot), value(&toml.restore_boot));
        for (key, word) in &options {
            if let Some(state) = shell.options().iter().find(|state| state.name == key.name()) {
                prop_assert_eq!(state.on, *word == "yes");
            }
        }
    }
}
