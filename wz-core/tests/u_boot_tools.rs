//! Environments as u-boot-tools and libubootenv make them are read, and ours by them: `mkenvimage`,
//! `fw_printenv` and `fw_setenv` of Debian, working on plain files.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use rstest::rstest;
use wz_core::image::environment::{Change, Environment, Found, Place, find};
use wz_core::units::{Offset, Region, Size};

/// What both sides have to agree on: what the original damaged, and what a shell would.
const VARIABLES: [(&str, &str); 5] = [
    ("bootcmd", "sf probe; setenv a b; bootm ${addr}"),
    ("wlan_ssid", "My  Net *"),
    ("wlan_pass", "p'a\"s$s `w\\d  #"),
    ("timezone", "Europe/Berlin"),
    ("utf8", "żółw"),
];

const NEIGHBOUR: u8 = 0xa5;

/// A file in place of the flash partition, with something else behind it.
struct Bench {
    folder: tempfile::TempDir,
    copies: usize,
    kib: usize,
}

impl Bench {
    fn new(copies: usize, kib: usize) -> Self {
        let bench = Self {
            folder: tempfile::tempdir().unwrap(),
            copies,
            kib,
        };
        let lines = (0..copies).map(|copy| {
            let (at, length) = (copy * bench.length(), bench.length());
            let flash = bench.flash().display().to_string();
            format!("{flash} {at:#x} {length:#x} {length:#x}\n")
        });
        fs::write(bench.config(), lines.collect::<String>()).unwrap();
        let mut flash = vec![0xff; copies * bench.length()];
        flash.resize(flash.len() + 0x8000, NEIGHBOUR);
        fs::write(bench.flash(), flash).unwrap();
        bench
    }

    fn length(&self) -> usize {
        self.kib * 1024
    }

    fn region(&self) -> Region {
        let size = Size::bytes((self.copies * self.length()) as u64);
        Region::new(Offset::ZERO, size)
    }

    fn flash(&self) -> PathBuf {
        self.folder.path().join("flash.bin")
    }

    fn config(&self) -> PathBuf {
        self.folder.path().join("fw_env.config")
    }

    fn put(&self, at: usize, bytes: &[u8]) {
        let mut flash = fs::read(self.flash()).unwrap();
        flash[at..at + bytes.len()].copy_from_slice(bytes);
        fs::write(self.flash(), flash).unwrap();
    }

    /// The environment that `mkenvimage` makes of a text, as the first copy.
    fn make(&self, text: &str) {
        let (source, image) = (
            self.folder.path().join("env.txt"),
            self.folder.path().join("env.bin"),
        );
        fs::write(&source, text).unwrap();
        let size = self.length().to_string();
        let mut arguments = vec!["-s", &size, "-o", path(&image)];
        if self.copies == 2 {
            arguments.push("-r");
        }
        arguments.push(path(&source));
        succeeds("mkenvimage", &arguments);
        self.put(0, &fs::read(image).unwrap());
    }

    fn theirs(&self, program: &str, arguments: &[&str]) -> String {
        let config = self.config();
        succeeds(program, &[&["-c", path(&config)], arguments].concat())
    }

    /// What their `fw_printenv` shows.
    fn their_view(&self) -> BTreeMap<String, String> {
        let shown = self.theirs("fw_printenv", &[]);
        let pair = |line: &str| {
            let (name, value) = line.split_once('=').unwrap();
            (name.to_owned(), value.to_owned())
        };
        shown.lines().map(pair).collect()
    }

    fn found(&self) -> Found {
        let region = self.region();
        let flash = fs::read(self.flash()).unwrap();
        find(Some(region), &flash[..region.size.as_usize()]).expect("an environment")
    }

    /// What we show.
    fn our_view(&self) -> BTreeMap<String, String> {
        self.found().environment.lossy().collect()
    }

    /// Sets variables as we do.
    fn set(&self, variables: &[(&str, &str)]) {
        let found = self.found();
        let mut environment = found.environment.clone();
        for (name, value) in variables {
            environment.set(name, value).unwrap();
        }
        for Change { at, bytes } in found.changes(&environment) {
            self.put(at.as_usize(), &bytes);
        }
    }

    fn neighbour_is_untouched(&self) -> bool {
        let flash = fs::read(self.flash()).unwrap();
        flash[self.region().size.as_usize()..]
            .iter()
            .all(|&byte| byte == NEIGHBOUR)
    }
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn run(program: &str, arguments: &[&str]) -> Output {
    Command::new(program)
        .args(arguments)
        .env("PATH", "/usr/bin:/bin:/usr/sbin:/sbin")
        .output()
        .unwrap_or_else(|error| panic!("{program}: {error}; is it installed? run: make setup"))
}

fn succeeds(program: &str, arguments: &[&str]) -> String {
    let output = run(program, arguments);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

fn expected() -> BTreeMap<String, String> {
    let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    VARIABLES.into_iter().map(owned).collect()
}

#[rstest]
#[case::thingino_2025(1, 32)]
#[case::thingino_2024_and_2026(1, 64)]
#[case::two_copies(2, 32)]
#[case::two_long_copies(2, 64)]
fn what_mkenvimage_makes_is_read(#[case] copies: usize, #[case] kib: usize) {
    let bench = Bench::new(copies, kib);
    // Of the other values its text files have signs of their own.
    let lines = VARIABLES[..2]
        .iter()
        .map(|(name, value)| format!("{name}={value}\n"));
    bench.make(&lines.collect::<String>());
    let mut view = expected();
    view.retain(|name, _| ["bootcmd", "wlan_ssid"].contains(&name.as_str()));
    assert_eq!(bench.our_view(), view);
    assert_eq!(bench.their_view(), view);
}

#[rstest]
#[case::thingino_2025(1, 32)]
#[case::thingino_2024_and_2026(1, 64)]
#[case::two_copies(2, 32)]
#[case::two_long_copies(2, 64)]
fn what_they_set_is_read_by_us_and_what_we_set_by_them(#[case] copies: usize, #[case] kib: usize) {
    let bench = Bench::new(copies, kib);
    bench.make("first=1\n");
    for (name, value) in VARIABLES {
        bench.theirs("fw_setenv", &[name, value]);
    }
    bench.theirs("fw_setenv", &["first"]);
    assert_eq!(bench.our_view(), expected());

    let bench = Bench::new(copies, kib);
    bench.make("first=1\n");
    bench.set(&VARIABLES);
    bench.set(&[("first", "")]);
    assert_eq!(bench.their_view(), expected());
    assert!(bench.neighbour_is_untouched());
}

#[rstest]
#[case::one_copy(1, 32)]
#[case::two_copies(2, 32)]
#[case::two_long_copies(2, 64)]
fn taking_turns_works_for_ever(#[case] copies: usize, #[case] kib: usize) {
    let bench = Bench::new(copies, kib);
    bench.make("round=none\n");
    for round in 0..6 {
        let value = format!("ours {round}");
        bench.set(&[("round", &value)]);
        assert_eq!(bench.their_view()["round"], value);
        assert_eq!(bench.our_view()["round"], value);
        let value = format!("theirs {round}");
        bench.theirs("fw_setenv", &["round", &value]);
        assert_eq!(bench.our_view()["round"], value);
        assert_eq!(bench.their_view()["round"], value);
    }
    assert!(bench.neighbour_is_untouched());
}

#[test]
fn a_full_environment_of_ours_is_whole_for_them() {
    let bench = Bench::new(1, 32);
    bench.make("a=1\n");
    let most = "x".repeat(0x8000 - 4 - 3 - 2 - 4);
    bench.set(&[("b", &most)]);
    assert_eq!(bench.their_view()["b"], most);
    let mut environment = bench.found().environment;
    assert!(environment.set("c", "1").is_err());
}

#[test]
fn what_is_spoilt_is_none_for_both() {
    let bench = Bench::new(1, 32);
    bench.make("a=1\n");
    bench.put(100, b"spoilt");
    let config = bench.config();
    assert!(!run("fw_printenv", &["-c", path(&config)]).status.success());
    let flash = fs::read(bench.flash()).unwrap();
    assert!(find(Some(bench.region()), &flash[..0x8000]).is_err());
    assert!(Environment::parse(&flash[..0x8000]).is_err());
}

#[test]
fn two_copies_are_recognised_as_such() {
    let bench = Bench::new(2, 32);
    bench.make("a=1\n");
    assert!(matches!(bench.found().place, Place::Two(_)));
}
