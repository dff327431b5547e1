//! The U-Boot environment that a switch writes last: whenever power fails in it, the program goes on.

use wz_core::card::CardPath;
use wz_core::event::Outcome;
use wz_core::image::environment::Environment;
use wz_core::run::Next;
use wz_core::sim::{Cut, Did};

use crate::cases::is_change;
use crate::parallel;
use crate::profiles::BETA;
use crate::world::{Bench, Booted, Files, TO_BETA, alpha, beta, sd_kernel};

const ENV: std::ops::Range<usize> = 48 * 1024..80 * 1024;
const WIFI: &str = "wifi_ssid=\"mine\"\nwifi_password=\"correct horse\"\n";

/// A beta with an environment of the usual size, which takes Wi-Fi settings.
fn profile() -> String {
    let (old, rest) = BETA.split_once("[[layout]]\nname = \"new\"").unwrap();
    let old = old
        .replace(
            "name = \"old\"\n",
            "name = \"old\"\nwifi = [\"environment\"]\n",
        )
        .replace("0xE000", "0x14000")
        .replace(
            "8K\"\nformat = \"raw\"\nswitch = \"erase\"",
            "32K\"\nformat = \"raw\"",
        )
        .replace("456K", "432K");
    format!("{old}[[layout]]\nname = \"new\"{rest}")
}

fn image() -> Vec<u8> {
    let mut image = beta().flash.clone();
    let mut data = b"bootcmd=x\0wlan_ssid=old\0\0".to_vec();
    data.resize(ENV.len() - 4, 0);
    let environment = [&crc32fast::hash(&data).to_le_bytes()[..], &data].concat();
    let length = image.len() - ENV.end;
    let ota = beta().partition("ota")[..length].to_vec();
    image[ENV].copy_from_slice(&environment);
    image[ENV.end..].copy_from_slice(&ota);
    image
}

/// A switch to it.
fn bench() -> Bench {
    let path = "wz_flash-helper/profiles/tiny/beta.toml";
    let files = Files::new(TO_BETA)
        .with_image("beta", "firmware", &image())
        .with("wz_flash-helper/thingino.conf", WIFI.as_bytes())
        .with(path, profile().as_bytes());
    Bench::new(&alpha().flash, &files)
}

fn ssid(bench: &Bench) -> Option<String> {
    let environment = Environment::parse(&bench.flash.content()[ENV]).ok()?;
    let value = environment.get("wlan_ssid")?;
    Some(String::from_utf8_lossy(value).into_owned())
}

/// How many changes a whole run makes, and which of them is the erase of the environment.
fn operations() -> (u64, u64) {
    let mut bench = bench();
    let trace = bench.traced();
    let told = bench.run();
    assert_eq!(told.ended.outcome, Outcome::Success, "{}", told.text());
    assert_end(&bench, "without a cut");
    let changes: Vec<Did> = trace.entries().into_iter().filter(is_change).collect();
    let erase = changes
        .iter()
        .rposition(|did| matches!(did, Did::Erased(_)));
    (changes.len() as u64, erase.unwrap() as u64)
}

fn assert_end(bench: &Bench, what: &str) {
    assert!(
        bench.flash.content()[..ENV.start] == image()[..ENV.start],
        "{what}"
    );
    assert!(
        bench.flash.content()[ENV.end..] == image()[ENV.end..],
        "{what}"
    );
    assert_eq!(ssid(bench).as_deref(), Some("mine"), "{what}");
    assert!(!bench.flash.has_marginal_cells(), "{what}");
    let files = bench.card.files();
    assert!(!files.contains_key(CardPath::saved_environment().as_str()));
    assert!(!files.contains_key(CardPath::journal().as_str()), "{what}");
    let kept = files.get("alpha_kernel.wz_flash-helper");
    assert!(kept.is_some_and(|kernel| kernel == sd_kernel()), "{what}");
}

fn power_on_until_it_is_over(bench: &mut Bench, what: &str) {
    for _ in 0..3 {
        match bench.boots() {
            Booted::SdKernel => {
                let told = bench.run();
                assert_eq!(told.ended.next, Next::Restart, "{what}: {}", told.text());
            }
            // Its firmware, which the bench does not know.
            other => return assert_eq!(other, Booted::Halted("beta"), "{what}"),
        }
    }
    panic!("{what}: it starts again and again");
}

#[test]
fn after_one_or_two_power_cuts_from_the_boot_loader_to_the_end_the_firmware_has_its_settings() {
    let (operations, erase) = operations();
    // The boot loader was written just before.
    let all: Vec<u64> = (erase - 12..operations).collect();
    parallel::each(&all, |&at| {
        for cut in [0, 1, 2].map(|seed| Cut::Torn {
            seed: at * 3 + seed,
        }) {
            for second in [None, Some(3), Some(9), Some(15), Some(22)] {
                let what = format!("cut {at} of {operations}, {cut:?}, then {second:?}");
                let mut bench = bench();
                bench.power.fail_after(at, cut);
                bench.run();
                bench.switch_on();
                if let Some(second) = second.filter(|_| bench.boots() == Booted::SdKernel) {
                    bench.power.fail_after(second, cut);
                    bench.run();
                    bench.switch_on();
                    bench.power.fail_after(u64::MAX, cut);
                }
                power_on_until_it_is_over(&mut bench, &what);
                assert_end(&bench, &what);
            }
        }
    });
}
