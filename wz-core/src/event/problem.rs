//! Everything that can be wrong, in one table: its code, what is wrong, and what to do next.
//!
//! Console, logs, `result.json` and `docs/codes.md` all take their words from here. A code never
//! changes its meaning; a new problem gets a new number. The first two digits are the [`Subject`].

use crate::units::{Offset, Region, Size};

use super::{Code, Spot};
use crate::problem_table;

/// What a problem is about, one of [`SUBJECTS`]: where to look first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Subject(u8);

/// All subjects, by the first two digits of their codes and the number of times that the camera blinks.
pub const SUBJECTS: [(Subject, &str); 9] = [
    (Subject(1), "the configuration"),
    (Subject(2), "the card"),
    (Subject(3), "the flash chip"),
    (Subject(4), "what camera this is"),
    (Subject(5), "images"),
    (Subject(6), "the backup"),
    (Subject(7), "writing flash"),
    (
        Subject(8),
        "what goes with it: environment, scripts, lights, sound",
    ),
    (Subject(9), "the program itself"),
];

impl Subject {
    /// What the owner wrote.
    pub const CONFIGURATION: Self = Self(1);
    /// What nobody can be blamed for but us.
    pub const PROGRAM: Self = Self(9);

    /// How many times the camera blinks for it.
    pub const fn blinks(self) -> u8 {
        self.0
    }
}

impl Code {
    /// What it is about: the first two digits.
    pub const fn subject(self) -> Subject {
        Subject((self.number() / 100) as u8)
    }
}

// `what` and `next_step` are complete sentences; what the owner typed or named stands in "quotes".
problem_table! {
    /// Something that is wrong, with the values that show it.
    pub enum Problem;

    /// The card has no configuration.
    ConfigMissing = 101 { file: String }
        "There is no \"{file}\" on the card"
        => "Copy the whole wz_flash-helper folder to the card again; general.conf says what the camera is to do.";

    /// A configuration file is a few hundred bytes long; this is something else.
    ConfigTooLong = 102 { file: String, limit: Size }
        "\"{file}\" is longer than {limit}, so it is no configuration file"
        => "Put the {file} that belongs to the program on the card again.";

    /// Some editors save in this form when told "Unicode".
    ConfigUtf16 = 103 { file: String }
        "\"{file}\" is saved as UTF-16"
        => "Open it in a text editor and save it as UTF-8 (in Windows Notepad: Save as, Encoding: UTF-8).";

    /// The file holds bytes that no text has: it was replaced, or the card lost data.
    ConfigBinary = 104 { file: String, offset: Offset }
        "\"{file}\" is not a text: it has a zero byte at {offset}"
        => "Put the {file} that belongs to the program on the card again; if it happens again, use another card.";

    /// A part of an option that is not UTF-8. Comments may hold anything.
    ConfigNotUtf8 = 105 { at: Spot }
        "{at} holds a character that is not UTF-8"
        => "Type the line anew and save the file as UTF-8.";

    /// A character that cannot be seen, such as the hard blank of a web page.
    ConfigInvisible = 106 { at: Spot, character: String }
        "{at} holds an invisible character ({character})"
        => "Type the line anew instead of copying it.";

    /// No option needs a line of this length.
    ConfigLineTooLong = 107 { at: Spot, limit: Size }
        "{at} is longer than {limit}"
        => "Delete the line, or put the file that belongs to the program on the card again.";

    /// Only the first problems of a file are told one by one.
    ConfigMoreProblems = 108 { file: String, count: usize }
        "\"{file}\" has {count} more problems"
        => "Correct those that are listed first.";

    /// A real configuration has about twenty options.
    ConfigTooManyOptions = 109 { at: Spot, most: usize }
        "{at} is an option too many: there are {most} before it"
        => "Put the file that belongs to the program on the card again.";

    /// A line that is neither an option nor a comment.
    ConfigNotAnOption = 110 { at: Spot, suggestion: String }
        "{at} has no option: a name, an = and a value"
        => "{suggestion}.";

    /// A name in quotes or with a dot in it.
    ConfigBadName = 111 { at: Spot, name: String }
        "{at} has the name \"{name}\", which no option can have"
        => "Write the name without quotes and dots, as in dry_run=\"no\".";

    /// The configuration was a shell script once; it is not run any more.
    ConfigCommand = 112 { at: Spot, word: String }
        "{at} has the shell command \"{word}\", and commands in this file are not run"
        => "Delete the line; to run commands, write a custom script.";

    /// A shell construct for text over several lines.
    ConfigHereDocument = 113 { at: Spot }
        "{at} begins a here-document, which does not belong into this file"
        => "Delete it with all its lines; to run commands, write a custom script.";

    /// Shell code in or behind a value.
    ConfigShellCode = 114 { at: Spot, code: String }
        "{at} has shell code where there can be none: \"{code}\""
        => "Write a plain value such as \"yes\", with nothing but a # remark behind it; nothing in this file is run.";

    /// A value that has a quote at its beginning only.
    ConfigUnclosedQuote = 115 { at: Spot, quote: char, suggestion: String }
        "{at} has a {quote} without a second one behind the value"
        => "Write {suggestion}.";

    /// Something stands behind the value.
    ConfigTextAfterValue = 116 { at: Spot, extra: String, suggestion: String }
        "{at} has more text behind the value: \"{extra}\""
        => "If it belongs to the value, write {suggestion}; if it is a remark, put a # before it.";

    /// Word processors and phones put these in.
    ConfigCurlyQuote = 117 { at: Spot, quote: char }
        "{at} has the typographic quote {quote}"
        => "Replace it by the straight quote \"; a plain text editor such as Notepad types it.";

    /// Shell and TOML disagree about what it means.
    ConfigBackslash = 118 { at: Spot }
        "{at} has a backslash, and no option can have one"
        => "Write the value without it; a file is named without its folder.";

    /// A TOML table.
    ConfigTable = 119 { at: Spot }
        "{at} is a section heading, and this file has no sections"
        => "Delete the line; write only options such as dry_run=\"no\".";

    /// A TOML list, inline table, or text over several lines.
    ConfigTomlValue = 120 { at: Spot }
        "{at} has a list or a text over several lines, and no option can have one"
        => "Write one value in double quotes; several script names go into one pair of quotes, with blanks between them.";

    /// Exactly these words are accepted, so that nothing is done or left out by a guess.
    ConfigNotYesOrNo = 130 { at: Spot, key: String, value: String, suggestion: String }
        "{at} gives {key} the value \"{value}\"; it can be \"yes\" or \"no\" (or true or false), in small letters"
        => "{suggestion}.";

    /// A volume outside its range, or no number.
    ConfigNotAVolume = 131 { at: Spot, key: String, value: String }
        "{at} gives {key} the value \"{value}\", which is no whole number from 0 to 100"
        => "Write {key}=\"50\", for example.";

    /// A firmware or model name with characters that no such name has.
    ConfigNotAName = 132 { at: Spot, key: String, value: String }
        "{at} gives {key} the value \"{value}\", which is no name: up to 32 letters, digits, _ and -"
        => "Write a name such as \"stock\", or {key}=\"\" for none.";

    /// A file name that leads elsewhere, or that is none.
    ConfigNotAFileName = 133 { at: Spot, key: String, value: String }
        "{at} gives {key} the value \"{value}\", which is no file name: letters, digits and . _ + - without a folder"
        => "Rename the file if need be, and write its name without a folder, or {key}=\"\" for none.";

    /// As harmless as a missing line, as long as nothing is written.
    ConfigEmpty = 134 { at: Spot, key: String }
        "{at} gives {key} no value, so it counts as if the line were not there"
        => "Give it a value, or delete the line.";

    /// What was meant matters when something is written.
    ConfigEmptyRefused = 135 { at: Spot, key: String }
        "{at} gives {key} no value, and flash or card are to be written"
        => "Give it a value, or delete the line; nothing was written.";

    /// Most likely a misspelt name.
    ConfigUnknownKey = 140 { at: Spot, key: String, suggestion: String }
        "{at} has an option \"{key}\" that does not exist; it has no effect"
        => "{suggestion}.";

    /// A misspelt option could mean that something is written that should not be.
    ConfigUnknownKeyRefused = 141 { at: Spot, key: String, suggestion: String }
        "{at} has an option \"{key}\" that does not exist, and flash or card are to be written"
        => "{suggestion}; nothing was written.";

    /// The same option with the same value again.
    ConfigRepeated = 142 { at: Spot, key: String, earlier: usize }
        "{at} repeats {key}, which is in line {earlier} already"
        => "Delete one of the two lines.";

    /// The last line counts, as it did in the original program.
    ConfigContradiction = 143 { at: Spot, key: String, earlier: usize }
        "{at} gives {key} another value than line {earlier}; this last one counts"
        => "Delete one of the two lines.";

    /// What was meant matters when something is written.
    ConfigContradictionRefused = 144 { at: Spot, key: String, earlier: usize }
        "{at} gives {key} another value than line {earlier}, and flash or card are to be written"
        => "Delete one of the two lines; nothing was written.";

    /// A configuration of the original program from before its version 0.9.0.
    ConfigOldVersion = 145 { at: Spot, changes: String }
        "{at} is from a configuration for a version before 0.9.0, whose options had other names"
        => "Take the general.conf of this version and enter your choices there: {changes}.";

    /// Both would write the same flash.
    ConfigRestoreAndSwitch = 150 { at: Spot, restore_line: usize }
        "{at} asks for another firmware, and line {restore_line} asks to restore partitions of the installed one; only one of them can be done"
        => "Set either restore_partitions=\"no\" or switch_firmware=\"no\".";

    /// An option that says nothing without another.
    ConfigNeedsAnother = 151 { at: Spot, key: String, needed: String }
        "{at} asks for {key}, but {needed} is empty or missing"
        => "Set {needed}, or set {key}=\"no\".";

    /// All options are off or missing.
    NothingRequested = 161 { file: String }
        "\"{file}\" asks for nothing"
        => "Set backup_partitions=\"yes\" in it to make a backup.";

    /// An owner may be short of room or time; what that costs is said once.
    ConfigNoSafetyBackup = 163 { at: Spot }
        "{at} turns off the safety backup: what no other backup holds is lost, and if an interrupted run cannot be finished, there may be no old firmware to write back"
        => "Set safety_backup=\"yes\", unless a good backup of this camera is in a safe place.";

    /// What is done is switched off in the configuration, so that it is not done again. That did not
    /// work.
    ConfigNotEdited = 164 { file: String, key: String, reason: String }
        "\"{file}\" still asks for {key}; it could not be set to \"no\": {reason}"
        => "Set {key}=\"no\" in it on a computer before you use the card again.";

    /// The original's own thingino.conf has this mistake.
    RestoreOtherFirmware = 170 { at: Spot, key: String, firmware: String, suggestion: String }
        "{at} asks for {key}, which is no partition of the {firmware} firmware that is installed"
        => "{suggestion}.";

    /// The same, but with the value "no".
    RestoreOtherFirmwareNotWanted = 171 { at: Spot, key: String, firmware: String, suggestion: String }
        "{at} names {key}, which is no partition of the {firmware} firmware that is installed; it has no effect"
        => "{suggestion}.";

    /// The boot partition has an option of its own, as its loss costs the camera.
    RestoreBootNotConfirmed = 172 { at: Spot, key: String }
        "{at} asks for {key}, which is not enough for the boot partition"
        => "Set {key}=\"no\"; if you know that you need it, read about hidden_option_restore_boot in docs/config.md.";

    /// Restore is on, and no partition is.
    RestoreNothingChosen = 173 { file: String }
        "restore_partitions is on, but \"{file}\" chooses no partition"
        => "Set the partitions that you want to restore to \"yes\" in it, or set restore_partitions=\"no\".";

    /// The hidden option may stand in either file, but not with two meanings.
    RestoreBootContradiction = 174 { at: Spot, general: String, line: usize }
        "{at} says otherwise about the boot partition than line {line} of \"{general}\""
        => "Delete one of the two lines; nothing was written.";

    /// The firmware has several partition layouts, and another one than the installed has this
    /// partition.
    RestoreOtherLayout = 175 { at: Spot, key: String, firmware: String, layout: String, partitions: String }
        "{at} asks for {key}, and the {firmware} firmware that is installed (layout {layout}) has no such partition; it has: {partitions}"
        => "Set {key}=\"no\", and choose among the partitions that are there.";

    /// The kernel saw no card in the slot in time.
    CardMissing = 201 { seconds: u64 }
        "No SD card showed up within {seconds} seconds"
        => "Take the card out, push it in until it clicks, and try again; if that does not help, try another card of at most 32 GB.";

    /// The card holds a file system without a partition table around it.
    CardWithoutPartitionTable = 202 { device: String }
        "The card ({device}) has no partition table"
        => "Format the card anew as FAT32 with an MBR partition table (32 GB or less), or write the ready card image to it.";

    /// The first partition holds something that cannot be mounted as FAT.
    CardNotFat = 203 { device: String, reason: String }
        "The card's partition ({device}) is not a FAT file system: {reason}"
        => "Format the card as FAT32; exFAT and NTFS are not read by cameras.";

    /// The card or its slot is write-protected, or the file system is damaged.
    CardReadOnly = 204 { device: String }
        "The card ({device}) cannot be written"
        => "Check the lock slider of the card or its adapter, let a computer check the card for errors, or use another card. Take it out of the camera now: the camera restarts then.";

    /// There is not enough room for what was asked.
    CardTooSmall = 205 { needed: Size, free: Size, cluster: Size }
        "The backup needs {needed} on the card, and {free} are free (files take whole blocks of {cluster})"
        => "Delete or move files from the card, set secondary_backup=\"no\", or use a larger card.";

    /// The card reported an error.
    CardFailed = 206 { doing: String, path: String, reason: String }
        "Could not {doing} \"{path}\" on the card: {reason}"
        => "Let a computer check the card for errors, or use another card, then run again.";

    /// The card was taken out, or stopped answering, while it was needed.
    CardGone = 207 { doing: String, path: String }
        "The card went away while the program tried to {doing} \"{path}\""
        => "Leave the card in until the camera restarts; if it was in all the time, use another card.";

    /// A file has the name of a folder that is needed.
    NotAFolder = 208 { path: String }
        "\"{path}\" on the card is a file, and a folder is needed there"
        => "Rename or delete that file.";

    /// A file does not hold what was written to it: counterfeit or worn-out cards do this.
    ReadBackDiffers = 209 { file: String, expected: String, found: String }
        "\"{file}\" does not read back as it was written: SHA-256 should be {expected} and is {found}"
        => "This card loses data. Do not use it for anything; run again with another card.";

    /// A file reads back shorter or longer than it was written.
    ReadBackLength = 210 { file: String, expected: Size, found: Size }
        "\"{file}\" does not read back as it was written: it should be {expected} long and is {found}"
        => "This card loses data. Do not use it for anything; run again with another card.";

    /// The SD kernel keeps its name, so the camera would start it again and again.
    KernelNotPutAway = 211 { name: String, reason: String }
        "The SD kernel \"{name}\" could not be renamed: {reason}"
        => "Take the card out of the camera now: the camera restarts then and boots its own firmware.";

    /// The partition table has no first partition, or one that does not fit the card.
    CardWithoutFirstPartition = 212 { device: String }
        "The partition table of the card ({device}) has no usable first partition"
        => "Format the card anew as FAT32 with an MBR partition table (32 GB or less), or write the ready card image to it.";

    /// The camera booted a kernel whose name no profile has. It could not be renamed, so the camera
    /// would start it again and again.
    KernelUnknown = 213 {}
        "The card has no SD kernel under a name that a profile knows, and yet the camera started one"
        => "Take the card out of the camera when it has finished: the camera restarts then. To have the kernel renamed, add its name to a profile (docs/adding-a-camera.md).";

    /// The kernel shows no flash chip of the kind that cameras have.
    FlashMissing = 301 { found: String }
        "No NOR flash chip was found; there is: {found}"
        => "This camera's flash chip is not supported by this SD kernel; report it with wz_flash-helper/initramfs.log.";

    /// The chip shows another size than the profile's. An unknown chip shows up as 8M: a backup of
    /// it would silently be half of one.
    FlashSize = 302 { device: String, found: Size, expected: Size }
        "The flash chip {device} shows {found}, and this camera should have {expected}"
        => "Nothing was done, since it would be incomplete: the SD kernel does not know this chip. Report it with wz_flash-helper/initramfs.log.";

    /// The flash device exists, but does not answer.
    FlashUnusable = 303 { device: String, reason: String }
        "The flash chip {device} cannot be used: {reason}"
        => "Run again; if it stays, report it with wz_flash-helper/initramfs.log.";

    /// A part of the chip cannot be read.
    FlashRead = 304 { region: Region, reason: String }
        "Flash cannot be read at {region}: {reason}"
        => "Run again; if it stays, the chip is damaged there.";

    /// A profile on the card is no valid TOML, misses a field or has one that does not exist.
    ProfileUnreadable = 401 { file: String, line: usize, column: usize, reason: String }
        "The profile \"{file}\" cannot be read at line {line}, column {column}: {reason}"
        => "Correct that line, or take the file off the card; docs/adding-a-camera.md lists the fields.";

    /// A profile on the card is not text.
    ProfileNotText = 402 { file: String, byte: usize }
        "The profile \"{file}\" is no UTF-8 text from byte {byte} on"
        => "Save it again as UTF-8, or take it off the card.";

    /// A file among the profiles on the card is not where a profile can be.
    ProfileMisplaced = 403 { file: String }
        "The file \"{file}\" is no profile: profiles are named <soc>/<firmware>.toml and <soc>/soc.toml"
        => "Move it to the folder of its SoC, such as profiles/t31, or take it off the card.";

    /// A profile and its file have different names.
    ProfileMisnamed = 404 { file: String, name: String, expected: String }
        "The profile in \"{file}\" calls itself \"{name}\", not \"{expected}\""
        => "Give the file and the name in it the same spelling.";

    /// A firmware's profile is for a SoC that has none.
    ProfileWithoutSoc = 405 { file: String, soc: String }
        "The profile \"{file}\" is for the SoC \"{soc}\", which has no soc.toml"
        => "Put a \"{soc}/soc.toml\" beside it, or move it to the folder of its SoC.";

    /// A file among the profiles on the card is far too large for one.
    ProfileTooLarge = 406 { file: String, size: Size, largest: Size }
        "The profile \"{file}\" has {size}; none is larger than {largest}"
        => "Take it off the card, or look what it really is.";

    /// A name in a profile cannot be part of a file name, or is used for something else.
    ProfileNameUnsafe = 410 { file: String, name: String }
        "The profile \"{file}\" uses the name \"{name}\", which is not possible or taken"
        => "Use lower case letters, digits, _ and -, at most 32; \"all\", \"firmware\", \"unknown\" and \"soc\" are taken.";

    /// A name in a profile cannot be that of a file on the card, or is that of our own folder.
    ProfileCardName = 411 { file: String, name: String }
        "The profile \"{file}\" expects \"{name}\" on the card, which is no safe file name"
        => "Use letters, digits, _, - and dots inside the name, at most 64 characters.";

    /// Two things in a profile that must differ have the same name; the card ignores upper and lower case.
    ProfileNameRepeated = 412 { file: String, name: String }
        "The profile \"{file}\" uses the name \"{name}\" twice"
        => "Rename one of the two.";

    /// Two chips have the same name or answer the same ids.
    ProfileChipRepeated = 413 { file: String, chip: String, other: String }
        "The chip \"{chip}\" in the profile \"{file}\" cannot be told from \"{other}\""
        => "Give every chip a name of its own and the ids that it alone answers.";

    /// Erase block and page do not divide the flash chip.
    ProfileFlashGeometry = 414 { file: String }
        "The flash chip in the profile \"{file}\" does not consist of whole erase blocks of whole pages"
        => "Correct size, erase_block and page.";

    /// A profile speaks of a part of flash that is empty or not inside the chip.
    ProfileOutsideFlash = 420 { file: String, region: Region, chip: Size }
        "The profile \"{file}\" speaks of {region}, which is not inside a chip of {chip}"
        => "Correct its offset or its size.";

    /// A partition does not start and end at an erase block.
    ProfilePartitionUnaligned = 421 { file: String, layout: String, partition: String, region: Region, block: Size }
        "The partition \"{partition}\" ({region}) in the layout \"{layout}\" of the profile \"{file}\" is not made of whole erase blocks of {block}"
        => "Correct its size, or that of a partition before it.";

    /// The offset that is written down for a partition is not where the one before it ends: the two
    /// overlap, or there is a gap that is not declared.
    ProfilePartitionMisplaced = 422 { file: String, layout: String, partition: String, stated: Offset, end: Offset }
        "The partition \"{partition}\" in the layout \"{layout}\" of the profile \"{file}\" is said to be at {stated}, but what stands before it ends at {end}"
        => "Correct the sizes before it, or declare the gap with gap_before.";

    /// The partitions of a layout do not fill the chip.
    ProfileLayoutSize = 423 { file: String, layout: String, end: Offset, chip: Size }
        "The layout \"{layout}\" of the profile \"{file}\" ends at {end}, but the chip has {chip}"
        => "Correct the sizes, or declare what is not used with gap_at_end.";

    /// Two layouts of a firmware have rules that hold for the same flash.
    ProfileLayoutsAlike = 424 { file: String, first: String, second: String }
        "The layouts \"{first}\" and \"{second}\" of the profile \"{file}\" cannot be told apart"
        => "Give one of them evidence that the other does not have.";

    /// Two firmwares of a SoC have rules that hold for the same flash.
    ProfileFirmwaresAlike = 425 { file: String, other: String }
        "The firmwares of the profiles \"{other}\" and \"{file}\" cannot be told apart"
        => "Give one of them a sign in [[detect.firmware]] that the other does not have.";

    /// A rule of a profile can never hold, always holds, or contradicts another part of the profile.
    ProfileRule = 426 { file: String, rule: String, reason: String }
        "In the profile \"{file}\", {rule} {reason}"
        => "Correct it; docs/adding-a-camera.md explains every field.";

    /// The chip's identification is in none of the profiles.
    ChipUnknown = 451 { ids: String }
        "This SoC is not known ({ids})"
        => "Report these numbers and the camera's model; a profile for it can be put on the card (docs/adding-a-camera.md).";

    /// The word on the kernel's command line names no chip.
    ChipNameUnknown = 452 { name: String, known: String }
        "The kernel command line says wz.chip={name}, which is no chip of any profile; there are: {known}"
        => "Correct the command line, or add a profile for the chip.";

    /// What is in flash is none of the firmwares of the profiles.
    FirmwareUnknown = 453 { soc: String, known: String }
        "What is in flash is none of the known {soc} firmwares ({known})"
        => "The whole chip can be saved, single partitions can not. Set manual_current_firmware if you know what it is.";

    /// The firmware is known, the arrangement of its partitions is not.
    LayoutUnknown = 454 { firmware: String }
        "The partition layout of this {firmware} is not known"
        => "The whole chip can be saved, single partitions can not.";

    /// The camera's model could not be found out; it is only shown and recorded.
    ModelUnknown = 455 { why: String }
        "The camera's model could not be found out: {why}"
        => "Nothing has to be done; set manual_model to have it in the records.";

    /// The stock firmware has an upgrade under way that its U-Boot would finish at the next boot.
    UpgradePending = 456 { mark: String }
        "The firmware is in the middle of an upgrade of its own (\"{mark}\" stands in flash)"
        => "A backup made now shows that state: let the camera start once without the card, and make another backup.";

    /// The owner named a firmware that the camera's SoC does not have.
    ManualFirmwareUnknown = 457 { name: String, known: String }
        "manual_current_firmware=\"{name}\" is no known firmware; there are: {known}"
        => "Correct it, or leave it empty to have the firmware detected.";

    /// A file system in flash could not be read while the camera's model was looked for.
    FileSystemUnreadable = 458 { partition: String, reason: String }
        "The file system in partition \"{partition}\" cannot be read: {reason}"
        => "Its image can be saved all the same; the file system is damaged or empty.";

    /// The owner named a firmware, and flash holds another one.
    ManualFirmwareContradicted = 459 { named: String, found: String }
        "manual_current_firmware says \"{named}\", and flash holds \"{found}\""
        => "Leave manual_current_firmware empty; it is for cameras whose firmware is not recognised.";

    /// An image that is needed is not on the card.
    ImageMissing = 501 { file: String, there: String }
        "The image \"{file}\" is not on the card; in its folder there is: {there}"
        => "Copy it there; its name has to be exactly this one.";

    /// An image file has no content.
    ImageEmpty = 502 { file: String }
        "The image \"{file}\" is empty"
        => "Copy it to the card again.";

    /// The file with the SHA-256 of an image is missing.
    HashMissing = 503 { file: String }
        "There is no \"{file}\", which has to hold the SHA-256 of the image"
        => "Copy the .sha256sum file that came with the image to the same folder.";

    /// The file with the SHA-256 of an image is something else.
    HashUnreadable = 504 { file: String, why: String }
        "\"{file}\" is no file of SHA-256 sums: {why}"
        => "Copy the .sha256sum file that came with the image again.";

    /// A file of sums that says nothing about the image that it lies beside.
    HashOfAnother = 505 { file: String, named: String }
        "\"{file}\" has no sum for its image, but for: {named}"
        => "Put the .sha256sum file that belongs to this image beside it, with the image's own name in it.";

    /// The image is not what its hash is of.
    ImageHash = 506 { file: String, expected: String, found: String }
        "The image \"{file}\" is damaged or another one: its SHA-256 should be {expected} and is {found}"
        => "Copy the image and its .sha256sum file to the card again; if it happens again, use another card.";

    /// The image does not fit where it belongs.
    ImageTooLong = 507 { file: String, size: Size, partition: String, room: Size }
        "The image \"{file}\" has {size}, and \"{partition}\" has room for {room}"
        => "It belongs to another camera or another layout; get the one for this camera.";

    /// The image does not hold what belongs into the partition.
    ImageContent = 508 { file: String, partition: String, why: String }
        "The image \"{file}\" cannot be written to \"{partition}\": {why}"
        => "Get the image again, for exactly this camera.";

    /// The images are of another firmware than their names say.
    ImageOfAnother = 509 { file: String, wanted: String, found: String }
        "\"{file}\" does not hold the firmware {wanted}; its boot loader is that of: {found}"
        => "Get the image again, for exactly this camera and firmware.";

    /// What the images hold is arranged in a way that no profile knows.
    ImageLayout = 510 { firmware: String, layouts: String }
        "The images of {firmware} in \"restore\" fit none of its known layouts ({layouts})"
        => "Use the one firmware image instead of partition images, or a newer version of this program.";

    /// The image is shorter than its partition. That is in order.
    ImageShort = 511 { file: String, partition: String, rest: Size }
        "The image \"{file}\" is shorter than \"{partition}\": the last {rest} become blank"
        => "Nothing has to be done.";

    /// An image is not any more what it was when it was verified.
    ImageChanged = 512 { file: String, at: Offset }
        "The image \"{file}\" reads differently at {at} than when it was verified"
        => "The card loses data. Copy the images to another card.";

    /// Nothing that could be written is on the card.
    ImagesMissing = 513 { folder: String, firmware_image: String, partitions: String }
        "\"{folder}\" has neither \"{firmware_image}\" nor partition images ({partitions})"
        => "Copy the firmware image there, with its .sha256sum file.";

    /// The firmware image is used without regard to partitions.
    ImageWhole = 514 { file: String }
        "The layout of \"{file}\" is none of the known ones: all of flash becomes as it says"
        => "Make sure that it is for exactly this camera; a newer version of this program may know its layout.";

    /// A boot loader that lacks its end does not start.
    ImageBootShort = 515 { file: String, partition: String, size: Size, room: Size }
        "The image \"{file}\" has {size} for \"{partition}\", which has {room}: the end of the boot loader may be missing"
        => "Get the whole image; a boot partition is written only from an image that fills it.";

    /// An image ends before a part of the firmware that it has to hold.
    ImageEnds = 516 { file: String, partition: String }
        "The image \"{file}\" ends before \"{partition}\", which it has to hold"
        => "The image is cut off; get it again.";

    /// The boot loader in an image is built for another chip.
    ImageOfOtherChip = 517 { file: String, built_for: String, group: String, wanted: String }
        "The boot loader in \"{file}\" is built for the chip {built_for} (group {group}); this camera's group is {wanted}"
        => "Get the image for exactly this camera: with this one it would not start any more.";

    /// All four-digit numbers are taken.
    BackupNumbersUsedUp = 601 { folder: String }
        "\"{folder}\" already holds a backup with the number 9999"
        => "Move old backups from the card to a computer.";

    /// The files of a partition could not be packed. Its image is not affected.
    ArchiveFailed = 602 { partition: String, reason: String }
        "The files of partition \"{partition}\" could not be archived: {reason}"
        => "The partition's image is in the backup and complete; the file system in it is damaged or empty.";

    /// Whether another boot loader may be written depends on the model, and that is not known.
    SecureBootUnknown = 700 { locked: String }
        "The model of this camera is not known, and the boot ROM of some ({locked}) accepts its maker's boot partition only"
        => "Set manual_model to the camera's model (docs/config.md); never if it is one of these.";

    /// The firmware that is asked for is there already.
    SwitchToSame = 701 { firmware: String }
        "The camera has the firmware {firmware} already"
        => "Correct next_firmware; to write partitions of the firmware that is there, use restore_partitions.";

    /// No profile has the firmware that is asked for.
    SwitchUnknown = 702 { name: String, known: String }
        "next_firmware=\"{name}\" is no known firmware of this camera; there are: {known}"
        => "Correct next_firmware.";

    /// A camera whose boot ROM checks signatures does not start with another boot partition.
    SecureBoot = 703 { model: String }
        "The boot ROM of this camera ({model}) accepts its maker's boot partition only"
        => "Do not write its boot partition: it would not start again. A backup can be made.";

    /// The stock firmware would overwrite what is written now.
    UpgradeUnfinished = 704 { mark: String }
        "The firmware is in the middle of an upgrade of its own (\"{mark}\" stands in flash), so nothing is written"
        => "Let the camera start once without the card, so that it finishes; then try again.";

    /// The firmwares are not made for this chip.
    ChipNotSupported = 705 { chip: String }
        "Nothing is written on a camera with the chip {chip}: its memory is too small, or not known"
        => "A backup can be made.";

    /// What is in flash is not known, so it is not known what to keep.
    RewriteUnknownFirmware = 706 {}
        "What firmware the camera has is not known, so nothing is written"
        => "Make a backup first. If you know what it is, set manual_current_firmware.";

    /// Where the partitions are is not known.
    RewriteUnknownLayout = 707 { firmware: String }
        "The partition layout of this {firmware} is not known, so no partition is written"
        => "Make a backup; the whole chip can be saved.";

    /// A partition starts or ends inside an erase block of this chip, beside one that is to stay.
    PartitionEdge = 708 { partition: String, region: Region, block: Size }
        "\"{partition}\" ({region}) cannot be written alone: this chip erases {block} at once"
        => "Write the partitions beside it as well.";

    /// Part of the boot loader would be overwritten, and not its start.
    BootSplit = 709 { region: Region }
        "Part of the boot loader ({region}) would be written without its start"
        => "Use images of all partitions, the boot partition's included, or one firmware image.";

    /// The chip reports an error when it is erased or programmed.
    FlashWrite = 710 { partition: String, operation: String, region: Region, reason: String }
        "\"{partition}\" cannot be written: {operation} at {region} failed: {reason}"
        => "The chip may be damaged there. Keep the card and report it with wz_flash-helper/initramfs.log.";

    /// The chip does not hold what was written to it.
    FlashDiffers = 711 { partition: String, block: Offset, at: Offset, expected: String, found: String, tries: u32 }
        "\"{partition}\" does not hold what was written: in the block at {block}, byte {at} should be {expected} and is {found}, after {tries} tries"
        => "The chip is damaged there. Keep the card and report it with wz_flash-helper/initramfs.log.";

    /// The old firmware is whole again.
    RolledBack = 712 { firmware: String }
        "The old firmware ({firmware}) was written back and compared"
        => "The camera works as before. Put right what is told above before you try again.";

    /// The old firmware could not be written back either.
    RollBackFailed = 713 { why: String }
        "The old firmware could not be written back: {why}"
        => "Leave the card as it is: the camera starts from it. Keep its backup, and report this with wz_flash-helper/initramfs.log.";

    /// There is nothing to go back to.
    NoWayBack = 714 { firmware: String }
        "The old firmware ({firmware}) is not written back: there is no safety backup, or roll_back is \"no\""
        => "Leave the SD kernel on the card: the camera starts from it. Put right what is told above, and plug the camera in again.";

    /// The boot loader is the old one, whole.
    BootRestored = 715 { why: String }
        "The new boot loader could not be written, and the old one was written back and compared: {why}"
        => "The chip may be damaged there. Report it with wz_flash-helper/initramfs.log.";

    /// Neither the new nor the old boot partition reads back right.
    BootBroken = 716 { why: String }
        "The boot partition holds neither the new nor the old boot loader: {why}"
        => "Do not unplug the camera if you can reach its serial console. Without a boot loader it waits for recovery by USB.";

    /// Flash gives different content each time it is read.
    FlashUnsteady = 717 { first: String, second: String }
        "Flash does not read the same twice: first {first}, then {second}"
        => "Nothing was written. Check the power supply and run again; if it stays, the chip is worn out.";

    /// The record of the run on the card cannot be kept.
    JournalFailed = 721 { why: String }
        "The journal \"wz_flash-helper/journal.bin\" cannot be kept: {why}"
        => "Use another card, or format this one anew, and copy everything to it again.";

    /// The record of an earlier run cannot be read.
    JournalUnreadable = 722 { why: String }
        "An earlier run left a journal on the card that cannot be read: {why}"
        => "If the camera starts without the card, delete wz_flash-helper/journal.bin. If not, delete it too, set manual_current_firmware to the firmware it had, and switch or restore again.";

    /// The run was begun too often.
    TooManyAttempts = 723 { attempts: u32, last: String }
        "The run was begun {attempts} times and never got to its end; last it was about to {last}"
        => "Check power supply and card. If the camera does not start without the card, remove .wz_flash-helper behind the name of the SD kernel: the run then goes on.";

    /// The card was in another camera before.
    OtherCamera = 724 { what: String, journal: String, found: String }
        "The journal on the card belongs to another camera: its {what} is {journal}, this one's is {found}"
        => "Put the card back into the camera in which it was begun. For this camera, use another card.";

    /// What is in flash is neither what was there before nor what was to be written.
    OtherFlash = 725 { partition: String, at: Offset }
        "The journal on the card does not fit this camera: flash at {at} (\"{partition}\") holds neither what was there before nor what was to be written"
        => "Put the card back into the camera in which the run was begun. If this is that camera and it starts without the card, delete wz_flash-helper/journal.bin and begin again.";

    /// A run goes on where it was interrupted.
    Resumed = 726 { attempt: u32 }
        "An interrupted run goes on (power-on {attempt} of this run)"
        => "Leave card and power where they are.";

    /// Something keeps the run from being finished: see what is told before.
    RollingBack = 727 { firmware: String }
        "The run cannot be finished, so the old firmware ({firmware}) is written back from the safety backup"
        => "Leave card and power where they are.";

    /// A dry run is asked for while a run is open.
    DryRunOfOpenRun = 728 {}
        "A run that writes flash is not finished, and general.conf says dry_run=\"yes\""
        => "Set dry_run=\"no\" to let it go on. Do not take the SD kernel off the card before.";

    /// No kernel that could start the camera again after a power cut.
    NoBootableKernel = 731 { names: String }
        "There is no valid SD kernel on the card under any of the names that U-Boot looks for ({names})"
        => "Copy the SD kernel to the card again: after a power cut the camera has to start from it.";

    /// A copy of the SD kernel does not read back as a kernel.
    KernelCopyBad = 732 { file: String }
        "The copy of the SD kernel, \"{file}\", does not read back as it was written"
        => "This card loses data. Use another card.";

    /// Different kernels lie under names that U-Boot looks for.
    KernelsDiffer = 733 { first: String, second: String }
        "The card has different SD kernels: \"{first}\" and \"{second}\""
        => "Leave only this program's kernel on the card: after a power cut the camera has to start from it.";

    /// U-Boot would stop at it, or start what nobody knows.
    KernelUnbootable = 734 { file: String, why: String }
        "\"{file}\" on the card has a name that the new boot loader looks for, and is no kernel that it starts: {why}"
        => "Move it from the card to a computer: after a power cut the camera has to start from the card.";

    /// Erased flash where the environment belongs. A sound one replaces all that is built into U-Boot, so
    /// one with a few variables would leave it without its commands.
    EnvironmentBlank = 800 { region: Region }
        "The U-Boot environment ({region}) is blank: U-Boot still uses the one that is built into it, and one with a few variables would keep the camera from starting"
        => "Start the camera's own firmware once, so that U-Boot makes its environment; then run this again.";

    /// Neither the layout nor a good CRC tells where it is.
    EnvironmentUnsound = 801 { region: Region }
        "There is no sound U-Boot environment in flash: nothing in {region} has a good CRC"
        => "Start the camera's own firmware once, so that U-Boot makes its environment; then run this again.";

    /// Two good CRCs.
    EnvironmentSeveral = 802 { first: Region, second: Region }
        "There are two sound U-Boot environments in flash, at {first} and at {second}, and it is not known which of them counts"
        => "Report it with wz_flash-helper/initramfs.log.";

    /// A name or value that an environment cannot hold.
    EnvironmentEdit = 803 { why: String }
        "The U-Boot environment cannot be changed so: {why}"
        => "Correct the name, or make room: remove what is not needed.";

    /// The chip did not take it, and holds what it held before.
    EnvironmentRestored = 804 { why: String }
        "The U-Boot environment could not be written, and the old one was written back and compared: {why}"
        => "The chip may be damaged there. Report it with wz_flash-helper/initramfs.log.";

    /// The chip takes neither.
    EnvironmentBroken = 805 { why: String }
        "The U-Boot environment could not be written, and the old one could not be written back either: {why}"
        => "Keep the card as it is: the old one is in wz_flash-helper/environment.saved, and the next run tries again.";

    /// Power went while it was written.
    EnvironmentPutBack = 806 { region: Region }
        "Writing the U-Boot environment was interrupted; it is whole again, and compared ({region})"
        => "Nothing has to be done.";

    /// Flash is not as an interrupted write could have left it.
    EnvironmentStrange = 807 { file: String, region: Region }
        "\"{file}\" does not fit what is in flash ({region}): it is of another camera, or the firmware has written there since"
        => "If the camera that it is of works, delete it.";

    /// The copy of the old content is damaged.
    EnvironmentSavedBad = 808 { file: String }
        "\"{file}\" is damaged, so nothing is put back from it"
        => "Delete it. If the camera does not start, let it start from a backup.";

    /// A dry run changes nothing.
    EnvironmentPending = 809 { file: String }
        "Writing the U-Boot environment was interrupted; a run that is no dry run puts the old one back from \"{file}\""
        => "Set dry_run=\"no\".";

    /// What Wi-Fi calls a network has 1 to 32 bytes.
    WifiNameLength = 810 { at: Spot, length: usize }
        "{at} has {length} bytes, and the name of a Wi-Fi network has 32 at most"
        => "Correct wifi_ssid; letters that are not English ones take two bytes and more.";

    /// As WPA has it.
    WifiPassword = 811 { at: Spot }
        "{at} is no Wi-Fi password: it has to have 8 to 63 English letters, digits and signs, or 64 hexadecimal digits"
        => "Correct wifi_password.";

    /// Networks without a password are not joined.
    WifiPasswordMissing = 812 { at: Spot }
        "{at} needs wifi_password as well: thingino joins no network without one"
        => "Set wifi_password, or leave wifi_ssid empty.";

    /// Six bytes, of one device.
    WifiMacAddress = 813 { at: Spot }
        "{at} is no MAC address of a device, such as \"02:00:5e:10:20:30\""
        => "Correct mac_address, or leave it empty: the firmware then makes one.";

    /// A text without blanks.
    WifiTimeZone = 814 { at: Spot }
        "{at} is no time zone, such as \"Europe/Berlin\""
        => "Correct timezone, or leave it empty.";

    /// Options that depend on the name of the network.
    WifiWithoutName = 815 { file: String, keys: String }
        "\"{file}\" has no wifi_ssid, so what it says has no effect: {keys}"
        => "Set wifi_ssid.";

    /// The firmware has to make its environment first.
    WifiLater = 816 { firmware: String }
        "The Wi-Fi settings are not in {firmware} yet: its U-Boot has not made its environment so far"
        => "Let {firmware} start once, then start from this card again; wz_flash-helper/thingino.conf stays as it is.";

    /// The password stands there for anybody to read.
    WifiOnCard = 817 { file: String, firmware: String }
        "\"{file}\" on the card has the Wi-Fi password for {firmware} to be read at the next start"
        => "Leave the card in until the camera is in the network. Then delete it from the card, and \"wz_flash-helper/thingino.conf\", too.";

    /// Somebody else's file, or none that U-Boot reads.
    WifiCardFile = 818 { file: String, limit: Size }
        "\"{file}\" on the card is longer than {limit}, so the Wi-Fi settings were not added to it"
        => "Remove it, if you do not need it.";

    /// Where it takes Wi-Fi settings from depends on it.
    WifiLayoutUnknown = 819 { firmware: String }
        "The layout of this {firmware} is not known, so it is not sure that it takes its Wi-Fi settings from the card"
        => "If the camera does not come into the network, let it start once, then start from this card again.";

    /// It may be among what is being written.
    EnvironmentDuringRun = 820 {}
        "A run that writes flash is not finished, so the U-Boot environment is not changed"
        => "Let the run go on to its end first.";

    /// The owner may have told what it is, but not in flash.
    WifiFirmwareUnknown = 821 {}
        "Flash does not tell what firmware it holds, so that did not get the Wi-Fi settings of thingino.conf"
        => "Set Wi-Fi up in the firmware itself, or with a script that knows it.";

    /// A time outside its range, or no number.
    ConfigNotSeconds = 830 { at: Spot, key: String, value: String, most: u32 }
        "{at} gives {key} the value \"{value}\", which is no whole number from 1 to {most}"
        => "Write {key}=\"600\", for example.";

    /// The name of a script is that of a folder.
    ScriptIsAFolder = 831 { file: String }
        "\"{file}\" is a folder, not a script"
        => "Put the script itself there, or take its name out of custom_scripts in general.conf.";

    /// A script has a few hundred lines at most; this is something else.
    ScriptTooLong = 832 { file: String, limit: Size }
        "\"{file}\" is longer than {limit}, so it is no script"
        => "Name the script itself in custom_scripts, and keep what it works with in files of its own.";

    /// A script without a single command: it was not copied whole.
    ScriptEmpty = 833 { file: String }
        "The script \"{file}\" is empty"
        => "Copy it to the card again.";

    /// Some editors save in this form when told "Unicode".
    ScriptUtf16 = 834 { file: String }
        "The script \"{file}\" is saved as UTF-16"
        => "Open it in a text editor and save it as UTF-8 (in Windows Notepad: Save as, Encoding: UTF-8).";

    /// The file holds bytes that no text has.
    ScriptBinary = 835 { file: String, what: String }
        "\"{file}\" is no shell script: {what}"
        => "Name a shell script in custom_scripts; a script can start programs that lie on the card.";

    /// The first line asks for an interpreter that is not on the camera.
    ScriptInterpreter = 836 { file: String, interpreter: String }
        "The script \"{file}\" is written for {interpreter}, and the camera has only a shell"
        => "Write it for /bin/sh.";

    /// A script ended with a status other than 0. Those behind it were not run.
    ScriptFailed = 840 { name: String, status: i32 }
        "The script \"{name}\" ended with status {status}"
        => "Read what it said in wz_flash-helper/initramfs.log; what it had done by then stays done.";

    /// A script was ended by a signal: by itself, or by the kernel for lack of memory.
    ScriptKilled = 841 { name: String, signal: String }
        "The script \"{name}\" was ended by {signal}"
        => "Read what it said in wz_flash-helper/initramfs.log; a script has to get by with the camera's little memory.";

    /// A script that does not come to its end is ended, with all that it has started.
    ScriptTimedOut = 842 { name: String, seconds: u64 }
        "The script \"{name}\" did not come to its end within {seconds} s and was stopped"
        => "Correct it, or set custom_scripts_timeout_seconds to more in general.conf.";

    /// A script could not be started.
    ScriptNotStarted = 843 { name: String, reason: String }
        "The script \"{name}\" could not be started: {reason}"
        => "Run again; if it stays, report it with wz_flash-helper/initramfs.log.";

    /// A script that starts programs without end is ended before the camera stands still.
    ScriptTooManyPrograms = 844 { name: String, most: usize }
        "The script \"{name}\" had more than {most} programs running at once and was stopped"
        => "Look for a function or a program in it that starts itself.";

    /// Programs that a script left running, or file systems that it left mounted.
    ScriptLeftovers = 845 { name: String, what: String }
        "The script \"{name}\" left behind: {what}; this was ended"
        => "Let the script wait for what it starts, and unmount what it mounts.";

    /// Of what a script says, the rest is not kept.
    ScriptOutputCut = 846 { name: String, limit: Size }
        "The script \"{name}\" said more than {limit}; the rest is not shown"
        => "Take out set -x, or write what it says to a file on the card.";

    /// A profile names a script that is not beside it.
    ProfileScriptMissing = 850 { script: String, reason: String }
        "The script \"{script}\" that a profile names cannot be used: {reason}"
        => "Copy it to the card, beside the profile, or take its name out of the profile.";

    /// A script of a profile ended with an error, or not in time.
    ProfileScriptFailed = 851 { script: String, reason: String }
        "The script \"{script}\" of a profile failed: {reason}"
        => "Correct the script; what it said on standard error is in wz_flash-helper/initramfs.log.";

    /// A script of a profile has to answer with one word or nothing.
    ProfileScriptAnswer = 852 { script: String, answer: String }
        "The script \"{script}\" of a profile answered \"{answer}\", which is not the one word that is asked for"
        => "Let it print the word and nothing else on standard output: lower case letters, digits, _ and -.";

    /// Each of these options decides by itself what the camera starts when all is over.
    TwoNextStarts = 860 { at: Spot, key: String, other: String, line: usize }
        "{at} asks for {key}, and line {line} for {other}; only one of them can decide what the camera starts next"
        => "Set one of the two to \"no\".";

    /// A script that is to run afterwards has to be there before anything is begun.
    ScriptMissing = 861 { file: String }
        "The custom script \"{file}\" is not on the card"
        => "Copy it there, or take its name out of custom_scripts.";

    /// The SD kernel that is to be started next has to be there before anything is begun.
    NewKernelMissing = 862 { name: String }
        "There is no file \"{name}\" at the top of the card, and new_sdcard_kernel names it"
        => "Copy it there, or set copy_new_sdcard_kernel=\"no\".";

    /// U-Boot would not start it.
    NewKernelBad = 863 { name: String, why: String }
        "\"{name}\" is no SD kernel that a camera starts: {why}"
        => "Copy it to the card again, or set copy_new_sdcard_kernel=\"no\".";

    /// The camera would start this program again and again.
    NewKernelIsProgram = 864 { name: String }
        "new_sdcard_kernel names \"{name}\", which is the SD kernel of this program: the camera would start it again and again"
        => "Name another file; to run this program once more, set re_run=\"yes\" instead.";

    /// Files of such names are renamed before anything else is done.
    NewKernelNameTaken = 865 { name: String }
        "new_sdcard_kernel names \"{name}\", a name that some U-Boot looks for: such files are renamed when the program ends"
        => "Give the file another name, such as new_kernel.bin, and write that name into general.conf.";

    /// The option needs a U-Boot that starts kernels from the card.
    NextStartsNoKernel = 866 { key: String, firmware: String }
        "general.conf asks for {key}, and the U-Boot of {firmware} that the camera has then starts no kernel from the card"
        => "Set {key}=\"no\".";

    /// A one-way street, told before it is entered: thingino of 2026 is such a firmware.
    NoWayBackByCard = 867 { firmware: String, layout: String }
        "The U-Boot of this {firmware} (layout {layout}) starts no kernel from the card: when it is in flash, this program cannot be started any more, neither to go on after a power cut nor to switch back"
        => "Keep the backup of the whole flash in a safe place, and find out before how {firmware} itself is upgraded or replaced.";

    /// Something has put a file there since the run began.
    KernelNameTaken = 868 { name: String }
        "The SD kernel for the next start is not put in place: there is a file \"{name}\" on the card, and it is not overwritten"
        => "Move that file to a computer, and run again.";

    /// Nothing follows a run that did not end well.
    AfterwardsSkipped = 869 { what: String, why: String }
        "Left out, because {why}: {what}"
        => "Put right what is told above, and run again.";

    /// What general.conf asks for besides is not known.
    AfterwardsUnknown = 870 {}
        "The interrupted run is over. Whether general.conf asks for anything afterwards is not known, since it cannot be read"
        => "Correct general.conf, and run again if anything was to follow.";

    /// The hidden option for tests.
    KernelKept = 871 {}
        "The SD kernel keeps its name, as skip_rename_prog_sdcard_kernel says, so the camera would start it again and again"
        => "Take the card out of the camera when it has finished: the camera restarts then.";

    /// Which of them runs now is not known, so it is not known which to start again.
    ProgramUnclear = 872 { first: String, second: String }
        "The card has different SD kernels (\"{first}\", \"{second}\"), so it is not known which of them is to run once more"
        => "Leave only this program's kernel on the card.";

    /// A command in a script has begun to write flash and could not finish.
    ScriptLeftRunOpen = 873 { script: String }
        "A command in the script {script} was writing flash and could not finish, so the camera does not restart"
        => "Look above for what went wrong. Leave the card in, unplug the camera and plug it in again: it goes on.";

    /// A module that the camera's profile names. What needs it does not work.
    ModuleNotLoaded = 880 { module: String, reason: String }
        "The kernel module \"{module}.ko\" could not be loaded: {reason}"
        => "If you have one that was built for this SD kernel, put it into wz_flash-helper/modules on the card.";

    /// Sound is asked for, and the camera stays silent. It does everything else as it should.
    NoSound = 881 { why: String }
        "The program cannot speak: {why}"
        => "Nothing has to be done: lights and logs tell how it went. docs/config.md says what sound needs.";

    /// A bug: the program came upon something that its authors held to be impossible.
    Panic = 901 { message: String }
        "The program stopped because of a bug: {message}"
        => "Leave the card in and plug the camera in again; report this with wz_flash-helper/initramfs.log.";

    /// The program was ended from outside, most likely for lack of memory.
    Died = 902 { how: String }
        "The program was ended unexpectedly ({how})"
        => "Run again; if it stays, report it with wz_flash-helper/initramfs.log.";

    /// Part of the system that every camera has did not work.
    SystemFailed = 903 { doing: String, reason: String }
        "Could not {doing}: {reason}"
        => "Run again; if it stays, report it with wz_flash-helper/initramfs.log.";

    /// A command at the shell would begin something beside a run that has to be finished first.
    RunOpen = 920 {}
        "A run that writes flash was interrupted and is not finished, so nothing else is begun"
        => "Type \"wz run\", or leave the shell: it goes on. Leave the SD kernel on the card until it is done.";

    /// What was planned before a shell was open may not fit flash and card any more.
    PlannedAnew = 921 {}
        "A shell was open, so configuration, journal and plan are read anew"
        => "Nothing: the run begins again with what is on the card now.";

    /// Two programs must not work on flash at once.
    FlashBusy = 922 {}
        "Another program of wz_flash-helper is working on flash"
        => "Wait until it is done, then try again.";

    /// By hand, a partition is written or erased alone; a camera whose boot partition does not fit the rest
    /// does not start any more.
    BootByHand = 923 { partition: String }
        "\"{partition}\" is the boot partition, and no command writes it alone"
        => "To replace the firmware, type wz switch; to restore this one's boot partition, see docs/config.md.";

    /// A command needs the card.
    CardNotMounted = 924 { folder: String }
        "No card is mounted at \"{folder}\""
        => "Put the card in and type: mount -t vfat /dev/mmcblk0p1 {folder}";

    /// The installed firmware has no partition of this name.
    PartitionUnknown = 925 { name: String, known: String }
        "\"{name}\" is no partition of this camera; there are: {known}"
        => "Correct the name; \"wz partition list\" shows them all.";

    /// There are no files in such a partition, or none that could be changed.
    PartitionWithoutFiles = 926 { partition: String, format: String }
        "\"{partition}\" is {format}: there are no files in it that could be packed or changed one by one"
        => "Write the whole partition instead: wz partition write.";

    /// A program holds a partition that was made a device of its own.
    PartitionInUse = 927 { device: String, reason: String }
        "The partition at {device} is still in use: {reason}"
        => "Unmount it (\"mount\" shows what is mounted), then try again.";

    /// The kernel does not make a device of a partition.
    PartitionNotShown = 928 { partition: String, reason: String }
        "The kernel makes no device of \"{partition}\": {reason}"
        => "Type \"wz partition release\" first: cameras' kernels (Linux 3.10) take one partition at a time.";

    /// A file that a command names.
    FileFailed = 929 { doing: String, file: String, reason: String }
        "Could not {doing} \"{file}\": {reason}"
        => "Check the name of the file and the room there.";

    /// An archive could write outside the partition, or holds what no partition should.
    ArchiveRefused = 930 { file: String, entry: String, why: String }
        "The archive \"{file}\" is not unpacked: \"{entry}\" {why}"
        => "Make the archive anew from the files alone; nothing was written.";

    /// The partition's file system took an archive's files and shows others.
    ExtractDiffers = 931 { partition: String, entry: String, what: String }
        "\"{entry}\" in \"{partition}\" is not as it is in the archive: {what}"
        => "The partition is worn out, full or damaged: write an image of it, or restore it from a backup.";

    /// An archive's files could not be written into a partition.
    ExtractFailed = 932 { partition: String, reason: String }
        "The archive could not be unpacked into \"{partition}\": {reason}"
        => "The partition may hold a part of it. Make room in it, or restore it from a backup, and try again.";

    /// Which of several layouts the next firmware will have is told by its images only.
    LayoutUndecided = 933 { firmware: String, layouts: String }
        "{firmware} has several layouts ({layouts}), and it is not known which one it will have"
        => "Switch first: the partitions of the firmware that is installed are known then.";

    /// A question about the next firmware, where there is none.
    NextFirmwareUnknown = 934 { name: String, known: String }
        "\"{name}\" is no firmware of this camera; there are: {known}"
        => "Set next_firmware in general.conf.";

    /// A script that asks for a run would be part of it again and again.
    RunInScript = 935 {}
        "A script cannot begin the run that it is part of"
        => "Use wz backup, wz restore, wz switch or wz partition in it instead.";
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn no_two_problems_share_a_code() {
        let codes: BTreeSet<Code> = TABLE.iter().map(|row| row.code).collect();
        assert_eq!(codes.len(), TABLE.len());
    }

    #[test]
    fn every_code_is_about_one_of_the_subjects_and_blinks_that_often() {
        for row in TABLE {
            let subject = row.code.subject();
            assert!(
                SUBJECTS.iter().any(|(known, _)| *known == subject),
                "{}",
                row.code
            );
            let digits = format!("WZ-{:02}", subject.blinks());
            assert!(row.code.to_string().starts_with(&digits), "{}", row.code);
        }
    }

    #[test]
    fn the_table_is_in_the_order_of_its_codes() {
        assert!(TABLE.is_sorted_by_key(|row| row.code));
    }
}
