//! Wi-Fi from the card to thingino on the emulated camera, and the environment at its shell.
use std::collections::BTreeMap;

use crate::support::environment::{printed, region};
use crate::support::writing::{boots_whole, kernel_is_away, switch_conf};
use crate::support::{LOGS, card, codes, files, result, run};
use serde_json::Value;
use wz_core::units::Size;
use wz_testbed::{Booted, Camera, Card, Ended, Firmware, PowerOff, Recipe, Scope};

const WIFI: &str = "wz_flash-helper/thingino.conf";
const UENV: &str = "uenv.txt";
const NOTHING: &str = "backup_partitions=\"no\"\n";

/// What the original damages, and what a shell would.
const SSID: &str = "My  Net *";
const PASSWORD: &str = "p\"a  $s`w #\\ *";

fn wifi() -> String {
    format!(
        "# my network\r\nwifi_ssid=\"{SSID}\"\r\nwifi_password='{PASSWORD}'\r\ntimezone=\"Europe/Berlin\"\r\n"
    )
}

fn thingino(layout: &str) -> Firmware {
    let recipe = Recipe::of("t31", "thingino").expect("a profile");
    let recipe = recipe.layout(layout).expect("a layout");
    recipe.build().expect("a firmware")
}

fn camera(firmware: &Firmware, card: Card) -> Camera {
    Camera::of(firmware).card(card).build().expect("a camera")
}

fn has_wifi(environment: &BTreeMap<String, String>) {
    for (name, value) in [
        ("wlan_ssid", SSID),
        ("wlanssid", SSID),
        ("wlan_pass", PASSWORD),
        ("wlanpass", PASSWORD),
        ("timezone", "Europe/Berlin"),
        ("bootcmd", "sdstart;sf probe;bootm"),
    ] {
        assert_eq!(
            environment.get(name).map(String::as_str),
            Some(value),
            "{name}"
        );
    }
}

/// S9: the console, every log, the journal and `result.json`, and whatever else is on the card but the
/// files that are there to hold it.
fn keeps_secrets(camera: &Camera, ended: &Ended, holders: &[&str]) {
    let on_card = camera.card().expect("a card");
    let mut told = vec![("console".to_owned(), ended.serial.clone().into_bytes())];
    told.extend(LOGS.map(|log| (log.to_owned(), on_card.read(log).expect("a log"))));
    told.extend(files(camera));
    for secret in [SSID, PASSWORD] {
        let holds = |bytes: &[u8]| bytes.windows(secret.len()).any(|w| w == secret.as_bytes());
        let found = told.iter().filter(|(_, bytes)| holds(bytes));
        let found: Vec<&str> = found.map(|(name, _)| name.as_str()).collect();
        assert_eq!(found, holders, "{}", ended.transcript);
    }
}

fn outcome(result: &Value) -> &str {
    result["outcome"].as_str().expect("an outcome")
}

#[test]
fn a_thingino_of_2025_finds_it_in_its_environment() {
    let firmware = thingino("2025");
    let mut camera = camera(&firmware, card("t31", NOTHING).with(WIFI, wifi()));
    let ended = run(&mut camera);
    assert_eq!(outcome(&result(&camera)), "success", "{}", ended.transcript);
    has_wifi(&printed(&camera, &firmware));
    let (env, after) = (region(&firmware), camera.flash().expect("flash"));
    let (start, end) = (env.offset.as_usize(), env.end().as_usize());
    assert!(after[..start] == firmware.image()[..start]);
    assert!(after[end..] == firmware.image()[end..]);
    assert_eq!(ended.nor.expect("counters").erases, 1);
    keeps_secrets(&camera, &ended, &[UENV, WIFI]);
    boots_whole(&camera, &firmware);
}

/// S3: in the run itself, and in a script, which runs when the SD kernel is away.
#[test]
fn power_that_goes_while_the_environment_is_erased_starts_the_program_again() {
    let firmware = thingino("2025");
    let by_run = card("t31", NOTHING).with(WIFI, wifi());
    let script = "#!/bin/sh\nfw_setenv wlan_ssid 'My  Net *'\n";
    let conf = "enable_custom_scripts=\"yes\"\ncustom_scripts=\"a.sh\"\n";
    let by_script = card("t31", conf).with("wz_flash-helper/scripts/a.sh", script);
    for (card, way) in [(by_run, "by the run"), (by_script, "by a script")] {
        let mut camera = camera(&firmware, card);
        let ended = camera.cut_power_after(0).expect("a cut");
        assert_eq!(ended.why, PowerOff::Cut, "{way}: {}", ended.transcript);
        let (env, flash) = (region(&firmware), camera.flash().expect("flash"));
        let range = env.offset.as_usize()..env.end().as_usize();
        assert!(flash[range.clone()] != firmware.image()[range.clone()]);
        let booted = camera.boots().expect("a boot");
        assert!(
            matches!(booted, Booted::SdKernel { .. }),
            "{way}: {booted:?}"
        );
        let ended = run(&mut camera);
        let told = result(&camera);
        let said = format!("{way}: {told:#}\n{}", ended.transcript);
        assert!(
            codes(&told, "remarks").contains(&"WZ-0806".to_owned()),
            "{said}"
        );
        match way {
            "by the run" => has_wifi(&printed(&camera, &firmware)),
            _ => assert!(camera.flash().expect("flash") == firmware.image(), "{said}"),
        }
        let on_card = camera.card().expect("a card");
        for file in ["environment.saved", "journal.bin"] {
            let path = format!("wz_flash-helper/{file}");
            assert!(!on_card.has(&path).expect("a listing"), "{said}");
        }
        kernel_is_away(&camera, crate::support::stock().sd_kernel(), &[&firmware]);
        boots_whole(&camera, &firmware);
    }
}

/// Its U-Boot boots no SD kernel, so it comes by a switch.
#[test]
fn a_current_thingino_finds_it_on_the_card() {
    let (stock, next) = (crate::support::stock(), thingino("2026-08"));
    let card = card("t31", switch_conf("thingino", Scope::Base))
        .with_firmware_image(&next, Size::mib(16))
        .with(WIFI, wifi())
        .with(UENV, "osmem=64M\r\n");
    let mut camera = camera(&stock, card);
    let ended = run(&mut camera);
    let told = result(&camera);
    assert_eq!(outcome(&told), "success", "{told:#}\n{}", ended.transcript);
    let on_card = camera.card().expect("a card");
    let lines = format!(
        "osmem=64M\r\nwlan_ssid={SSID}\nwlan_pass={PASSWORD}\nwlanssid={SSID}\nwlanpass={PASSWORD}\ntimezone=Europe/Berlin\n"
    );
    assert_eq!(on_card.read_text(UENV).expect("a file"), lines);
    assert!(codes(&told, "remarks").contains(&"WZ-0817".to_owned()));
    let env = region(&next);
    let (start, end) = (env.offset.as_usize(), env.end().as_usize());
    let flash = camera.flash().expect("flash");
    assert!(flash[start..end] == next.image()[start..end]);
    keeps_secrets(&camera, &ended, &[UENV, WIFI]);
}

/// The environment of the images is there at once; without it, U-Boot has to make its own first.
#[test]
fn a_switch_to_thingino_brings_it_along() {
    let (stock, next) = (crate::support::stock(), thingino("2025"));
    for (scope, expected) in [(Scope::All, "success"), (Scope::Base, "incomplete")] {
        let card = card("t31", switch_conf("thingino", scope))
            .with_firmware_image(&next, Size::mib(16))
            .with(WIFI, wifi());
        let mut camera = camera(&stock, card);
        let ended = run(&mut camera);
        let told = result(&camera);
        assert_eq!(outcome(&told), expected, "{told:#}\n{}", ended.transcript);
        let later = codes(&told, "remarks").contains(&"WZ-0816".to_owned());
        match scope {
            Scope::All => has_wifi(&printed(&camera, &next)),
            Scope::Base => assert!(later, "{told:#}"),
        }
        keeps_secrets(&camera, &ended, &[UENV, WIFI]);
        boots_whole(&camera, &next);
    }
}

#[test]
fn a_dry_run_and_a_refusal_keep_secrets_too() {
    let firmware = thingino("2024");
    let broken = wifi() + "wifi_pasword=x\n" + PASSWORD + "\n";
    for (general, wifi, expected) in [
        ("dry_run=\"yes\"\n", wifi(), "dry_run"),
        ("backup_partitions=\"yes\"\n", broken, "refused"),
    ] {
        let mut camera = camera(&firmware, card("t31", general).with(WIFI, wifi));
        let ended = run(&mut camera);
        assert_eq!(outcome(&result(&camera)), expected, "{}", ended.transcript);
        assert!(camera.flash().expect("flash") == firmware.image());
        keeps_secrets(&camera, &ended, &[WIFI]);
    }
}

#[test]
fn the_environment_is_shown_and_set_at_the_shell() {
    let firmware = thingino("2024");
    let mut camera = camera(&firmware, card("t31", NOTHING));
    let mut power_on = camera.power_on().expect("power");
    power_on.wait_for("wz_flash-helper").expect("the program");
    power_on.press_key().expect("a key");
    power_on.wait_for("here is a shell").expect("a shell");
    let mut says = |line: &str, answer: &str| {
        power_on.type_line(line).expect("typed");
        power_on.wait_for(answer).expect(line);
    };
    says(
        "fw_printenv nowhere; echo status=$?=",
        "## Error: \"nowhere\" not defined",
    );
    says("", "status=1=");
    says("fw_printenv -n build; echo status=$?=", "status=0=");
    says(
        "fw_setenv wlan_ssid 'My  Net *'; echo status=$?=",
        "status=0=",
    );
    says("fw_printenv -n wlan_ssid | sed s/My/Your/", "Your  Net *");
    says(
        "printf 'a  b  c\\nbuild\\n' | fw_setenv -s -; echo status=$?=",
        "status=0=",
    );
    says("fw_setenv a=b c; echo status=$?=", "status=1=");
    power_on.type_line("exit").expect("typed");
    power_on.wait_until_off().expect("an end");
    let environment = printed(&camera, &firmware);
    let get = |name: &str| environment.get(name).map(String::as_str);
    assert_eq!(get("wlan_ssid"), Some("My  Net *"));
    assert_eq!((get("a"), get("build")), (Some("b  c"), None));
    let on_card = camera.card().expect("a card");
    let copy = on_card.has("wz_flash-helper/environment.saved");
    assert!(!copy.expect("a listing"));
}
