//! A small camera on the bench: chip, card, power, and what its U-Boot would boot.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Duration;

use wz_core::card::{Card, CardPath, SimCard};
use wz_core::config::{Order, Volume};
use wz_core::detect::FlashDevice;
use wz_core::event::{Event, Outcome, Problem, Reporter};
use wz_core::flash::{FileSystem, FileSystems, Flash, Geometry, SimNor};
use wz_core::image::sha256sum::Digest;
use wz_core::image::uimage::{self, Arch, Compression, Header, Kind, Os, Uimage};
use wz_core::profile::{Fittings, Lamps};
use wz_core::report::Record;
use wz_core::run::{
    ChipEvidence, Ended, FlashUnit, Next, ScriptCall, ScriptFacts, Surroundings, Visit, run,
    run_by_hand,
};
use wz_core::sim::{Power, Trace};
use wz_core::units::{Offset, Region, Size};

use crate::profiles::{ALPHA, BETA, SOC};

pub const CHIP: usize = 512 * 1024;
pub const BLOCK: usize = 8 * 1024;
pub const PAGE: usize = 256;
/// Where the boot loaders of both firmwares end.
pub const GUARD: usize = 48 * 1024;
pub const MAGIC: [u8; 4] = [6, 5, 4, 3];

pub const RESTORE: &str = "restore_partitions=\"yes\"\n";
/// Where the whole chip is in the first backup of alpha.
pub const ALL: &str = "wz_flash-helper/backup/alpha/0001/alpha_tiny_all.bin";
pub const TO_BETA: &str = "switch_firmware=\"yes\"\nnext_firmware=\"beta\"\n";
pub const TO_ALPHA: &str = "switch_firmware=\"yes\"\nnext_firmware=\"alpha\"\n";

/// A firmware: what flash holds, and its partitions.
#[derive(Clone, Debug)]
pub struct Firmware {
    pub name: &'static str,
    pub flash: Vec<u8>,
    pub partitions: &'static [(&'static str, usize, usize)],
}

const KIB: usize = 1024;

pub const ALPHA_PARTITIONS: &[(&str, usize, usize)] = &[
    ("boot", 0, 40 * KIB),
    ("kernel", 40 * KIB, 88 * KIB),
    ("rootfs", 128 * KIB, 192 * KIB),
    ("kback", 320 * KIB, 64 * KIB),
    ("aback", 384 * KIB, 56 * KIB),
    ("cfg", 440 * KIB, 48 * KIB),
    ("para", 488 * KIB, 24 * KIB),
];

pub const BETA_PARTITIONS: &[(&str, usize, usize)] = &[
    ("boot", 0, 48 * KIB),
    ("env", 48 * KIB, 8 * KIB),
    ("ota", 56 * KIB, 456 * KIB),
];

impl Firmware {
    pub fn partition(&self, name: &str) -> &[u8] {
        let (_, at, size) = self
            .partitions
            .iter()
            .find(|(partition, ..)| *partition == name)
            .expect("a partition");
        &self.flash[*at..at + size]
    }

    /// Blocks that are the same in every build, some that only clear bits, some blank: all kinds
    /// of work.
    pub fn build(
        name: &'static str,
        build: u8,
        partitions: &'static [(&'static str, usize, usize)],
    ) -> Self {
        let mut flash = vec![0xFF; CHIP];
        for (index, (partition, at, size)) in partitions.iter().enumerate() {
            let seed = index as u64 * 7 + u64::from(build) * 131;
            let content = match *partition {
                "boot" => boot(name, build, *size),
                "kernel" => kernel(seed, *size),
                "rootfs" => squashfs(seed, *size),
                "ota" => bundle(seed, *size),
                "cfg" => jffs2(seed, *size),
                _ => noise(seed, size * 3 / 4),
            };
            flash[*at..at + content.len()].copy_from_slice(&content);
        }
        Self {
            name,
            flash,
            partitions,
        }
    }
}

pub fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut byte = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 24) as u8
    };
    (0..length).map(|_| byte()).collect()
}

fn boot(name: &str, build: u8, size: usize) -> Vec<u8> {
    let mut bytes = noise(u64::from(name.as_bytes()[0]), size - 512);
    bytes[..4].copy_from_slice(&MAGIC);
    let text = format!("{} U-Boot", name.to_uppercase());
    bytes[64..64 + text.len()].copy_from_slice(text.as_bytes());
    // Builds differ in the first block and in the last, and are the same in between.
    bytes[100] = build;
    let last = bytes.len() - 1;
    bytes[last] = build;
    bytes
}

fn kernel(seed: u64, size: usize) -> Vec<u8> {
    let payload = noise(seed, size / 2);
    uimage::build(&header(), &payload)
}

fn header() -> Header {
    Header {
        time: 0,
        load: 0x8001_0000,
        entry: 0x8001_0400,
        os: Os::Linux,
        arch: Arch::Mips,
        kind: Kind::Kernel,
        compression: Compression::None,
        name: "Linux".into(),
    }
}

fn squashfs(seed: u64, size: usize) -> Vec<u8> {
    let used = size * 2 / 3;
    let mut bytes = noise(seed, used);
    bytes[..96].fill(0);
    bytes[..4].copy_from_slice(b"hsqs");
    bytes[12..16].copy_from_slice(&131_072_u32.to_le_bytes());
    bytes[20..22].copy_from_slice(&4_u16.to_le_bytes());
    bytes[28..30].copy_from_slice(&4_u16.to_le_bytes());
    bytes[40..48].copy_from_slice(&(used as u64).to_le_bytes());
    bytes
}

fn bundle(seed: u64, size: usize) -> Vec<u8> {
    let mut bytes = kernel(seed, 100 * KIB);
    bytes.resize(bytes.len().next_multiple_of(32 * KIB), 0xFF);
    let rest = size - bytes.len();
    bytes.extend(squashfs(seed + 1, rest / 2));
    bytes
}

fn jffs2(seed: u64, size: usize) -> Vec<u8> {
    let mut bytes = noise(seed, size / 2);
    bytes[..2].copy_from_slice(&[0x85, 0x19]);
    bytes
}

pub fn alpha() -> &'static Firmware {
    static FIRMWARE: OnceLock<Firmware> = OnceLock::new();
    FIRMWARE.get_or_init(|| Firmware::build("alpha", 1, ALPHA_PARTITIONS))
}

/// Another build of alpha: some blocks differ, some do not.
pub fn other_alpha() -> &'static Firmware {
    static FIRMWARE: OnceLock<Firmware> = OnceLock::new();
    FIRMWARE.get_or_init(|| {
        let mut other = Firmware::build("alpha", 2, ALPHA_PARTITIONS);
        // In para, one block only loses bits: no erase is needed there.
        let para = 488 * KIB;
        let old = &alpha().flash[para..para + BLOCK];
        let less: Vec<u8> = old.iter().map(|byte| byte & 0x7F).collect();
        other.flash[para..para + BLOCK].copy_from_slice(&less);
        other
    })
}

pub fn beta() -> &'static Firmware {
    static FIRMWARE: OnceLock<Firmware> = OnceLock::new();
    FIRMWARE.get_or_init(|| Firmware::build("beta", 1, BETA_PARTITIONS))
}

pub fn sd_kernel() -> &'static [u8] {
    static KERNEL: OnceLock<Vec<u8>> = OnceLock::new();
    KERNEL.get_or_init(|| uimage::build(&header(), &noise(99, 3000)))
}

/// An SD kernel of the owner's, longer than the program's.
pub fn other_kernel() -> Vec<u8> {
    uimage::build(&header(), &noise(98, 5000))
}

/// What the owner has put on the card.
#[derive(Clone, Debug, Default)]
pub struct Files(BTreeMap<String, Vec<u8>>);

impl Files {
    /// The program, with this configuration and the kernel for the firmware in flash.
    pub fn new(conf: &str) -> Self {
        Self::default()
            .with("alpha_kernel", sd_kernel())
            .with("wz_flash-helper/general.conf", conf.as_bytes())
            .with("wz_flash-helper/profiles/tiny/soc.toml", SOC.as_bytes())
            .with("wz_flash-helper/profiles/tiny/alpha.toml", ALPHA.as_bytes())
            .with("wz_flash-helper/profiles/tiny/beta.toml", BETA.as_bytes())
    }

    pub fn with(mut self, path: &str, content: &[u8]) -> Self {
        self.0.insert(path.to_owned(), content.to_vec());
        self
    }

    pub fn without(mut self, path: &str) -> Self {
        assert!(self.0.remove(path).is_some(), "{path}");
        self
    }

    /// An image with its hash.
    pub fn with_image(self, firmware: &str, part: &str, content: &[u8]) -> Self {
        let path = image_path(firmware, part);
        let name = path.rsplit('/').next().expect("a name");
        let sum = format!("{}  {name}\n", Digest::of(content));
        self.with(&path, content)
            .with(&format!("{path}.sha256sum"), sum.as_bytes())
    }

    /// Images of these partitions, and the choice of them for a restore.
    pub fn with_restore(self, firmware: &Firmware, partitions: &[&str]) -> Self {
        let mut choice = String::new();
        for partition in partitions {
            match *partition {
                "boot" => choice.push_str("hidden_option_restore_boot=\"yes\"\n"),
                other => {
                    let _ = writeln!(choice, "restore_{}_{other}=\"yes\"", firmware.name);
                }
            }
        }
        let path = format!("wz_flash-helper/restore/{}.conf", firmware.name);
        let card = self.with(&path, choice.as_bytes());
        card.with_partitions(firmware, partitions)
    }

    pub fn with_partitions(self, firmware: &Firmware, partitions: &[&str]) -> Self {
        partitions.iter().fold(self, |card, partition| {
            card.with_image(firmware.name, partition, firmware.partition(partition))
        })
    }

    pub fn on_a_card(&self, power: &Power) -> SimCard {
        self.on_a_card_of(Size::mib(4), power)
    }

    pub fn on_a_card_of(&self, size: Size, power: &Power) -> SimCard {
        let card = SimCard::new(size).powered_by(power);
        self.0.iter().fold(card, |card, (path, content)| {
            card.with(&CardPath::root().join(path), content)
        })
    }

    pub fn paths(&self) -> Vec<&String> {
        self.0.keys().collect()
    }

    pub fn get(&self, path: &str) -> Option<&Vec<u8>> {
        self.0.get(path)
    }
}

pub fn image_path(firmware: &str, part: &str) -> String {
    format!("wz_flash-helper/restore/{firmware}/{firmware}_tiny_{part}.bin")
}

/// What the camera boots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Booted {
    /// The program.
    SdKernel,
    /// Another kernel under this name.
    OtherKernel(&'static str),
    /// The firmware of this name, whole.
    Firmware(&'static str),
    /// A boot loader whose firmware is not whole.
    Halted(&'static str),
    /// No valid SPL: the boot ROM waits for USB.
    Usb,
    /// A valid SPL with something else behind it.
    Bricked,
}

/// A camera with a card in it.
pub struct Bench {
    pub power: Power,
    pub card: SimCard,
    pub flash: SimNor,
    pub chip: &'static str,
    /// What the SoC's registers hold, where it is not only named.
    pub registers: Option<fn(u32) -> Option<u32>>,
    pub ticks: u64,
    /// What happens to chip and card when all is verified and nothing has been done.
    pub meanwhile: fn(&mut SimCard),
    /// Whether it is told that somebody did that at a shell.
    pub visit: Visit,
    /// What the custom script of this name does.
    pub script: fn(&str, &mut SimCard) -> Result<(), Problem>,
}

pub fn geometry() -> Geometry {
    Geometry {
        size: Size::bytes(CHIP as u64),
        erase_block: Size::bytes(BLOCK as u64),
        page: Size::bytes(PAGE as u64),
    }
}

/// What came of a run.
pub struct Told {
    pub ended: Ended,
    pub events: Vec<Event>,
    pub result: serde_json::Value,
    /// The custom scripts that were run, and what they got to know.
    pub scripts: Vec<(String, ScriptFacts)>,
    /// The lamps that were used, and whether there was sound.
    pub fitted_out: Vec<(Lamps, bool)>,
}

impl Told {
    pub fn codes(&self, kind: &str) -> Vec<String> {
        let problems = self.result[kind].as_array().expect("an array");
        problems
            .iter()
            .filter_map(|p| p["code"].as_str())
            .map(str::to_owned)
            .collect()
    }

    /// For the message of a failed test.
    pub fn text(&self) -> String {
        format!("{:#}", self.result)
    }

    /// The failure with this code.
    pub fn failure(&self, code: &str) -> &Problem {
        let mut failures = self.events.iter().filter_map(|event| match event {
            Event::Failed(problem) => Some(problem),
            _ => None,
        });
        let failure = failures.find(|problem| problem.code().to_string() == code);
        failure.unwrap_or_else(|| panic!("no {code}: {}", self.text()))
    }
}

/// Nothing can be mounted.
struct NoFileSystems;

impl FileSystems for NoFileSystems {
    fn mount(&mut self, _: Region, _: FileSystem) -> io::Result<PathBuf> {
        Err(io::Error::other("not in this test"))
    }

    fn release(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Clock {
    ticks: u64,
    card: SimCard,
    meanwhile: fn(&mut SimCard),
    visit: Visit,
    script: fn(&str, &mut SimCard) -> Result<(), Problem>,
    scripts: Vec<(String, ScriptFacts)>,
    fitted_out: Vec<(Lamps, bool)>,
}

impl Surroundings for Clock {
    fn since_power_on(&self) -> Duration {
        Duration::from_millis(self.ticks)
    }

    fn peak_memory(&self) -> Option<Size> {
        None
    }

    fn keep_alive(&self) {}

    fn before_operations(&mut self, _: &mut dyn FileSystems) -> Visit {
        (self.meanwhile)(&mut self.card);
        self.visit
    }

    fn run_script(&mut self, script: &ScriptCall<'_>, _: &mut dyn Reporter) -> Result<(), Problem> {
        let (name, facts) = (script.name.to_string(), script.facts.clone());
        let result = (self.script)(&name, &mut self.card);
        self.scripts.push((name, facts));
        result
    }

    fn fit_out(&mut self, fittings: &Fittings, sound: Option<Volume>) {
        self.fitted_out
            .push((fittings.lamps.clone(), sound.is_some()));
    }
}

impl Bench {
    pub fn new(flash: &[u8], files: &Files) -> Self {
        let power = Power::new();
        Self {
            card: files.on_a_card(&power),
            flash: SimNor::holding(geometry(), flash.to_vec()).powered_by(&power),
            power,
            chip: "tiny1",
            registers: None,
            ticks: 0,
            meanwhile: |_| {},
            visit: Visit::Nobody,
            script: |_, _| Ok(()),
        }
    }

    /// Runs the program, as if U-Boot had booted it.
    pub fn run(&mut self) -> Told {
        self.started(None)
    }

    /// Runs the program from a shell: for this order, or for what the configuration asks for.
    pub fn run_by_hand(&mut self, order: Option<&Order>) -> Told {
        self.started(Some(order))
    }

    fn started(&mut self, by_hand: Option<Option<&Order>>) -> Told {
        let mut record = Record::new();
        let mut events = Vec::new();
        self.ticks += 1;
        let unit = FlashUnit {
            device: FlashDevice {
                name: "jz_sfc".into(),
                whole: geometry().whole(),
            },
            chip: &mut self.flash,
            file_systems: &mut NoFileSystems,
        };
        let mut reporter = |event: &Event| {
            record.report(event);
            events.push(event.clone());
        };
        let mut card = self.card.clone();
        let chip = match self.registers {
            Some(read) => ChipEvidence::Registers(read),
            None => ChipEvidence::Named(self.chip.into()),
        };
        let mut clock = Clock {
            ticks: self.ticks,
            card: self.card.clone(),
            meanwhile: self.meanwhile,
            visit: self.visit,
            script: self.script,
            scripts: Vec::new(),
            fitted_out: Vec::new(),
        };
        let (card, flash, reporter) = (&mut card, Ok(unit), &mut reporter);
        let ended = match by_hand {
            None => run(card, flash, &chip, &mut clock, reporter),
            Some(order) => run_by_hand(order, card, flash, &chip, &mut clock, reporter),
        };
        let json = record.to_json().expect("JSON");
        let result = serde_json::from_str(&json).expect("JSON");
        Told {
            ended,
            events,
            result,
            scripts: clock.scripts,
            fitted_out: clock.fitted_out,
        }
    }

    /// Runs it, and proves that it refused and left flash alone. The codes of what speaks against it.
    pub fn run_is_refused(&mut self) -> Vec<String> {
        let before = self.flash.clone();
        let told = self.run();
        assert_eq!(told.ended.outcome, Outcome::Refused, "{}", told.text());
        assert_eq!(told.ended.next, Next::Restart);
        let work = |flash: &SimNor| (flash.wear().erases, flash.wear().bytes_programmed);
        assert_eq!(work(&self.flash), work(&before));
        assert!(
            self.flash.content() == before.content(),
            "flash has changed"
        );
        told.codes("refusals")
    }

    /// Notes from now on what is done with chip and card.
    pub fn traced(&mut self) -> Trace {
        let trace = Trace::new();
        self.card = self.card.clone().traced_by(&trace);
        self.flash = self.flash.clone().traced_by(&trace);
        trace
    }

    /// Another camera in the same state, with a power supply of its own.
    pub fn fork(&self) -> Self {
        let power = Power::new();
        Self {
            card: self.card.duplicate().powered_by(&power),
            flash: self.flash.clone().powered_by(&power),
            power,
            chip: self.chip,
            registers: self.registers,
            ticks: self.ticks,
            meanwhile: self.meanwhile,
            visit: self.visit,
            script: self.script,
        }
    }

    /// The owner renames a file on a computer.
    pub fn rename(&mut self, from: &str, to: &str) {
        let root = CardPath::root();
        let renamed = self.card.rename(&root.join(from), &root.join(to));
        renamed.and_then(|()| self.card.sync()).expect("a card");
    }

    /// The owner writes a file on a computer.
    pub fn put(&mut self, path: &str, content: &[u8]) {
        self.card = self
            .card
            .clone()
            .with(&CardPath::root().join(path), content);
    }

    /// The owner removes a file on a computer.
    pub fn remove(&mut self, path: &str) {
        let removed = self.card.remove_file(&CardPath::root().join(path));
        removed.and_then(|()| self.card.sync()).expect("a card");
    }

    /// Some bits of a file on the card go bad.
    pub fn rot(&mut self, path: &str, at: usize) {
        let mut content = self.file(path).expect("a file");
        content[at] ^= 0x10;
        self.put(path, &content);
    }

    /// Power is there again after it failed.
    pub fn switch_on(&mut self) {
        self.power.turn_on();
    }

    /// Somebody writes the start of flash over USB: the boot loaders of both firmwares fit in there.
    /// Power does not fail in that.
    pub fn recover_over_usb(&mut self, content: &[u8]) {
        let mut flash = self.flash.clone().powered_by(&Power::new());
        for (index, block) in content[..GUARD].chunks(BLOCK).enumerate() {
            let at = Offset::bytes((index * BLOCK) as u64);
            flash.erase(at).expect("power");
            flash.program(at, block).expect("power");
        }
        self.flash = flash.powered_by(&self.power);
    }

    /// What boot ROM and U-Boot make of flash and card.
    pub fn boots(&self) -> Booted {
        let flash = self.flash.content();
        if !flash.starts_with(&MAGIC) {
            return Booted::Usb;
        }
        let known = [alpha(), other_alpha(), beta()];
        let has = |part: &str, firmware: &Firmware| {
            let (_, at, size) = firmware
                .partitions
                .iter()
                .find(|(name, ..)| *name == part)
                .expect("a partition");
            flash[*at..at + size] == firmware.flash[*at..at + size]
        };
        let Some(uboot) = known.iter().find(|firmware| has("boot", firmware)) else {
            return Booted::Bricked;
        };
        let names: &[&'static str] = match uboot.name {
            "alpha" => &["alpha_kernel"],
            _ => &["beta_kernel", "alpha_kernel"],
        };
        for name in names {
            match self.file(name) {
                Some(file) if file == sd_kernel() => return Booted::SdKernel,
                Some(file) if Uimage::parse_file(&file).is_ok() => {
                    return Booted::OtherKernel(name);
                }
                _ => {}
            }
        }
        let parts: &[&str] = match uboot.name {
            "alpha" => &["kernel", "rootfs"],
            _ => &["ota"],
        };
        let builds = || known.iter().filter(|other| other.name == uboot.name);
        let is_whole = parts
            .iter()
            .all(|part| builds().any(|build| has(part, build)));
        match is_whole {
            true => Booted::Firmware(uboot.name),
            false => Booted::Halted(uboot.name),
        }
    }

    /// Whether U-Boot finds a whole SD kernel of this name.
    pub fn has_kernel(&self, name: &str) -> bool {
        self.file(name).is_some_and(|file| file == sd_kernel())
    }

    /// What the card has kept of a file.
    pub fn file(&self, path: &str) -> Option<Vec<u8>> {
        let mut card = self.card.duplicate();
        card.sync().expect("a card that is in order");
        let mut reader = card.read_back(&CardPath::root().join(path)).ok()?;
        let mut bytes = Vec::new();
        reader
            .read_to_end(&mut bytes)
            .expect("a card that is in order");
        Some(bytes)
    }

    pub fn assert_done(&self, told: &Told, wanted: &[u8], name: &'static str) {
        assert_eq!(told.ended.outcome, Outcome::Success, "{}", told.text());
        assert_eq!(told.ended.next, Next::Restart);
        self.assert_holds(wanted);
        assert!(!self.flash.has_marginal_cells());
        assert_eq!(self.boots(), Booted::Firmware(name));
        let names: Vec<String> = self.card.files().into_keys().collect();
        let kernels: Vec<&String> = names
            .iter()
            .filter(|n| n.contains("_kernel") && !n.contains('/'))
            .collect();
        assert_eq!(kernels, ["alpha_kernel.wz_flash-helper"]);
        assert!(
            !names.iter().any(|name| name.contains("journal")),
            "{names:?}"
        );
    }

    pub fn assert_holds(&self, wanted: &[u8]) {
        let flash = self.flash.content();
        if let Some(at) = flash.iter().zip(wanted).position(|(a, b)| a != b) {
            panic!(
                "flash differs at {at:#x} (block {}): {:#04x} instead of {:#04x}",
                at / BLOCK,
                flash[at],
                wanted[at]
            );
        }
    }
}

pub fn blank(partition: (usize, usize), flash: &mut [u8]) {
    flash[partition.0..partition.0 + partition.1].fill(0xFF);
}

/// What switching to alpha makes of flash, from its partition images, in the base mode.
pub fn alpha_over(old: &[u8]) -> Vec<u8> {
    use wz_core::image::empty::EmptyFileSystem;
    let mut flash = alpha().flash.clone();
    let fill = |kind: EmptyFileSystem, name: &str, flash: &mut Vec<u8>| {
        let (_, at, size) = ALPHA_PARTITIONS
            .iter()
            .find(|p| p.0 == name)
            .expect("a partition");
        let block = Size::bytes(BLOCK as u64);
        let size_of = Size::bytes(*size as u64);
        kind.fill(size_of, block, Offset::ZERO, &mut flash[*at..at + size]);
    };
    fill(EmptyFileSystem::Vfat, "kback", &mut flash);
    fill(EmptyFileSystem::Jffs2, "cfg", &mut flash);
    flash[384 * KIB..440 * KIB].copy_from_slice(&old[384 * KIB..440 * KIB]);
    blank((488 * KIB, 24 * KIB), &mut flash);
    flash
}

/// What switching to beta makes of flash.
pub fn beta_over() -> Vec<u8> {
    let mut flash = beta().flash.clone();
    blank((48 * KIB, 8 * KIB), &mut flash);
    flash
}
