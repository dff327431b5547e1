//! Files, folders and links: what is put into the file systems of a synthetic firmware, and what
//! comes back in an archive.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::io::Read;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use flate2::read::GzDecoder;
use tar::EntryType;

use crate::error::{Doing, Error, Result};

/// Everything below a folder, by its path without a leading `/`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tree {
    nodes: BTreeMap<String, Node>,
}

/// One thing in a [`Tree`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Node {
    /// A folder.
    Folder,
    /// A file.
    File {
        /// What is in it.
        content: Vec<u8>,
        /// Whether its owner may run it.
        executable: bool,
    },
    /// A symbolic link.
    Link {
        /// Where it points to, as written.
        target: String,
    },
}

impl Tree {
    /// With a file. Its folders are made.
    #[must_use]
    pub fn file(self, path: &str, content: impl Into<Vec<u8>>) -> Self {
        let content = content.into();
        self.node(
            path,
            Node::File {
                content,
                executable: false,
            },
        )
    }

    /// With a program.
    #[must_use]
    pub fn program(self, path: &str, content: impl Into<Vec<u8>>) -> Self {
        let content = content.into();
        self.node(
            path,
            Node::File {
                content,
                executable: true,
            },
        )
    }

    /// With a symbolic link.
    #[must_use]
    pub fn link(self, path: &str, target: &str) -> Self {
        let target = target.to_owned();
        self.node(path, Node::Link { target })
    }

    /// With an empty folder.
    #[must_use]
    pub fn folder(self, path: &str) -> Self {
        self.node(path, Node::Folder)
    }

    /// What is there, by path.
    pub fn nodes(&self) -> &BTreeMap<String, Node> {
        &self.nodes
    }

    /// The content of a `.tar.gz`.
    ///
    /// # Errors
    /// It cannot be unpacked, or holds something else than files, folders and symbolic links.
    pub fn of_tar_gz(archive: &[u8]) -> Result<Self> {
        let mut tree = Self::default();
        let unreadable = || "unpack a .tar.gz".to_owned();
        let mut archive = tar::Archive::new(GzDecoder::new(archive));
        for entry in archive.entries().doing(unreadable)? {
            let mut entry = entry.doing(unreadable)?;
            let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
            let path = path
                .trim_start_matches("./")
                .trim_end_matches('/')
                .to_owned();
            if path.is_empty() {
                continue;
            }
            let node = match entry.header().entry_type() {
                EntryType::Directory => Node::Folder,
                EntryType::Regular => {
                    let executable = entry.header().mode().doing(unreadable)? & 0o100 != 0;
                    let mut content = Vec::new();
                    entry.read_to_end(&mut content).doing(unreadable)?;
                    Node::File {
                        content,
                        executable,
                    }
                }
                EntryType::Symlink => Node::Link {
                    target: String::from_utf8_lossy(&entry.link_name_bytes().unwrap_or_default())
                        .into_owned(),
                },
                other => return Err(Error::Fixture(format!("{path} is {other:?} in a .tar.gz"))),
            };
            tree = tree.node(&path, node);
        }
        Ok(tree)
    }

    /// Writes everything into a folder of this computer.
    pub(crate) fn write_to(&self, folder: &Path) -> Result<()> {
        for (path, node) in &self.nodes {
            let path = folder.join(path);
            let writing = || format!("write {}", path.display());
            match node {
                Node::Folder => fs::create_dir_all(&path).doing(writing)?,
                Node::File {
                    content,
                    executable,
                } => {
                    fs::write(&path, content).doing(writing)?;
                    let mode = if *executable { 0o755 } else { 0o644 };
                    fs::set_permissions(&path, Permissions::from_mode(mode)).doing(writing)?;
                }
                Node::Link { target } => symlink(target, &path).doing(writing)?,
            }
        }
        Ok(())
    }

    fn node(mut self, path: &str, node: Node) -> Self {
        for (at, _) in path.match_indices('/') {
            self.nodes
                .entry(path[..at].to_owned())
                .or_insert(Node::Folder);
        }
        self.nodes.insert(path.to_owned(), node);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tool;

    #[test]
    fn what_tar_packs_is_the_same_tree() {
        let tree = Tree::default()
            .file("a folder/a file", "text")
            .program("bin/run.sh", "#!/bin/sh\n")
            .link("latest", "a folder/a file")
            .folder("empty");
        let dir = tempfile::tempdir().unwrap();
        let files = dir.path().join("files");
        fs::create_dir(&files).unwrap();
        tree.write_to(&files).unwrap();
        let archive = dir.path().join("archive.tar.gz");
        tool::run_in(&files, "tar", ["-czf", archive.to_str().unwrap(), "."]).unwrap();

        let unpacked = Tree::of_tar_gz(&fs::read(&archive).unwrap()).unwrap();

        assert_eq!(unpacked, tree);
        assert_eq!(unpacked.nodes().len(), 6);
    }
}
