//! The file systems of a synthetic firmware, made with the tools that make real ones. The same input
//! gives the same bytes.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;

use tempfile::TempDir;
use wz_core::units::Size;

use crate::error::{Doing, Error, Result};
use crate::tool;
use crate::tree::Tree;

/// The erase block that the JFFS2 nodes are packed into. (`--eraseblock`; the kernel reads any.)
const ERASE_BLOCK: &str = "32KiB";

/// A squashfs as it comes out of thingino's build: xz, 256 KiB blocks. Not padded.
pub(crate) fn squashfs(tree: &Tree) -> Result<Vec<u8>> {
    let work = Work::new(tree)?;
    let options = "-noappend -quiet -no-progress -comp xz -b 256K -all-root -no-xattrs \
                   -all-time 0 -mkfs-time 0 -nopad -processors 1";
    let files = [work.files.as_os_str(), work.image.as_os_str()];
    let options = options.split_whitespace().map(OsStr::new);
    tool::run("mksquashfs", files.into_iter().chain(options))?;
    work.image()
}

/// A JFFS2 that fills a partition of this size.
pub(crate) fn jffs2(tree: &Tree, size: Size) -> Result<Vec<u8>> {
    let work = Work::new(tree)?;
    let root = format!("--root={}", work.files.display());
    let output = format!("--output={}", work.image.display());
    let pad = format!("--pad={}", size.get());
    let eraseblock = format!("--eraseblock={ERASE_BLOCK}");
    let flags = ["--little-endian", "--squash-uids", "--faketime"];
    let options = [&root, &output, &pad, &eraseblock].map(String::as_str);
    tool::run("mkfs.jffs2", flags.into_iter().chain(options))?;
    work.image_of(size)
}

/// A FAT volume that fills a partition of this size.
pub(crate) fn vfat(tree: &Tree, size: Size) -> Result<Vec<u8>> {
    let work = Work::new(tree)?;
    let kib = (size.get() / 1024).to_string();
    let image = work.image.as_os_str();
    let options = ["--invariant", "-C", "-n", "WZTESTBED"].map(OsStr::new);
    tool::run(
        "mkfs.vfat",
        options.into_iter().chain([image, OsStr::new(&kib)]),
    )?;
    let tops = fs::read_dir(&work.files).doing(|| "list files".to_owned())?;
    let mut tops: Vec<_> = tops.filter_map(|top| Some(top.ok()?.path())).collect();
    tops.sort();
    if !tops.is_empty() {
        let options = [OsStr::new("-s"), OsStr::new("-m"), OsStr::new("-i"), image];
        let tops = tops.iter().map(|top| top.as_os_str());
        tool::run(
            "mcopy",
            options.into_iter().chain(tops).chain([OsStr::new("::/")]),
        )?;
    }
    work.image_of(size)
}

/// A folder with the files to pack and room for the image.
struct Work {
    _dir: TempDir,
    files: std::path::PathBuf,
    image: std::path::PathBuf,
}

impl Work {
    fn new(tree: &Tree) -> Result<Self> {
        let dir = tempfile::tempdir().doing(|| "make a temporary folder".to_owned())?;
        let files = dir.path().join("files");
        fs::create_dir(&files).doing(|| format!("make {}", files.display()))?;
        tree.write_to(&files)?;
        pin_times(&files)?;
        Ok(Self {
            files,
            image: dir.path().join("image"),
            _dir: dir,
        })
    }

    fn image(&self) -> Result<Vec<u8>> {
        fs::read(&self.image).doing(|| format!("read {}", self.image.display()))
    }

    fn image_of(&self, size: Size) -> Result<Vec<u8>> {
        let image = self.image()?;
        if image.len() == size.as_usize() {
            return Ok(image);
        }
        Err(Error::Fixture(format!(
            "the files do not fit into a partition of {size}: {} bytes",
            image.len()
        )))
    }
}

/// Some tools store the times of the files.
fn pin_times(folder: &Path) -> Result<()> {
    let pinning = || "set the times of files".to_owned();
    let then = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_600_000_000);
    let times = fs::FileTimes::new().set_modified(then).set_accessed(then);
    for entry in fs::read_dir(folder).doing(pinning)? {
        let entry = entry.doing(pinning)?;
        let kind = entry.file_type().doing(pinning)?;
        if kind.is_dir() {
            pin_times(&entry.path())?;
        }
        if !kind.is_symlink() {
            let file = fs::File::open(entry.path()).doing(pinning)?;
            file.set_times(times).doing(pinning)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filler;

    fn tree() -> Tree {
        Tree::default()
            .file("etc/os-release", "NAME=Thingino\n")
            .file("data", filler::bytes(1, 5000))
            .file("empty", "")
    }

    #[test]
    fn unsquashfs_reads_the_squashfs() {
        let dir = tempfile::tempdir().unwrap();
        let image = dir.path().join("image");
        fs::write(&image, squashfs(&tree()).unwrap()).unwrap();

        let said = tool::run("unsquashfs", [Path::new("-s"), &image]).unwrap();

        assert!(said.contains("Compression xz"), "{said}");
        assert!(said.contains("Number of inodes 5"), "{said}");
    }

    #[test]
    fn the_jffs2_starts_with_a_node_and_has_the_size() {
        let image = jffs2(&tree(), Size::kib(256)).unwrap();

        assert_eq!(image[..2], [0x85, 0x19]);
        assert_eq!(image.len(), 256 * 1024);
    }

    #[test]
    fn fsck_is_content_with_the_vfat() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("image");
        let image = vfat(&tree(), Size::kib(1984)).unwrap();
        fs::write(&file, &image).unwrap();

        assert_eq!(
            tool::findings("fsck.fat", [Path::new("-n"), &file]).unwrap(),
            [""; 0]
        );
        assert_eq!(image.len(), 1984 * 1024);
    }

    #[test]
    fn too_many_files_are_refused() {
        let tree = tree().file("much", filler::bytes(2, 300 * 1024));

        let error = jffs2(&tree, Size::kib(256)).unwrap_err();

        assert!(
            error
                .to_string()
                .contains("do not fit into a partition of 256K"),
            "{error}"
        );
    }

    #[test]
    fn the_same_files_make_the_same_images() {
        assert!(squashfs(&tree()).unwrap() == squashfs(&tree()).unwrap());
        let size = Size::kib(256);
        assert!(jffs2(&tree(), size).unwrap() == jffs2(&tree(), size).unwrap());
        assert!(vfat(&tree(), size).unwrap() == vfat(&tree(), size).unwrap());
    }
}
