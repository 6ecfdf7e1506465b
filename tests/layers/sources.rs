//! The files of a crate, parsed, and what its names stand for.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use crate::uses::{Export, Use, read_file};

/// A path inside the crate, without the leading `crate`.
pub(crate) type ModulePath = Vec<String>;

/// One file.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) file: PathBuf,
    pub(crate) module: ModulePath,
    pub(crate) uses: Vec<Use>,
}

/// All files that are compiled outside of tests.
#[derive(Debug, Default)]
pub(crate) struct Sources {
    pub(crate) files: Vec<Source>,
    /// By the module that the name is in, and the name.
    exports: BTreeMap<(ModulePath, String), Export>,
    modules: BTreeSet<ModulePath>,
}

impl Sources {
    /// Reads the files below `folder`, which is given from `root`.
    pub(crate) fn read(root: &Path, folder: &str) -> Self {
        let files = rust_files(root, folder)
            .into_iter()
            .filter_map(|(file, text)| {
                let module = module_of(file.strip_prefix(folder).expect("a file of the folder"))?;
                Some((file, module, text))
            });
        Self::of(files)
    }

    /// Parses files, given with the module that each is and its text.
    pub(crate) fn of(files: impl IntoIterator<Item = (PathBuf, ModulePath, String)>) -> Self {
        let mut all = Self::default();
        let mut tests = Vec::new();
        for (file, module, text) in files {
            let read = read_file(&text, &module).unwrap_or_else(|error| {
                panic!("{}:{}: {error}", file.display(), error.span().start().line)
            });
            for (within, name, export) in read.exports {
                // A name may stand for a macro of another crate and for something of ours.
                let entry = all.exports.entry((within, name)).or_insert(Export::Outside);
                if matches!(export, Export::Inside(_)) {
                    *entry = export;
                }
            }
            tests.extend(read.test_modules);
            all.modules.insert(module.clone());
            all.files.push(Source {
                file,
                module,
                uses: read.uses,
            });
        }
        all.files
            .retain(|source| !tests.iter().any(|test| source.module.starts_with(test)));
        all
    }

    /// Where the thing that `path` names is defined; `None` when it comes from another crate.
    pub(crate) fn resolve(&self, path: &[String]) -> Option<ModulePath> {
        let mut path = path.to_vec();
        // A chain of re-exports is never this long; one that leads back to itself does not compile.
        for _ in 0..16 {
            let Some((at, export)) = self.first_export(&path) else {
                break;
            };
            match export {
                Export::Outside => return None,
                Export::Inside(target) => path.splice(..=at, target.iter().cloned()),
            };
        }
        Some(path)
    }

    /// The first segment of `path` that is a re-exported name, and what it stands for.
    fn first_export(&self, path: &[String]) -> Option<(usize, &Export)> {
        (0..path.len()).find_map(|at| {
            let is_module = self.modules.contains(&path[..=at]);
            let export = self.exports.get(&(path[..at].to_vec(), path[at].clone()))?;
            (!is_module && *export != Export::Inside(path[..=at].to_vec())).then_some((at, export))
        })
    }

    /// Whether the crate has this module.
    pub(crate) fn has_module(&self, path: &[String]) -> bool {
        self.modules.contains(path)
    }
}

/// The Rust files below `folder` with their texts, each named from `root`.
pub(crate) fn rust_files(root: &Path, folder: &str) -> Vec<(PathBuf, String)> {
    let mut files = Vec::new();
    let mut folders = vec![root.join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in
            fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        {
            let path = entry.expect("an entry of a folder").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path)
                    .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
                files.push((
                    path.strip_prefix(root)
                        .expect("a path below the root")
                        .to_owned(),
                    text,
                ));
            }
        }
    }
    files.sort();
    files
}

/// The module that a file is, by its path from the crate's `src`. Binaries are crates of their own.
fn module_of(file: &Path) -> Option<ModulePath> {
    let mut module: ModulePath = file
        .with_extension("")
        .components()
        .map(|part| part.as_os_str().to_string_lossy().into_owned())
        .collect();
    if module[0] == "bin" || module == ["main"] {
        return None;
    }
    if module.last().is_some_and(|last| last == "mod") || module == ["lib"] {
        module.pop();
    }
    Some(module)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_modules() {
        let module = |file: &str| module_of(Path::new(file)).map(|module| module.join("::"));
        assert_eq!(module("lib.rs").as_deref(), Some(""));
        assert_eq!(module("clock.rs").as_deref(), Some("clock"));
        assert_eq!(
            module("store/redis/mod.rs").as_deref(),
            Some("store::redis")
        );
        assert_eq!(
            module("store/redis/leases.rs").as_deref(),
            Some("store::redis::leases")
        );
        assert_eq!(module("bin/coord.rs"), None);
    }
}
