//! A folder to work in, and `wz` in it.

use std::fs;
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use serde_json::Value;
use tempfile::TempDir;

use crate::documents;

/// A folder that is gone afterwards.
pub struct Desk {
    folder: TempDir,
}

/// How a command ended.
#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Desk {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { folder }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn put(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path
    }

    pub fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap()
    }

    /// Every file, and what it holds.
    pub fn all(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let mut found = Vec::new();
        files(self.folder.path(), &mut found);
        found.sort();
        found
    }

    pub fn wz<S: AsRef<std::ffi::OsStr>>(&self, args: &[S]) -> Ran {
        self.ran(Command::new(assert_cmd::cargo::cargo_bin!("wz")), args)
    }

    /// A command of a tool that has the camera's program beside it.
    pub fn wz_of_a_download<S: AsRef<std::ffi::OsStr>>(&self, program: Vec<u8>, args: &[S]) -> Ran {
        let tool = self.put(
            "download/wz",
            fs::read(assert_cmd::cargo::cargo_bin!("wz")).unwrap(),
        );
        let rights = fs::metadata(assert_cmd::cargo::cargo_bin!("wz"))
            .unwrap()
            .permissions();
        fs::set_permissions(&tool, rights).unwrap();
        self.put("download/wz_flash-helper.cpio", program);
        self.ran(Command::new(tool), args)
    }

    /// What becomes of a command that the rights of files count for: root is not kept out by them.
    #[cfg(unix)]
    pub fn wz_of_nobody(&self, args: &[&str]) -> Ran {
        use std::os::unix::fs::{MetadataExt, PermissionsExt};
        use std::os::unix::process::CommandExt;
        let mut wz = std::process::Command::new(assert_cmd::cargo::cargo_bin!("wz"));
        if fs::metadata("/proc/self").unwrap().uid() == 0 {
            const NOBODY: u32 = 65_534;
            fs::set_permissions(self.folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
            wz.uid(NOBODY).gid(NOBODY);
        }
        self.ran(Command::from_std(wz), args)
    }

    fn ran<S: AsRef<std::ffi::OsStr>>(&self, mut wz: Command, args: &[S]) -> Ran {
        let output = wz
            .current_dir(self.folder.path())
            .env_remove("COLUMNS")
            .args(args)
            .output()
            .unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Ran {
            code: output.status.code().unwrap(),
            out: text(output.stdout),
            err: text(output.stderr),
        }
    }

    /// The JSON that a command prints, which is checked against what docs/wz.md says of `command`.
    pub fn json(&self, command: &str, args: &[&str]) -> Value {
        let ran = self.wz(&[args, &["--format", "json"]].concat());
        assert_eq!(ran.err, "", "nothing but JSON");
        let value = serde_json::from_str(&ran.out).unwrap();
        documents::check(command, &value);
        value
    }

    /// The code of the first failure, which changes nothing.
    pub fn refusal(&self, args: &[&str]) -> (i32, String) {
        let before = self.all();
        let text = self.wz(args);
        let json = self.wz(&[args, &["--format", "json"]].concat());
        assert!(before == self.all(), "something was changed");
        let value: Value = serde_json::from_str(&json.out).unwrap();
        documents::check("Failures", &value);
        let code = value["failures"][0]["code"].as_str().unwrap().to_owned();
        assert!(text.err.contains(&format!("error[{code}]: ")), "{text:?}");
        assert!(text.err.contains("\n  help: "), "{text:?}");
        assert_eq!((text.out.as_str(), text.code), ("", json.code));
        (text.code, code)
    }
}

fn files(folder: &Path, found: &mut Vec<(PathBuf, Vec<u8>)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => files(&path, found),
            false => found.push((path.clone(), fs::read(&path).unwrap())),
        }
    }
}
