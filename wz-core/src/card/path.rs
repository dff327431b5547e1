//! Names on the card: what DESIGN calls "on the card", as constants and constructors.

use std::fmt;

/// A path on the card, from its root, with `/` between the parts. Never absolute, never upwards.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CardPath(String);

impl CardPath {
    /// The top of the card.
    pub fn root() -> Self {
        Self(String::new())
    }

    /// The program's own folder.
    pub fn program() -> Self {
        Self::root().join("wz_flash-helper")
    }

    /// What to do.
    pub fn general_conf() -> Self {
        Self::program().join("general.conf")
    }

    /// All backups.
    pub fn backups() -> Self {
        Self::program().join("backup")
    }

    /// Images and choices for Restore and Switch.
    pub fn restore() -> Self {
        Self::program().join("restore")
    }

    /// Copies of images that a command was given, for as long as its run is not over.
    pub fn given_images() -> Self {
        Self::program().join("given")
    }

    /// How far a run that writes flash has got.
    pub fn journal() -> Self {
        Self::program().join("journal.bin")
    }

    /// What is in flash while the U-Boot environment is written.
    pub fn saved_environment() -> Self {
        Self::program().join("environment.saved")
    }

    /// The owner's Wi-Fi.
    pub fn wifi_conf() -> Self {
        Self::program().join("thingino.conf")
    }

    /// Where thingino looks for settings on the card.
    pub fn uenv() -> Self {
        Self::root().join("uenv.txt")
    }

    /// Custom scripts.
    pub fn scripts() -> Self {
        Self::program().join("scripts")
    }

    /// Profiles that the owner brings.
    pub fn profiles() -> Self {
        Self::program().join("profiles")
    }

    /// What the serial console showed.
    pub fn serial_log() -> Self {
        Self::program().join("initramfs_serial.log")
    }

    /// Everything, for a bug report.
    pub fn full_log() -> Self {
        Self::program().join("initramfs.log")
    }

    /// The outcome for programs.
    pub fn result() -> Self {
        Self::program().join("result.json")
    }

    /// `name` inside this folder. Parts that would lead out of it are dropped.
    #[must_use]
    pub fn join(&self, name: &str) -> Self {
        let mut path = self.0.clone();
        let safe = |part: &&str| !matches!(*part, "" | "." | "..");
        for part in name.split(['/', '\\']).filter(safe) {
            if !path.is_empty() {
                path.push('/');
            }
            path.push_str(part);
        }
        Self(path)
    }

    /// The same path with `suffix` behind its name.
    #[must_use]
    pub fn with_suffix(&self, suffix: &str) -> Self {
        Self(format!("{}{suffix}", self.0))
    }

    /// The folder that it is in.
    pub fn parent(&self) -> Self {
        Self(
            self.0
                .rsplit_once('/')
                .map_or_else(String::new, |(parent, _)| parent.to_owned()),
        )
    }

    /// The last part.
    pub fn name(&self) -> &str {
        self.0.rsplit_once('/').map_or(&self.0, |(_, name)| name)
    }

    /// The whole path, `/` between the parts.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CardPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_path_has_a_parent_and_a_name() {
        let path = CardPath::backups().join("stock").join("0001");
        assert_eq!(path.as_str(), "wz_flash-helper/backup/stock/0001");
        assert_eq!(path.parent().name(), "stock");
        assert_eq!(path.with_suffix(".partial").name(), "0001.partial");
        assert_eq!(CardPath::root().join("kernel").parent(), CardPath::root());
    }

    proptest! {
        #[test]
        fn no_name_leads_out_of_its_folder(name: String) {
            let path = CardPath::program().join(&name);
            prop_assert!(path.as_str().starts_with("wz_flash-helper"));
            prop_assert!(path.as_str().split('/').all(|part| part != ".." && !part.is_empty()));
        }
    }
}
