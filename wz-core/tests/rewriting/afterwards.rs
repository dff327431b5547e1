//! What follows the operations: scripts, another SD kernel, one more run. S7 with it: whatever fails
//! and whenever power goes, the program runs once more at most.

use rstest::rstest;
use wz_core::card::{Card, CardPath, SimCard, SimFault};
use wz_core::event::{Outcome, Problem};
use wz_core::journal::{Journal, Record, RunId};
use wz_core::run::{Next, ScriptFacts, Visit};
use wz_core::sim::Cut;
use wz_core::units::Size;

use crate::cases::cuts;
use crate::parallel;
use crate::profiles::BETA;
use crate::world::{
    Bench, Booted, Files, RESTORE, TO_BETA, Told, alpha, beta, beta_over, image_path, other_alpha,
    other_kernel, sd_kernel,
};

const BACKUP: &str = "backup_partitions=\"yes\"\n";
const RE_RUN: &str = "re_run=\"yes\"\n";
const SCRIPTS: &str = "enable_custom_scripts=\"yes\"\ncustom_scripts=\"a.sh b.sh\"\n";
const NEW_KERNEL: &str = "copy_new_sdcard_kernel=\"yes\"\nnew_sdcard_kernel=\"new.bin\"\n";
const CONF: &str = "wz_flash-helper/general.conf";
const JOURNAL: &str = "wz_flash-helper/journal.bin";
const AWAY: &str = "alpha_kernel.wz_flash-helper";

/// A card with everything that the tests ask for.
fn files(conf: &str) -> Files {
    Files::new(conf)
        .with("new.bin", &other_kernel())
        .with("wz_flash-helper/scripts/a.sh", b"a")
        .with("wz_flash-helper/scripts/b.sh", b"b")
        .with_image("beta", "firmware", &beta().flash)
        .with_restore(other_alpha(), &["kernel", "para"])
}

fn bench(conf: &[&str]) -> Bench {
    Bench::new(&alpha().flash, &files(&conf.concat()))
}

fn write(card: &mut SimCard, path: &str, content: &[u8]) {
    let mut file = card.create(&CardPath::root().join(path)).unwrap();
    file.write_all(content).unwrap();
    file.finish().unwrap();
    card.sync().unwrap();
}

fn broken() -> Problem {
    Problem::SystemFailed {
        doing: "run it".to_owned(),
        reason: "status 1".to_owned(),
    }
}

fn names(told: &Told) -> Vec<&str> {
    told.scripts.iter().map(|(name, _)| name.as_str()).collect()
}

/// The kernels at the top of the card, under any name.
fn kernels(bench: &Bench) -> Vec<String> {
    let files = bench.card.files().into_keys();
    files
        .filter(|name| name.contains("_kernel") && !name.contains('/'))
        .collect()
}

fn conf(bench: &Bench) -> String {
    String::from_utf8_lossy(&bench.file(CONF).unwrap()).into_owned()
}

/// The camera boots its firmware, nothing of ours is in the way, and the program's kernel is there.
fn assert_tidy(bench: &Bench, firmware: &'static str, what: &str) {
    assert_eq!(bench.boots(), Booted::Firmware(firmware), "{what}");
    assert_eq!(kernels(bench), [AWAY], "{what}");
    assert!(bench.file(AWAY).unwrap() == sd_kernel(), "{what}");
    assert!(bench.file(JOURNAL).is_none(), "{what}");
}

#[rstest]
#[case::nothing_else("", "alpha", None, &alpha().flash)]
#[case::backup(BACKUP, "alpha", None, &alpha().flash)]
#[case::switch(TO_BETA, "beta", Some("beta"), &beta_over())]
fn scripts_run_in_order_when_all_is_done_and_get_to_know_the_camera(
    #[case] operations: &str,
    #[case] boots: &'static str,
    #[case] next: Option<&str>,
    #[case] flash: &[u8],
) {
    let mut bench = bench(&[operations, SCRIPTS]);
    // What a script finds: kernels put away, and no journal.
    bench.script = |_, card| {
        let files = card.files();
        assert!(files.contains_key(AWAY) && !files.contains_key("alpha_kernel"));
        assert!(!files.contains_key(JOURNAL));
        Ok(())
    };
    let told = bench.run();
    bench.assert_done(&told, flash, boots);
    let facts = ScriptFacts {
        soc: "tiny".into(),
        chip: "tiny1".into(),
        chip_group: "tiny".into(),
        current_firmware: Some("alpha".into()),
        next_firmware: next.map(str::to_owned),
        model: Some("open".into()),
    };
    let expected = ["a.sh", "b.sh"].map(|name| (name.to_owned(), facts.clone()));
    assert_eq!(told.scripts, expected);
}

/// The same card, with a profile of beta that wants a script to be run after a switch to it.
fn with_post_switch(conf: &str) -> Files {
    let profile = format!("{BETA}\n[scripts]\npost_switch = \"settle.sh\"\n");
    files(conf).with(
        "wz_flash-helper/profiles/tiny/beta.toml",
        profile.as_bytes(),
    )
}

const POST_SWITCH: &str = "wz_flash-helper/profiles/tiny/beta/settle.sh";

#[rstest]
#[case::alone(TO_BETA, "", &["settle.sh"])]
#[case::before_custom_scripts(TO_BETA, SCRIPTS, &["settle.sh", "a.sh", "b.sh"])]
#[case::without_a_switch(BACKUP, SCRIPTS, &["a.sh", "b.sh"])]
fn the_script_of_a_profile_runs_after_a_switch_to_its_firmware(
    #[case] operations: &str,
    #[case] scripts: &str,
    #[case] expected: &[&str],
) {
    let files = with_post_switch(&[operations, scripts].concat()).with(POST_SWITCH, b"true");
    let mut bench = Bench::new(&alpha().flash, &files);
    let told = bench.run();
    assert_eq!(told.ended.outcome, Outcome::Success, "{}", told.text());
    assert_eq!(names(&told), expected);
}

#[test]
fn a_profile_whose_script_is_not_there_is_not_switched_to() {
    let mut bench = Bench::new(&alpha().flash, &with_post_switch(TO_BETA));
    let told = bench.run();
    assert_eq!(told.ended.outcome, Outcome::Refused, "{}", told.text());
    assert_eq!(told.codes("refusals"), ["WZ-0850"]);
    assert_tidy(&bench, "alpha", "no script");
}

#[test]
fn the_first_script_that_fails_ends_what_follows_and_this_is_told() {
    let mut bench = bench(&[BACKUP, SCRIPTS, RE_RUN]);
    bench.script = |_, _| Err(broken());
    let told = bench.run();
    assert_eq!(told.ended.outcome, Outcome::Incomplete, "{}", told.text());
    assert_eq!(told.ended.next, Next::Restart);
    assert_eq!(names(&told), ["a.sh"]);
    assert_eq!(told.codes("failures"), ["WZ-0903"]);
    assert!(told.codes("remarks").contains(&"WZ-0869".to_owned()));
    assert!(told.text().contains("the script b.sh, re_run"));
    assert!(conf(&bench).contains(RE_RUN));
    assert_tidy(&bench, "alpha", "failed script");
}

/// As a command leaves it that could not write all of its image.
fn leaves_a_run_open(card: &mut SimCard) {
    let run = RunId::of(&[b"by hand"]);
    let mut journal = Journal::begin(card, run, &Record::Started { attempt: 1 }).unwrap();
    journal.append(card, &Record::Committed).unwrap();
    write(card, "alpha_kernel", sd_kernel());
}

/// As after a failure of the same kind in an operation.
#[rstest]
#[case::the_script_minds(false, &["WZ-0903", "WZ-0873"])]
#[case::it_does_not(true, &["WZ-0873"])]
fn a_script_that_leaves_flash_half_written_is_a_failure_and_the_camera_stays_on(
    #[case] ends_well: bool,
    #[case] codes: &[&str],
) {
    let mut bench = bench(&[BACKUP, SCRIPTS]);
    bench.script = match ends_well {
        true => |_, card| {
            leaves_a_run_open(card);
            Ok(())
        },
        false => |_, card| {
            leaves_a_run_open(card);
            Err(broken())
        },
    };
    let told = bench.run();
    assert_eq!(told.ended.outcome, Outcome::Failed, "{}", told.text());
    assert_eq!(told.ended.next, Next::StayOn);
    assert_eq!(names(&told), ["a.sh"]);
    assert_eq!(told.codes("failures"), codes);
    assert_eq!(bench.boots(), Booted::SdKernel);
}

#[rstest]
#[case::scripts(SCRIPTS, &["run the script a.sh", "run the script b.sh"])]
#[case::kernel(NEW_KERNEL, &["copy new.bin to beta_kernel, alpha_kernel"])]
#[case::re_run(RE_RUN, &["set re_run=\"no\" and run once more: the SD kernel as beta_kernel, alpha_kernel"])]
fn a_dry_run_says_what_would_follow_and_does_none_of_it(
    #[case] options: &str,
    #[case] lines: &[&str],
) {
    let mut bench = bench(&[TO_BETA, "dry_run=\"yes\"\n", options]);
    let before = conf(&bench);
    let told = bench.run();
    assert_eq!(told.ended.outcome, Outcome::DryRun, "{}", told.text());
    let plan = told.result["plan"].to_string();
    for line in lines {
        let escaped = line.replace('"', "\\\"");
        assert!(plan.contains(&escaped), "{line}: {plan}");
    }
    assert_eq!(names(&told), [""; 0]);
    assert_eq!(conf(&bench), before);
    assert_tidy(&bench, "alpha", "dry run");
}

#[test]
fn nothing_follows_a_run_that_was_refused() {
    let conf = [TO_BETA, SCRIPTS, RE_RUN].concat();
    let cut = &beta().flash[..160 * 1024];
    let files = files(&conf).with_image("beta", "firmware", cut);
    let mut bench = Bench::new(&alpha().flash, &files);
    let told = bench.run();
    assert_eq!(told.ended.outcome, Outcome::Refused, "{}", told.text());
    assert!(told.codes("remarks").contains(&"WZ-0869".to_owned()));
    assert_eq!(names(&told), [""; 0]);
    assert_tidy(&bench, "alpha", "refused");
}

#[test]
fn nothing_follows_a_run_that_was_rolled_back() {
    let mut bench = bench(&[TO_BETA, SCRIPTS, RE_RUN]);
    bench.meanwhile = |card| {
        let image = CardPath::root().join(&image_path("beta", "firmware"));
        let mut bytes = beta().flash.clone();
        bytes[200 * 1024] ^= 1;
        write(card, image.as_str(), &bytes);
    };
    let told = bench.run();
    assert_eq!(told.ended.outcome, Outcome::Failed, "{}", told.text());
    assert!(told.codes("remarks").contains(&"WZ-0869".to_owned()));
    assert_eq!(names(&told), [""; 0]);
    assert!(conf(&bench).contains(RE_RUN));
    bench.assert_holds(&alpha().flash);
    assert_tidy(&bench, "alpha", "rolled back");
}

#[test]
fn what_is_missing_for_what_follows_is_told_with_all_else_before_anything_is_done() {
    let conf = [TO_BETA, SCRIPTS, NEW_KERNEL].concat();
    let files = files(&conf)
        .without("wz_flash-helper/scripts/b.sh")
        .without("new.bin")
        .with_image("beta", "firmware", b"");
    let mut bench = Bench::new(&alpha().flash, &files);
    let told = bench.run();
    let codes = ["WZ-0502", "WZ-0861", "WZ-0862"];
    assert_eq!(told.codes("refusals"), codes, "{}", told.text());
    assert_eq!(bench.flash.wear().erases, 0);
    assert_tidy(&bench, "alpha", "refused");
}

#[rstest]
#[case::after_a_backup(BACKUP, &["alpha_kernel"], "alpha_kernel")]
#[case::by_itself("", &["alpha_kernel"], "alpha_kernel")]
#[case::after_a_switch(TO_BETA, &["beta_kernel", "alpha_kernel"], "beta_kernel")]
fn another_kernel_is_copied_to_every_name_that_the_next_u_boot_looks_for(
    #[case] operations: &str,
    #[case] names: &[&str],
    #[case] booted: &'static str,
) {
    let mut bench = bench(&[operations, NEW_KERNEL]);
    let told = bench.run();
    assert_eq!(told.ended.outcome, Outcome::Success, "{}", told.text());
    assert_eq!(told.ended.next, Next::Restart);
    for name in names.iter().chain(&["new.bin"]) {
        assert!(bench.file(name).unwrap() == other_kernel(), "{name}");
    }
    assert_eq!(kernels(&bench).len(), names.len() + 1);
    assert!(bench.file(AWAY).unwrap() == sd_kernel());
    assert_eq!(bench.boots(), Booted::OtherKernel(booted));
}

fn with_word(at: usize, word: u32) -> Vec<u8> {
    let mut kernel = other_kernel();
    kernel[at..at + 4].copy_from_slice(&word.to_be_bytes());
    kernel[4..8].fill(0);
    let crc = crc32fast::hash(&kernel[..64]);
    kernel[4..8].copy_from_slice(&crc.to_be_bytes());
    kernel
}

#[rstest]
#[case::text("WZ-0863", b"a text".to_vec())]
#[case::cut_off("WZ-0863", other_kernel()[..3000].to_vec())]
#[case::longer_than_it_says("WZ-0863", [other_kernel(), vec![0]].concat())]
#[case::damaged("WZ-0863", { let mut bytes = other_kernel(); bytes[2000] ^= 1; bytes })]
#[case::for_another_processor("WZ-0863", with_word(28, 0x0502_0200))]
#[case::no_kernel("WZ-0863", with_word(28, 0x0505_0500))]
#[case::empty("WZ-0863", Vec::new())]
#[case::this_program("WZ-0864", sd_kernel().to_vec())]
fn a_kernel_that_must_not_be_started_next_is_refused_before_anything_is_done(
    #[case] code: &str,
    #[case] kernel: Vec<u8>,
    #[values(BACKUP, TO_BETA)] operations: &str,
) {
    let conf = [operations, NEW_KERNEL].concat();
    let mut bench = Bench::new(&alpha().flash, &files(&conf).with("new.bin", &kernel));
    let told = bench.run();
    assert_eq!(told.codes("refusals"), [code], "{}", told.text());
    assert_eq!(bench.flash.wear().erases, 0);
    assert!(
        bench
            .card
            .folders()
            .iter()
            .all(|name| !name.contains("backup"))
    );
    assert_tidy(&bench, "alpha", code);
}

#[rstest]
#[case::too_long_for_u_boot("new.bin", "WZ-0863")]
#[case::name_that_is_put_away("beta_kernel", "WZ-0865")]
#[case::program_that_is_put_away(AWAY, "WZ-0864")]
fn a_file_that_cannot_be_the_next_kernel_is_refused(#[case] name: &str, #[case] code: &str) {
    let conf = format!("{BACKUP}copy_new_sdcard_kernel=yes\nnew_sdcard_kernel={name}\n");
    let mut bench = Bench::new(&alpha().flash, &files(&conf));
    if code == "WZ-0863" {
        bench.card = files(&conf).on_a_card_of(Size::mib(32), &bench.power);
        bench.put("new.bin", &vec![0; 0x99_0041]);
    }
    let told = bench.run();
    assert_eq!(told.codes("refusals"), [code], "{}", told.text());
    assert_tidy(&bench, "alpha", name);
}

#[rstest]
#[case::another_kernel(NEW_KERNEL)]
#[case::once_more(RE_RUN)]
fn a_file_that_a_script_has_put_there_is_not_overwritten(#[case] options: &str) {
    let mut bench = bench(&[BACKUP, SCRIPTS, options]);
    bench.script = |_, card| {
        write(card, "alpha_kernel", b"not ours");
        Ok(())
    };
    let told = bench.run();
    assert_eq!(told.ended.outcome, Outcome::Incomplete);
    assert_eq!(told.codes("failures"), ["WZ-0868"], "{}", told.text());
    assert_eq!(bench.file("alpha_kernel").unwrap(), b"not ours");
    assert!(bench.file(AWAY).unwrap() == sd_kernel());
    assert_eq!(bench.boots(), Booted::Firmware("alpha"));
}

#[rstest]
#[case::another_kernel(NEW_KERNEL)]
#[case::once_more(RE_RUN)]
fn room_for_what_follows_is_part_of_the_plan(#[case] options: &str) {
    let conf = [TO_BETA, "safety_backup=\"no\"\n", options].concat();
    let mut bench = Bench::new(&alpha().flash, &files(&conf));
    let sizes = |bench: &Bench| {
        let used: usize = bench.card.files().values().map(Vec::len).sum();
        used as u64
    };
    // As much as the files take, the journal, and one cluster.
    let size = Size::bytes(sizes(&bench) + 40 * 4096 + 128 * 1024);
    let full = files(&conf).on_a_card_of(size, &bench.power);
    bench.card = full;
    let free = bench.card.space().unwrap().free.get();
    let filler = free.saturating_sub(128 * 1024 + 3 * 4096) as usize;
    bench.put("photo.jpg", &vec![0; filler]);
    let told = bench.run();
    assert_eq!(told.codes("refusals"), ["WZ-0205"], "{}", told.text());
    assert_eq!(bench.flash.wear().erases, 0);
}

#[test]
fn one_more_run_after_a_switch_does_what_the_configuration_says_then_and_is_the_last() {
    let mut bench = bench(&[TO_BETA, BACKUP, SCRIPTS, RE_RUN]);
    let told = bench.run();
    assert_eq!(told.ended.outcome, Outcome::Success, "{}", told.text());
    assert_eq!(told.ended.next, Next::Restart);
    bench.assert_holds(&beta_over());
    assert_eq!(bench.boots(), Booted::SdKernel);
    // Whichever of the two its build looks for.
    assert!(bench.has_kernel("beta_kernel") && bench.has_kernel("alpha_kernel"));
    let said = [TO_BETA, BACKUP, SCRIPTS, RE_RUN].concat();
    let now = said
        .replace("switch_firmware=\"yes\"", "switch_firmware=\"no\"")
        .replace("re_run=\"yes\"", "re_run=\"no\"");
    assert_eq!(conf(&bench), now);

    let told = bench.run();
    assert_eq!(told.ended.outcome, Outcome::Success, "{}", told.text());
    assert_eq!(names(&told), ["a.sh", "b.sh"]);
    assert_eq!(told.scripts[0].1.current_firmware.as_deref(), Some("beta"));
    let folders = bench.card.folders();
    assert!(folders.contains(&"wz_flash-helper/backup/beta/0002".to_owned()));
    assert_eq!(conf(&bench), now);
    assert_tidy(&bench, "beta", "the end");
}

/// The SD kernel may be away by then.
#[rstest]
#[case::backup(BACKUP, "alpha")]
#[case::switch(TO_BETA, "beta")]
fn a_shell_before_the_operations_keeps_nothing_from_following(
    #[case] operations: &str,
    #[case] boots: &'static str,
) {
    let mut bench = bench(&[operations, RE_RUN]);
    bench.visit = Visit::Somebody;
    let told = bench.run();
    assert_eq!(told.ended.outcome, Outcome::Success, "{}", told.text());
    assert_eq!(bench.boots(), Booted::SdKernel);
    assert!(conf(&bench).contains("re_run=\"no\""));
    bench.visit = Visit::Nobody;
    bench.run();
    assert_tidy(&bench, boots, operations);
}

#[rstest]
#[case::quotes("re_run=\"yes\"", "re_run=\"no\"")]
#[case::shell("export re_run=yes # once", "export re_run=no # once")]
#[case::toml("re_run = true", "re_run = false")]
fn only_the_word_changes_in_the_configuration(#[case] before: &str, #[case] after: &str) {
    let around = |line: &str| format!("\u{feff}# żółw\r\n{line}\r\n\r\nbackup_partitions=no");
    let mut bench = bench(&[&around(before)]);
    let told = bench.run();
    assert_eq!(told.ended.outcome, Outcome::Success, "{}", told.text());
    assert_eq!(conf(&bench), around(after));
    assert_eq!(bench.boots(), Booted::SdKernel);
    let told = bench.run();
    assert_eq!(told.ended.outcome, Outcome::NothingToDo, "{}", told.text());
    assert_tidy(&bench, "alpha", after);
}

/// The second run is another one than the first: it writes flash itself.
#[test]
fn the_copies_of_a_run_once_more_are_removed_by_a_run_that_writes_flash_too() {
    let mut bench = bench(&[TO_BETA, RE_RUN]);
    assert_eq!(bench.run().ended.outcome, Outcome::Success);
    bench.put(CONF, RESTORE.as_bytes());
    bench.put(
        "wz_flash-helper/restore/beta.conf",
        b"restore_beta_env=\"yes\"\n",
    );
    let env = vec![0x5A; 8 * 1024];
    let with_env = Files::default().with_image("beta", "env", &env);
    for path in with_env.paths() {
        bench.put(path, with_env.get(path).unwrap());
    }
    let told = bench.run();
    assert_eq!(told.ended.outcome, Outcome::Success, "{}", told.text());
    let mut wanted = beta_over();
    wanted[48 * 1024..56 * 1024].copy_from_slice(&env);
    bench.assert_holds(&wanted);
    let left = kernels(&bench);
    assert_eq!(left.len(), 1, "{left:?}");
    assert_eq!(bench.boots(), Booted::Firmware("beta"));
}

/// Beta with a boot loader that boots no kernel from the card.
fn modern_beta() -> Vec<u8> {
    let mut flash = beta().flash.clone();
    flash[48 * 1024..64 * 1024].fill(0xFF);
    let ota = &beta().flash[56 * 1024..504 * 1024];
    flash[64 * 1024..].copy_from_slice(ota);
    flash
}

#[rstest]
#[case::once_more(RE_RUN)]
#[case::another_kernel(NEW_KERNEL)]
fn what_a_u_boot_without_sd_kernels_cannot_do_is_refused_before_the_switch(
    #[case] options: &str,
    #[values("", "dry_run=yes\n")] mode: &str,
) {
    let conf = [TO_BETA, options, mode].concat();
    let files = files(&conf).with_image("beta", "firmware", &modern_beta());
    let mut bench = Bench::new(&alpha().flash, &files);
    let told = bench.run();
    assert_eq!(told.codes("refusals"), ["WZ-0866"], "{}", told.text());
    assert_eq!(bench.flash.wear().erases, 0);
    assert_tidy(&bench, "alpha", "refused");
}

#[test]
fn a_switch_to_a_u_boot_without_sd_kernels_is_told_to_be_one_way() {
    for (image, is_told) in [(modern_beta(), true), (beta().flash.clone(), false)] {
        let files = files(TO_BETA).with_image("beta", "firmware", &image);
        let mut bench = Bench::new(&alpha().flash, &files);
        let told = bench.run();
        assert_eq!(told.ended.outcome, Outcome::Success, "{}", told.text());
        let remarks = told.codes("remarks");
        assert_eq!(remarks.contains(&"WZ-0867".to_owned()), is_told);
    }
}

#[test]
fn two_kernels_that_differ_are_no_reason_to_guess_which_runs_again() {
    let files = files(&[BACKUP, RE_RUN].concat()).with("beta_kernel", &other_kernel());
    let mut bench = Bench::new(&alpha().flash, &files);
    let told = bench.run();
    assert_eq!(told.codes("refusals"), ["WZ-0872"], "{}", told.text());
    assert_eq!(bench.boots(), Booted::Firmware("alpha"));
}

#[test]
fn if_the_option_cannot_be_switched_off_the_kernel_stays_away() {
    let mut bench = bench(&[BACKUP, SCRIPTS, RE_RUN]);
    bench.script = |_, card| {
        write(card, CONF, b"re_run=\"yes\"\nreboot\n");
        Ok(())
    };
    let told = bench.run();
    assert_eq!(told.ended.outcome, Outcome::Incomplete, "{}", told.text());
    assert_eq!(told.codes("failures"), ["WZ-0164"], "{}", told.text());
    assert_tidy(&bench, "alpha", "not edited");
}

/// What follows is done by a card that goes bad in it, in any write, in any way.
#[test]
fn no_fault_of_the_card_lets_the_program_run_again_while_the_option_is_on() {
    let faults: [fn(u64) -> SimFault; 4] = [
        |nth| SimFault::FailsWrite { nth },
        |nth| SimFault::IgnoresWrite { nth },
        |nth| SimFault::FlipsOnWrite { nth },
        |nth| SimFault::FailsRead { nth },
    ];
    let mut endings = [0, 0];
    for fault in faults {
        for nth in 1..60 {
            let mut bench = Bench::new(&alpha().flash, &files(&[TO_BETA, RE_RUN].concat()));
            bench.card = files(&[SCRIPTS, RE_RUN].concat()).on_a_card(&bench.power);
            bench.card.break_it(fault(nth));
            let told = bench.run();
            let again = bench.boots() == Booted::SdKernel;
            let waits = told.ended.next == Next::WaitForCardOut;
            let is_off = conf(&bench).contains("re_run=\"no\"");
            assert!(!again || is_off || waits, "{nth}: {}", told.text());
            let is_done = told.ended.outcome == Outcome::Success;
            assert!(!is_done || again, "{nth}: {}", told.text());
            endings[usize::from(is_done)] += 1;
        }
    }
    assert!(endings.iter().all(|count| *count > 3), "{endings:?}");
}

/// A whole story: first run, one more, the end.
struct Story {
    name: &'static str,
    conf: &'static [&'static str],
    boots: &'static str,
}

const STORIES: [Story; 3] = [
    Story {
        name: "backup, once more",
        conf: &[BACKUP, RE_RUN],
        boots: "alpha",
    },
    Story {
        name: "switch, once more",
        conf: &[TO_BETA, RE_RUN],
        boots: "beta",
    },
    Story {
        name: "restore, another kernel",
        conf: &[RESTORE, NEW_KERNEL],
        boots: "alpha",
    },
];

impl Story {
    /// How many changes the first run makes.
    fn operations(&self) -> u64 {
        let mut bench = bench(self.conf);
        assert_eq!(bench.run().ended.outcome, Outcome::Success, "{}", self.name);
        bench.power.operations()
    }

    /// Power fails once; then the camera is left alone.
    fn with_a_cut(&self, at: u64, cut: Cut) {
        let what = format!("{}, cut {at}, {cut:?}", self.name);
        let mut bench = bench(self.conf);
        bench.power.fail_after(at, cut);
        bench.run();
        assert!(bench.power.is_off(), "{what}");
        bench.switch_on();
        let mut runs_when_off = 0;
        for _ in 0..4 {
            match bench.boots() {
                Booted::SdKernel => {}
                Booted::Usb => bench.recover_over_usb(&beta_over()),
                _ => break,
            }
            runs_when_off += u32::from(!conf(&bench).contains(RE_RUN));
            bench.run();
        }
        let booted = bench.boots();
        assert_ne!(booted, Booted::SdKernel, "{what}: it runs for ever");
        if self.conf.contains(&RE_RUN) {
            assert!(runs_when_off <= 1, "{what}: {runs_when_off} runs");
            assert!(matches!(booted, Booted::Firmware(_)), "{what}: {booted:?}");
        }
        self.cleans_up(bench, &what);
    }

    /// The owner runs the program again. Whatever the cut has left is gone then.
    fn cleans_up(&self, mut bench: Bench, what: &str) {
        if let Booted::Firmware(name) = bench.boots() {
            let is_whole = |name: &String| !name.ends_with(".partial");
            let kernel = kernels(&bench).into_iter().find(is_whole);
            let kernel = kernel.expect("a kernel");
            bench.rename(&kernel, &format!("{name}_kernel"));
            bench.put(CONF, b"");
            let told = bench.run();
            assert_eq!(told.ended.next, Next::Restart, "{what}: {}", told.text());
            let left = kernels(&bench);
            assert!(left.len() == 1, "{what}: {left:?}");
            assert!(bench.file(JOURNAL).is_none(), "{what}");
            assert_eq!(bench.boots(), Booted::Firmware(self.boots), "{what}");
        }
    }
}

#[test]
fn whenever_power_fails_the_program_runs_once_more_at_most() {
    for story in STORIES {
        let operations = story.operations();
        let all: Vec<u64> = (0..operations).collect();
        parallel::each(&all, |&at| {
            for cut in cuts(at * 5381 + 3) {
                story.with_a_cut(at, cut);
            }
        });
    }
}

/// Power fails when so many blocks have been erased.
fn interrupted(conf: &[&str]) -> Bench {
    let mut probe = bench(conf);
    let trace = probe.traced();
    probe.run();
    let changes = trace.entries();
    let mut changes = changes.iter().filter(|did| crate::cases::is_change(did));
    let at = changes.position(|did| matches!(did, wz_core::sim::Did::Erased(_)));
    let mut bench = bench(conf);
    bench
        .power
        .fail_after(at.unwrap() as u64 + 9, Cut::NotStarted);
    bench.run();
    assert!(bench.power.is_off());
    bench.switch_on();
    bench
}

#[test]
fn what_follows_follows_an_interrupted_run_too_and_knows_the_camera_as_it_was() {
    let mut bench = interrupted(&[TO_BETA, SCRIPTS, RE_RUN]);
    let told = bench.run();
    assert!(told.codes("remarks").contains(&"WZ-0726".to_owned()));
    assert_eq!(told.ended.outcome, Outcome::Success, "{}", told.text());
    assert_eq!(names(&told), ["a.sh", "b.sh"]);
    let facts = &told.scripts[0].1;
    assert_eq!(facts.current_firmware.as_deref(), Some("alpha"));
    assert_eq!(facts.next_firmware.as_deref(), Some("beta"));
    assert_eq!(facts.model.as_deref(), Some("open"));
    assert_eq!(bench.boots(), Booted::SdKernel);
    bench.run();
    assert_tidy(&bench, "beta", "the end");
}

#[rstest]
#[case::unreadable(b"re_run=\"yes\"\nreboot\n", Outcome::Incomplete, "remarks", "WZ-0870")]
#[case::kernel_gone(
    b"copy_new_sdcard_kernel=yes\nnew_sdcard_kernel=gone.bin",
    Outcome::Incomplete,
    "failures",
    "WZ-0862"
)]
fn what_cannot_follow_an_interrupted_run_does_not_keep_it_from_its_end(
    #[case] conf: &[u8],
    #[case] outcome: Outcome,
    #[case] kind: &str,
    #[case] code: &str,
) {
    let mut bench = interrupted(&[TO_BETA, RE_RUN]);
    bench.put(CONF, conf);
    let told = bench.run();
    assert_eq!(told.ended.outcome, outcome, "{}", told.text());
    assert!(
        told.codes(kind).contains(&code.to_owned()),
        "{}",
        told.text()
    );
    bench.assert_holds(&beta_over());
    assert_tidy(&bench, "beta", code);
}

#[rstest]
#[case::nothing("")]
#[case::backup(BACKUP)]
#[case::restore(RESTORE)]
#[case::refused("restore_partitions=\"yes\"\nmanual_current_firmware=\"beta\"\n")]
fn a_kernel_that_keeps_its_name_makes_the_camera_wait(#[case] operations: &str) {
    let mut bench = bench(&[operations, "skip_rename_prog_sdcard_kernel=\"yes\"\n"]);
    let told = bench.run();
    assert_eq!(told.ended.next, Next::WaitForCardOut, "{}", told.text());
    assert!(told.codes("remarks").contains(&"WZ-0871".to_owned()));
    assert_eq!(kernels(&bench), ["alpha_kernel"]);
    assert!(bench.file(JOURNAL).is_none());
}

#[test]
fn a_configuration_that_cannot_be_read_lets_no_kernel_keep_its_name() {
    let mut bench = bench(&["skip_rename_prog_sdcard_kernel=\"yes\"\nreboot\n"]);
    assert_eq!(bench.run().ended.next, Next::Restart);
    assert_tidy(&bench, "alpha", "unreadable");
}
