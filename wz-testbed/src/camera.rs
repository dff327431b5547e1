//! A camera on the bench: its flash chip, the card in its slot, and its power switch.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;

use crate::card::Card;
use crate::card_contents::CardContents;
use crate::error::{Doing, Error, Result};
use crate::evidence::Evidence;
use crate::firmware::Firmware;
use crate::lines::{self, Look};
use crate::nbd::{CardTraffic, Faults, FaultyCard};
use crate::qemu::{CardDrive, Hardware};
use crate::run::Run;
use crate::sound;
use crate::uboot::{self, Booted, Decision};

/// How long a test waits for anything. Far longer than it should take: a busy computer must not
/// make tests fail.
const PATIENCE: Duration = Duration::from_secs(180);

/// What a camera is made of.
#[derive(Clone, Debug)]
pub struct CameraBuilder {
    chip: String,
    flash: Vec<u8>,
    card: Option<Card>,
    faults: Option<Faults>,
    arguments: Vec<String>,
    audience: Audience,
    patience: Duration,
}

/// Who looks at the camera's lamps and listens to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Audience {
    /// Nobody: it need not wait until its lights are understood.
    Nobody,
    /// A test. The SD kernel has to be [`inputs::watched_sd_kernel`](crate::inputs::watched_sd_kernel).
    Test,
}

/// A camera that is off. It can be switched on, and looked into.
#[derive(Debug)]
pub struct Camera {
    dir: TempDir,
    card: Option<PathBuf>,
    faulty: Option<FaultyCard>,
    arguments: Vec<String>,
    audience: Audience,
    pub(crate) patience: Duration,
    pub(crate) evidence: Evidence,
}

impl Camera {
    /// A camera with this firmware, on the chip that it is for.
    pub fn of(firmware: &Firmware) -> CameraBuilder {
        Self::with_flash(firmware.chip(), firmware.image())
    }

    /// A camera with this SoC (`t31x`, a chip's name in its profile) and a flash chip with this
    /// content; the chip is as large as that.
    pub fn with_flash(chip: &str, content: impl Into<Vec<u8>>) -> CameraBuilder {
        CameraBuilder {
            chip: chip.to_owned(),
            flash: content.into(),
            card: None,
            faults: None,
            arguments: Vec::new(),
            audience: Audience::Nobody,
            patience: PATIENCE,
        }
    }

    /// Switches the power on: plays boot ROM and U-Boot, and starts QEMU if an SD kernel is booted.
    ///
    /// # Errors
    /// The bench does not work. Whatever the camera makes of its flash and card is no error.
    pub fn power_on(&mut self) -> Result<Run<'_>> {
        self.start(None)
    }

    /// The same, but the power goes in the middle of a flash operation, after `operations` erased
    /// blocks and programmed slices of 4 KiB.
    ///
    /// # Errors
    /// The bench does not work.
    pub fn power_on_until_flash_operation(&mut self, operations: u64) -> Result<Run<'_>> {
        self.start(Some(operations))
    }

    fn start(&mut self, cut_after: Option<u64>) -> Result<Run<'_>> {
        let boot = self.evidence.next_boot();
        let Decision {
            booted,
            said,
            kernel,
        } = self.decide()?;
        let machine = match kernel {
            None => None,
            Some(kernel) => Some(self.hardware(&kernel, cut_after)?.start(&boot)?),
        };
        Ok(Run::new(
            self,
            boot,
            booted,
            said,
            machine,
            cut_after.is_some(),
        ))
    }

    /// What `power_on` would boot now.
    pub fn boots(&self) -> Result<Booted> {
        Ok(self.decide()?.booted)
    }

    /// Switches the power on with the serial console in this terminal, until the camera goes off.
    /// Returns what was booted; only an SD kernel runs.
    pub fn run_in_terminal(&self) -> Result<Booted> {
        let Decision {
            booted,
            said,
            kernel,
        } = self.decide()?;
        for line in said {
            eprintln!("U-Boot: {line}");
        }
        if let Some(kernel) = kernel {
            self.hardware(&kernel, None)?.run_in_terminal()?;
        }
        Ok(booted)
    }

    /// The content of the flash chip.
    pub fn flash(&self) -> Result<Vec<u8>> {
        let path = self.flash_file();
        fs::read(&path).doing(|| format!("read {}", path.display()))
    }

    /// Replaces the content of the flash chip, as a clip programmer would.
    pub fn program_flash(&mut self, content: &[u8]) -> Result<()> {
        let path = self.flash_file();
        fs::write(&path, content).doing(|| format!("write {}", path.display()))
    }

    /// The card in the slot.
    ///
    /// # Errors
    /// There is none.
    pub fn card(&self) -> Result<CardContents> {
        match &self.card {
            Some(image) => Ok(CardContents::of(image)),
            None => Err(Error::Card("there is none in the camera".to_owned())),
        }
    }

    /// Puts another card into the slot. What is wrong with the slot's card stays.
    pub fn insert_card(&mut self, card: &Card) -> Result<()> {
        let image = self.dir.path().join("card.img");
        if image.exists() {
            fs::remove_file(&image).doing(|| format!("remove {}", image.display()))?;
        }
        card.write_image(&image)?;
        self.card = Some(image);
        match self.faulty.take() {
            Some(old) => self.spoil_card(old.faults()),
            None => Ok(()),
        }
    }

    /// Takes the card out.
    pub fn remove_card(&mut self) {
        self.faulty = None;
        self.card = None;
    }

    /// Makes the card in the slot fail from now on. `Faults::default()` only counts its traffic.
    pub fn spoil_card(&mut self, faults: Faults) -> Result<()> {
        let Some(image) = &self.card else {
            return Err(Error::Card("there is none to spoil".to_owned()));
        };
        self.faulty = None;
        let socket = self.dir.path().join("nbd");
        self.faulty = Some(FaultyCard::serve(image, &socket, faults)?);
        Ok(())
    }

    /// Changes what is wrong with a card that was spoilt, also while the camera runs.
    pub(crate) fn change_faults(&self, change: impl FnOnce(&mut Faults)) -> Result<()> {
        match &self.faulty {
            Some(faulty) => {
                faulty.change_faults(change);
                Ok(())
            }
            None => Err(Error::Card("it is healthy: spoil it first".to_owned())),
        }
    }

    /// What the GPIO lines of a watched camera did since it was switched on last.
    ///
    /// # Errors
    /// It is not watched, or was never switched on.
    pub fn looks(&self) -> Result<Vec<Look>> {
        let told = self.observed(LINES)?;
        Ok(lines::looks(&String::from_utf8_lossy(&told)))
    }

    /// What the speaker of a watched camera played since it was switched on last: samples of 16 bits,
    /// as the program wrote them.
    ///
    /// # Errors
    /// As for [`Camera::looks`].
    pub fn heard(&self) -> Result<Vec<i16>> {
        // QEMU makes the file when it first has something to record.
        self.observed(LINES)?;
        let recorded = self.evidence.file(SOUND).exists();
        match recorded {
            true => Ok(sound::samples(&self.observed(SOUND)?)),
            false => Ok(Vec::new()),
        }
    }

    fn observed(&self, file: &str) -> Result<Vec<u8>> {
        let path = self.evidence.file(file);
        fs::read(&path).doing(|| format!("read {}; is the camera watched?", path.display()))
    }

    /// How much the camera used a card that was spoilt; `None` for a healthy one, which nobody
    /// watches.
    pub fn card_traffic(&self) -> Option<CardTraffic> {
        self.faulty.as_ref().map(FaultyCard::traffic)
    }

    fn decide(&self) -> Result<Decision> {
        uboot::power_on(&self.flash()?, self.card.as_deref())
    }

    fn hardware(&self, kernel: &[u8], cut_after: Option<u64>) -> Result<Hardware> {
        let mut arguments = self.arguments.clone();
        arguments.extend(cut_after.map(|n| format!("block2mtd.cut_after={n}")));
        let elf = self.dir.path().join("kernel.elf");
        fs::write(&elf, kernel).doing(|| format!("write {}", elf.display()))?;
        Ok(Hardware {
            kernel: elf,
            arguments,
            flash: self.flash_file(),
            card: match (&self.card, &self.faulty) {
                (None, _) => CardDrive::None,
                (Some(image), None) => CardDrive::File(image.clone()),
                (Some(_), Some(faulty)) => CardDrive::Nbd(faulty.socket().to_owned()),
            },
            lines: self.watched(LINES),
            sound: self.watched(SOUND),
            dir: self.dir.path().to_owned(),
        })
    }

    fn watched(&self, file: &str) -> Option<PathBuf> {
        (self.audience == Audience::Test).then(|| self.evidence.file(file))
    }

    fn flash_file(&self) -> PathBuf {
        flash_file(self.dir.path())
    }
}

/// What is observed of a watched camera.
const LINES: &str = "lines";
const SOUND: &str = "sound.wav";

fn flash_file(dir: &Path) -> PathBuf {
    dir.join("flash.bin")
}

impl CameraBuilder {
    /// With another SoC (`t31al`).
    #[must_use]
    pub fn chip(mut self, name: &str) -> Self {
        self.chip = name.to_owned();
        self
    }

    /// With this card in the slot.
    #[must_use]
    pub fn card(mut self, card: Card) -> Self {
        self.card = Some(card);
        self
    }

    /// With a card that fails; see [`Faults`].
    #[must_use]
    pub fn card_faults(mut self, faults: Faults) -> Self {
        self.faults = Some(faults);
        self
    }

    /// With a word on the kernel's command line, such as `block2mtd.erase_us=120000`. QEMU takes
    /// 255 bytes altogether.
    #[must_use]
    pub fn kernel_argument(mut self, word: &str) -> Self {
        self.arguments.push(word.to_owned());
        self
    }

    /// With somebody who looks at its GPIO lines and listens to its speaker, behind a sound card that needs
    /// modules. The SD kernel has to be [`inputs::watched_sd_kernel`](crate::inputs::watched_sd_kernel).
    #[must_use]
    pub fn watched(mut self) -> Self {
        self.audience = Audience::Test;
        self
    }

    /// Waits this long for anything, instead of 90 seconds: for chips that take their time.
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Puts the camera together.
    pub fn build(self) -> Result<Camera> {
        let dir = tempfile::Builder::new()
            .prefix("wz-testbed-")
            .tempdir()
            .doing(|| "make a temporary folder".to_owned())?;
        let flash = flash_file(dir.path());
        fs::write(&flash, &self.flash).doing(|| format!("write {}", flash.display()))?;
        let mut arguments = vec![format!("wz.chip={}", self.chip)];
        arguments.push(match self.audience {
            Audience::Nobody => "wz.lights=unwatched".to_owned(),
            Audience::Test => "rdinit=/watch".to_owned(),
        });
        arguments.extend(self.arguments);
        let mut camera = Camera {
            dir,
            card: None,
            faulty: None,
            arguments,
            audience: self.audience,
            patience: self.patience,
            evidence: Evidence::of_this_test()?,
        };
        if let Some(card) = &self.card {
            camera.insert_card(card)?;
        }
        if let Some(faults) = self.faults {
            camera.spoil_card(faults)?;
        }
        Ok(camera)
    }
}
