//! The serial console: the shell, and what the owner sees.
use crate::support::{BACKUP, LOGS, card, result, run, stock};
use wz_testbed::{Camera, WIFI_NAME, WIFI_PASSWORD};

#[test]
fn a_key_opens_a_shell_and_leaving_it_goes_on() {
    let firmware = stock();
    let conf = "backup_partitions=\"yes\"\ndry_run=\"yes\"\n";
    let mut camera = Camera::of(&firmware)
        .card(card("t31", conf))
        .build()
        .expect("a camera");
    let mut power_on = camera.power_on().expect("power");
    power_on.wait_for("wz_flash-helper").expect("the program");
    power_on.press_key().expect("a key");
    power_on.wait_for("here is a shell").expect("a shell");
    power_on.type_line("echo $((6*7)) answers").expect("typed");
    power_on.wait_for("42 answers").expect("an answer");
    power_on.type_line("exit").expect("typed");
    power_on.wait_until_off().expect("an end");
    assert_eq!(result(&camera)["outcome"], "dry_run");
}

#[test]
fn a_shell_in_which_nobody_types_is_left_and_the_run_goes_on() {
    let conf = "backup_partitions=\"yes\"\ndry_run=\"yes\"\n";
    let mut camera = Camera::of(&stock())
        .card(card("t31", conf))
        .kernel_argument("wz.idle=2")
        .build()
        .expect("a camera");
    let mut power_on = camera.power_on().expect("power");
    power_on.wait_for("wz_flash-helper").expect("the program");
    power_on.press_key().expect("a key");
    power_on.wait_for("here is a shell").expect("a shell");
    power_on.wait_until_off().expect("an end");
    assert_eq!(result(&camera)["outcome"], "dry_run");
}

#[test]
fn noise_opens_no_shell_even_with_an_enter_in_it() {
    let conf = "backup_partitions=\"yes\"\ndry_run=\"yes\"\n";
    let mut camera = Camera::of(&stock())
        .card(card("t31", conf))
        .build()
        .expect("a camera");
    let mut power_on = camera.power_on().expect("power");
    power_on.wait_for("wz_flash-helper").expect("the program");
    power_on.press_key().expect("what could be a key");
    power_on.type_line("\0\u{80}x").expect("noise");
    let ended = power_on.wait_until_off().expect("an end");
    assert!(ended.serial.contains("noise"), "{}", ended.transcript);
    assert!(
        !ended.serial.contains("here is a shell"),
        "{}",
        ended.transcript
    );
    assert_eq!(result(&camera)["outcome"], "dry_run");
}

#[test]
fn console_log_and_result_tell_the_same_with_times_and_memory() {
    let firmware = stock();
    let conf = format!("{BACKUP}dry_run=\"yes\"\n");
    let mut camera = Camera::of(&firmware)
        .card(card("t31", conf))
        .build()
        .expect("a camera");
    let ended = run(&mut camera);
    let on_card = camera.card().expect("a card");
    let log = on_card
        .read_text("wz_flash-helper/initramfs_serial.log")
        .expect("a log");
    let result = result(&camera);
    for line in result["plan"].as_array().expect("a plan") {
        let line = line.as_str().expect("text");
        assert!(log.contains(line), "{line}\n{log}");
        assert!(ended.serial.contains(line), "{line}\n{}", ended.transcript);
    }
    let phases: Vec<&str> = result["phases"]
        .as_array()
        .expect("phases")
        .iter()
        .filter_map(|phase| phase["name"].as_str())
        .collect();
    assert_eq!(phases, ["kernel", "start_up", "detect", "plan", "execute"]);
    assert!(
        ended.serial.contains("Result: dry_run"),
        "{}",
        ended.transcript
    );
}

#[test]
fn no_wifi_name_or_password_of_the_camera_is_in_any_log() {
    let firmware = stock();
    let conf = format!("{BACKUP}wifi_password=\"hunter2hunter2\"\n");
    let mut camera = Camera::of(&firmware)
        .card(card("t31", conf))
        .build()
        .expect("a camera");
    let ended = run(&mut camera);
    let on_card = camera.card().expect("a card");
    let mut told = vec![ended.serial];
    told.extend(LOGS.map(|log| on_card.read_text(log).expect("a log")));
    for secret in [WIFI_NAME, WIFI_PASSWORD, "hunter2hunter2"] {
        assert!(told.iter().all(|text| !text.contains(secret)), "{secret}");
    }
    let flash = firmware.files("cfg").expect("files");
    assert!(
        !flash.nodes().is_empty(),
        "the camera has files that hold them"
    );
}
