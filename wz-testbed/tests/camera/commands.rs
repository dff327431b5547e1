//! The commands at the camera's shell, on the emulated camera.
use std::time::Duration;

use crate::support::writing::{boot, boots_whole, holds, images, kernel_is_away, restore_card};
use crate::support::{BACKUP, card, result, stock};
use wz_testbed::{
    Camera, Card, Ended, Expected, Firmware, Image, Recipe, Run, WIFI_NAME, WIFI_PASSWORD,
};

const FULL_LOG: &str = "wz_flash-helper/initramfs.log";

fn other_stock() -> Firmware {
    let recipe = Recipe::of("t31", "stock").expect("a profile").seed(2);
    recipe.build().expect("a firmware")
}

/// Whole backups at a shell take their time on a busy computer.
const PATIENCE: Duration = Duration::from_secs(300);

fn camera(firmware: &Firmware, card: Card) -> Camera {
    let camera = Camera::of(firmware).card(card).patience(PATIENCE);
    camera.build().expect("a camera")
}

/// Somebody at the shell.
struct Shell<'a> {
    run: Run<'a>,
    commands: u32,
}

impl<'a> Shell<'a> {
    /// Presses a key in time.
    fn before_the_run(camera: &'a mut Camera) -> Self {
        let mut run = camera.power_on().expect("power");
        run.wait_for("wz_flash-helper").expect("the program");
        run.press_key().expect("a key");
        run.wait_for("Nothing has been done yet").expect("a shell");
        let mut shell = Self { run, commands: 0 };
        shell.done("cd /tmp");
        shell
    }

    /// Types a command and returns its exit status and what it said.
    fn says(&mut self, command: &str) -> (String, String) {
        self.commands += 1;
        let end = format!("end-{}", self.commands);
        let before = self.run.serial().len();
        // What is typed is shown, too: it must not look like the end.
        let line = format!("{command}; echo \"end\"-{} status=$?.", self.commands);
        self.run.type_line(&line).expect("typed");
        self.run.wait_for(&format!("{end} status=")).expect(command);
        self.run.wait_for(".").expect(command);
        let serial = self.run.serial();
        let said = serial[before..].to_owned();
        let (_, status) = said
            .split_once(&format!("{end} status="))
            .expect("a status");
        let status = status.split('.').next().expect("a number").to_owned();
        (status, said)
    }

    fn done(&mut self, command: &str) -> String {
        let (status, said) = self.says(command);
        assert_eq!(status, "0", "{command}\n{said}");
        said
    }

    fn refused(&mut self, command: &str, code: &str) {
        let (status, said) = self.says(command);
        assert_eq!(status, "1", "{command}\n{said}");
        assert!(
            said.contains(code) && said.contains("What to do"),
            "{command}\n{said}"
        );
    }

    fn leave(mut self) -> Ended {
        self.run.type_line("exit").expect("typed");
        self.run.wait_until_off().expect("an end")
    }
}

#[test]
fn commands_before_a_run_do_what_they_say_and_the_run_goes_on_from_there() {
    let (stock, other) = (stock(), other_stock());
    let restored = images(&other, &["kback"]);
    let by_hand = Image::of_partition(&other, "para").expect("para");
    let card = restore_card(&stock, &restored, "safety_backup=\"no\"\n");
    let card = card.with("new/para.bin", by_hand.content());
    let mut camera = camera(&stock, card);

    let mut shell = Shell::before_the_run(&mut camera);
    let said = shell.done("wz plan");
    assert!(
        said.contains("Write kback") && said.contains("Nothing was changed"),
        "{said}"
    );
    let said =
        shell.done("eval \"$(wz info)\"; echo \"$model on $chip_group has $current_firmware\"");
    assert!(said.contains("v3 on t31x has stock"), "{said}");
    let said = shell.done("wz backup");
    assert!(said.contains("all read back"), "{said}");
    shell.done("cp /sdcard/new/para.bin /tmp/para.bin");
    let said = shell.done("wz partition write para para.bin");
    assert!(said.contains("Write flash"), "{said}");
    shell.refused("wz partition write boot para.bin", "WZ-0923");
    shell.refused("wz partition write nvram para.bin", "WZ-0925");
    shell.refused("wz restore cfg", "WZ-0501");
    let said = shell.done("/init || true");
    assert!(said.contains("Nothing was done"), "{said}");
    assert!(said.contains("wz run"), "{said}");
    let ended = shell.leave();

    assert_eq!(
        result(&camera)["outcome"],
        "success",
        "{}",
        ended.transcript
    );
    let images = [
        ("kback", restored[0].content()),
        ("para", by_hand.content()),
    ];
    let images = images.into_iter().collect();
    let expected = Expected::of_restore(stock.image(), stock.layout(), &images).expect("images");
    holds(&camera, &expected, &ended);
    kernel_is_away(&camera, stock.sd_kernel(), &[&stock]);
    boots_whole(&camera, &stock);
    let card = camera.card().expect("a card");
    let left = card.list("wz_flash-helper").expect("a listing");
    assert!(!left.contains(&"given/".to_owned()), "{left:?}");
    let backup = card.read("wz_flash-helper/backup/stock/0001/stock_t31x_all.bin");
    assert!(backup.expect("a backup") == stock.image());
    // All of it is in one log, in its order.
    let log = card.read_text(FULL_LOG).expect("a log");
    let places = [
        "Backup 0001",
        "Write para",
        "WZ-0921",
        "Write kback (",
        "Result: success",
    ];
    let mut at = 0;
    for place in places {
        let found = log[at..].find(place);
        at += found.unwrap_or_else(|| panic!("{place} is not behind {at}:\n{log}"));
    }
    assert!(boot(&stock).size.get() > 0);
}

#[test]
fn a_run_that_was_changed_at_the_shell_is_the_one_that_is_done() {
    let (stock, other) = (stock(), other_stock());
    let card = restore_card(&stock, &images(&other, &["kback"]), "");
    let mut camera = camera(&stock, card);
    let mut shell = Shell::before_the_run(&mut camera);
    shell.done("echo 'backup_partitions=\"yes\"' > /sdcard/wz_flash-helper/general.conf");
    let ended = shell.leave();
    let result = result(&camera);
    assert_eq!(result["outcome"], "success", "{result:#}");
    assert_eq!(result["operations"][0]["name"], "backup", "{result:#}");
    let nor = ended.nor.expect("the kernel's counters");
    assert_eq!((nor.erases, nor.programmed), (0, 0), "{}", ended.transcript);
    kernel_is_away(&camera, stock.sd_kernel(), &[&stock]);
}

#[test]
fn files_go_out_of_and_into_partitions_and_partitions_become_devices() {
    let stock = stock();
    let mut camera = camera(&stock, card("t31", "backup_partitions=\"no\"\n"));
    let mut shell = Shell::before_the_run(&mut camera);

    let said = shell.done("wz partition list");
    let cfg = stock.layout().partition("cfg").expect("cfg").region;
    let line = format!("cfg {:#x} {:#x} jffs2", cfg.offset.get(), cfg.size.get());
    assert!(said.contains(&line), "{said}");
    shell.done("device=$(wz partition device cfg)");
    let said = shell.done("dd if=$device bs=2 count=1 2>&- | od -An -tx1");
    assert!(said.contains("85 19"), "{said}");
    // In use, it is in the way of whatever changes flash.
    shell.done("mkdir m && mount -t jffs2 $device m");
    shell.refused("wz partition release", "WZ-0927");
    shell.refused("wz partition erase cfg", "WZ-0927");
    shell.done("umount m && wz partition release");
    let (status, _) = shell.says("[ -e /sys/class/mtd/mtd1 ]");
    assert_eq!(status, "1");

    shell.done("wz partition archive cfg before.tar.gz");
    shell.done("mkdir -p new/sub && echo 6*7 > new/sub/answer && chmod 640 new/sub/answer");
    shell.done("ln -s /nowhere new/link && tar -C new -czf new.tar.gz .");
    shell.done("wz partition extract new.tar.gz cfg");
    shell.done("wz partition archive cfg after.tar.gz");
    let said = shell.done("tar -xzOf after.tar.gz sub/answer; tar -tvzf after.tar.gz");
    assert!(said.contains("6*7\n") || said.contains("6*7\r\n"), "{said}");
    assert!(said.contains("rw-r-----"), "{said}");
    assert!(said.contains("link -> /nowhere"), "{said}");
    let said = shell.done("tar -tzf before.tar.gz | while read f; do tar -tzf after.tar.gz | grep -qxF -e \"$f\" || echo lost; done");
    assert!(
        !said.contains("lost\n") && !said.contains("lost\r"),
        "{said}"
    );
    shell.refused("wz partition extract new.tar.gz rootfs", "WZ-0926");
    shell.refused("wz partition extract new.tar.gz kernel", "WZ-0926");
    shell.done("mkdir bad && mknod bad/null c 1 3 && tar -C bad -czf bad.tar.gz .");
    shell.refused("wz partition extract bad.tar.gz cfg", "WZ-0930");
    shell.done("wz partition erase cfg");
    shell.leave();

    let mut wanted = stock.image().to_vec();
    let (start, end) = (cfg.offset.get() as usize, cfg.end().get() as usize);
    wanted[start..end].fill(0xff);
    assert!(camera.flash().expect("flash") == wanted);
    kernel_is_away(&camera, stock.sd_kernel(), &[&stock]);
}

#[test]
fn a_key_while_it_works_opens_a_shell_at_the_end() {
    let stock = stock();
    let mut camera = camera(&stock, card("t31", BACKUP));
    let mut run = camera.power_on().expect("power");
    run.wait_for("-> Read flash").expect("a backup");
    run.press_key().expect("a key");
    run.wait_for("The run is over").expect("a shell");
    let mut shell = Shell { run, commands: 0 };
    let said = shell.done("wz info model");
    assert!(said.contains("v3"), "{said}");
    shell.leave();
    assert_eq!(result(&camera)["outcome"], "success");
    boots_whole(&camera, &stock);
}

#[test]
fn one_log_is_all_that_a_bug_report_needs() {
    const SECRETS: [&str; 4] = [WIFI_NAME, WIFI_PASSWORD, "hunter2", "hunter3"];
    let stock = stock();
    let conf = format!(
        "{BACKUP}wifi_password=\"hunter2\"\nmystery=\"hunter3\"\nsecondary_backup=\"no\"\n"
    );
    let mut camera = camera(&stock, card("t31", conf));
    let ended = crate::support::run(&mut camera);
    let log = camera
        .card()
        .expect("a card")
        .read_text(FULL_LOG)
        .expect("a log");
    let version = format!("wz_flash-helper {}", wz_core::VERSION);
    for told in [
        version.as_str(),
        "Linux version",
        "chip t31x by the name t31x on the kernel's command line",
        "flash 16M in erase blocks of 32K",
        "kernel [",
        "mtd",
        "mmc0: new",
        "line 1: backup_partitions=\"yes\"",
        "line 2: wifi_password=\"***\"",
        "line 3: mystery=\"***\"",
        "line 4: secondary_backup=\"no\"",
        "Firmware  stock (layout factory)",
        "Model     v3",
        "  cfg 384K@0xf90000 jffs2",
        ":: Plan",
        "Save cfg",
        ":: Starting backup operation",
        "-> Read flash: 16M",
        "   ok",
        "phase execute: ",
        "Result: success",
    ] {
        assert!(log.contains(told), "{told}:\n{log}");
    }
    let mut last = 0.0;
    for line in log.lines() {
        let time = line.strip_prefix('[').and_then(|rest| rest.split_once(']'));
        let time: f64 = time.expect(line).0.trim().parse().expect(line);
        assert!(time >= last, "{line}");
        last = time;
    }
    for secret in SECRETS {
        assert!(
            !log.contains(secret) && !ended.serial.contains(secret),
            "{secret}"
        );
    }
}
