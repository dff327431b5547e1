//! What only the owner's computer meets. Whatever the camera would say is a [`Problem`] of `wz-core`.
//!
//! The table is `docs/wz-codes.md`. A code never changes its meaning.

use std::io;
use std::path::Path;

use serde::Serialize;
use wz_core::event::Problem;
use wz_core::problem_table;
use wz_core::units::{Offset, Size};

use crate::cardimage::CardImageError;
use crate::files::Doing;
use crate::package::PackageError;
use crate::voices::VoicesError;

problem_table! {
    /// Why a command of `wz` was not carried out.
    pub enum CliProblem;

    /// An argument is missing, unknown or none of those that are possible.
    Usage = 1001 { why: String }
        "{why}"
        => "Use --help behind the command to see what it takes.";

    /// No file or folder of this name.
    Missing = 1002 { path: String }
        "There is no \"{path}\""
        => "Check the spelling and the folder; a name with blanks belongs in quotes.";

    /// The system forbids it.
    Forbidden = 1003 { path: String, doing: Doing }
        "\"{path}\" can't be {doing}: the system does not permit it"
        => "Check whose file it is, whether it or its card is write-protected, and whether another program has it open.";

    /// No room.
    Full = 1004 { path: String }
        "\"{path}\" can't be written: there is no room left"
        => "Make room, or choose another place.";

    /// The system has another reason.
    InputOutput = 1005 { path: String, doing: Doing, reason: String }
        "\"{path}\" can't be {doing}: {reason}"
        => "Check the disk or card that it is on.";

    /// A folder, where a file is needed.
    NotAFile = 1006 { path: String }
        "\"{path}\" is not a file"
        => "Name a file.";

    /// Far longer than what the command works on can be.
    TooLong = 1007 { path: String, size: Size, longest: Size }
        "\"{path}\" is {size} long, and nothing of its kind is longer than {longest}"
        => "Name another file.";

    /// The result of a command can't be shown.
    Output = 1008 { reason: String }
        "The result can't be written to the standard output: {reason}"
        => "Check where the output goes.";

    /// A file, where a folder is needed.
    NotAFolder = 1009 { path: String }
        "\"{path}\" is not a folder"
        => "Name a folder.";

    /// Nothing in the folder is an image or an archive.
    NothingToHash = 1010 { folder: String }
        "There is nothing to hash in \"{folder}\": no file in it ends with .bin or .tar.gz"
        => "Name the folder with the images, or the files themselves.";

    /// A hash file is there already, and it belongs to other content. Nothing was written.
    HashDiffers = 1011 { sum_file: String, file: String }
        "\"{sum_file}\" is there already and does not belong to \"{file}\" as it is now"
        => "If that file is the one you want, use --force; if its hash came with it, the file is damaged: get it again.";

    /// A name that a hash file can't hold.
    NotAName = 1012 { path: String }
        "\"{path}\" has a name that cannot stand in a hash file"
        => "Rename it: letters, digits and . _ - do everywhere.";

    /// No profile of this SoC.
    SocUnknown = 1020 { name: String, known: String }
        "\"{name}\" is no SoC family that there is a profile of; there are: {known}"
        => "Choose one of them, or write a profile (docs/adding-a-camera.md).";

    /// No profile of this firmware.
    FirmwareUnknown = 1021 { soc: String, name: String, known: String }
        "There is no firmware \"{name}\" for {soc}; there are: {known}"
        => "Choose one of them, or write a profile (docs/adding-a-camera.md).";

    /// The folder holds no profiles.
    NoProfiles = 1022 { folder: String }
        "There are no profiles in \"{folder}\": files such as t31/soc.toml and t31/stock.toml"
        => "Name the folder that holds a folder for each SoC.";

    /// No U-Boot of the family starts a kernel from a card.
    SocWithoutSdKernel = 1023 { soc: String }
        "The profiles of {soc} name no SD kernel that its U-Boots boot"
        => "Name one in the profile of a firmware (sd_kernels).";

    /// `NAME=VALUE` was expected.
    NotAnAssignment = 1030 { text: String }
        "\"{text}\" is not NAME=VALUE"
        => "Write a variable as wlan_ssid=home; a value with blanks belongs in quotes; NAME= removes it.";

    /// Too short for a dump, too long for the partition.
    NoEnvironmentPlace = 1031 { path: String, size: Size }
        "\"{path}\" is {size} long: neither an environment partition (32K, 64K or 128K) nor a dump of flash"
        => "Name the image of the env partition, or the image of the whole chip (..._all.bin).";

    /// The kernel can't become an SD kernel.
    KernelUnfit = 1040 { path: String, reason: String }
        "--kernel \"{path}\": {reason}"
        => "Give an SD kernel that boots on this camera, a uImage; docs/card.md says where to get one.";

    /// A program for another computer, or none.
    ProgramUnfit = 1041 { option: String, path: String, reason: String }
        "{option} \"{path}\": {reason}"
        => "Give the program that was built for the camera (scripts/build-camera.sh).";

    /// A kernel module without a file name.
    ModuleUnnamed = 1042 { path: String }
        "--module \"{path}\" is no file"
        => "Name the file of a kernel module (.ko).";

    /// The folder that is to become the card holds files of somebody else.
    Foreign = 1043 { path: String }
        "\"{path}\" is in the folder that is to become the card, and does not belong there"
        => "Move it away, or choose another folder.";

    /// A size that no card has.
    CardSize = 1044 { why: String }
        "{why}"
        => "Leave the option away for a card that does.";

    /// The file system of a card image, or the content of the card, is not in order.
    CardImage = 1045 { why: String }
        "{why}"
        => "Let a computer check the card for errors, or make the image anew.";

    /// A zip file can't be made.
    Zip = 1046 { why: String }
        "{why}"
        => "Choose another place, and try again.";

    /// Cameras boot from FAT32.
    NotFat32 = 1060 { path: String }
        "The first partition of the card (\"{path}\") is FAT12 or FAT16, not FAT32"
        => "Format the card anew as FAT32 with an MBR partition table (32 GB or less), or write the ready card image to it.";

    /// The partition table says something else than what is in the partition.
    PartitionType = 1061 { path: String, kind: String }
        "The partition table of the card (\"{path}\") gives its first partition the type {kind}, which is not FAT32 (0x0b or 0x0c)"
        => "Format the card anew as FAT32 with an MBR partition table (32 GB or less), or write the ready card image to it.";

    /// U-Boots of these cameras ignore larger cards.
    CardTooLarge = 1062 { path: String, size: Size, largest: Size }
        "The card (\"{path}\") has {size}, and U-Boots of cameras ignore cards of more than {largest}"
        => "Use a smaller card.";

    /// The folder of a backup has an image of the whole chip.
    NoDump = 1063 { folder: String }
        "There is no image of a whole chip (..._all.bin) in \"{folder}\", or more than one"
        => "Name the image itself, or the folder of one backup.";

    /// A chip decides which images fit.
    ChipNotTold = 1064 { path: String, known: String }
        "Nothing tells which chip \"{path}\" is of: there is no ID.txt beside it, and no chip group in its name"
        => "Say it with --chip, or name the file as backups do (stock_t31x_all.bin); chip groups: {known}.";

    /// U-Boots would not start this file.
    KernelBad = 1065 { name: String, why: String }
        "The SD kernel \"{name}\" is none that a camera starts: {why}"
        => "Copy it to the card again.";

    /// U-Boots read a file into a buffer of this length.
    KernelTooLong = 1066 { name: String, size: Size, longest: Size }
        "The SD kernel \"{name}\" has {size}, and the camera's U-Boot reads no more than {longest}"
        => "Use the SD kernel that is made for this camera.";

    /// The program puts its kernel away when it has run.
    KernelAway = 1067 { name: String, suffix: String }
        "The SD kernel has been put away as \"{name}\", so the camera would start its own firmware"
        => "Take {suffix} off its name; wz card new does that, too.";

    /// Images are found by their names.
    ImageName = 1068 { file: String, example: String, groups: String }
        "\"{file}\" is no name of an image, so the camera will not look at it"
        => "Name it like {example}; chip groups: {groups}.";

    /// The camera would start it, and it would do something else.
    KernelForeign = 1069 { name: String, kernel: String }
        "The SD kernel \"{name}\" has not this program in it: its header says \"{kernel}\""
        => "Move it from the card to a computer, and give it to wz card new as --kernel, which puts the program into it.";

    /// A U-Boot of this firmware starts no kernel from a card.
    NoKernelFromCard = 1070 {}
        "The U-Boot that is in flash starts no kernel from a card"
        => "This camera can't be changed by a card: docs/card.md.";

    /// U-Boots of another generation look for another name.
    KernelNameMissing = 1071 { firmware: String, name: String }
        "Some U-Boots of {firmware} look for \"{name}\" only, and there is no such file on the card"
        => "Give wz card new a kernel with --kernel: it is copied to every name that is needed.";

    /// Something else is where a file is to be. Nothing was written.
    Occupied = 1080 { path: String }
        "There is another \"{path}\" on the card already"
        => "Move it to a computer, or use --force to write over it.";

    /// The configuration was written by somebody else, or has other lines than this version's. Nothing was
    /// written.
    ConfigurationNotOurs = 1081 { path: String }
        "\"{path}\" on the card is not made from this version's template"
        => "Move it to a computer, or use --force to write over it.";

    /// It would be used instead of the images that are wished for.
    OtherImage = 1082 { path: String }
        "There is an image \"{path}\" on the card, which the camera would use, too"
        => "Move it to a computer.";

    /// The files do not fit.
    NoRoomOnCard = 1083 { needed: Size, free: Size }
        "The card needs {needed} more, and {free} are free"
        => "Make room on the card, or use a larger one.";

    /// No such partition can be restored.
    PartitionUnknown = 1084 { name: String, firmware: String, known: String }
        "\"{name}\" is no partition of {firmware} that can be restored so; there are: {known}"
        => "Choose among them; for the boot partition see hidden_option_restore_boot in docs/config.md.";

    /// No such chip group in the family.
    GroupUnknown = 1085 { name: String, soc: String, known: String }
        "\"{name}\" is no chip group of {soc}; there are: {known}"
        => "The files of a backup have the group in their names: stock_<group>_all.bin.";

    /// Images are found by their names, which have the chip group in them.
    GroupNotTold = 1086 { path: String, known: String }
        "The name of \"{path}\" does not tell which chip group it is for"
        => "Say it with --group; the files of a backup have it in their names. There are: {known}.";

    /// It is not known which partition an image is for.
    ImageNotTold = 1087 { path: String, example: String }
        "The name of \"{path}\" does not tell which of the partitions it is for"
        => "Name it like {example}.";

    /// A folder without images that are needed.
    NoImages = 1088 { folder: String, example: String }
        "There is no image in \"{folder}\" that is needed"
        => "Name the folder of a backup, or one whose images are called like {example}.";

    /// Images are written by Restore and by Switch.
    ImageForNothing = 1089 {}
        "There is an --image, but nothing that it is for"
        => "Use --restore with the names of partitions, or --switch-to with the name of a firmware.";

    /// The file that comes with this tool is not beside it.
    ProgramMissing = 1090 { file: String }
        "The camera's program, which is put into the kernel, is not there: \"{file}\" is missing beside wz"
        => "Keep the files of the download together, or name the file with --program.";

    /// The camera's program is not whole.
    ProgramDamaged = 1091 { path: String, why: String }
        "\"{path}\" is not the camera's program: {why}"
        => "Unpack the download again.";

    /// Which of the two is to run on the camera?
    ProgramTwice = 1092 { kernel: String }
        "There is a program in the kernel \"{kernel}\" already, and --program names one"
        => "Leave --program away, or take the kernel that the program was put into.";

    /// QEMU's board. A remark.
    KernelOfEmulator = 1093 {}
        "The kernel is the emulator's: no camera boots it"
        => "For a camera, give a kernel that it boots from a card.";

    /// The name is one that only the U-Boots of another family look for.
    KernelOfOtherFamily = 1094 { path: String, soc: String, other: String }
        "\"{path}\" is called like an SD kernel for a {other}, not for a {soc}"
        => "Check --soc. If the kernel is right, give the file another name.";

    /// What the camera is to say is not in order.
    VoicesText = 1100 { path: String, why: String }
        "\"{path}\" is no file of texts: {why}"
        => "Compare it with voices/en.toml.";

    /// The program that speaks did not.
    VoicesSilent = 1101 { why: String }
        "{why}"
        => "Install espeak-ng, and try again.";

    /// A file or folder of this name, which is not replaced.
    AlreadyThere = 1200 { path: String }
        "\"{path}\" is there already, and is not replaced"
        => "Choose another name, or move it away.";

    /// No profile has this chip.
    ChipUnknown = 1201 { name: String, known: String }
        "There is no chip \"{name}\"; there are: {known}"
        => "Choose one of them, or write a profile (docs/adding-a-camera.md).";

    /// The firmware has no layout of this name.
    LayoutUnknown = 1202 { firmware: String, name: String, known: String }
        "{firmware} has no layout \"{name}\"; there are: {known}"
        => "Choose one of them; wz profile show lists their partitions.";

    /// A dump has the length of the chip.
    NotADump = 1203 { path: String, size: Size, chip: Size }
        "\"{path}\" is {size} long, and the whole of a flash chip is {chip}"
        => "Name the image of the whole chip (..._all.bin); wz inspect tells what a file is.";

    /// No rule of a profile holds for the dump, or those of several do.
    DumpUntold = 1204 { path: String }
        "Nothing in \"{path}\" tells surely which firmware of which SoC it is"
        => "If you know, say so with --chip, --firmware and --layout (wz profile list).";

    /// The firmware has several layouts, and none of them shows.
    LayoutUntold = 1205 { path: String, firmware: String, known: String }
        "Nothing in \"{path}\" tells which layout of {firmware} it has; there are: {known}"
        => "If you know, say so with --layout.";

    /// The names of images carry the chip, and a mistake there could cost a camera.
    ChipUntold = 1206 { path: String, chips: String }
        "Neither \"{path}\" nor its name tells which chip it is for, and the names of images have to; there are: {chips}"
        => "Say so, as in --chip t31x; ID.txt beside a backup has it (SoC).";

    /// No file in the folder has the name of an image.
    NoImageHere = 1210 { folder: String }
        "There are no images in \"{folder}\": files such as stock_t31x_kernel.bin"
        => "Name the folder of one backup, or one that wz split has made.";

    /// An image that is needed is not there.
    PieceMissing = 1211 { folder: String, name: String, size: Size }
        "\"{name}\" ({size}) is missing in \"{folder}\""
        => "Copy it there, with its .sha256sum file.";

    /// An image that is not as long as its partition.
    PieceSize = 1212 { path: String, found: Size, expected: Size }
        "\"{path}\" is {found} long, and its partition is {expected}"
        => "It is cut off, or belongs to another layout: get the right one.";

    /// Two chips can't be compared if one is larger.
    SizesDiffer = 1220 { first: String, first_size: Size, second: String, second_size: Size }
        "\"{first}\" is of a chip of {first_size}, \"{second}\" of one of {second_size}"
        => "Name two that are of the same kind of camera.";

    /// No partition is in both.
    NothingInCommon = 1221 { first: String, second: String }
        "There is no partition that both \"{first}\" and \"{second}\" have"
        => "Name a dump of the whole chip as one of them.";

    /// The camera names a backup so until all of it is written and read back.
    BackupUnfinished = 1230 { folder: String }
        "\"{folder}\" is a backup that was not finished"
        => "Make another backup; do not rely on this one.";

    /// The original's full backup has it, and so has this program's.
    NoWhole = 1231 { path: String }
        "There is no image of the whole chip: \"{path}\""
        => "Nothing has to be done; wz join makes one.";

    /// The original leaves out the flag partition of T20 cameras.
    OnlyInWhole = 1232 { path: String }
        "\"{path}\" is missing, but the image of the whole chip has what belongs into it"
        => "Nothing has to be done; wz split makes it of the whole image.";

    /// Of the whole chip and a partition, one is damaged.
    WholeDiffers = 1233 { path: String, whole: String, at: Offset }
        "\"{path}\" and \"{whole}\" differ, first at {at} of the partition"
        => "One of the two is damaged, or they are of different backups: make another backup.";

    /// The image does not hold what the partition has to hold.
    ContentUnfit = 1234 { path: String, partition: String, why: String }
        "\"{path}\" is not sound as an image of \"{partition}\": {why}"
        => "Do not restore it; take another backup, or make one.";

    /// The content tells another firmware or chip than the name.
    FirmwareOther = 1235 { path: String, named: String, found: String }
        "\"{path}\" is named as one of {named}, and holds {found}"
        => "Do not restore it under this name.";

    /// An archive that can't be unpacked to its end.
    ArchiveDamaged = 1236 { path: String, why: String }
        "\"{path}\" can't be unpacked: {why}"
        => "The files are in the image of the partition, too; make another backup.";

    /// What a backup says about itself is missing.
    NoId = 1237 { path: String }
        "There is no \"{path}\""
        => "Nothing has to be done; it only tells people which backup this is.";

    /// What a backup says about itself is not so.
    IdDiffers = 1238 { path: String, name: String, found: String, expected: String }
        "\"{path}\" says \"{name}: {found}\", and the backup is: {expected}"
        => "The folder may be put together of several backups: look whose images they are.";

    /// Files of another kind.
    NotOfBackup = 1239 { folder: String, files: String }
        "\"{folder}\" also holds what belongs to no backup of this layout: {files}"
        => "Nothing has to be done.";

    /// The card has no folder of the program.
    NotACard = 1250 { path: String }
        "There is no folder \"wz_flash-helper\" on \"{path}\""
        => "Name the card: its drive, its folder, or an image of all of it.";
}

/// How a command ended, for scripts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// It did what it was asked for, and all is in order.
    Done = 0,
    /// Something is not in order, or was refused.
    Refused = 1,
    /// The arguments make no sense.
    Usage = 2,
    /// A file can't be read or written.
    InputOutput = 3,
}

impl CliProblem {
    /// What the system says about a file or folder.
    pub fn io(doing: Doing, path: &Path, error: &io::Error) -> Self {
        let path = path.display().to_string();
        match error.kind() {
            io::ErrorKind::NotFound => Self::Missing { path },
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                Self::Forbidden { path, doing }
            }
            io::ErrorKind::StorageFull => Self::Full { path },
            io::ErrorKind::IsADirectory => Self::NotAFile { path },
            io::ErrorKind::NotADirectory => Self::NotAFolder { path },
            _ => Self::InputOutput {
                path,
                doing,
                reason: error.to_string(),
            },
        }
    }

    /// How a command ends that meets it.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Usage { .. } | Self::NotAnAssignment { .. } | Self::ImageForNothing { .. } => {
                Exit::Usage
            }
            Self::Missing { .. }
            | Self::Forbidden { .. }
            | Self::Full { .. }
            | Self::InputOutput { .. }
            | Self::NotAFile { .. }
            | Self::NotAFolder { .. }
            | Self::Output { .. } => Exit::InputOutput,
            _ => Exit::Refused,
        }
    }
}

impl From<VoicesError> for CliProblem {
    fn from(error: VoicesError) -> Self {
        match error {
            VoicesError::Io {
                path,
                doing,
                source,
            } => Self::io(doing, &path, &source),
            VoicesError::Text { path, why } => Self::VoicesText {
                path: path.display().to_string(),
                why,
            },
            VoicesError::Silent { .. } => Self::VoicesSilent {
                why: error.to_string(),
            },
        }
    }
}

impl From<PackageError> for CliProblem {
    fn from(error: PackageError) -> Self {
        match error {
            PackageError::Io {
                path,
                doing,
                source,
            } => Self::io(doing, &path, &source),
            PackageError::Foreign { path } => Self::Foreign {
                path: path.display().to_string(),
            },
            PackageError::Zip(_) => Self::Zip {
                why: error.to_string(),
            },
        }
    }
}

impl From<CardImageError> for CliProblem {
    fn from(error: CardImageError) -> Self {
        match error {
            CardImageError::Image {
                path,
                doing,
                source,
            } => Self::io(doing, &path, &source),
            CardImageError::Size { .. } => Self::CardSize {
                why: error.to_string(),
            },
            CardImageError::NotACard { .. } | CardImageError::OnCard { .. } => Self::CardImage {
                why: error.to_string(),
            },
        }
    }
}

/// A problem as it is told, with the field names of the camera's `result.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Told {
    /// `WZ-1002`
    pub code: String,
    /// One sentence: what is wrong.
    pub what: String,
    /// One sentence: what to do next.
    pub next_step: String,
}

impl From<&Problem> for Told {
    fn from(problem: &Problem) -> Self {
        Self {
            code: problem.code().to_string(),
            what: problem.what(),
            next_step: problem.next_step(),
        }
    }
}

impl From<&CliProblem> for Told {
    fn from(problem: &CliProblem) -> Self {
        Self {
            code: problem.code().to_string(),
            what: problem.what(),
            next_step: problem.next_step(),
        }
    }
}

/// A command was not carried out: all reasons why, and nothing was changed unless they say so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// At least one.
    pub failures: Vec<Told>,
    /// How the program ends.
    #[serde(skip)]
    pub exit: Exit,
}

impl From<CliProblem> for Failure {
    fn from(problem: CliProblem) -> Self {
        Self {
            failures: vec![Told::from(&problem)],
            exit: problem.exit(),
        }
    }
}

impl From<Vec<CliProblem>> for Failure {
    fn from(problems: Vec<CliProblem>) -> Self {
        Self {
            failures: problems.iter().map(Told::from).collect(),
            exit: problems.first().map_or(Exit::Refused, CliProblem::exit),
        }
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        vec![problem].into()
    }
}

impl From<Vec<Problem>> for Failure {
    fn from(problems: Vec<Problem>) -> Self {
        let is_input_output = |problem: &Problem| {
            matches!(
                problem,
                Problem::CardFailed { .. } | Problem::CardGone { .. }
            )
        };
        Self {
            failures: problems.iter().map(Told::from).collect(),
            exit: match problems.iter().any(is_input_output) {
                true => Exit::InputOutput,
                false => Exit::Refused,
            },
        }
    }
}
