//! Loads kernel modules from the initramfs or from the card.

use std::ffi::CString;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::kmod::{ModuleInitFlags, finit_module};
use wz_core::event::Problem;
use wz_core::profile::Module;

/// Where modules are, what is on the card first: its owner may have a better one.
const PLACES: [&str; 2] = ["sdcard/wz_flash-helper/modules", "lib/modules"];

/// Loads `modules` in their order; `root` is where the places are.
pub fn load_all<'a>(root: &Path, modules: impl IntoIterator<Item = &'a Module>) -> Vec<Problem> {
    let load = |module| load(root, module, &insert);
    modules
        .into_iter()
        .filter_map(|module| load(module).err())
        .collect()
}

type Insert<'a> = &'a dyn Fn(&File, &CString) -> nix::Result<()>;

fn insert(file: &File, parameters: &CString) -> nix::Result<()> {
    finit_module(file, parameters, ModuleInitFlags::empty())
}

/// One that is loaded already is fine.
fn load(root: &Path, module: &Module, insert: Insert<'_>) -> Result<(), Problem> {
    let failed = |reason: String| Problem::ModuleNotLoaded {
        module: module.name.clone(),
        reason,
    };
    let file = find(root, &module.name).map_err(|error| failed(error.to_string()))?;
    let parameters = CString::new(module.parameters.as_str());
    let parameters = parameters.map_err(|error| failed(error.to_string()))?;
    match insert(&file, &parameters) {
        Ok(()) | Err(Errno::EEXIST) => Ok(()),
        Err(Errno::ENOEXEC) => Err(failed("it was built for another kernel".to_owned())),
        Err(errno) => Err(failed(errno.desc().to_owned())),
    }
}

fn find(root: &Path, name: &str) -> io::Result<File> {
    let mut places = PLACES.iter().map(|place| path(root, place, name));
    match places.find(|path| path.is_file()) {
        Some(path) => File::open(path),
        None => Err(io::Error::other(
            "it is neither on the card nor part of the program",
        )),
    }
}

fn path(root: &Path, place: &str, name: &str) -> PathBuf {
    root.join(place).join(format!("{name}.ko"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use std::cell::RefCell;
    use std::fs;
    use std::io::Read;
    use tempfile::TempDir;

    fn root_with(files: &[(&str, &str)]) -> TempDir {
        let root = tempfile::tempdir().unwrap();
        for (path, content) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        root
    }

    fn module(name: &str, parameters: &str) -> Module {
        Module {
            name: name.to_owned(),
            parameters: parameters.to_owned(),
        }
    }

    #[rstest]
    #[case::of_the_program(&[("lib/modules/a.ko", "ours")], "ours")]
    #[case::of_the_card(&[("sdcard/wz_flash-helper/modules/a.ko", "theirs")], "theirs")]
    #[case::of_both(
        &[("lib/modules/a.ko", "ours"), ("sdcard/wz_flash-helper/modules/a.ko", "theirs")],
        "theirs"
    )]
    fn a_module_is_loaded_with_its_parameters(
        #[case] files: &[(&str, &str)],
        #[case] expected: &str,
    ) {
        let root = root_with(files);
        let loaded = RefCell::new(Vec::new());
        let insert = |mut file: &File, parameters: &CString| {
            let mut content = String::new();
            file.read_to_string(&mut content).unwrap();
            let parameters = parameters.to_str().unwrap().to_owned();
            loaded.borrow_mut().push((content, parameters));
            Ok(())
        };
        load(root.path(), &module("a", "x=1 y=2"), &insert).unwrap();
        let expected = (expected.to_owned(), "x=1 y=2".to_owned());
        assert_eq!(loaded.into_inner(), [expected]);
    }

    #[rstest]
    #[case::loaded_already(Errno::EEXIST, None)]
    #[case::of_another_kernel(Errno::ENOEXEC, Some("another kernel"))]
    #[case::without_its_device(Errno::ENODEV, Some("No such device"))]
    fn what_the_kernel_says_is_told(#[case] errno: Errno, #[case] told: Option<&str>) {
        let root = root_with(&[("lib/modules/a.ko", "")]);
        let result = load(root.path(), &module("a", ""), &|_, _| Err(errno));
        match (result, told) {
            (Ok(()), None) => {}
            (Err(problem), Some(told)) => assert!(problem.what().contains(told), "{problem}"),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_module_that_is_nowhere_does_not_keep_the_next_from_being_tried() {
        let root = root_with(&[("lib/modules/b.ko", "no module")]);
        let problems = load_all(root.path(), &[module("a", ""), module("b", "")]);
        let codes: Vec<_> = problems.iter().map(|p| p.code().to_string()).collect();
        assert_eq!(codes, ["WZ-0880", "WZ-0880"]);
        assert!(problems[0].what().contains("neither"), "{}", problems[0]);
        assert!(problems[1].what().contains("b.ko"), "{}", problems[1]);
    }
}
