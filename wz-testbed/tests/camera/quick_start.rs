//! The owner's way: `wz` on the computer, the camera, and `wz` again.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;
use wz_testbed::{Camera, Card, Expected, Firmware, Scope, inputs, slices};

use crate::support::writing::{boots_whole, holds};
use crate::support::{LOGS, result, run, stock};

const README: &str = include_str!("../../../README.md");
/// The parts of README.md that are the quick start.
const FOR_OWNERS: &str = "## For owners: ";
/// What README.md writes for the card.
const CARD: &str = r"E:\";
const CARD_IMAGE: &str = "card.img";
const KERNEL: &str = "factory_t31_ZMC6tiIDQN";
const THINGINO: &str = "thingino-wyze_cam3_t31x.bin";

/// A folder with an unpacked download, where the owner has put a kernel and an image of thingino.
struct Desk {
    folder: TempDir,
}

impl Desk {
    fn new(thingino: &Firmware) -> Self {
        let folder = TempDir::new().expect("a folder");
        let tool = inputs::owner_tool().expect("wz");
        let name = tool.file_name().expect("a file").to_owned();
        let put = |from: PathBuf, name: &str| {
            fs::copy(from, folder.path().join(name)).expect("copied");
        };
        put(tool, name.to_str().expect("UTF-8"));
        put(
            inputs::program().expect("the program"),
            "wz_flash-helper.cpio",
        );
        put(inputs::kernel().expect("a kernel"), KERNEL);
        fs::write(folder.path().join(THINGINO), thingino.image()).expect("written");
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// What the tool shows; it has to be content.
    fn wz(&self, command: &str) -> String {
        let words: Vec<&str> = command.split(' ').collect();
        let ran = Command::new(self.path("wz"))
            .args(&words)
            .current_dir(self.folder.path())
            .output()
            .expect("wz runs");
        let out = String::from_utf8(ran.stdout).expect("UTF-8");
        let err = String::from_utf8_lossy(&ran.stderr);
        assert!(ran.status.success(), "wz {command}\n{out}{err}");
        out
    }

    fn json(&self, command: &str) -> Value {
        let out = self.wz(&format!("{command} --format json"));
        serde_json::from_str(&out).expect("JSON")
    }

    /// The card in the camera, until the camera is done, and back.
    fn run(&self, camera: &mut Camera) -> wz_testbed::Ended {
        let image = self.path(CARD_IMAGE);
        camera.insert_card(&Card::of_image(&image)).expect("a card");
        let ended = run(camera);
        camera
            .card()
            .and_then(|card| card.copy_to(&image))
            .expect("the card");
        assert_eq!(result(camera)["outcome"], "success", "{}", ended.transcript);
        ended
    }

    /// The newest backup, from the card in the camera to the computer.
    fn keep_backup(&self, camera: &Camera, name: &str) {
        let card = camera.card().expect("a card");
        let from = "wz_flash-helper/backup/stock/0001";
        card.extract(from, &self.path(name)).expect("a backup");
    }
}

/// The commands that README.md shows to owners, without `wz`, for a card that is an image.
fn commands() -> Vec<String> {
    let parts = README.split("\n## ").map(|part| format!("## {part}"));
    let owners: String = parts.filter(|part| part.starts_with(FOR_OWNERS)).collect();
    let lines = owners.lines().map(str::trim);
    let commands = lines.filter_map(|line| line.strip_prefix("wz "));
    commands
        .map(|line| line.replace(CARD, CARD_IMAGE))
        .collect()
}

#[test]
fn an_owner_who_follows_the_readme_gets_there_and_back() {
    let (stock, thingino) = (stock(), Firmware::of("t31", "thingino").expect("a profile"));
    let desk = Desk::new(&thingino);
    let mut camera = Camera::of(&stock).build().expect("a camera");
    let mut commands = commands().into_iter();
    let mut next = |expected: &str| {
        let command = commands.next().unwrap_or_default();
        assert!(command.starts_with(expected), "{command}, not {expected}");
        desk.wz(&command)
    };

    next("card new card.img --soc t31 --kernel");
    desk.run(&mut camera);
    assert!(camera.flash().expect("flash") == stock.image());
    desk.keep_backup(&camera, "my-backup");
    next("verify my-backup");

    let rootfs = stock
        .layout()
        .partition("rootfs")
        .expect("a partition")
        .region;
    let mut damaged = stock.image().to_vec();
    damaged[rootfs.offset.as_usize() + 5000..][..64].fill(0);
    camera.program_flash(&damaged).expect("programmed");
    next("card new card.img --soc t31 --restore");
    next("card check card.img --backup my-backup");
    desk.run(&mut camera);
    assert!(camera.flash().expect("flash") == stock.image());

    next("card new card.img --soc t31 --switch-to thingino");
    next("card check card.img --backup my-backup");
    let images = slices(thingino.image(), thingino.layout());
    let expected = Expected::of_switch(stock.image(), thingino.layout(), Scope::Base, &images);
    let ended = desk.run(&mut camera);
    holds(&camera, &expected.expect("images"), &ended);
    boots_whole(&camera, &thingino);

    next("card new card.img --soc t31 --firmware thingino --switch-to stock");
    desk.run(&mut camera);
    boots_whole(&camera, &stock);
    assert_eq!(commands.next(), None, "a command that nothing is known of");
}

/// The steps of a plan as people read them; in a log, each line has a time in front.
fn steps(shown: &str) -> Vec<&str> {
    let lines = shown.lines().map(|line| match line.starts_with('[') {
        true => line.split_once("] ").map_or(line, |(_, said)| said),
        false => line,
    });
    let plan = lines.skip_while(|line| *line != ":: Plan").skip(1);
    plan.take_while(|line| line.starts_with("  ")).collect()
}

#[test]
fn what_is_planned_from_a_backup_is_what_the_camera_does() {
    let (stock, thingino) = (stock(), Firmware::of("t31", "thingino").expect("a profile"));
    let desk = Desk::new(&thingino);
    let mut camera = Camera::of(&stock).build().expect("a camera");
    desk.wz(&format!(
        "card new card.img --soc t31 --kernel {KERNEL} --backup"
    ));
    desk.run(&mut camera);
    desk.keep_backup(&camera, "saved");
    desk.wz("verify saved");

    let dump = "saved/stock_t31x_all.bin";
    desk.wz(&format!("split {dump} parts"));
    desk.wz("join parts joined_t31x_all.bin");
    assert!(fs::read(desk.path("joined_t31x_all.bin")).expect("a dump") == stock.image());

    desk.wz(&format!(
        "card new card.img --soc t31 --switch-to thingino --image {THINGINO}"
    ));
    let check = "card check card.img --flash joined_t31x_all.bin";
    let (shown, planned) = (desk.wz(check), desk.json(check));
    let ended = desk.run(&mut camera);
    boots_whole(&camera, &thingino);

    assert_eq!(planned["plan"]["plan"], result(&camera)["plan"]);
    let log = camera
        .card()
        .expect("a card")
        .read_text(LOGS[1])
        .expect("a log");
    let told = steps(&shown);
    assert!(told.len() > 5, "{shown}");
    assert_eq!(told, steps(&log), "{}", ended.transcript);
}
