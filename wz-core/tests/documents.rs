//! The documents say what is: codes word for word, and files that exist.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

use std::fmt::Write;

use wz_core::event::{PROBLEMS, SUBJECTS};
use wz_core::profile::{Catalogue, SwitchAction};

const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/codes.md");

/// What the document must be. `{field}` stands for the value at hand.
fn document() -> String {
    let mut text = String::from(
        "# Codes\n\n\
         What console, logs and `result.json` say, by code. `{...}` stands for the value at hand.\n\
         This file follows `wz-core/src/event/problem.rs`; `WZ_BLESS=1 cargo test -p wz-core --test documents`\n\
         writes it anew.\n\n\
         A run that did not do what it was asked for ends with a blink code: as many red (or yellow) blinks as the\n\
         first two digits of the first code say that kept it from doing so.\n\n",
    );
    text += &subject_table();
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

/// What the blinks are about.
fn subject_table() -> String {
    let mut table = String::from("| Blinks | Codes | What it is about |\n|---|---|---|\n");
    for (subject, about) in SUBJECTS {
        let blinks = subject.blinks();
        writeln!(table, "| {blinks} | WZ-{blinks:02}.. | {about} |")
            .expect("a string takes everything");
    }
    table
}

#[test]
fn the_readme_explains_every_blink_code() {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../README.md"))
        .expect("README.md");
    for (subject, about) in SUBJECTS {
        let row = format!("| {} | {about} |", subject.blinks());
        assert!(text.contains(&row), "README.md needs: {row}");
    }
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

/// What Switch does with the partitions that do not simply get their image.
fn switch_table() -> String {
    let mut table = String::from(
        "| SoC | Firmware | Layout | Partition | Becomes | With all partitions |\n\
         |---|---|---|---|---|---|\n",
    );
    let catalogue = Catalogue::builtin();
    let firmwares = catalogue
        .socs()
        .flat_map(|soc| catalogue.firmwares(&soc.name));
    for firmware in firmwares {
        for layout in &firmware.layouts {
            let partitions = layout.partitions().iter().filter(|partition| {
                (partition.switch, partition.switch_all)
                    != (SwitchAction::Write, SwitchAction::Write)
            });
            for partition in partitions {
                writeln!(
                    table,
                    "| {} | {} | {} | `{}` | {} | {} |",
                    firmware.soc,
                    firmware.name,
                    layout.name,
                    partition.name,
                    in_words(partition.switch),
                    in_words(partition.switch_all),
                )
                .expect("a string takes everything");
            }
        }
    }
    table
}

fn in_words(action: SwitchAction) -> &'static str {
    match action {
        SwitchAction::Write => "its image",
        SwitchAction::Erase => "made blank",
        SwitchAction::Format => "empty file system",
        SwitchAction::Leave => "left alone",
    }
}

#[test]
fn the_document_of_the_configuration_says_what_switching_does_with_each_partition() {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/config.md"))
        .expect("docs/config.md");
    let table = switch_table();
    assert!(text.contains(&table), "docs/config.md needs:\n{table}");
}

#[test]
fn the_source_files_that_documents_name_exist() {
    let root = std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    let mut checked = 0;
    for document in ["docs/architecture.md", "docs/codes.md"] {
        let text = std::fs::read_to_string(root.join(document)).expect(document);
        let quoted = text.split('`').skip(1).step_by(2);
        for name in quoted.filter(|name| name.contains('/') && name.ends_with(".rs")) {
            let is_there = [root.join(name), root.join("wz-core/src").join(name)]
                .iter()
                .any(|path| path.exists());
            assert!(is_there, "{document}: {name}");
            checked += 1;
        }
    }
    assert!(checked > 5, "{checked}");
}

/// What costs most when it goes wrong: images (05) and writing flash (07).
#[test]
fn every_problem_with_images_and_with_writing_flash_is_met_by_a_whole_run() {
    let root = std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    let folders = [
        "wz-core/tests",
        "wz-core/tests/rewriting",
        "wz-testbed/tests/camera",
    ];
    let files = folders.iter().flat_map(|folder| {
        let entries = std::fs::read_dir(root.join(folder)).expect(folder);
        entries.map(|entry| entry.expect(folder).path())
    });
    let tests: String = files
        .filter(|file| file.extension().is_some_and(|extension| extension == "rs"))
        .map(|file| std::fs::read_to_string(file).expect("a file of tests"))
        .collect();
    let codes = PROBLEMS.iter().map(|row| row.code.to_string());
    let untested: Vec<String> = codes
        .filter(|code| code.starts_with("WZ-05") || code.starts_with("WZ-07"))
        .filter(|code| !tests.contains(&format!("\"{code}\"")))
        .collect();
    assert_eq!(untested, [""; 0]);
}

/// Where tests are, by the short name that the documents about proofs use.
const TEST_FOLDERS: [(&str, &str); 3] = [
    ("bed/", "wz-testbed/tests/camera/"),
    ("core/", "wz-core/"),
    ("camera/", "wz-initramfs/src/"),
];

#[test]
fn the_tests_that_documents_name_exist() {
    let root = std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    for document in ["docs/safety.md", "docs/compared.md"] {
        let text = std::fs::read_to_string(root.join(document)).expect(document);
        let quoted = text.split('`').skip(1).step_by(2);
        let tests: Vec<_> = quoted.filter_map(|name| name.split_once(".rs::")).collect();
        for (file, test) in &tests {
            let place = TEST_FOLDERS
                .iter()
                .find_map(|(short, folder)| {
                    Some(format!("{folder}{}.rs", file.strip_prefix(short)?))
                })
                .unwrap_or_else(|| panic!("{document}: {file} is in no folder of tests"));
            let source = std::fs::read_to_string(root.join(&place)).expect(&place);
            let is_there = source.contains(&format!("fn {test}("));
            assert!(is_there, "{document}: {place} has no {test}");
        }
        assert!(tests.len() > 20, "{document}: {}", tests.len());
    }
}
