//! The names on a simulated card, and what changes them.

use std::collections::BTreeMap;

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Node {
    Folder,
    /// The file with this number.
    File(usize),
}

/// A change of names. One that has lost what it builds on (its folder, its source) does nothing.
#[derive(Clone, Debug)]
pub(super) enum NameChange {
    Put {
        path: String,
        node: Node,
    },
    Move {
        from: String,
        to: String,
    },
    /// With all that is below.
    Remove {
        path: String,
    },
}

/// All names, by path.
#[derive(Clone, Debug, Default)]
pub(super) struct Names(BTreeMap<String, Node>);

impl Names {
    pub(super) fn get(&self, path: &str) -> Option<Node> {
        match path {
            "" => Some(Node::Folder),
            _ => self.0.get(path).copied(),
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&String, Node)> {
        self.0.iter().map(|(path, node)| (path, *node))
    }

    pub(super) fn is_folder(&self, path: &str) -> bool {
        self.get(path) == Some(Node::Folder)
    }

    pub(super) fn apply(&mut self, change: &NameChange) {
        match change {
            NameChange::Put { path, node } => self.put(path, *node),
            NameChange::Move { from, to } => self.rename(from, to),
            NameChange::Remove { path } => self.remove(path),
        }
    }

    fn put(&mut self, path: &str, node: Node) {
        let replaces_file = matches!((self.get(path), node), (Some(Node::File(_)), Node::File(_)));
        let is_new = self.get(path).is_none();
        if self.is_folder(parent(path)) && (is_new || replaces_file) {
            self.0.insert(path.to_owned(), node);
        }
    }

    fn rename(&mut self, from: &str, to: &str) {
        if !self.is_folder(parent(to)) || self.is_folder(to) {
            return;
        }
        let Some(node) = self.0.remove(from) else {
            return;
        };
        self.0.insert(to.to_owned(), node);
        if node == Node::Folder {
            for path in self.below(from) {
                if let Some(node) = self.0.remove(&path) {
                    self.0.insert(format!("{to}{}", &path[from.len()..]), node);
                }
            }
        }
    }

    fn remove(&mut self, path: &str) {
        if self.0.remove(path) == Some(Node::Folder) {
            for path in self.below(path) {
                self.0.remove(&path);
            }
        }
    }

    fn below(&self, folder: &str) -> Vec<String> {
        let all = self.0.keys().filter(|path| is_below(path, folder));
        all.cloned().collect()
    }
}

/// The folder that `path` is in.
pub(super) fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(parent, _)| parent)
}

/// The last part of `path`.
pub(super) fn leaf(path: &str) -> &str {
    path.rsplit_once('/').map_or(path, |(_, name)| name)
}

fn is_below(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder)
        .is_some_and(|rest| rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn put(path: &str, node: Node) -> NameChange {
        let path = path.to_owned();
        NameChange::Put { path, node }
    }

    fn rename(from: &str, to: &str) -> NameChange {
        let (from, to) = (from.to_owned(), to.to_owned());
        NameChange::Move { from, to }
    }

    fn remove(path: &str) -> NameChange {
        let path = path.to_owned();
        NameChange::Remove { path }
    }

    #[rstest]
    #[case::a_renamed_folder_takes_its_files_along(rename("a", "c"), &["ab", "b", "c", "c/x"])]
    #[case::a_renamed_file_replaces_another(rename("b", "a/x"), &["a", "a/x", "ab"])]
    #[case::a_removed_folder_takes_its_files_along(remove("a"), &["ab", "b"])]
    #[case::a_source_that_is_lost(rename("z", "y"), &["a", "a/x", "ab", "b"])]
    #[case::a_target_folder_that_is_lost(rename("b", "z/b"), &["a", "a/x", "ab", "b"])]
    #[case::a_folder_that_is_lost(put("z/y", Node::File(9)), &["a", "a/x", "ab", "b"])]
    #[case::a_folder_is_no_file(put("a", Node::File(9)), &["a", "a/x", "ab", "b"])]
    fn names_after_a_change(#[case] change: NameChange, #[case] left: &[&str]) {
        let mut names = Names::default();
        names.apply(&put("a", Node::Folder));
        for (number, path) in ["a/x", "ab", "b"].into_iter().enumerate() {
            names.apply(&put(path, Node::File(number)));
        }
        names.apply(&change);
        let paths: Vec<&String> = names.iter().map(|(path, _)| path).collect();
        assert_eq!(paths, left);
    }
}
