//! The emulated camera: QEMU for what runs on the SoC, and this library for all around it.
//!
//! ```text
//!   Card ──► card image ──► boot ROM, U-Boot ──► QEMU ──► serial console ──► Run
//!   flash ─► raw file  ──►  (uboot)              │  ▲
//!                            │                   ▼  │
//!                            ▼                 block2mtd as a NOR chip, sd-card
//!                         Booted
//! ```
//!
//! ```no_run
//! # fn main() -> wz_testbed::Result<()> {
//! # let flash: Vec<u8> = vec![];
//! use wz_testbed::{Booted, Camera, Card};
//!
//! let card = Card::new().with("wz_flash-helper/general.conf", "backup_partitions=\"yes\"\n");
//! let mut camera = Camera::with_flash("t31x", flash).card(card).build()?;
//!
//! let mut run = camera.power_on()?;
//! run.wait_for("Starting backup operation")?;
//! let ended = run.wait_until_off()?;
//!
//! assert!(!ended.serial.contains("failed"));
//! assert!(camera.card()?.has("wz_flash-helper/result.json")?);
//! assert_eq!(camera.boots()?, Booted::whole_firmware("stock"));
//! # Ok(())
//! # }
//! ```

mod bootloader;
mod camera;
mod card;
mod card_contents;
mod contents;
mod counters;
mod donor;
mod elf;
mod error;
mod evidence;
mod expected;
mod filesystem;
pub mod filler;
mod firmware;
mod images;
pub mod inputs;
mod kept;
mod kernel_tree;
mod lines;
mod nbd;
mod pace;
mod power_cuts;
mod qemu;
mod qmp;
mod run;
mod serial;
mod sound;
mod tool;
mod tree;
mod uboot;
mod uimage;
mod unpacking;
mod work;

pub use bootloader::Dead;
pub use camera::{Camera, CameraBuilder};
pub use card::{Card, CardLayout};
pub use card_contents::CardContents;
pub use contents::{WIFI_NAME, WIFI_PASSWORD};
pub use counters::NorCounters;
pub use donor::{DONOR_INIT_SAYS, Packing, field_donor};
pub use error::{Error, Result, WaitEnded};
pub use expected::{Expected, Images, Scope, slices};
pub use firmware::{Firmware, Recipe};
pub use images::{HashFile, Image};
pub use kernel_tree::{KernelTree, Linked};
pub use lines::{LineState, Look, runs};
pub use nbd::{CardTraffic, Faults};
pub use qemu::PowerOff;
pub use run::{Ended, Run};
pub use sound::{find_speech, is_audible};
pub use tree::{Node, Tree};
pub use uboot::Booted;
pub use uimage::Refusal;
pub use work::{ERASE_BLOCK, PAGE, Work};
