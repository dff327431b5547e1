//! What docs/wz.md and docs/wz-codes.md say is so.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;

use clap::CommandFactory;
use serde_json::Value;
use wz_cli::commands::Wz;
use wz_cli::problem::TABLE;

const GUIDE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/wz.md");
const CODES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/wz-codes.md");

/// Compares the fields of `json` with the table of fields in the section of docs/wz.md that has this
/// heading: none is undocumented, and none is missing but below what is empty.
pub fn check(heading: &str, json: &Value) {
    let documented = fields(heading);
    let (mut found, mut empty) = (BTreeSet::new(), Vec::new());
    collect(json, "", &mut found, &mut empty);
    // A plan within another report has a section of its own.
    if let Some(plan) = json.get("plan").filter(|plan| plan.is_object()) {
        check("wz plan", plan);
        found.retain(|field| !field.starts_with("plan."));
        empty.retain(|field| !field.starts_with("plan."));
        found.insert("plan".to_owned());
    }
    let unknown: Vec<_> = found.difference(&documented).collect();
    assert!(unknown.is_empty(), "docs/wz.md, {heading}: no {unknown:?}");
    let is_below = |field: &str| empty.iter().any(|path| field.starts_with(path.as_str()));
    let missing = documented.difference(&found);
    let missing: Vec<_> = missing.filter(|field| !is_below(field)).collect();
    assert!(missing.is_empty(), "docs/wz.md, {heading}: {missing:?}");
}

fn fields(heading: &str) -> BTreeSet<String> {
    let guide = fs::read_to_string(GUIDE).unwrap();
    let mut sections = guide.split("\n## ");
    let section = sections.find(|section| section.starts_with(&format!("{heading}\n")));
    let section = section.unwrap_or_else(|| panic!("docs/wz.md has no \"## {heading}\""));
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `"));
    rows.map(|row| row.split('`').next().unwrap().to_owned())
        .collect()
}

fn collect(value: &Value, path: &str, found: &mut BTreeSet<String>, empty: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let dot = if path.is_empty() { "" } else { "." };
                collect(value, &format!("{path}{dot}{name}"), found, empty);
            }
        }
        Value::Array(items) if items.is_empty() => empty.push(path.to_owned()),
        Value::Array(items) => {
            for item in items {
                collect(item, &format!("{path}[]"), found, empty);
            }
        }
        Value::Null => {
            empty.push(path.to_owned());
        }
        _ => {
            found.insert(path.to_owned());
        }
    }
}

#[test]
fn every_command_has_an_example_in_the_guide() {
    let guide = fs::read_to_string(GUIDE).unwrap();
    for command in commands() {
        let example = format!("\n    {} ", command.join(" "));
        let lone = format!("\n    {}\n", command.join(" "));
        let is_there = guide.contains(&example) || guide.contains(&lone);
        assert!(is_there, "docs/wz.md has no example of {command:?}");
    }
}

/// All commands that do something: `["wz", "env", "print"]`.
pub fn commands() -> Vec<Vec<String>> {
    fn walk(command: &clap::Command, above: &[String], found: &mut Vec<Vec<String>>) {
        let path = [above, &[command.get_name().to_owned()]].concat();
        match command.has_subcommands() {
            true => {
                let own = command.get_subcommands();
                own.filter(|sub| sub.get_name() != "help")
                    .for_each(|sub| walk(sub, &path, found));
            }
            false => found.push(path),
        }
    }
    let mut found = Vec::new();
    walk(&Wz::command(), &[], &mut found);
    found
}

fn codes() -> String {
    let mut text = String::from(
        "# Codes of wz\n\n\
         What only `wz`, on the owner's computer, says; it shares all other codes with the camera\n\
         ([codes.md](codes.md)). `{...}` stands for the value at hand. This file follows `wz-cli/src/problem.rs`;\n\
         `WZ_BLESS=1 cargo test -p wz-cli --test commands documents` writes it anew.\n",
    );
    for row in TABLE {
        let explanation = row.explanation.trim();
        write!(
            text,
            "\n## {}\n\n{explanation}\n\n> {}.\n>\n> {}\n",
            row.code, row.what, row.next_step
        )
        .unwrap();
    }
    text
}

#[test]
fn the_document_of_codes_says_what_the_program_says() {
    let wanted = codes();
    if std::env::var_os("WZ_BLESS").is_some() {
        fs::write(CODES, &wanted).unwrap();
    }
    let found = fs::read_to_string(CODES).unwrap();
    assert!(found == wanted, "set WZ_BLESS=1 to write docs/wz-codes.md");
}

#[test]
fn codes_are_in_order_and_apart_from_those_of_the_camera() {
    assert!(TABLE.is_sorted_by(|a, b| a.code < b.code));
    assert!(
        TABLE
            .iter()
            .all(|row| (1000..2000).contains(&row.code.number()))
    );
    let of_camera = wz_core::event::PROBLEMS;
    assert!(of_camera.iter().all(|row| row.code.number() < 1000));
}
