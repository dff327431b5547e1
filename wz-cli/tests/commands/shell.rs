//! `wz completions` and `wz man`

use std::fs;

use rstest::rstest;

use crate::desk::Desk;
use crate::documents;

#[rstest]
#[case("bash", "_wz")]
#[case("zsh", "#compdef wz")]
#[case("fish", "complete -c wz")]
#[case("powershell", "Register-ArgumentCompleter")]
fn a_shell_gets_its_completions(#[case] shell: &str, #[case] sign: &str) {
    let desk = Desk::new();
    let ran = desk.wz(&["completions", shell]);
    assert!(
        ran.out.contains(sign) && ran.out.contains("profile"),
        "{}",
        ran.out
    );
    let json = desk.json("wz completions", &["completions", shell]);
    assert_eq!(json["script"], ran.out);
}

#[test]
fn every_command_has_a_man_page() {
    let desk = Desk::new();
    let json = desk.json("wz man", &["man", "man pages"]);
    assert_eq!(json["folder"], "man pages");
    for command in documents::commands() {
        let page = desk.path(&format!("man pages/{}.1", command.join("-")));
        let page = fs::read_to_string(&page).unwrap();
        assert!(page.contains(".SH SYNOPSIS"), "{command:?}: {page}");
    }
}

#[test]
fn man_pages_are_not_written_where_a_file_is() {
    let desk = Desk::new();
    desk.put("man", "");
    assert_eq!(desk.refusal(&["man", "man"]).0, 3);
}
