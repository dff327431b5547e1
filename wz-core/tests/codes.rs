//! `docs/codes.md` is the table of problems, word for word.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

use std::fmt::Write;

use wz_core::event::PROBLEMS;

const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/codes.md");

/// What the document must be. `{field}` stands for the value at hand.
fn document() -> String {
    let mut text = String::from(
        "# Codes\n\n\
         What console, logs and `result.json` say, by code. `{...}` stands for the value at hand.\n\
         This file follows `wz-core/src/event/problem.rs`; `WZ_BLESS=1 cargo test -p wz-core --test codes`\n\
         writes it anew.\n",
    );
    for row in PROBLEMS {
        let explanation = row.explanation.trim();
        write!(
            text,
            "\n## {}\n\n{explanation}\n\n> {}.\n>\n> {}\n",
            row.code, row.what, row.next_step
        )
        .expect("a string takes everything");
    }
    text
}

#[test]
fn the_document_of_codes_says_what_the_program_says() {
    let wanted = document();
    if std::env::var_os("WZ_BLESS").is_some() {
        std::fs::write(DOCUMENT, &wanted).expect("docs/codes.md can be written");
    }
    let found = std::fs::read_to_string(DOCUMENT).expect("docs/codes.md");
    assert!(
        found == wanted,
        "docs/codes.md is not up to date; set WZ_BLESS=1 to write it"
    );
}
