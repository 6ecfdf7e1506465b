//! Which module may use which.

use crate::sources::{Source, Sources};

/// A module uses only what stands in lines above its own. Modules on one line do not use each other.
const LAYERS: &[&[&str]] = &[
    &["error"],
    &["clock"],
    &["context", "key", "metrics", "registry"],
    &["observe"],
    &["policy"],
    &["store"],
    &["coordinator"],
    &["lock"],
    &["idempotency"],
    &["saga"],
    &["http", "admin", "testing", "guide", "cli"],
    &["__private"],
];

/// Modules of `store` that do not know each other.
const BACKENDS: &[&str] = &["memory", "redis", "sqlite", "postgres", "etcd", "zookeeper"];

/// The module of `store` that knows backends only as implementations of its trait.
const COMPOSITE: &str = "composite";

/// The rules, applied to a crate.
pub(crate) struct Rules<'a> {
    sources: &'a Sources,
}

impl<'a> Rules<'a> {
    pub(crate) fn of(sources: &'a Sources) -> Self {
        Self { sources }
    }

    /// What uses a module that is not to the left of its own.
    pub(crate) fn layers(&self) -> Vec<String> {
        let mut violations = Vec::new();
        for source in &self.sources.files {
            // The root of the crate puts all modules together.
            let Some(from) = source.module.first() else {
                continue;
            };
            let Some(layer) = layer_of(from) else {
                let file = source.file.display();
                violations.push(format!(
                    "{file}:1: the module `{from}` has no place in the order {}",
                    order()
                ));
                continue;
            };
            for (line, path, to) in self.resolved(source) {
                let written = path.join("::");
                let wrong = match to.first() {
                    Some(to) if to == from => continue,
                    None => "the root of the crate is above all modules".to_owned(),
                    Some(to) => match layer_of(to) {
                        Some(other) if other < layer => continue,
                        Some(_) => format!(
                            "`{from}` may not use `{to}`: a module uses only those to its left in {}",
                            order()
                        ),
                        None if self.sources.has_module(&to_path(to)) => continue,
                        None => format!(
                            "`{to}` is neither a module nor a name that the root of the crate re-exports"
                        ),
                    },
                };
                violations.push(format!(
                    "{}:{line}: crate::{written}: {wrong}",
                    source.file.display()
                ));
            }
        }
        violations
    }

    /// What knows a backend from within another, or from within a composite.
    pub(crate) fn backends(&self) -> Vec<String> {
        let mut violations = Vec::new();
        for source in &self.sources.files {
            let Some(from) = part_of_store(&source.module) else {
                continue;
            };
            if !BACKENDS.contains(&from) && from != COMPOSITE {
                continue;
            }
            for (line, path, to) in self.resolved(source) {
                if let Some(to) = part_of_store(&to)
                    && BACKENDS.contains(&to)
                    && to != from
                {
                    let (file, written) = (source.file.display(), path.join("::"));
                    violations.push(format!(
                        "{file}:{line}: crate::{written}: `store::{from}` may not use `store::{to}`: \
                         backends know only the trait, and so do composites"
                    ));
                }
            }
        }
        violations
    }

    /// The line of each use, its path as written, and where that leads.
    fn resolved(
        &self,
        source: &'a Source,
    ) -> impl Iterator<Item = (usize, &'a [String], Vec<String>)> {
        source.uses.iter().filter_map(|found| {
            let to = self.sources.resolve(&found.path)?;
            Some((found.line, &found.path[..], to))
        })
    }
}

fn to_path(module: &str) -> [String; 1] {
    [module.to_owned()]
}

fn layer_of(module: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&module))
}

fn order() -> String {
    LAYERS
        .iter()
        .map(|layer| layer.join(", "))
        .collect::<Vec<_>>()
        .join(" < ")
}

fn part_of_store(path: &[String]) -> Option<&str> {
    match path {
        [store, part, ..] if store == "store" => Some(part),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOT: &str = "
        mod error; mod key; pub mod store; mod lock; mod saga; mod http; mod admin;
        pub use coord_macros::{locked, key, KeyPart};
        pub use store::{FencingToken, MemoryStore};
        pub use key::KeyPart;
        pub use lock::Lease;
    ";
    const STORE: &str = "
        mod token; mod memory; mod redis; mod composite;
        pub use memory::MemoryStore;
        pub use self::token::FencingToken;
    ";

    /// What is wrong when the file of `module` has this text.
    fn check(module: &str, text: &str) -> Vec<String> {
        let file = |module: &str, text: &str| {
            let path = module
                .split("::")
                .filter(|part| !part.is_empty())
                .map(ToOwned::to_owned)
                .collect();
            (format!("{module}.rs").into(), path, text.to_owned())
        };
        let others = [
            "error",
            "key",
            "lock",
            "saga",
            "http",
            "admin",
            "store::memory",
            "store::redis",
            "store::composite",
        ];
        let mut files = vec![file("", ROOT), file("store", STORE)];
        files.extend(
            others
                .iter()
                .filter(|other| **other != module)
                .map(|other| file(other, "")),
        );
        files.push(file(module, text));
        let sources = Sources::of(files);
        let rules = Rules::of(&sources);
        [rules.layers(), rules.backends()].concat()
    }

    fn assert_wrong(module: &str, text: &str, place: &str, rule: &str) {
        let wrong = check(module, text);
        assert_eq!(wrong.len(), 1, "{wrong:?}");
        assert!(
            wrong[0].starts_with(place) && wrong[0].contains(rule),
            "{wrong:?}"
        );
    }

    #[test]
    fn to_the_left_is_allowed() {
        assert_eq!(
            check(
                "saga",
                "use crate::{lock::Lease, store, key::Key}; use crate::error::Error;"
            ),
            [""; 0]
        );
        assert_eq!(
            check(
                "lock",
                "use crate::FencingToken; use crate::{KeyPart, locked};"
            ),
            [""; 0]
        );
        assert_eq!(
            check(
                "store::redis",
                "use super::FencingToken; use crate::key::Key;"
            ),
            [""; 0]
        );
    }

    #[test]
    fn to_the_right_is_not() {
        let rule =
            "`lock` may not use `saga`: a module uses only those to its left in error < clock";
        assert_wrong(
            "lock",
            "use crate::key;\nuse crate::saga::Log;",
            "lock.rs:2: crate::saga::Log: ",
            rule,
        );
        assert_wrong("lock", "fn a() { super::saga::run() }", "lock.rs:1: ", rule);
    }

    #[test]
    fn nor_is_the_same_layer() {
        assert_wrong(
            "http",
            "use crate::admin;",
            "http.rs:1: ",
            "`http` may not use `admin`",
        );
    }

    #[test]
    fn names_of_the_root_count_by_where_they_are_from() {
        assert_wrong(
            "store::token",
            "use crate::Lease;",
            "store::token.rs:1: crate::Lease",
            "`store` may not use `lock`",
        );
        assert_wrong(
            "lock",
            "use crate::Missing;",
            "lock.rs:1: ",
            "`Missing` is neither a module nor",
        );
        assert_wrong(
            "lock",
            "use crate::*;",
            "lock.rs:1: ",
            "the root of the crate",
        );
    }

    #[test]
    fn modules_without_a_place_are_found() {
        assert_wrong(
            "extras",
            "",
            "extras.rs:1: ",
            "`extras` has no place in the order",
        );
    }

    #[test]
    fn backends_and_composites_stay_apart() {
        let rule = "`store::redis` may not use `store::memory`";
        assert_wrong(
            "store::redis",
            "use crate::store::memory::Shard;",
            "store::redis.rs:1: ",
            rule,
        );
        assert_wrong(
            "store::redis",
            "use super::MemoryStore;",
            "store::redis.rs:1: ",
            rule,
        );
        assert_wrong(
            "store::redis",
            "use crate::MemoryStore;",
            "store::redis.rs:1: ",
            rule,
        );
        let rule = "`store::composite` may not use `store::memory`";
        assert_wrong(
            "store::composite",
            "fn a(_: super::memory::Shard) {}",
            "store::composite.rs:1: ",
            rule,
        );
    }
}
