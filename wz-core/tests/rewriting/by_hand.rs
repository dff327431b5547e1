//! Runs that are asked for by a command, with the SD kernel put away before; and shells that are open
//! before the operations.

use rstest::rstest;
use wz_core::card::{Card, CardPath};
use wz_core::config::{Name, Order, Rewrite, SwitchScope, Wanted, Wish};
use wz_core::event::Outcome;
use wz_core::image::sha256sum::Digest;
use wz_core::run::{Next, Visit, take_in};
use wz_core::sim::{CardFault, Cut, Did};
use wz_core::units::Size;

use crate::cases::{cuts, is_change};
use crate::parallel;
use crate::world::{
    Bench, Booted, Files, GUARD, RESTORE, alpha, beta, beta_over, blank, image_path, other_alpha,
    sd_kernel,
};

const NOTHING: &str = "backup_partitions=\"no\"\n";
const AWAY: &str = "alpha_kernel.wz_flash-helper";
const CFG: (usize, usize) = (440 * 1024, 48 * 1024);
const PARA: (usize, usize) = (488 * 1024, 24 * 1024);

/// The card as a run leaves it.
fn with_kernel_away(conf: &str) -> Files {
    Files::new(conf)
        .without("alpha_kernel")
        .with(AWAY, sd_kernel())
}

fn partitions(wishes: &[(&str, Wanted)]) -> Order {
    let wish = |(partition, content): &(&str, Wanted)| Wish {
        partition: (*partition).to_owned(),
        content: content.clone(),
    };
    Order::Rewrite(Rewrite::Partitions(wishes.iter().map(wish).collect()))
}

fn switch(next: &str) -> Order {
    Order::Rewrite(Rewrite::Switch {
        next: Name::new(next).unwrap(),
        scope: SwitchScope::Working,
    })
}

/// What is asked for, on which card, and what it makes of flash.
struct Wanting {
    order: Order,
    files: Files,
    wanted: Vec<u8>,
    boots: &'static str,
}

fn writes_para_and_erases_cfg() -> Wanting {
    let file = "wz_flash-helper/given/para.bin";
    let mut wanted = alpha().flash.clone();
    blank(CFG, &mut wanted);
    wanted[PARA.0..].copy_from_slice(&other_alpha().flash[PARA.0..]);
    Wanting {
        order: partitions(&[
            ("para", Wanted::File(file.to_owned())),
            ("cfg", Wanted::Blank),
        ]),
        files: with_kernel_away(NOTHING).with(file, other_alpha().partition("para")),
        wanted,
        boots: "alpha",
    }
}

fn restores_from_the_shelf() -> Wanting {
    let mut wanted = alpha().flash.clone();
    let (from, to) = (40 * 1024, 320 * 1024);
    wanted[from..to].copy_from_slice(&other_alpha().flash[from..to]);
    Wanting {
        order: partitions(&[("kernel", Wanted::Image), ("rootfs", Wanted::Image)]),
        files: with_kernel_away(NOTHING).with_partitions(other_alpha(), &["kernel", "rootfs"]),
        wanted,
        boots: "alpha",
    }
}

fn switches() -> Wanting {
    Wanting {
        order: switch("beta"),
        files: with_kernel_away(NOTHING).with_image("beta", "firmware", &beta().flash),
        wanted: beta_over(),
        boots: "beta",
    }
}

impl Wanting {
    fn bench(&self) -> Bench {
        Bench::new(&alpha().flash, &self.files)
    }

    fn run(&self, bench: &mut Bench) -> crate::world::Told {
        bench.run_by_hand(Some(&self.order))
    }

    /// How many changes a whole run makes, and how many of them before flash may change.
    fn operations(&self) -> (u64, u64) {
        let mut bench = self.bench();
        let trace = bench.traced();
        let told = self.run(&mut bench);
        bench.assert_done(&told, &self.wanted, self.boots);
        let changes: Vec<Did> = trace.entries().into_iter().filter(is_change).collect();
        let is_of_flash = |did: &Did| matches!(did, Did::Erased(_) | Did::Programmed { .. });
        let first = changes.iter().position(is_of_flash).unwrap();
        (changes.len() as u64, first as u64)
    }
}

#[rstest]
#[case::files(writes_para_and_erases_cfg())]
#[case::shelf(restores_from_the_shelf())]
#[case::switch(switches())]
fn a_command_does_what_it_says_and_leaves_the_card_as_after_any_run(#[case] wanting: Wanting) {
    let mut bench = wanting.bench();
    let told = wanting.run(&mut bench);
    bench.assert_done(&told, &wanting.wanted, wanting.boots);
    let files = bench.card.files();
    assert!(!files.keys().any(|path| path.contains("/given/")));
    assert!(
        files
            .keys()
            .any(|path| path.ends_with("alpha_tiny_all.bin")),
        "no safety backup"
    );
}

/// Whatever is asked for by hand is finished by the power-on that follows, which knows nothing of the
/// command; or flash was not touched, and the old firmware starts.
#[rstest]
#[case::files(writes_para_and_erases_cfg())]
#[case::shelf(restores_from_the_shelf())]
#[case::switch(switches())]
fn after_a_power_cut_at_any_change_a_normal_power_on_puts_everything_in_order(
    #[case] wanting: Wanting,
) {
    let (operations, untouched) = wanting.operations();
    let all: Vec<u64> = (0..operations).collect();
    parallel::each(&all, |&at| {
        for cut in cuts(at * 7919 + 1) {
            let what = format!("cut {at} of {operations}, {cut:?}");
            let mut bench = wanting.bench();
            bench.power.fail_after(at, cut);
            wanting.run(&mut bench);
            assert!(bench.power.is_off(), "{what}");
            bench.switch_on();
            let holds_old = bench.flash.content() == alpha().flash;
            assert!(at >= untouched || holds_old, "{what}: flash has changed");
            power_on_until_it_is_over(&wanting, &mut bench, &what);
            let old = (alpha().flash.clone(), "alpha");
            let new = (wanting.wanted.clone(), wanting.boots);
            let (flash, boots) = if at > untouched {
                new
            } else {
                match bench.flash.content() == wanting.wanted {
                    true => new,
                    false => old,
                }
            };
            bench.assert_holds(&flash);
            assert!(!bench.flash.has_marginal_cells(), "{what}");
            assert_eq!(bench.boots(), Booted::Firmware(boots), "{what}");
            assert_kernel_is_away(&bench, &what);
        }
    });
}

fn power_on_until_it_is_over(wanting: &Wanting, bench: &mut Bench, what: &str) {
    for _ in 0..3 {
        match bench.boots() {
            Booted::SdKernel => {
                let told = bench.run();
                let is_fine = matches!(told.ended.outcome, Outcome::Success | Outcome::NothingToDo);
                assert!(is_fine, "{what}: {}", told.text());
                assert_eq!(told.ended.next, Next::Restart, "{what}: {}", told.text());
            }
            Booted::Usb => {
                let is_done = bench.flash.content()[GUARD..] == wanting.wanted[GUARD..];
                assert!(is_done, "{what}: boot loader before the rest");
                bench.recover_over_usb(&wanting.wanted);
            }
            Booted::Firmware(_) => return,
            other => panic!("{what}: {other:?}"),
        }
    }
}

/// A copy that was left when power failed at the very end is put away like a kernel.
fn assert_kernel_is_away(bench: &Bench, what: &str) {
    let names = bench.card.files().into_keys();
    let kernels: Vec<String> = names
        .filter(|name| name.contains("_kernel") && !name.contains('/'))
        .filter(|name| !name.ends_with(".partial"))
        .collect();
    assert!(kernels.contains(&AWAY.to_owned()), "{what}: {kernels:?}");
    let is_away = |name: &String| name.ends_with(".wz_flash-helper");
    assert!(kernels.iter().all(is_away), "{what}: {kernels:?}");
}

#[test]
fn what_a_power_cut_left_of_a_command_does_not_count_once_it_is_over() {
    let wanting = writes_para_and_erases_cfg();
    let (operations, untouched) = wanting.operations();
    let mut bench = wanting.bench();
    bench
        .power
        .fail_after(untouched.midpoint(operations), Cut::NotStarted);
    wanting.run(&mut bench);
    bench.switch_on();
    assert_eq!(bench.boots(), Booted::SdKernel);
    let told = bench.run_by_hand(Some(&Order::Backup));
    assert_eq!(told.codes("refusals"), ["WZ-0920"], "{}", told.text());
    assert_eq!(bench.boots(), Booted::SdKernel, "the kernel has to stay");
    let told = bench.run_by_hand(None);
    bench.assert_done(&told, &wanting.wanted, "alpha");
}

#[rstest]
#[case::boot(partitions(&[("boot", Wanted::Image)]), &["WZ-0923"])]
#[case::unknown(partitions(&[("nvram", Wanted::Blank), ("bott", Wanted::Image)]), &["WZ-0925", "WZ-0925"])]
#[case::no_such_file(partitions(&[("cfg", Wanted::File("new/cfg.bin".to_owned()))]), &["WZ-0501"])]
#[case::no_image(partitions(&[("kernel", Wanted::Image)]), &["WZ-0501"])]
#[case::same_firmware(switch("alpha"), &["WZ-0701"])]
fn what_a_command_may_not_do_is_refused_and_flash_stays(
    #[case] order: Order,
    #[case] codes: &[&str],
) {
    let mut bench = Bench::new(&alpha().flash, &with_kernel_away(NOTHING));
    let told = bench.run_by_hand(Some(&order));
    assert_eq!(told.codes("refusals"), codes, "{}", told.text());
    bench.assert_holds(&alpha().flash);
    assert_eq!(bench.boots(), Booted::Firmware("alpha"));
}

#[test]
fn without_any_kernel_on_the_card_no_command_changes_flash() {
    let wanting = writes_para_and_erases_cfg();
    let files = wanting.files.clone().without(AWAY);
    let mut bench = Bench::new(&alpha().flash, &files);
    let told = wanting.run(&mut bench);
    assert_eq!(told.codes("refusals"), ["WZ-0731"], "{}", told.text());
    bench.assert_holds(&alpha().flash);
}

#[test]
fn a_dry_run_in_the_configuration_holds_for_commands_too() {
    let wanting = restores_from_the_shelf();
    let files = wanting.files.clone();
    let files = files.with("wz_flash-helper/general.conf", b"dry_run=\"yes\"\n");
    let mut bench = Bench::new(&alpha().flash, &files);
    let told = wanting.run(&mut bench);
    assert_eq!(told.ended.outcome, Outcome::DryRun, "{}", told.text());
    bench.assert_holds(&alpha().flash);
}

#[test]
fn a_backup_by_hand_works_without_a_configuration() {
    let files = with_kernel_away(NOTHING).without("wz_flash-helper/general.conf");
    let mut bench = Bench::new(&alpha().flash, &files);
    let told = bench.run_by_hand(Some(&Order::Backup));
    assert!(
        bench
            .card
            .files()
            .contains_key("wz_flash-helper/backup/alpha/0001/alpha_tiny_all.bin"),
        "{}",
        told.text()
    );
}

#[test]
fn an_image_is_taken_in_only_if_the_card_has_room_for_it() {
    let mut bench = Bench::new(&alpha().flash, &with_kernel_away(NOTHING));
    let mut take = |size| take_in("x.bin", size, &mut &b"abc"[..], &mut bench.card);
    let problem = take(Size::mib(64)).unwrap_err();
    assert_eq!(problem.code().to_string(), "WZ-0205", "{problem}");
    let path = take(Size::bytes(3)).unwrap();
    assert_eq!(bench.file(path.as_str()).unwrap(), b"abc");
}

/// Without a hash beside it, what the card holds would be taken for the image.
#[rstest]
#[case::one_bit(CardFault::FlipsOnWrite { nth: 1 })]
#[case::all_of_it(CardFault::DropsWritesAfter(Size::ZERO))]
fn an_image_that_the_card_does_not_keep_is_not_taken_in(#[case] fault: CardFault) {
    let mut bench = Bench::new(&alpha().flash, &with_kernel_away(NOTHING));
    bench.card.break_it(fault);
    let taken = take_in("x.bin", Size::bytes(3), &mut &b"abc"[..], &mut bench.card);
    let problem = taken.unwrap_err();
    assert_eq!(problem.code().to_string(), "WZ-0209", "{problem}");
}

/// What somebody does at a shell before the operations, on the card that they leave behind.
fn asks_for_nothing_any_more(card: &mut wz_core::card::SimCard) {
    *card = card
        .clone()
        .with(&CardPath::general_conf(), NOTHING.as_bytes());
}

fn brings_another_image(card: &mut wz_core::card::SimCard) {
    let image = alpha().partition("rootfs");
    let path = image_path("alpha", "rootfs");
    let sum = format!("{}  alpha_tiny_rootfs.bin\n", Digest::of(image));
    *card = (card.clone())
        .with(&CardPath::root().join(&path), image)
        .with(
            &CardPath::root().join(&format!("{path}.sha256sum")),
            sum.as_bytes(),
        );
}

/// As a command of the shell leaves it.
fn puts_the_kernel_away(card: &mut wz_core::card::SimCard) {
    let root = CardPath::root();
    let (from, to) = (root.join("alpha_kernel"), root.join(AWAY));
    card.rename(&from, &to).and_then(|()| card.sync()).unwrap();
    card.remove_file(&CardPath::journal())
        .and_then(|()| card.sync())
        .unwrap();
}

fn restoring_rootfs() -> Files {
    Files::new(RESTORE).with_restore(other_alpha(), &["rootfs"])
}

#[test]
fn a_configuration_that_was_changed_at_the_shell_counts() {
    let mut bench = Bench::new(&alpha().flash, &restoring_rootfs());
    bench.visit = Visit::Somebody;
    bench.meanwhile = asks_for_nothing_any_more;
    let told = bench.run();
    assert_eq!(told.ended.outcome, Outcome::NothingToDo, "{}", told.text());
    assert_eq!(told.ended.next, Next::Restart, "{}", told.text());
    bench.assert_holds(&alpha().flash);
    assert_eq!(bench.boots(), Booted::Firmware("alpha"));
}

#[test]
fn an_image_that_was_changed_at_the_shell_is_verified_anew() {
    let mut bench = Bench::new(&alpha().flash, &restoring_rootfs());
    bench.visit = Visit::Somebody;
    bench.meanwhile = brings_another_image;
    let told = bench.run();
    bench.assert_done(&told, &alpha().flash, "alpha");
    assert!(
        told.codes("remarks").contains(&"WZ-0921".to_owned()),
        "{}",
        told.text()
    );
}

#[test]
fn a_run_goes_on_after_a_shell_in_which_the_kernel_was_put_away() {
    let mut bench = Bench::new(&alpha().flash, &restoring_rootfs());
    bench.visit = Visit::Somebody;
    bench.meanwhile = puts_the_kernel_away;
    let told = bench.run();
    let mut wanted = alpha().flash.clone();
    let rootfs = 128 * 1024..320 * 1024;
    wanted[rootfs.clone()].copy_from_slice(&other_alpha().flash[rootfs]);
    bench.assert_done(&told, &wanted, "alpha");
}

#[test]
fn shells_do_not_count_as_power_ons() {
    let mut bench = Bench::new(&alpha().flash, &restoring_rootfs());
    bench.visit = Visit::Somebody;
    for _ in 0..4 {
        let mut cut = bench.fork();
        // In the middle of the preparations, behind the shell.
        cut.power.fail_after(12, Cut::NotStarted);
        cut.run();
        assert!(cut.power.is_off());
        cut.switch_on();
        bench = cut;
    }
    let told = bench.run();
    assert_eq!(told.ended.outcome, Outcome::Success, "{}", told.text());
}
