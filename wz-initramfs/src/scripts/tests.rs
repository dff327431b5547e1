//! Scripts on this computer, in the shell of the camera and with a stand-in for `wz`.

use super::*;
use rstest::rstest;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tempfile::TempDir;
use wz_core::event::Event;
use wz_core::run::ScriptFacts;

/// Scripts are told from each other's programs by time; so one runs at a time.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// Notes what it is asked for, and answers as a camera with the stock firmware.
const WZ: &str = r#"#!/bin/sh
echo "wz $*" >>"$wz_card/asked"
dev=$wz_card/dev
case "$1 $2" in
"partition list") printf '%s\n' 'boot 0x0 256K raw' 'kernel 0x40000 1984K uimage' 'cfg 0xf90000 384K jffs2' ;;
"partition device")
    case $3 in boot) n=1 ;; kernel) n=2 ;; cfg) n=7 ;; *) echo "WZ-0000 no partition $3" >&2; exit 1 ;; esac
    printf 'content of %s' "$3" >"$dev/mtd$n"
    echo "$dev/mtdblock$n" ;;
"partition archive") echo packed >"$4" ;;
"partition "*) [ "$3" != boot ] || { echo "WZ-0000 the boot partition is refused" >&2; exit 1; } ;;
esac
"#;

const FW_PRINTENV: &str =
    "#!/bin/sh\ncase $1 in -n) echo 'old value' ;; *) echo \"$1=old value\" ;; esac\n";
const FW_SETENV: &str = "#!/bin/sh\necho \"fw_setenv $1 [$2]\" >>\"$wz_card/asked\"\n";

/// The shell of the cameras, and all its tools.
fn busybox() -> &'static str {
    ["/bin/busybox", "/usr/bin/busybox"]
        .into_iter()
        .find(|path| Path::new(path).exists())
        .expect("busybox; scripts/setup.sh test installs it")
}

struct Bench {
    dir: TempDir,
    stage: Stage,
    _turn: MutexGuard<'static, ()>,
}

/// What came of a script.
#[derive(Debug)]
struct Told {
    result: Result<(), Problem>,
    said: Vec<String>,
    remarks: Vec<String>,
}

impl Bench {
    /// With the shell that cameras have.
    fn new() -> Self {
        let turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        let dir = tempfile::tempdir().unwrap();
        let bin = dir.path().join("bin");
        let card = dir.path().join("card");
        fs::create_dir_all(card.join("dev")).unwrap();
        fs::create_dir_all(card.join("wz_flash-helper/restore")).unwrap();
        fs::create_dir(&bin).unwrap();
        for (name, content) in [
            ("wz", WZ),
            ("fw_printenv", FW_PRINTENV),
            ("fw_setenv", FW_SETENV),
        ] {
            let path = bin.join(name);
            fs::write(&path, content).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        let shell = busybox();
        let applets = Command::new(shell).arg("--list").output().unwrap().stdout;
        for applet in String::from_utf8(applets).unwrap().lines() {
            let _ = symlink(shell, bin.join(applet));
        }
        let stage = Stage {
            shell: |_| {
                let mut command = Command::new(busybox());
                command.args(["setsid", busybox(), "sh"]);
                command
            },
            path: bin.to_string_lossy().into_owned(),
            card,
            folder: dir.path().join("work"),
            flash: None,
        };
        Self {
            dir,
            stage,
            _turn: turn,
        }
    }

    fn run_within(&self, script: &str, switched: bool, time_limit: Duration) -> Told {
        let facts = ScriptFacts {
            soc: "t31".to_owned(),
            chip: "t31x".to_owned(),
            chip_group: "t31x".to_owned(),
            current_firmware: Some("stock".to_owned()),
            next_firmware: switched.then(|| "thingino".to_owned()),
            model: Some("v3".to_owned()),
        };
        self.run_with(script, &facts, time_limit)
    }

    fn run_on(&self, firmware: &str, script: &str) -> Told {
        let facts = ScriptFacts {
            current_firmware: Some(firmware.to_owned()),
            ..ScriptFacts::default()
        };
        self.run_with(script, &facts, Duration::from_secs(60))
    }

    fn run_with(&self, script: &str, facts: &ScriptFacts, time_limit: Duration) -> Told {
        let job = Job {
            name: "a.sh",
            content: script.as_bytes(),
            variables: &facts.variables(),
            time_limit,
            secrets: Secrets::new(["hunter22".to_owned()]),
        };
        let (mut said, mut remarks) = (Vec::new(), Vec::new());
        let result = self
            .stage
            .run(&job, &|| (), &mut |event: &Event| match event {
                Event::Said(lines) => said.extend(lines.clone()),
                Event::Remark(problem) => remarks.push(problem.code().to_string()),
                _ => {}
            });
        Told {
            result,
            said,
            remarks,
        }
    }

    fn run(&self, script: &str) -> Told {
        self.run_within(script, false, Duration::from_secs(60))
    }

    /// What `wz`, `fw_printenv` and `fw_setenv` were asked for.
    fn asked(&self) -> Vec<String> {
        let text = fs::read_to_string(self.stage.card.join("asked")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    fn card(&self, path: &str) -> PathBuf {
        self.stage.card.join(path)
    }

    /// Puts an archive with its hash on the card.
    fn put_with_sum(&self, name: &str, content: &str) {
        fs::write(self.card(name), content).unwrap();
        let mut sum = Command::new("sha256sum");
        let sum = sum.arg(name).current_dir(&self.stage.card);
        let sum = sum.output().unwrap().stdout;
        fs::write(self.card(&format!("{name}.sha256sum")), sum).unwrap();
    }
}

fn code(told: &Told) -> String {
    match &told.result {
        Ok(()) => "ok".to_owned(),
        Err(problem) => problem.code().to_string(),
    }
}

#[rstest]
#[case::nothing("", "ok")]
#[case::end_without_status("false\ntrue\n", "ok")]
#[case::return_at_the_top("return 0\nfalse\n", "ok")]
#[case::windows("if true; then\r\n  true\r\nfi\r\n", "ok")]
#[case::local_at_the_top("local x=1\n[ $x = 1 ]\n", "ok")]
#[case::function_keyword(
    "function f() {\n\tlocal a=\"$1\"\n\t[[ \"$a\" == \"x\" ]] || return 3\n}\nf x || return 4\n",
    "ok"
)]
#[case::last_status("false\n", "WZ-0840")]
#[case::return_with_status("return 7\n", "WZ-0840")]
#[case::exit("exit 1\n", "WZ-0840")]
#[case::syntax("if true; then\n", "WZ-0840")]
#[case::not_a_command("no_such_command\n", "WZ-0840")]
#[case::killed("kill -9 $$\n", "WZ-0841")]
fn a_script_ends_as_its_last_word_says(#[case] script: &str, #[case] expected: &str) {
    let bench = Bench::new();
    let told = bench.run(script);
    assert_eq!(code(&told), expected, "{told:?}");
    assert!(!bench.stage.folder.exists());
}

#[test]
fn the_status_of_a_failure_is_told() {
    let told = Bench::new().run("exit 42\n");
    let Err(Problem::ScriptFailed { name, status }) = told.result else {
        panic!("{told:?}");
    };
    assert_eq!((name.as_str(), status), ("a.sh", 42));
}

#[test]
fn what_it_says_is_told_line_by_line_without_secrets_and_to_a_bound() {
    let bench = Bench::new();
    let told = bench.run("set -x\nwifi=hunter22\necho out\necho err >&2\nprintf 'no end'\n");
    assert_eq!(
        told.said,
        [
            "+ wifi=***",
            "+ echo out",
            "out",
            "+ echo err",
            "err",
            "+ printf 'no end'",
            "no end"
        ]
    );
    assert_eq!(told.remarks, [""; 0]);
    let told = bench.run("yes | head -n 200000\n");
    assert_eq!(code(&told), "ok");
    assert_eq!(told.said.len(), 131_072);
    assert_eq!(told.remarks, ["WZ-0846"]);
}

#[test]
fn an_endless_script_is_stopped_with_all_that_it_started() {
    let bench = Bench::new();
    let script = "sleep 60 &\nsetsid sleep 60 &\nwhile :; do sleep 0.1; done\n";
    let told = bench.run_within(script, false, Duration::from_secs(1));
    assert_eq!(code(&told), "WZ-0842");
    assert_eq!(told.remarks, [""; 0]);
    assert_eq!(Descendants::from_now().earlier_in_other_sessions(), 0);
}

/// It waits for ever, and what is sent to its group does not reach it.
#[test]
fn a_script_that_is_stopped_before_it_leads_a_group_is_not_waited_for() {
    let mut bench = Bench::new();
    bench.stage.shell = |_| {
        let mut command = Command::new(busybox());
        command.arg("sh");
        command
    };
    let script = "mkfifo $wz_card/fifo\nread -r line <$wz_card/fifo\n";
    let told = bench.run_within(script, false, Duration::from_secs(1));
    assert_eq!(code(&told), "WZ-0842");
}

#[test]
fn a_script_with_too_many_programs_is_stopped() {
    let bench = Bench::new();
    let told = bench.run("for n in $(seq 110); do sleep 60 & done\nwait\n");
    assert_eq!(code(&told), "WZ-0844");
    assert_eq!(Descendants::from_now().earlier_in_other_sessions(), 0);
}

#[test]
fn a_script_without_output_and_input_runs_to_its_end() {
    let told =
        Bench::new().run("exec >/dev/null 2>&1\nread -r line\nsleep 0.3\n[ -z \"$line\" ]\n");
    assert_eq!(code(&told), "ok");
}

#[test]
fn variables_of_the_original_are_set() {
    let bench = Bench::new();
    let told = bench.run_within(
        "for name in chip_name chip_family chip_group flash_type current_firmware next_firmware model \\\n\
         \tswitch_firmware dry_run prog_name nf_images_path nf_firmware_filename nf_all_partname_list \\\n\
         \tcf_restore_path cf_backup_allparts_filename; do\n\
         \teval \"echo $name=\\$$name\"\ndone\nfind $prog_dir >/dev/null\n",
        true,
        Duration::from_secs(60),
    );
    let card = bench.stage.card.display();
    let expected = [
        "chip_name=t31x".to_owned(),
        "chip_family=t31".into(),
        "chip_group=t31x".into(),
        "flash_type=nor".into(),
        "current_firmware=stock".into(),
        "next_firmware=thingino".into(),
        "model=v3".into(),
        "switch_firmware=yes".into(),
        "dry_run=no".into(),
        "prog_name=wz_flash-helper".into(),
        format!("nf_images_path={card}/wz_flash-helper/restore/thingino"),
        "nf_firmware_filename=thingino_t31x_firmware.bin".into(),
        "nf_all_partname_list=boot kernel cfg".into(),
        format!("cf_restore_path={card}/wz_flash-helper/restore/stock"),
        "cf_backup_allparts_filename=stock_t31x_all.bin".into(),
    ];
    assert_eq!(told.said, expected);
    assert_eq!(code(&told), "ok");
}

#[test]
fn messages_of_the_original_make_lines() {
    let told = Bench::new().run(
        "msg_nonewline 'Setting... '\nmsg_color green ok\nmsg_color_bold_nonewline white 'a '\n\
         msg_color_nonewline cyan 'b '\nmsg_color_bold white c\nmsg\nmsg_tickbox_yes\nmsg on\n\
         msg_tickbox_no\nmsg off\nmsg_dry_run 'a command'\nmsg 'a\\nb -n *'\n\
         for c in black white lightgray lightred lightwhite; do msg $(get_color_code $c); done\n",
    );
    let expected = [
        "Setting... ok",
        "a b c",
        "",
        "[x] on",
        "[ ] off",
        "   (dry run) a command",
        "a\\nb -n *",
        "30",
        "37",
        "90",
        "91",
        "97",
    ];
    assert_eq!(told.said, expected);
    assert_eq!(code(&told), "ok");
}

#[test]
fn partitions_are_found_by_name() {
    let bench = Bench::new();
    fs::write(
        bench.card("wz_flash-helper/restore/stock.conf"),
        "restore_stock_kernel=\"no\"\r\nrestore_stock_cfg = 'yes' # now\r\n",
    )
    .unwrap();
    let told = bench.run(
        "for part in kernel cfg; do\n\
         msg \"$(get_cf_partnum $part) $(get_cf_partmtd $part) $(get_cf_partmtdblock $part)\"\n\
         msg \"$(get_cf_partfstype $part) $(get_cf_partimg $part) $(get_cf_restore_opt_value $part)\"\ndone\n",
    );
    let dev = bench.card("dev");
    let dev = dev.display();
    let expected = [
        format!("2 {dev}/mtd2 {dev}/mtdblock2"),
        "raw stock_t31x_kernel.bin no".to_owned(),
        format!("7 {dev}/mtd7 {dev}/mtdblock7"),
        "jffs2 stock_t31x_cfg.bin yes".to_owned(),
    ];
    assert_eq!(told.said, expected);
    assert_eq!(code(&told), "ok");
}

#[rstest]
#[case::of_the_old_firmware(true, "get_cf_partmtdblock cfg")]
#[case::of_no_firmware(false, "get_nf_partmtdblock cfg")]
#[case::of_no_name(false, "get_cf_partmtdblock nonsense")]
#[case::type_of_no_name(false, "get_cf_partfstype nonsense")]
fn partitions_that_are_not_there_are_not_found(#[case] switched: bool, #[case] call: &str) {
    let bench = Bench::new();
    let script = format!("found=$({call}) && return 1\n[ -z \"$found\" ]\n");
    let told = bench.run_within(&script, switched, Duration::from_secs(60));
    assert_eq!(code(&told), "ok", "{told:?}");
}

#[test]
fn partition_functions_reach_the_program() {
    let bench = Bench::new();
    bench.put_with_sum("kernel.bin", "an image");
    bench.put_with_sum("cfg.tar.gz", "an archive");
    let told = bench.run(
        "kernel=$(get_cf_partmtd kernel); cfg=$(get_cf_partmtdblock cfg)\n\
         write_partition kernel $wz_card/kernel.bin $kernel || return 1\n\
         read_partition kernel $kernel $wz_card/read.bin || return 2\n\
         validate_written_partition kernel 2 $wz_card/read.bin || return 3\n\
         validate_written_partition kernel 2 $wz_card/kernel.bin && return 4\n\
         erase_partition cfg $(get_cf_partmtd cfg) || return 5\n\
         format_partition cfg $(get_cf_partnum cfg) jffs2 || return 6\n\
         leave_partition cfg $cfg || return 7\n\
         cd $wz_card; create_archive_from_partition cfg $cfg jffs2 ./new.tar.gz || return 8\n\
         extract_archive_to_partition cfg $wz_card/cfg.tar.gz $cfg jffs2 || return 9\n",
    );
    assert_eq!(code(&told), "ok", "{told:?}");
    let card = bench.stage.card.display().to_string();
    let asked: Vec<String> = (bench.asked().into_iter())
        .filter(|line| !line.starts_with("wz partition device"))
        .map(|line| line.replace(&card, ""))
        .collect();
    let expected = [
        "wz partition write kernel /kernel.bin",
        "wz partition erase cfg",
        "wz partition format cfg",
        "wz partition archive cfg ./new.tar.gz",
        "wz partition extract /cfg.tar.gz cfg",
    ];
    assert_eq!(asked, expected);
    assert_eq!(
        fs::read_to_string(bench.card("read.bin")).unwrap(),
        "content of kernel"
    );
    for name in ["read.bin", "new.tar.gz"] {
        let check = Command::new("sha256sum")
            .args(["-c", &format!("{name}.sha256sum")])
            .current_dir(&bench.stage.card)
            .status();
        assert!(check.unwrap().success(), "{name}");
    }
}

#[rstest]
#[case::no_image("write_partition kernel $wz_card/none.bin x")]
#[case::no_hash("write_partition kernel $wz_card/lonely.bin x")]
#[case::the_boot_partition("write_partition boot $wz_card/kernel.bin x")]
#[case::another_partitions_device(
    "write_partition kernel $wz_card/kernel.bin $(get_cf_partmtd cfg)"
)]
#[case::a_device_of_nobody("write_partition kernel $wz_card/kernel.bin /dev/mtd2")]
#[case::a_number_of_nobody("format_partition cfg 7 jffs2")]
#[case::erase_of_another("erase_partition kernel $(get_cf_partmtdblock cfg)")]
#[case::format_as_squashfs("format_partition cfg 7 squashfs")]
#[case::read_over_a_file("read_partition kernel $(get_cf_partmtd kernel) $wz_card/kernel.bin")]
#[case::read_of_nothing("read_partition kernel /dev/mtd99 $wz_card/new.bin")]
#[case::archive_over_a_file("create_archive_from_partition cfg x jffs2 $wz_card/kernel.bin")]
#[case::archive_without_file("create_archive_from_partition cfg x jffs2")]
#[case::archive_without_hash("extract_archive_to_partition cfg $wz_card/lonely.bin x jffs2")]
fn what_would_go_wrong_is_refused_and_changes_nothing(#[case] call: &str) {
    let bench = Bench::new();
    bench.put_with_sum("kernel.bin", "an image");
    fs::write(bench.card("lonely.bin"), "an image").unwrap();
    let told = bench.run(&format!("{call}\n"));
    assert_eq!(code(&told), "WZ-0840", "{told:?}");
    let is_change = |line: &&String| {
        let verbs = ["write kernel", "erase", "format", "archive", "extract"];
        verbs.iter().any(|verb| line.contains(verb))
    };
    let asked = bench.asked();
    assert_eq!(asked.iter().find(is_change), None);
    assert_eq!(
        fs::read_to_string(bench.card("kernel.bin")).unwrap(),
        "an image"
    );
}

#[rstest]
#[case("custom_script_matched_firmware_check stock", false, true)]
#[case("custom_script_matched_firmware_check stock", true, false)]
#[case("custom_script_matched_firmware_check thingino", true, true)]
#[case("custom_script_matched_firmware_check thingino", false, false)]
#[case("custom_script_current_firmware_check stock", false, true)]
#[case("custom_script_current_firmware_check stock", true, false)]
#[case("custom_script_current_firmware_check thingino", true, false)]
#[case("custom_script_current_firmware_check thingino", false, false)]
fn scripts_run_for_their_firmware_only(
    #[case] check: &str,
    #[case] switched: bool,
    #[case] runs: bool,
) {
    let script = format!("{check} || return 0\necho it runs\n");
    let told = Bench::new().run_within(&script, switched, Duration::from_secs(60));
    assert_eq!(code(&told), "ok");
    assert_eq!(told.said.contains(&"it runs".to_owned()), runs, "{told:?}");
}

#[test]
fn a_script_that_reads_answers_as_the_original_s_do_keeps_every_character() {
    let bench = Bench::new();
    let told = bench.run(
        "read -r -d '' wifi_ssid <<'EOF'\nMy  Net * $HOME \"x\" \\y\nEOF\n\
         if [ \"$wifi_ssid\" == \"$(fw_printenv wlanssid | sed 's/wlanssid=//')\" ]; then return 1; fi\n\
         fw_setenv wlanssid \"$wifi_ssid\" && msg_color green ok\n",
    );
    assert_eq!(told.said, ["ok"]);
    assert_eq!(
        bench.asked(),
        ["fw_setenv wlanssid [My  Net * $HOME \"x\" \\y]"]
    );
}

#[test]
fn the_rest_of_the_originals_functions_are_there() {
    let bench = Bench::new();
    let told = bench.run(
        "id=$(gen_4digit_id); [ \"$id\" -ge 1000 ] && [ \"$id\" -le 9999 ] || return 1\n\
         msg \"$(ipcinfo --chip-name) $(ipcinfo --family) $(ipcinfo --flash-type)\"\nplay_audio x\n\
         printf 'a\\r\\n' >$wz_card/text; dos2unix $wz_card/text; [ \"$(wc -c <$wz_card/text)\" -eq 2 ]\n",
    );
    assert_eq!(told.said, ["t31x t31 nor"]);
    assert_eq!(code(&told), "ok");
    assert!(bench.dir.path().exists());
}

const EXTRACT: &str = include_str!("../../../wz-cli/card/scripts/extract_archive.sh");
const WIFI: &str = include_str!("../../../wz-cli/card/scripts/setup_wifi.sh");

/// The example with its lines filled in.
fn filled_in(example: &str, lines: &[(&str, &str)]) -> String {
    lines.iter().fold(example.to_owned(), |text, (from, to)| {
        assert_eq!(text.matches(from).count(), 1, "{from}");
        text.replace(from, to)
    })
}

#[rstest]
#[case::in_place("stock", false, true)]
#[case::after_a_switch("thingino", true, true)]
#[case::for_another_firmware("thingino", false, false)]
fn the_example_unpacks_an_archive_into_the_partition_of_its_firmware(
    #[case] firmware: &str,
    #[case] switched: bool,
    #[case] unpacks: bool,
) {
    let bench = Bench::new();
    bench.put_with_sum("cfg.tar.gz", "an archive");
    let archive = bench.card("cfg.tar.gz");
    let script = filled_in(
        EXTRACT,
        &[
            (
                "\narchive=\"\"",
                &format!("\narchive=\"{}\"", archive.display()),
            ),
            ("\npartition=\"\"", "\npartition=\"cfg\""),
            ("\nfirmware=\"\"", &format!("\nfirmware=\"{firmware}\"")),
        ],
    );
    let told = bench.run_within(&script, switched, Duration::from_secs(60));
    assert_eq!(code(&told), "ok", "{told:?}");
    let unpacked = format!("wz partition extract {} cfg", archive.display());
    assert_eq!(bench.asked().contains(&unpacked), unpacks, "{told:?}");
}

#[test]
fn an_example_that_is_not_filled_in_says_so() {
    let bench = Bench::new();
    let told = bench.run(EXTRACT);
    assert_eq!(code(&told), "WZ-0840", "{told:?}");
    assert_eq!(bench.asked(), [""; 0]);
}

#[test]
fn the_example_for_wifi_sets_what_is_typed_in_whatever_it_is() {
    let bench = Bench::new();
    let name = "My  Net * $HOME \"x\" \\y";
    let script = filled_in(
        WIFI,
        &[
            (
                "wifi_ssid <<'END'\n\n",
                &format!("wifi_ssid <<'END'\n{name}\n"),
            ),
            (
                "wifi_password <<'END'\n\n",
                "wifi_password <<'END'\nold value\n",
            ),
            ("\nmac_address=\"\"", "\nmac_address=\"00:11:22:aa:bb:cc\""),
        ],
    );
    let told = bench.run_on("thingino", &script);
    assert_eq!(code(&told), "ok", "{told:?}");
    let expected = [
        format!("fw_setenv wlan_ssid [{name}]"),
        format!("fw_setenv wlanssid [{name}]"),
        "fw_setenv wlan_mac [00:11:22:aa:bb:cc]".to_owned(),
        "fw_setenv wlanmac [00:11:22:aa:bb:cc]".to_owned(),
    ];
    assert_eq!(bench.asked(), expected);
    let told = bench.run(&script);
    assert_eq!(code(&told), "ok", "for another firmware: {told:?}");
    assert_eq!(bench.asked().len(), 4);
    let told = bench.run_on("thingino", WIFI);
    assert_eq!(code(&told), "WZ-0840", "not filled in: {told:?}");
}

#[test]
fn a_script_that_is_asked_reads_flash_and_answers_on_its_own_output() {
    let bench = Bench::new();
    let flash = bench.card("flash");
    fs::write(&flash, "ACME Bootloader").unwrap();
    let ask = |script: &str| {
        let job = Job {
            name: "detect_model.sh",
            content: script.as_bytes(),
            variables: &[("soc", "t31")],
            time_limit: Duration::from_secs(60),
            secrets: Secrets::default(),
        };
        let mut said = Vec::new();
        let flash = fs::File::open(&flash).unwrap();
        let answer = bench.stage.ask(&job, flash, &|| (), &mut |event: &Event| {
            if let Event::Said(lines) = event {
                said.extend(lines.clone());
            }
        });
        (answer.map_err(|problem| problem.code().to_string()), said)
    };
    let script = "grep -q ACME && echo \"gazer_$soc\"\r\necho because >&2\r\n";
    assert_eq!(
        ask(script),
        (Ok("gazer_t31\n".to_owned()), vec!["because".to_owned()])
    );
    assert_eq!(ask("msg hello 2>/dev/null\n").0, Err("WZ-0840".to_owned()));
    assert_eq!(ask("exit 0\n").0, Ok(String::new()));
}
