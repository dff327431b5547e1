//! The work, from the hardware to the outcome.

use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
use sha2::{Digest, Sha256};
use wz_core::event::Problem;
use wz_core::flash::{FileSystem, FileSystems, ReadFlash};
use wz_core::units::{Offset, Region, Size};
use wz_core::card::{Card, CardPath, DirCard};
use std::path::Path;
use std::io::Write;

use crate::console::Console;
use crate::logs::{Earlier, Log};
use crate::mounts::FlashMounts;
use crate::mtd::{self, MtdChip};
use crate::sdcard::{self, Slot};
use crate::uncached::LinuxPlatform;
use crate::watchdog::Watchdog;
use crate::{console, memory, panics, soc};

/// Everything.
pub fn run() {
    panics::leave_message_on_panic();
    if let Err(problem) = steps() {
        console::print(&format!("{problem}\n{}", problem.next_step()));
    }
}

fn steps() -> Result<(), Problem> {
    let kernel = Duration::from(clock_gettime(ClockId::CLOCK_MONOTONIC).unwrap_or(Duration::ZERO.into()));
    console::print(&format!("started after {kernel:?}"));
    let mut console = Console::open();
    let watchdog = Watchdog::start();
    console::print(&format!("watchdog {}", watchdog.is_running()));
    console::print(&format!("{:?}", soc::evidence()));
    let slot = Slot::new();
    let volume = slot.wait(10, &mut || {
        console.pause(Duration::from_millis(20));
        console.open_for() < Duration::from_secs(10)
    })?;
    console::print(&format!("{volume:?} after {:?}", console.open_for()));
    slot.mount(&volume)?;
    let mut log = Log::default();
    let _ = log.open(&Path::new(sdcard::MOUNT_POINT).join(CardPath::full_log().as_str()), Earlier::Replace);
    let device = mtd::find_chip(&mtd::devices(Path::new("/sys")), Size::mib(16))?;
    let mut chip = MtdChip::open(&device)?;
    console::print(&format!("{device:?} {:?}", chip.geometry()));
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 65536];
    for at in (0..chip.geometry().size.get()).step_by(65536) {
        if let Err(error) = chip.read(Offset::bytes(at), &mut buffer) {
            console::print(&error.to_string());
        }
        hash.update(&buffer);
    }
    let hex: String = hash.finalize().iter().map(|b| format!("{b:02x}")).collect();
    console::print(&hex);
    let _ = writeln!(log, "{hex}");
    let mut mounts = FlashMounts::new(&device).unwrap();
    for _ in 0..2 {
        match mounts.mount(Region::new(Offset::bytes(0xf9_0000), Size::kib(384)), FileSystem::Jffs2) {
            Ok(path) => {
                for entry in std::fs::read_dir(path).unwrap() {
                    console::print(&format!("{:?}", entry));
                }
            }
            Err(error) => console::print(&error.to_string()),
        }
        console::print(&format!("{:?}", mounts.release()));
    }
    let mut card = DirCard::new(sdcard::MOUNT_POINT, LinuxPlatform::camera());
    console::print(&format!("{:?} {:?}", card.space(), card.entries(&CardPath::root())));
    let mut back = String::new();
    console::print(&format!("{:?}", card.read_back(&CardPath::full_log()).map(|mut r| r.read_to_string(&mut back))));
    console::print(&back);
    if std::fs::exists("/sdcard/panic").unwrap_or(false) { panic!("as the card asked"); }
    console::print(&format!("ready after {:?}", console.open_for()));
    if console.key_was_pressed(&watchdog) {
        console::print(&format!("{:?}", console.run_shell(&watchdog)));
    }
    console::print(&format!("done after {:?}, peak {:?}", console.open_for(), memory::peak()));
    Ok(())
}
