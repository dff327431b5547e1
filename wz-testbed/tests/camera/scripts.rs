//! Custom scripts on the emulated camera: they do what they say, and whatever they do, the camera
//! restarts into its firmware.
use crate::support::writing::{boots_whole, kernel_is_away};
use crate::support::{card, codes, result, run, stock};
use rstest::rstest;
use serde_json::Value;
use wz_testbed::{Camera, Card, Ended, Image, PowerOff, Tree};

const LOG: &str = "wz_flash-helper/initramfs.log";

/// A card that runs these scripts, in this order, and does nothing else unless `options` say so.
fn scripts_card(scripts: &[(&str, &str)], options: &str) -> Card {
    let names: Vec<&str> = scripts.iter().map(|(name, _)| *name).collect();
    let conf = format!(
        "enable_custom_scripts=\"yes\"\ncustom_scripts=\"{}\"\n{options}",
        names.join(" ")
    );
    let place = |name: &str| format!("wz_flash-helper/scripts/{name}");
    let card = card("t31", conf);
    scripts
        .iter()
        .fold(card, |card, (name, text)| card.with(&place(name), text))
}

fn camera(card: Card) -> Camera {
    Camera::of(&stock()).card(card).build().expect("a camera")
}

/// What came of a run.
struct Told {
    ended: Ended,
    result: Value,
    log: String,
}

impl Told {
    fn codes(&self, kind: &str) -> Vec<String> {
        codes(&self.result, kind)
    }

    fn everything(&self) -> String {
        format!("{:#}\n{}", self.result, self.ended.transcript)
    }
}

/// Runs it, and proves what is true of every run with scripts that leave flash alone.
fn told(camera: &mut Camera) -> Told {
    let before = camera.flash().expect("flash");
    let ended = run(camera);
    assert_eq!(ended.why, PowerOff::Reboot, "{}", ended.transcript);
    assert!(
        !ended.serial.contains("Kernel panic"),
        "{}",
        ended.transcript
    );
    assert!(
        camera.flash().expect("flash") == before,
        "{}",
        ended.transcript
    );
    kernel_is_away(camera, stock().sd_kernel(), &[&stock()]);
    boots_whole(camera, &stock());
    let card = camera.card().expect("a card");
    assert_eq!(card.fsck().expect("fsck"), [""; 0], "{}", ended.transcript);
    Told {
        log: card.read_text(LOG).expect("a log"),
        result: result(camera),
        ended,
    }
}

/// The lines that scripts said, without the time.
fn said(text: &str) -> Vec<&str> {
    let lines = text.lines().filter_map(|line| line.split_once("   | "));
    lines.map(|(_, said)| said).collect()
}

/// A power cut while a folder grows would take all that is in it.
#[test]
fn folders_of_the_card_are_written_at_once() {
    let script = "grep '^[^ ]* /sdcard vfat [^ ]*dirsync' /proc/mounts\n";
    let mut camera = camera(scripts_card(&[("mounts.sh", script)], ""));
    let told = told(&mut camera);
    assert_eq!(told.result["outcome"], "success", "{}", told.everything());
}

#[test]
fn scripts_run_in_order_and_what_they_say_is_on_the_console_and_in_both_logs() {
    let first = "#!/bin/sh\r\nmsg_color green first\r\nif true; then\r\n  echo err >&2\r\nfi\r\nreturn 0\r\n";
    let second = "echo second > /sdcard/second.txt\ncat /sdcard/second.txt\n";
    let mut camera = camera(scripts_card(&[("a.sh", first), ("b.sh", second)], ""));
    let told = told(&mut camera);
    assert_eq!(told.result["outcome"], "success", "{}", told.everything());
    let card = camera.card().expect("a card");
    let serial = card.read_text("wz_flash-helper/initramfs_serial.log");
    let serial = serial.expect("a log");
    for text in [&told.ended.serial, &told.log, &serial] {
        assert_eq!(
            said(text),
            ["first", "err", "second"],
            "{}",
            told.everything()
        );
    }
    let mut lines = told.log.lines().filter(|line| line.contains("   | "));
    assert!(lines.all(|line| line.starts_with('[')), "{}", told.log);
    let steps = told.ended.steps();
    assert!(
        steps.ends_with(&[
            "-> Run script: a.sh".to_owned(),
            "-> Run script: b.sh".to_owned()
        ]),
        "{steps:?}"
    );
    // The owner's file is as it was.
    let file = card.read_text("wz_flash-helper/scripts/a.sh");
    assert_eq!(file.expect("a script"), first);
}

#[test]
fn the_first_script_that_fails_is_told_with_its_status_and_the_rest_does_not_run() {
    let scripts = [("a.sh", "true"), ("b.sh", "exit 42"), ("c.sh", "echo ran")];
    let told = told(&mut camera(scripts_card(&scripts, "")));
    assert_eq!(
        told.result["outcome"],
        "incomplete",
        "{}",
        told.everything()
    );
    assert_eq!(told.codes("failures"), ["WZ-0840"]);
    assert!(
        told.log.contains("\"b.sh\" ended with status 42"),
        "{}",
        told.log
    );
    assert!(!told.log.contains("| ran"), "{}", told.log);
}

#[rstest]
#[case::exit("exit 1", 60, "WZ-0840")]
#[case::syntax("if true; then", 60, "WZ-0840")]
#[case::endless("echo begun\nwhile :; do :; done", 3, "WZ-0842")]
#[case::endless_in_the_background(
    "trap '' TERM INT HUP\n(setsid sleep 1000 &)\nsleep 1000",
    3,
    "WZ-0842"
)]
#[case::fork_bomb("bomb() { bomb | bomb & }\nbomb\nwait\nsleep 1000", 60, "WZ-0844")]
#[case::fork_bomb_in_sessions(
    "echo 'setsid sh /tmp/b & setsid sh /tmp/b & wait' >/tmp/b\nsh /tmp/b\nsleep 1000",
    60,
    "WZ-0844"
)]
#[case::memory("x=x; while :; do x=$x$x; done", 60, "WZ-0840")]
fn a_script_that_goes_wrong_is_told_and_the_camera_restarts(
    #[case] script: &str,
    #[case] seconds: u32,
    #[case] code: &str,
) {
    let scripts = [("a.sh", script), ("b.sh", "echo ran")];
    let limit = format!("custom_scripts_timeout_seconds=\"{seconds}\"\n");
    let card = scripts_card(&scripts, &limit);
    let told = told(&mut camera(card));
    assert_eq!(told.codes("failures"), [code], "{}", told.everything());
    assert_eq!(
        told.result["outcome"],
        "incomplete",
        "{}",
        told.everything()
    );
    assert!(!told.log.contains("| ran"), "{}", told.log);
}

#[test]
fn pid_1_survives_all_that_a_script_sends_it() {
    let script = "for signal in HUP INT TERM KILL STOP SEGV USR1; do kill -$signal 1; done\n\
                  echo here\ntest -d /proc/1\n";
    let told = told(&mut camera(scripts_card(&[("a.sh", script)], "")));
    assert_eq!(told.result["outcome"], "success", "{}", told.everything());
    assert_eq!(said(&told.log), ["here"]);
}

#[test]
fn a_script_that_kills_the_program_above_it_is_told() {
    let told = told(&mut camera(scripts_card(
        &[("a.sh", "kill -9 $PPID\nsleep 1000\n")],
        "",
    )));
    assert_eq!(told.codes("failures"), ["WZ-0902"], "{}", told.everything());
    assert_eq!(told.result["outcome"], "failed");
}

#[test]
fn a_daemon_that_a_script_leaves_behind_is_ended_and_told_and_so_are_its_mounts() {
    let script = "mkdir /tmp/m; mount -t tmpfs none /tmp/m\nmkfifo /tmp/go\n\
                  (setsid sh -c 'echo >/tmp/go; while :; do sleep 1; done' &)\n\
                  read -r line </tmp/go\n";
    let look = "ps | grep -c '[s]leep 1'\ngrep -c /tmp/m /proc/mounts\ntrue\n";
    let told = told(&mut camera(scripts_card(
        &[("a.sh", script), ("b.sh", look)],
        "",
    )));
    assert_eq!(told.result["outcome"], "success", "{}", told.everything());
    assert_eq!(told.codes("remarks"), ["WZ-0845"], "{}", told.everything());
    assert_eq!(said(&told.log), ["0", "0"], "{}", told.everything());
}

/// Nobody but the program takes note of their end, and the kernel counts them until then.
#[test]
fn a_script_may_start_any_number_of_programs_one_after_the_other() {
    let script = "for n in $(seq 40); do\n\
                  \tfor m in $(seq 20); do (true &); done\n\tusleep 150000\ndone\necho all\n";
    let told = told(&mut camera(scripts_card(&[("a.sh", script)], "")));
    assert_eq!(told.result["outcome"], "success", "{}", told.everything());
    assert_eq!(said(&told.log), ["all"], "{}", told.everything());
}

#[test]
fn a_dry_run_runs_no_script() {
    let card = scripts_card(&[("a.sh", "echo ran > /sdcard/ran")], "dry_run=\"yes\"\n");
    let mut camera = camera(card);
    let told = told(&mut camera);
    assert_eq!(told.result["outcome"], "dry_run", "{}", told.everything());
    assert!(
        !camera
            .card()
            .expect("a card")
            .has("ran")
            .expect("a listing")
    );
}

#[test]
fn scripts_that_cannot_be_run_are_refused_together_before_anything_is_done() {
    let scripts = [
        ("program", "\u{7f}ELF\u{1}\u{1}"),
        ("good.sh", "echo ran"),
        ("python.py", "#!/usr/bin/env python3\nprint()\n"),
    ];
    let mut camera = camera(scripts_card(&scripts, "backup_partitions=\"yes\"\n"));
    let card = camera.card().expect("a card");
    card.write("wz_flash-helper/scripts/good.sh", b"\xff\xfee\0")
        .expect("a write");
    card.remove("wz_flash-helper/scripts/python.py")
        .expect("a removal");
    let told = told(&mut camera);
    assert_eq!(told.result["outcome"], "refused", "{}", told.everything());
    assert_eq!(told.codes("refusals"), ["WZ-0835", "WZ-0834", "WZ-0861"]);
    let card = camera.card().expect("a card");
    assert_eq!(
        card.list("wz_flash-helper/backup").expect("a listing"),
        [""; 0]
    );
}

#[test]
fn secrets_in_a_script_are_not_in_what_its_trace_says() {
    let script = "set -x\nread -r -d '' wifi_password <<'EOF'\nMy  Secret *\nEOF\n\
                  wlan_ssid='My Net'\necho \"$wifi_password and $wlan_ssid\"\n";
    let told = told(&mut camera(scripts_card(&[("a.sh", script)], "")));
    assert_eq!(told.result["outcome"], "success", "{}", told.everything());
    for text in [&told.log, &told.ended.serial, &told.result.to_string()] {
        assert!(!text.contains("Secret"), "{text}");
        assert!(!text.contains("My Net"), "{text}");
    }
    assert!(told.log.contains("*** and ***"), "{}", told.log);
}

/// Written as scripts of the original are, with all its names that concern partitions.
const ORIGINAL: &str = r#"#!/bin/sh
#
# Description: everything at once
#

partition_name="cfg"
matched_firmware="stock"

function make_archive() {
	mkdir -p /tmp/new/wz
	echo -n "from a script" > /tmp/new/wz/note
	tar -czf /sdcard/new.tar.gz -C /tmp/new . || return 1
	( cd /sdcard && sha256sum new.tar.gz > new.tar.gz.sha256sum )
}

function archive_and_extract() {
	local partname="$partition_name"
	if [[ "$switch_firmware" == "yes" ]]; then
		local partmtdblock=$(get_nf_partmtdblock $partname)
		local partfstype=$(get_nf_partfstype $partname)
	else
		local partmtdblock=$(get_cf_partmtdblock $partname)
		local partfstype=$(get_cf_partfstype $partname)
	fi
	[ -b $partmtdblock ] || return 1
	create_archive_from_partition $partname $partmtdblock $partfstype /sdcard/before.tar.gz || return 1
	extract_archive_to_partition $partname /sdcard/new.tar.gz $partmtdblock $partfstype || return 1
	create_archive_from_partition $partname $partmtdblock $partfstype /sdcard/after.tar.gz || return 1
}

function write_and_read() {
	local partmtd=$(get_cf_partmtd para)
	[ -c $partmtd ] || return 1
	write_partition "para" $cf_restore_path/stock_${chip_group}_para.bin $partmtd || return 1
	validate_written_partition "para" $(get_cf_partnum para) $cf_restore_path/$(get_cf_partimg para) || return 1
	read_partition "para" $(get_cf_partmtd para) /sdcard/para.bin || return 1
	write_partition "boot" $cf_restore_path/stock_${chip_group}_para.bin $partmtd && return 1
	msg_color red "the boot partition was refused"
}

custom_script_current_firmware_check $matched_firmware || return 0
custom_script_matched_firmware_check $matched_firmware || return 0
msg_nonewline "$model $chip_name $chip_family $current_firmware "
msg_color cyan "dry_run=$dry_run"
make_archive || return 2
archive_and_extract || return 3
write_and_read || return 4
return 0
false
"#;

#[test]
fn an_unmodified_script_in_the_originals_style_does_what_it_says() {
    let stock = stock();
    let para = stock.layout().partition("para").expect("para").region;
    let cfg = stock.layout().partition("cfg").expect("cfg").region;
    let mut content = stock.partition("para").expect("para").to_vec();
    content[300..310].copy_from_slice(b"a new para");
    let image = Image::of_partition(&stock, "para").expect("para");
    let card = scripts_card(&[("all.sh", ORIGINAL)], "safety_backup=\"no\"\n");
    let card = card.with_image(&image.holding(content.clone()));
    let mut camera = camera(card);
    let before = camera.flash().expect("flash");
    let ended = run(&mut camera);
    assert_eq!(ended.why, PowerOff::Reboot, "{}", ended.transcript);
    let result = result(&camera);
    assert_eq!(
        result["outcome"], "success",
        "{result:#}\n{}",
        ended.transcript
    );
    let said = said(&ended.serial);
    for line in [
        "v3 t31x t31 stock dry_run=no",
        "the boot partition was refused",
    ] {
        assert!(said.contains(&line), "{}", ended.transcript);
    }
    kernel_is_away(&camera, stock.sd_kernel(), &[&stock]);
    let on_card = camera.card().expect("a card");
    let files = ["after.tar.gz", "before.tar.gz", "new.tar.gz", "para.bin"];
    assert_eq!(on_card.check_sha256sums("").expect("sums"), files);
    assert_eq!(on_card.read("para.bin").expect("a file"), content);
    let tree = |name: &str| Tree::of_tar_gz(&on_card.read(name).expect(name)).expect(name);
    let (old, new) = (tree("before.tar.gz"), tree("after.tar.gz"));
    let expected = old.folder("wz").file("wz/note", "from a script");
    assert_eq!(new.nodes(), expected.nodes());
    let mut after = camera.flash().expect("flash");
    let whole =
        |region: wz_core::units::Region| region.offset.get() as usize..region.end().get() as usize;
    assert_eq!(after[whole(para)], content);
    after[whole(para)].copy_from_slice(&before[whole(para)]);
    after[whole(cfg)].copy_from_slice(&before[whole(cfg)]);
    assert!(after == before, "something else has changed");
}

#[test]
fn a_script_of_a_profile_tells_the_model_and_can_change_nothing() {
    let profile = include_str!("../../../profiles/t31/stock.toml");
    let profile = profile.replace("WYZE_CAKP2JFUS", "NOT_THIS_ONE");
    let profile = format!("{profile}\n[scripts]\ndetect_model = \"model.sh\"\n");
    let script = "id -u >&2\ndd if=/dev/zero of=/dev/mtd0 bs=4096 count=1\n\
                  echo x >/sdcard/x\necho x >/dev/stdin\n\
                  dd bs=4096 count=64 2>/dev/null | strings | grep -q demo_wcv3.bin && echo from_script_$soc\n";
    let folder = "wz_flash-helper/profiles/t31";
    let card = card("t31", "backup_partitions=\"yes\"\ndry_run=\"yes\"\n")
        .with(&format!("{folder}/stock.toml"), profile)
        .with(&format!("{folder}/stock/model.sh"), script);
    let mut camera = camera(card);
    let told = told(&mut camera);
    assert_eq!(told.result["outcome"], "dry_run", "{}", told.everything());
    assert_eq!(
        told.result["camera"]["model"],
        "from_script_t31",
        "{}",
        told.everything()
    );
    assert_eq!(told.codes("remarks"), [""; 0], "{}", told.everything());
    assert_eq!(said(&told.log).first(), Some(&"65534"));
    assert!(!camera.card().expect("a card").has("x").expect("a listing"));
}

#[test]
fn a_command_in_a_script_that_asks_a_profiles_script_leaves_the_outer_one_its_folder() {
    let profile = include_str!("../../../profiles/t31/stock.toml");
    let profile = profile.replace("WYZE_CAKP2JFUS", "NOT_THIS_ONE");
    let profile = format!("{profile}\n[scripts]\ndetect_model = \"model.sh\"\n");
    let script =
        "echo kept >$wz_work/note\nwz info model\ncat $wz_work/note\nget_cf_partfstype cfg\n";
    let folder = "wz_flash-helper/profiles/t31";
    let card = scripts_card(&[("a.sh", script)], "")
        .with(&format!("{folder}/stock.toml"), profile)
        .with(&format!("{folder}/stock/model.sh"), "echo gazer\n");
    let told = told(&mut camera(card));
    assert_eq!(told.result["outcome"], "success", "{}", told.everything());
    assert_eq!(
        said(&told.log),
        ["gazer", "kept", "jffs2"],
        "{}",
        told.everything()
    );
}

#[test]
fn commands_that_write_flash_are_served_like_others_though_a_script_is_not() {
    let script = "cat /proc/self/oom_score_adj; cut -d ' ' -f 19 /proc/self/stat\n\
                  exec 9>/tmp/wz_flash-helper.lock; flock 9\n\
                  fw_printenv -n none 9>&- &\n\
                  for n in $(seq 100); do\n\
                  \tread -r score </proc/$!/oom_score_adj; [ \"$score\" = 0 ] && break; usleep 50000\ndone\n\
                  echo \"$score $(cut -d ' ' -f 19 /proc/$!/stat)\"\nflock -u 9\nwait\ntrue\n";
    let told = told(&mut camera(scripts_card(&[("a.sh", script)], "")));
    assert_eq!(told.result["outcome"], "success", "{}", told.everything());
    let said = said(&told.log);
    assert_eq!(said[..3], ["1000", "19", "0 0"], "{}", told.everything());
}
