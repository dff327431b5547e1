//! `--help` of every command, and arguments that make no sense.

use rstest::rstest;

use crate::desk::Desk;
use crate::documents;

#[test]
fn the_help_of_every_command_is_as_reviewed() {
    let desk = Desk::new();
    for command in documents::commands() {
        let ran = desk.wz(&[&command[1..], &["--help".to_owned()]].concat());
        assert_eq!((ran.code, ran.err.as_str()), (0, ""));
        insta::assert_snapshot!(command.join("-"), ran.out);
    }
    insta::assert_snapshot!("wz", desk.wz(&["--help"]).out);
}

#[test]
fn every_command_has_examples_in_its_help() {
    let desk = Desk::new();
    for command in documents::commands() {
        let ran = desk.wz(&[&command[1..], &["--help".to_owned()]].concat());
        let example = format!("\n  {}", command.join(" "));
        assert!(ran.out.contains(&example), "{command:?}");
    }
}

#[rstest]
#[case::no_command(&[])]
#[case::unknown_command(&["brick"])]
#[case::missing_argument(&["hash"])]
#[case::unknown_option(&["hash", "--quickly", "a.bin"])]
#[case::unknown_shell(&["completions", "korn"])]
fn arguments_that_make_no_sense_have_their_exit_code(#[case] args: &[&str]) {
    let desk = Desk::new();
    let ran = desk.wz(args);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert_eq!(ran.out, "");
    assert!(
        ran.err.contains("--help") || ran.err.contains("Usage"),
        "{}",
        ran.err
    );
}

#[rstest]
#[case::behind(&["hash", "--format", "json"])]
#[case::in_front(&["--format=json", "hash", "--quickly", "a.bin"])]
fn arguments_that_make_no_sense_are_told_in_json_if_wanted(#[case] args: &[&str]) {
    let desk = Desk::new();
    let ran = desk.wz(args);
    let json: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    documents::check("Failures", &json);
    assert_eq!((ran.code, ran.err.as_str()), (2, ""));
    assert_eq!(json["failures"][0]["code"], "WZ-1001");
}

#[test]
fn text_that_goes_into_a_pipe_has_no_colours() {
    let desk = Desk::new();
    let ran = desk.wz(&["profile", "show", "t31", "stock"]);
    assert!(!ran.out.contains('\u{1b}'), "{}", ran.out);
    let ran = desk.wz(&["hash", "nothing.bin"]);
    assert!(!ran.err.contains('\u{1b}'), "{}", ran.err);
}

#[test]
fn the_version_is_the_one_that_the_camera_tells() {
    let desk = Desk::new();
    let told = format!("wz {}\n", wz_core::VERSION);
    assert_eq!(desk.wz(&["--version"]).out, told);
}
