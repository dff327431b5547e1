//! What an owner without a serial cable gets to see and hear.
use std::collections::BTreeMap;
use std::time::Duration;

use crate::support::writing::{images, restore_card, switch_conf};
use crate::support::{BACKUP, card, codes, result, run, stock};
use wz_core::report::speech::{Prompt, expand};
use wz_core::units::Size;
use wz_testbed::inputs;
use wz_testbed::{
    Camera, CameraBuilder, Card, Ended, Firmware, Image, LineState, Look, Recipe, Scope,
    find_speech, is_audible, runs,
};

const T31: &str = include_str!("../../../profiles/t31/soc.toml");
const T31_ON_CARD: &str = "wz_flash-helper/profiles/t31/soc.toml";

/// The driver of the emulated sound card, in the order in which its modules need each other.
const DRIVER: [&str; 7] = [
    "soundcore",
    "snd",
    "snd-pcm",
    "snd-rawmidi",
    "snd-ens1370",
    "snd-mixer-oss",
    "snd-pcm-oss",
];

/// A chip that takes its time keeps the camera busy.
const PATIENCE: Duration = Duration::from_secs(240);

/// The lamps of a Cam v3, red and blue: low lights them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lit {
    Nothing,
    Red,
    Blue,
    Both,
}

fn lamps_of_a_v3(look: &Look) -> Lit {
    let is_lit = |line| look.lines.get(&line) == Some(&LineState::Low);
    match (is_lit(38), is_lit(39)) {
        (false, false) => Lit::Nothing,
        (true, false) => Lit::Red,
        (false, true) => Lit::Blue,
        (true, true) => Lit::Both,
    }
}

fn watched(firmware: &Firmware, card: Card) -> CameraBuilder {
    let kernel = inputs::watched_sd_kernel().expect("a kernel");
    let card = card.with(firmware.sd_kernel(), kernel);
    Camera::of(firmware).card(card).watched().patience(PATIENCE)
}

/// The same firmware with other content.
fn other() -> Firmware {
    let recipe = Recipe::of("t31", "stock").expect("a profile");
    recipe.seed(7).build().expect("a firmware")
}

fn succeeded(camera: &Camera, ended: &Ended) {
    let said = &ended.transcript;
    assert_eq!(result(camera)["outcome"], "success", "{said}");
}

/// What the lamps did, and for how long each time, in milliseconds.
fn seen<T: PartialEq>(camera: &Camera, lamps: impl Fn(&Look) -> T) -> Vec<(T, u128)> {
    let looks = camera.looks().expect("the lines");
    assert!(!looks.is_empty(), "nothing was seen");
    let runs = runs(&looks, lamps).into_iter();
    runs.map(|(state, time)| (state, time.as_millis()))
        .collect()
}

/// The longest stretch in which two states take turns, without its first and last, which are cut off.
fn turns<T: PartialEq + Copy>(seen: &[(T, u128)], one: T, other: T) -> Vec<(T, u128)> {
    let is_turn = |(state, _): &(T, u128)| *state == one || *state == other;
    let stretches = seen.split(|run| !is_turn(run));
    let longest = stretches.max_by_key(|stretch| stretch.len());
    match longest {
        Some([_, between @ .., _]) => between.to_vec(),
        _ => Vec::new(),
    }
}

/// The time that is in the middle of all.
fn typical<T: Copy>(turns: &[(T, u128)]) -> u128 {
    let mut times: Vec<u128> = turns.iter().map(|(_, time)| *time).collect();
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or(0)
}

/// The longest time.
fn longest<T>(seen: &[(T, u128)]) -> u128 {
    seen.iter().map(|(_, time)| *time).max().unwrap_or(0)
}

/// What was seen last, and stayed.
fn last<T: Copy>(seen: &[(T, u128)]) -> Option<T> {
    seen.last().map(|(state, _)| *state)
}

/// What the lamps did once the model was known and an operation had begun: before that, both flash.
fn at_work(seen: &[(Lit, u128)]) -> &[(Lit, u128)] {
    let begun = seen.iter().rposition(|(lit, _)| *lit == Lit::Both);
    &seen[begun.expect("a flash at the start") + 1..]
}

/// Both states last about as long.
fn are_even<T: PartialEq + Copy>(turns: &[(T, u128)], one: T) -> bool {
    let (of_one, of_other): (Vec<_>, Vec<_>) = turns.iter().partition(|(state, _)| *state == one);
    let (a, b) = (typical(&of_one), typical(&of_other));
    a < 2 * b && b < 2 * a
}

#[test]
fn a_backup_blinks_blue_and_success_is_steady() {
    let firmware = stock();
    let camera = watched(&firmware, card("t31", BACKUP)).kernel_argument("block2mtd.read_us=100");
    let mut camera = camera.build().expect("a camera");
    let ended = run(&mut camera);
    succeeded(&camera, &ended);
    let seen = seen(&camera, lamps_of_a_v3);
    let seen = at_work(&seen);
    let blinks = turns(seen, Lit::Blue, Lit::Nothing);
    assert!(blinks.len() >= 4, "{seen:?}");
    assert!(are_even(&blinks, Lit::Blue), "{seen:?}");
    assert!(!seen.iter().any(|(lit, _)| *lit == Lit::Red), "{seen:?}");
    assert_eq!(last(seen), Some(Lit::Blue), "{seen:?}");
}

#[test]
fn a_restore_blinks_red() {
    let firmware = stock();
    let images = images(&other(), &["kernel"]);
    let conf = "safety_backup=\"no\"\n";
    let camera = watched(&firmware, restore_card(&firmware, &images, conf))
        .kernel_argument("block2mtd.erase_us=60000");
    let mut camera = camera.build().expect("a camera");
    let ended = run(&mut camera);
    succeeded(&camera, &ended);
    let seen = seen(&camera, lamps_of_a_v3);
    let seen = at_work(&seen);
    let blinks = turns(seen, Lit::Red, Lit::Nothing);
    assert!(blinks.len() >= 4, "{seen:?}");
    assert!(are_even(&blinks, Lit::Red), "{seen:?}");
    assert_eq!(last(seen), Some(Lit::Blue), "{seen:?}");
}

#[test]
fn a_switch_alternates() {
    let firmware = stock();
    let next = Firmware::of("t31", "thingino").expect("a profile");
    let image = Image::of_firmware(&next, Size::mib(16));
    let card = card("t31", switch_conf("thingino", Scope::Base)).with_image(&image);
    let camera = watched(&firmware, card).kernel_argument("block2mtd.erase_us=30000");
    let mut camera = camera.build().expect("a camera");
    let ended = run(&mut camera);
    succeeded(&camera, &ended);
    let seen = seen(&camera, lamps_of_a_v3);
    let work = turns(&seen, Lit::Red, Lit::Blue);
    assert!(work.len() >= 4 && are_even(&work, Lit::Red), "{seen:?}");
    assert_eq!(last(&seen), Some(Lit::Blue), "{seen:?}");
}

#[test]
fn while_the_boot_loader_is_written_both_lamps_flash_much_faster() {
    let firmware = stock();
    let images = images(&other(), &["boot", "para"]);
    let card = restore_card(&firmware, &images, "safety_backup=\"no\"\n");
    let camera = watched(&firmware, card).kernel_argument("block2mtd.erase_us=1000000");
    let mut camera = camera.build().expect("a camera");
    let ended = run(&mut camera);
    succeeded(&camera, &ended);
    let seen = seen(&camera, lamps_of_a_v3);
    // The first flash of both belongs to the start.
    let work: Vec<_> = (seen.iter().copied())
        .skip_while(|(lit, _)| *lit != Lit::Both)
        .skip_while(|(lit, _)| *lit != Lit::Red)
        .collect();
    let window = turns(&work, Lit::Both, Lit::Nothing);
    let slow: Vec<_> = (work.iter().copied())
        .filter(|(lit, _)| *lit == Lit::Red)
        .collect();
    assert!(
        window.len() >= 4 && are_even(&window, Lit::Both),
        "{seen:?}"
    );
    assert!(typical(&window) * 3 < longest(&slow), "{seen:?}");
    assert_eq!(last(&seen), Some(Lit::Blue), "{seen:?}");
}

/// How often the lamp is lit before each long time in which it is not.
fn counted(seen: &[(bool, u128)]) -> Vec<usize> {
    let blinks: Vec<_> = seen.iter().copied().filter(|(lit, _)| *lit).collect();
    let is_pause = |(lit, time): &(bool, u128)| !*lit && *time > 3 * typical(&blinks);
    let groups = seen.split(is_pause);
    let counts = groups.map(|group| group.iter().filter(|(lit, _)| *lit).count());
    counts.filter(|count| *count > 0).collect()
}

/// Switches the camera on; it refuses. Which code it tells, and how often the lamp at the line blinks in
/// each round. The first rounds are those of the start.
fn refused_with(card: Card, lamp: u16) -> (String, Vec<usize>) {
    let mut camera = watched(&stock(), card).build().expect("a camera");
    let ended = run(&mut camera);
    let code = codes(&result(&camera), "refusals").remove(0);
    let is_lit = |look: &Look| look.lines.get(&lamp) == Some(&LineState::Low);
    let seen = seen(&camera, is_lit);
    let counted = counted(&seen);
    assert!(counted.len() >= 2, "{seen:?}\n{}", ended.transcript);
    (code, counted)
}

#[test]
fn a_refusal_is_blinked_as_often_as_its_code_says_and_long_enough_to_count() {
    let conf = "restore_partitions=\"yes\"\n";
    let choice = "wz_flash-helper/restore/stock.conf";
    let card = card("t31", conf).with(choice, "restore_stock_app=\"yes\"\n");
    let (code, red) = refused_with(card, 38);
    assert!(code.starts_with("WZ-05"), "{code}");
    // The round before it may run into the blinks of the start.
    assert!(matches!(red[..], [.., before, 5] if before >= 5), "{red:?}");
}

/// The model of the camera is not known then: one of the lamps blinks, and the other is its opposite.
#[test]
fn a_configuration_that_cannot_be_read_is_blinked_on_lamps_that_are_not_known() {
    let card = card("t31", "backup_partitions=\"Yes\"\n");
    let (code, blue) = refused_with(card, 39);
    assert!(code.starts_with("WZ-01"), "{code}");
    assert!(matches!(blue[..], [.., _, 1]), "{blue:?}");
}

/// The profile of the T31 with other LEDs on the board of the Cam v3.
fn card_with_leds(any: &str, leds: &str) -> Card {
    let (before, after) = T31.split_once("models = [\"v3\"]\n").expect("a board");
    let (_, after) = after.split_once("# The driver switches").expect("its end");
    let text = format!("{before}models = [\"v3\"]\n{leds}\n# The driver{after}");
    let text = text.replace("led_pins = [38, 39]", any);
    // The boards of other models are not asked for, and must not contradict.
    let (text, _) = text
        .split_once("[[board]]\nmodels = [\"pan_v2\"]")
        .expect("a board");
    card("t31", BACKUP).with(T31_ON_CARD, text)
}

#[test]
fn a_lone_lamp_keeps_the_rhythm() {
    let firmware = stock();
    let leds = "[[board.led]]\ngpio = 38\nactive = \"high\"\ncolour = \"red\"\n";
    let card = card_with_leds("led_pins = [38]", leds);
    let camera = watched(&firmware, card).kernel_argument("block2mtd.read_us=100");
    let mut camera = camera.build().expect("a camera");
    let ended = run(&mut camera);
    succeeded(&camera, &ended);
    let is_lit = |look: &Look| look.lines.get(&38) == Some(&LineState::High);
    let seen = seen(&camera, is_lit);
    // Before, it flashed while the camera was looked at.
    let even: Vec<_> = turns(&seen, true, false)
        .into_iter()
        .rev()
        .take(6)
        .collect();
    assert!(even.len() >= 4 && are_even(&even, true), "{seen:?}");
    assert_eq!(last(&seen), Some(true), "{seen:?}");
    let lines = all_lines(&camera);
    assert!(
        lines.keys().all(|line| [38, 39].contains(line)),
        "{lines:?}"
    );
}

#[test]
fn a_camera_without_lamps_does_its_work() {
    let firmware = stock();
    let card = card_with_leds("led_pins = []", "led = []\n");
    let mut camera = watched(&firmware, card).build().expect("a camera");
    let ended = run(&mut camera);
    let result = result(&camera);
    assert_eq!(result["outcome"], "success", "{}", ended.transcript);
    assert_eq!(codes(&result, "remarks"), [""; 0]);
}

/// Every line that was ever in use, with its states.
fn all_lines(camera: &Camera) -> BTreeMap<u16, Vec<LineState>> {
    let mut all: BTreeMap<u16, Vec<LineState>> = BTreeMap::new();
    for look in camera.looks().expect("the lines") {
        for (line, state) in look.lines {
            all.entry(line).or_default().push(state);
        }
    }
    all
}

#[test]
fn without_a_known_model_nothing_is_driven_but_what_is_an_led_on_every_model() {
    let recipe = Recipe::of("t31", "stock").and_then(|recipe| recipe.model(None));
    let firmware = recipe.and_then(Recipe::build).expect("a firmware");
    let conf = format!("{BACKUP}enable_audio=\"yes\"\n");
    let mut camera = watched(&firmware, card("t31", conf))
        .kernel_argument("block2mtd.read_us=100")
        .build()
        .expect("a camera");
    let ended = run(&mut camera);
    let result = result(&camera);
    assert_eq!(result["outcome"], "success", "{}", ended.transcript);
    assert_eq!(codes(&result, "remarks"), ["WZ-0455", "WZ-0881"]);
    let lines = all_lines(&camera);
    assert_eq!(lines.keys().collect::<Vec<_>>(), [&38, &39]);
    let differ = |look: &Look| look.lines.get(&38) != look.lines.get(&39);
    let looks = camera.looks().expect("the lines");
    let opposite = looks.iter().filter(|look| differ(look)).count();
    // The lines change one behind the other, and may be looked at in between.
    assert!(opposite * 3 > looks.len() * 2, "{looks:?}");
    assert!(!is_audible(&camera.heard().expect("a recording")));
}

/// A card for a Cam v3 that has the emulated sound card.
fn card_with_sound(conf: &str) -> Card {
    let driver = DRIVER.map(|name| format!("[[board.audio.module]]\nname = \"{name}\"\n"));
    let profile = T31.replacen(
        "[[board.audio.module]]\nname = \"audio\"\n",
        &driver.concat(),
        1,
    );
    DRIVER.iter().fold(
        card("t31", conf).with(T31_ON_CARD, profile),
        |card, name| {
            let module = inputs::kernel_module(name).expect("a module");
            card.with(&format!("wz_flash-helper/modules/{name}.ko"), module)
        },
    )
}

/// What the camera is to say, with this volume.
fn speech(prompt: Prompt, percent: i32) -> Vec<i16> {
    let recording = inputs::recording(prompt).expect("a recording");
    let sample = |byte: &u8| (i32::from(expand(*byte)) * percent / 100) as i16;
    recording.iter().map(sample).collect()
}

/// Which prompts were heard, in their order.
fn prompts(heard: &[i16], percent: i32) -> Vec<Prompt> {
    let all = Prompt::ALL.into_iter();
    let found = all.filter_map(|prompt| {
        let at = find_speech(heard, &speech(prompt, percent))?;
        Some((at, prompt))
    });
    let in_order: BTreeMap<usize, Prompt> = found.collect();
    in_order.into_values().collect()
}

#[test]
fn what_happens_is_said_as_loud_as_the_owner_wants() {
    use wz_core::event::Operation::Backup;
    let firmware = stock();
    let conf = format!("{BACKUP}enable_audio=\"yes\"\naudio_volume=\"70\"\n");
    let camera = watched(&firmware, card_with_sound(&conf));
    let mut camera = camera.build().expect("a camera");
    let ended = run(&mut camera);
    let result = result(&camera);
    assert_eq!(result["outcome"], "success", "{}", ended.transcript);
    assert_eq!(codes(&result, "remarks"), [""; 0], "{}", ended.transcript);
    let heard = camera.heard().expect("a recording");
    let expected = [
        Prompt::Initialising,
        Prompt::Starting(Backup),
        Prompt::OperationSucceeded,
        Prompt::Finished,
    ];
    assert_eq!(prompts(&heard, 70), expected, "{}", ended.transcript);
    assert_eq!(prompts(&heard, 50), []);
    let peak = result["peak_memory_bytes"].as_u64().expect("a measurement");
    assert!(peak <= Size::mib(8).get(), "{peak} bytes resident");
}

#[test]
fn a_refusal_does_not_sound_like_success() {
    let firmware = stock();
    let conf = "restore_partitions=\"yes\"\nenable_audio=\"yes\"\n";
    let card = card_with_sound(conf).with(
        "wz_flash-helper/restore/stock.conf",
        "restore_stock_app=\"yes\"\n",
    );
    let mut camera = watched(&firmware, card).build().expect("a camera");
    let ended = run(&mut camera);
    assert_eq!(
        result(&camera)["outcome"],
        "refused",
        "{}",
        ended.transcript
    );
    let heard = camera.heard().expect("a recording");
    let expected = [Prompt::Initialising, Prompt::Failed];
    assert_eq!(prompts(&heard, 50), expected, "{}", ended.transcript);
}

#[test]
fn a_camera_that_is_to_be_silent_is_silent_and_loads_no_driver() {
    let firmware = stock();
    let mut camera = watched(&firmware, card_with_sound(BACKUP))
        .build()
        .expect("a camera");
    let ended = run(&mut camera);
    let result = result(&camera);
    assert_eq!(result["outcome"], "success", "{}", ended.transcript);
    assert_eq!(codes(&result, "remarks"), [""; 0]);
    assert_eq!(camera.heard().expect("a recording"), [0_i16; 0]);
}

#[test]
fn a_driver_that_is_not_there_costs_the_sound_and_nothing_else() {
    let firmware = stock();
    let conf = format!("{BACKUP}enable_audio=\"yes\"\n");
    let mut camera = watched(&firmware, card("t31", conf))
        .build()
        .expect("a camera");
    let ended = run(&mut camera);
    let result = result(&camera);
    assert_eq!(result["outcome"], "success", "{}", ended.transcript);
    assert_eq!(codes(&result, "remarks"), ["WZ-0880", "WZ-0881"]);
}
