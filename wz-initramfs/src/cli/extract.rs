//! `wz partition extract`: files from an archive into a partition's file system.
//!
//! ```text
//!  archive ──▶ its sum right? every entry harmless? ──▶ mount, unpack ──▶ unmount, mount anew ──▶ every file as in the archive?
//! ```

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use flate2::read::GzDecoder;
use tar::{Archive, Entry, EntryType};
use wz_core::config::is_on;
use wz_core::event::Problem;
use wz_core::flash::{FileSystem, FileSystems};
use wz_core::image::sha256sum::{Digest, LONGEST_FILE};
use wz_core::plan::shelf::digest_of;
use wz_core::run::is_open;

use super::Done;
use super::files::{partition, writable};
use super::session::Session;

/// Unpacks the archive `file` into the partition `name`. What is in it beside stays.
pub fn extract(session: &mut Session, file: &Path, name: &str) -> Done {
    // It would take flash for another camera's.
    if is_open(&mut session.card)? {
        return Err(Problem::RunOpen {}.into());
    }
    let sight = session.look()?;
    let found = partition(&sight, name)?;
    let (region, kind) = (found.region, writable(found)?);
    check_sum(file)?;
    check(file)?;
    if is_on(&sight.conf.dry_run) {
        println!(
            "Dry run: {} would be unpacked into {name}. Nothing was changed.",
            file.display()
        );
        return Ok(());
    }
    let failed = |error: io::Error| Problem::ExtractFailed {
        partition: name.to_owned(),
        reason: error.to_string(),
    };
    let mounts = session.flash.mounts();
    mounts.take_back_all()?;
    let folder = mounts.mount_for_writing(region, kind).map_err(failed)?;
    let unpacked = unpack(file, &folder, Keeps::of(kind));
    mounts.unmount().map_err(failed)?;
    unpacked.map_err(failed)?;
    let folder = mounts.mount(region, kind).map_err(failed)?;
    let difference = compare(file, &folder, Keeps::of(kind));
    mounts.unmount().map_err(failed)?;
    match difference.map_err(failed)? {
        None => Ok(()),
        Some((entry, what)) => Err(Problem::ExtractDiffers {
            partition: name.to_owned(),
            entry,
            what,
        }
        .into()),
    }
}

/// What a file system keeps of a file beside its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Keeps {
    /// Owner, mode, links.
    Everything,
    /// Nothing.
    Content,
}

impl Keeps {
    fn of(kind: FileSystem) -> Self {
        match kind {
            FileSystem::Jffs2 | FileSystem::Squashfs => Self::Everything,
            FileSystem::Vfat => Self::Content,
        }
    }
}

type Entries<'a> = Entry<'a, GzDecoder<BufReader<File>>>;

/// Hands each entry of the archive to `each`, in order, until one gives an answer.
fn find_in<T>(
    file: &Path,
    keeps: Keeps,
    mut each: impl FnMut(&mut Entries<'_>, &Path) -> io::Result<Option<T>>,
) -> io::Result<Option<T>> {
    let reader = BufReader::new(File::open(file)?);
    let mut archive = Archive::new(GzDecoder::new(reader));
    archive.set_preserve_mtime(true);
    archive.set_preserve_permissions(keeps == Keeps::Everything);
    archive.set_preserve_ownerships(keeps == Keeps::Everything);
    for entry in archive.entries()? {
        let mut entry = entry?;
        let path = entry.path()?.into_owned();
        if let Some(answer) = each(&mut entry, &path)? {
            return Ok(Some(answer));
        }
    }
    Ok(None)
}

/// Whether the archive is what the `.sha256sum` file beside it says, if there is one.
fn check_sum(file: &Path) -> Result<(), Problem> {
    let shown = file.display().to_string();
    let sums = PathBuf::from(format!("{shown}.sha256sum"));
    if !sums.is_file() {
        return Ok(());
    }
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let sums = some_of(&sums).map_err(|error| unreadable(&sums, &error))?;
    let expected = digest_of(&name, &shown, Some(&sums))?;
    let found = File::open(file).and_then(|mut file| Digest::of_reader(&mut file));
    let found = found.map_err(|error| unreadable(file, &error))?;
    match found == expected {
        true => Ok(()),
        false => Err(Problem::ImageHash {
            file: shown,
            expected: expected.to_string(),
            found: found.to_string(),
        }),
    }
}

/// The file, or as much of it as shows that it is too long.
fn some_of(file: &Path) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    let most = LONGEST_FILE as u64 + 1;
    File::open(file)?.take(most).read_to_end(&mut content)?;
    Ok(content)
}

fn unreadable(file: &Path, error: &io::Error) -> Problem {
    Problem::FileFailed {
        doing: "read".to_owned(),
        file: file.display().to_string(),
        reason: error.to_string(),
    }
}

/// Whether everything in the archive may be unpacked, before anything is.
fn check(file: &Path) -> Result<(), Problem> {
    let mut seen = BTreeSet::new();
    let refused = find_in(file, Keeps::Content, |entry, path| {
        let why = why_not(entry, path)?.or_else(|| match seen.insert(inside(path)) {
            true => None,
            false if entry.header().entry_type().is_dir() => None,
            false => Some("is in it twice"),
        });
        // Read to its end: a damaged archive is found now.
        io::copy(entry, &mut io::sink())?;
        Ok(why.map(|why| (path.display().to_string(), why)))
    });
    match refused {
        Ok(None) => Ok(()),
        Ok(Some((entry, why))) => Err(Problem::ArchiveRefused {
            file: file.display().to_string(),
            entry,
            why: why.to_owned(),
        }),
        Err(error) => Err(unreadable(file, &error)),
    }
}

fn why_not(entry: &Entries<'_>, path: &Path) -> io::Result<Option<&'static str>> {
    let kind = entry.header().entry_type();
    let why = match kind {
        _ if leads_out(path) => Some("leads out of the partition"),
        EntryType::Link if entry.link_name()?.is_none_or(|to| leads_out(&to)) => {
            Some("is a link that leads out of the partition")
        }
        EntryType::Regular
        | EntryType::Continuous
        | EntryType::Directory
        | EntryType::Symlink
        | EntryType::Link => None,
        _ => Some("is no file, folder or link"),
    };
    Ok(why)
}

fn leads_out(path: &Path) -> bool {
    let is_harmless =
        |part: Component<'_>| matches!(part, Component::Normal(_) | Component::CurDir);
    !path.components().all(is_harmless)
}

/// The path without what means nothing.
fn inside(path: &Path) -> PathBuf {
    let parts = path.components();
    parts
        .filter(|part| matches!(part, Component::Normal(_)))
        .collect()
}

fn unpack(file: &Path, folder: &Path, keeps: Keeps) -> io::Result<()> {
    let all = find_in(file, keeps, |entry, path| {
        if entry.header().entry_type() == EntryType::Link {
            make_room(&folder.join(inside(path)), folder)?;
        }
        // It looks again at where each entry leads, links that are there already included.
        match entry.unpack_in(folder)? {
            true => Ok(None::<()>),
            false => Err(io::Error::other(format!(
                "{} leads out of it",
                path.display()
            ))),
        }
    });
    all.map(drop)
}

/// A second name for a file replaces no file by itself.
fn make_room(place: &Path, folder: &Path) -> io::Result<()> {
    let is_inside = |parent: &Path| {
        let parent = fs::canonicalize(parent)?;
        Ok::<_, io::Error>(parent.starts_with(fs::canonicalize(folder)?))
    };
    match fs::symlink_metadata(place) {
        Ok(found) if !found.is_dir() && place.parent().map_or(Ok(false), is_inside)? => {
            fs::remove_file(place)
        }
        _ => Ok(()),
    }
}

/// The first entry that is not in `folder` as it is in the archive, and how it differs. The partition's
/// own root folder, `./` in many archives, stays as it is.
fn compare(file: &Path, folder: &Path, keeps: Keeps) -> io::Result<Option<(String, String)>> {
    find_in(file, keeps, |entry, path| {
        if inside(path).as_os_str().is_empty() {
            return Ok(None);
        }
        let difference = difference(entry, &folder.join(inside(path)), folder, keeps)?;
        Ok(difference.map(|what| (path.display().to_string(), what)))
    })
}

fn difference(
    entry: &mut Entries<'_>,
    place: &Path,
    folder: &Path,
    keeps: Keeps,
) -> io::Result<Option<String>> {
    let Ok(found) = fs::symlink_metadata(place) else {
        return Ok(Some("it is not there".to_owned()));
    };
    let header = entry.header().clone();
    let is_right = match header.entry_type() {
        EntryType::Directory => found.is_dir(),
        EntryType::Symlink => {
            let target = fs::read_link(place).ok();
            found.is_symlink() && target.as_deref() == entry.link_name()?.as_deref()
        }
        EntryType::Link => {
            let target = entry.link_name()?.map(|to| folder.join(inside(&to)));
            let target = target.and_then(|to| fs::symlink_metadata(to).ok());
            target.is_some_and(|target| target.ino() == found.ino())
        }
        _ => found.is_file() && has_same_content(entry, place)?,
    };
    if !is_right {
        return Ok(Some("it holds something else".to_owned()));
    }
    if keeps == Keeps::Content {
        return Ok(None);
    }
    let owner = (u64::from(found.uid()), u64::from(found.gid()));
    if owner != (header.uid()?, header.gid()?) {
        return Ok(Some(format!("its owner is {}:{}", owner.0, owner.1)));
    }
    let mode = found.mode() & 0o7777;
    let has_mode = matches!(
        header.entry_type(),
        EntryType::Regular | EntryType::Continuous | EntryType::Directory
    );
    Ok((has_mode && mode != header.mode()? & 0o7777).then(|| format!("its mode is {mode:o}")))
}

fn has_same_content(entry: &mut Entries<'_>, place: &Path) -> io::Result<bool> {
    let mut file = BufReader::new(File::open(place)?);
    let (mut wanted, mut found) = (vec![0; 16 * 1024], vec![0; 16 * 1024]);
    loop {
        let length = entry.read(&mut wanted)?;
        if length == 0 {
            return Ok(file.read(&mut found)? == 0);
        }
        let found = &mut found[..length];
        if file.read_exact(found).is_err() || *found != wanted[..length] {
            return Ok(false);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use rstest::rstest;
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::process::Command;
    use tar::{Builder, Header};

    /// An archive as the shell's `tar` makes it, with these files.
    fn packed(folder: &Path) -> PathBuf {
        fs::create_dir_all(folder.join("from/sub")).unwrap();
        fs::write(folder.join("from/a"), "alpha").unwrap();
        fs::write(folder.join("from/sub/b"), vec![7; 100_000]).unwrap();
        fs::set_permissions(folder.join("from/a"), PermissionsExt::from_mode(0o4751)).unwrap();
        symlink("/etc/elsewhere", folder.join("from/absolute")).unwrap();
        fs::hard_link(folder.join("from/a"), folder.join("from/twin")).unwrap();
        let status = Command::new("tar")
            .args(["-C", "from", "-czf", "a.tar.gz", "."])
            .current_dir(folder)
            .status();
        assert!(status.unwrap().success());
        folder.join("a.tar.gz")
    }

    #[test]
    fn files_modes_and_links_are_unpacked_as_they_were_and_compared() {
        let folder = tempfile::tempdir().unwrap();
        let archive = packed(folder.path());
        let to = folder.path().join("to");
        fs::create_dir(&to).unwrap();
        fs::write(to.join("a"), "an older one").unwrap();
        fs::write(to.join("beside"), "stays").unwrap();
        check(&archive).unwrap();
        unpack(&archive, &to, Keeps::Everything).unwrap();
        assert_eq!(compare(&archive, &to, Keeps::Everything).unwrap(), None);
        assert_eq!(fs::read(to.join("a")).unwrap(), b"alpha");
        assert_eq!(fs::read(to.join("beside")).unwrap(), b"stays");
        let link = fs::read_link(to.join("absolute")).unwrap();
        assert_eq!(link, Path::new("/etc/elsewhere"));
    }

    #[rstest]
    #[case::content(|to: &Path| fs::write(to.join("sub/b"), vec![8; 100_000]).unwrap())]
    #[case::longer(|to: &Path| fs::write(to.join("sub/b"), vec![7; 100_001]).unwrap())]
    #[case::shorter(|to: &Path| fs::write(to.join("sub/b"), vec![7; 99_999]).unwrap())]
    #[case::gone(|to: &Path| fs::remove_file(to.join("a")).unwrap())]
    #[case::mode(|to: &Path| fs::set_permissions(to.join("a"), PermissionsExt::from_mode(0o751)).unwrap())]
    #[case::link(|to: &Path| {
        fs::remove_file(to.join("absolute")).unwrap();
        symlink("/etc/other", to.join("absolute")).unwrap();
    })]
    #[case::another_twin(|to: &Path| {
        fs::remove_file(to.join("twin")).unwrap();
        fs::write(to.join("twin"), "alpha").unwrap();
    })]
    fn what_the_file_system_lost_is_told(#[case] lose: fn(&Path)) {
        let folder = tempfile::tempdir().unwrap();
        let archive = packed(folder.path());
        let to = folder.path().join("to");
        fs::create_dir(&to).unwrap();
        unpack(&archive, &to, Keeps::Everything).unwrap();
        lose(&to);
        assert!(compare(&archive, &to, Keeps::Everything).unwrap().is_some());
    }

    /// An archive with one entry, whose name no library would write.
    fn with_entry(folder: &Path, name: &str, kind: EntryType, link: &str) -> PathBuf {
        let mut header = Header::new_gnu();
        header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
        if !link.is_empty() {
            header.as_mut_bytes()[157..157 + link.len()].copy_from_slice(link.as_bytes());
        }
        header.set_entry_type(kind);
        header.set_mode(0o644);
        header.set_size(0);
        header.set_cksum();
        let file = folder.join("a.tar.gz");
        let gz = GzEncoder::new(File::create(&file).unwrap(), Compression::fast());
        let mut builder = Builder::new(gz);
        builder.append(&header, io::empty()).unwrap();
        builder.into_inner().unwrap().finish().unwrap();
        file
    }

    #[rstest]
    #[case::absolute("/etc/passwd", EntryType::Regular, "")]
    #[case::upwards("../passwd", EntryType::Regular, "")]
    #[case::upwards_in_the_middle("a/../../passwd", EntryType::Regular, "")]
    #[case::linked_upwards("a", EntryType::Link, "../../etc/passwd")]
    #[case::linked_absolutely("a", EntryType::Link, "/etc/passwd")]
    #[case::a_device("sda", EntryType::Block, "")]
    #[case::a_terminal("tty", EntryType::Char, "")]
    #[case::a_pipe("pipe", EntryType::Fifo, "")]
    fn what_leads_out_or_is_no_file_is_refused_before_anything_is_unpacked(
        #[case] name: &str,
        #[case] kind: EntryType,
        #[case] link: &str,
    ) {
        let folder = tempfile::tempdir().unwrap();
        let archive = with_entry(folder.path(), name, kind, link);
        let problem = check(&archive).unwrap_err();
        assert_eq!(problem.code().to_string(), "WZ-0930", "{problem}");
    }

    #[test]
    fn the_root_folder_of_an_archive_is_not_compared() {
        let folder = tempfile::tempdir().unwrap();
        let from = folder.path().join("from");
        fs::create_dir(&from).unwrap();
        fs::set_permissions(&from, PermissionsExt::from_mode(0o700)).unwrap();
        let (archive, to) = (packed(folder.path()), folder.path().join("to"));
        fs::create_dir(&to).unwrap();
        fs::set_permissions(&to, PermissionsExt::from_mode(0o755)).unwrap();
        unpack(&archive, &to, Keeps::Everything).unwrap();
        assert_eq!(compare(&archive, &to, Keeps::Everything).unwrap(), None);
    }

    const OF_ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[rstest]
    #[case::its_own("a.tar.gz", OF_ABC, None)]
    #[case::its_own_by_a_path("backup/a.tar.gz", OF_ABC, None)]
    #[case::another_sum("a.tar.gz", &OF_ABC.replace('b', "c"), Some("WZ-0506"))]
    #[case::of_another_file("b.tar.gz", OF_ABC, Some("WZ-0505"))]
    #[case::no_sum("a.tar.gz", "abc", Some("WZ-0504"))]
    fn an_archive_is_what_the_sum_beside_it_says(
        #[case] name: &str,
        #[case] sum: &str,
        #[case] code: Option<&str>,
    ) {
        let folder = tempfile::tempdir().unwrap();
        let archive = folder.path().join("a.tar.gz");
        fs::write(&archive, "abc").unwrap();
        assert_eq!(check_sum(&archive), Ok(()), "without one");
        fs::write(folder.path().join("b.tar.gz"), "abc").unwrap();
        let sums = folder.path().join("a.tar.gz.sha256sum");
        fs::write(sums, format!("{sum}  {name}\r\n")).unwrap();
        let problem = check_sum(&archive).err();
        let found = problem.map(|problem| problem.code().to_string());
        assert_eq!(found.as_deref(), code);
    }

    #[test]
    fn nothing_is_written_through_a_link_that_leads_out() {
        let folder = tempfile::tempdir().unwrap();
        let (to, outside) = (folder.path().join("to"), folder.path().join("outside"));
        fs::create_dir(&to).unwrap();
        fs::create_dir(&outside).unwrap();
        symlink(&outside, to.join("a")).unwrap();
        let archive = with_entry(folder.path(), "a/b", EntryType::Regular, "");
        check(&archive).unwrap();
        assert!(unpack(&archive, &to, Keeps::Everything).is_err());
        assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
    }

    #[test]
    fn a_damaged_archive_is_refused_before_anything_is_unpacked() {
        let folder = tempfile::tempdir().unwrap();
        let archive = packed(folder.path());
        let mut bytes = fs::read(&archive).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle..].fill(0);
        fs::write(&archive, bytes).unwrap();
        let problem = check(&archive).unwrap_err();
        assert_eq!(problem.code().to_string(), "WZ-0929", "{problem}");
    }
}
