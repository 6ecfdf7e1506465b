//! What a file uses of its own crate, found in its syntax rather than its text: comments do not count.

use std::collections::BTreeSet;

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use syn::spanned::Spanned as _;
use syn::visit::{self, Visit};
use syn::{Attribute, Item, ItemMod, ItemUse, Macro, Path, UseTree};

use crate::sources::ModulePath;

/// A mention of something of the crate.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Use {
    pub(crate) line: usize,
    pub(crate) path: ModulePath,
}

/// What a name that a `use` brings in stands for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Export {
    Inside(ModulePath),
    /// Something of another crate.
    Outside,
}

/// What a file says about modules.
#[derive(Debug, Default)]
pub(crate) struct FileUses {
    pub(crate) uses: Vec<Use>,
    /// The module, the name in it, and what that stands for.
    pub(crate) exports: Vec<(ModulePath, String, Export)>,
    /// Modules with files of their own that exist only in tests.
    pub(crate) test_modules: Vec<ModulePath>,
}

/// Reads the text of the file that is `module`.
pub(crate) fn read_file(text: &str, module: &[String]) -> syn::Result<FileUses> {
    let mut reader = Reader {
        module: module.to_vec(),
        children: BTreeSet::new(),
        found: FileUses::default(),
    };
    reader.visit_file(&syn::parse_file(text)?);
    Ok(reader.found)
}

struct Reader {
    module: ModulePath,
    /// The modules declared where the reader is: their names can begin a path.
    children: BTreeSet<String>,
    found: FileUses,
}

impl Reader {
    /// The path inside the crate that `segments`, as written here, stand for.
    fn inside(&self, segments: &[String]) -> Option<ModulePath> {
        let (first, rest) = segments.split_first()?;
        let mut path = match first.as_str() {
            "crate" => Vec::new(),
            "self" => self.module.clone(),
            "super" => self.parent(),
            _ => return None,
        };
        for segment in rest {
            if segment == "super" {
                path.pop();
            } else {
                path.push(segment.clone());
            }
        }
        Some(path)
    }

    fn parent(&self) -> ModulePath {
        self.module[..self.module.len().saturating_sub(1)].to_vec()
    }

    fn uses(&mut self, line: usize, segments: &[String]) {
        if let Some(path) = self.inside(segments) {
            self.found.uses.push(Use { line, path });
        }
    }

    fn names(&mut self, name: &str, segments: &[String]) {
        let export = match self.inside(segments) {
            Some(path) => Export::Inside(path),
            None if self.children.contains(&segments[0]) => {
                Export::Inside([&self.module[..], segments].concat())
            }
            None => Export::Outside,
        };
        self.found
            .exports
            .push((self.module.clone(), name.to_owned(), export));
    }

    /// Walks a tree of a `use`, whose path up to here is `prefix`.
    fn tree(&mut self, prefix: &mut Vec<String>, tree: &UseTree) {
        let line = tree.span().start().line;
        match tree {
            UseTree::Path(path) => {
                prefix.push(path.ident.to_string());
                self.tree(prefix, &path.tree);
                prefix.pop();
            }
            UseTree::Group(group) => group.items.iter().for_each(|tree| self.tree(prefix, tree)),
            UseTree::Glob(_) => self.uses(line, prefix),
            UseTree::Name(name) => self.leaf(line, prefix, &name.ident.to_string(), None),
            UseTree::Rename(rename) => {
                self.leaf(
                    line,
                    prefix,
                    &rename.ident.to_string(),
                    Some(&rename.rename.to_string()),
                );
            }
        }
    }

    fn leaf(&mut self, line: usize, prefix: &[String], name: &str, rename: Option<&str>) {
        let mut path = prefix.to_vec();
        // `use a::{self}` names `a`.
        if name != "self" || path.is_empty() {
            path.push(name.to_owned());
        }
        self.uses(line, &path);
        let name = rename
            .or(path.last().map(String::as_str))
            .unwrap_or_default()
            .to_owned();
        self.names(&name, &path);
    }

    /// Finds paths in the tokens of a macro, which have no syntax until it is expanded.
    fn tokens(&mut self, tokens: TokenStream, prefix: &[String]) {
        let tokens: Vec<_> = tokens.into_iter().collect();
        let mut at = 0;
        let mut begins = true;
        while at < tokens.len() {
            match &tokens[at] {
                TokenTree::Ident(first)
                    if begins && (!prefix.is_empty() || is_root(&first.to_string())) =>
                {
                    let line = first.span().start().line;
                    let mut path = prefix.to_vec();
                    path.push(first.to_string());
                    while let Some(TokenTree::Ident(next)) = tokens
                        .get(at + 3)
                        .filter(|_| is_separator(&tokens[at + 1..]))
                    {
                        path.push(next.to_string());
                        at += 3;
                    }
                    match tokens
                        .get(at + 3)
                        .filter(|_| is_separator(&tokens[at + 1..]))
                    {
                        Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace => {
                            self.tokens(group.stream(), &path);
                            at += 3;
                        }
                        _ => self.uses(line, &path),
                    }
                    begins = false;
                }
                TokenTree::Group(group) => {
                    self.tokens(group.stream(), &[]);
                    begins = prefix.is_empty();
                }
                // Inside a group of names only what follows a comma begins one.
                TokenTree::Punct(punct) => begins = prefix.is_empty() || punct.as_char() == ',',
                _ => begins = prefix.is_empty(),
            }
            at += 1;
        }
    }
}

fn is_root(segment: &str) -> bool {
    matches!(segment, "crate" | "super" | "self")
}

fn is_separator(tokens: &[TokenTree]) -> bool {
    let colon = |token: Option<&TokenTree>| matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == ':');
    colon(tokens.first()) && colon(tokens.get(1))
}

impl<'ast> Visit<'ast> for Reader {
    fn visit_file(&mut self, file: &'ast syn::File) {
        self.children = declared(&file.items);
        visit::visit_file(self, file);
    }

    fn visit_item(&mut self, item: &'ast Item) {
        if !is_test_only(attributes(item)) {
            visit::visit_item(self, item);
        } else if let Item::Mod(ItemMod {
            ident,
            content: None,
            ..
        }) = item
        {
            let module = [&self.module[..], &[ident.to_string()]].concat();
            self.found.test_modules.push(module);
        }
    }

    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        let Some((_, items)) = &item.content else {
            return;
        };
        let around = std::mem::replace(&mut self.children, declared(items));
        self.module.push(item.ident.to_string());
        visit::visit_item_mod(self, item);
        self.module.pop();
        self.children = around;
    }

    fn visit_item_macro(&mut self, item: &'ast syn::ItemMacro) {
        if let Some(name) = &item.ident
            && item
                .attrs
                .iter()
                .any(|attribute| attribute.path().is_ident("macro_export"))
        {
            let defined = [&self.module[..], &[name.to_string()]].concat();
            self.found
                .exports
                .push((Vec::new(), name.to_string(), Export::Inside(defined)));
        }
        visit::visit_item_macro(self, item);
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        self.tree(&mut Vec::new(), &item.tree);
    }

    fn visit_path(&mut self, path: &'ast Path) {
        // Alone, `self` is a value and `crate` the reach of a visibility.
        if path.segments.len() > 1 {
            let segments: Vec<_> = path
                .segments
                .iter()
                .map(|segment| segment.ident.to_string())
                .collect();
            self.uses(path.span().start().line, &segments);
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, item: &'ast Macro) {
        self.tokens(item.tokens.clone(), &[]);
        visit::visit_macro(self, item);
    }
}

fn declared(items: &[Item]) -> BTreeSet<String> {
    let name = |item: &Item| match item {
        Item::Mod(module) => Some(module.ident.to_string()),
        _ => None,
    };
    items.iter().filter_map(name).collect()
}

/// Whether `#[cfg(test)]`, alone or with further conditions, stands before an item.
fn is_test_only(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute
                .meta
                .require_list()
                .is_ok_and(|list| requires_test(&list.tokens))
    })
}

fn requires_test(condition: &TokenStream) -> bool {
    let tokens: Vec<_> = condition.clone().into_iter().collect();
    match &tokens[..] {
        [TokenTree::Ident(word)] => word == "test",
        [TokenTree::Ident(word), TokenTree::Group(all)] if word == "all" => {
            let conditions: Vec<_> = all.stream().into_iter().collect();
            conditions
                .split(|token| matches!(token, TokenTree::Punct(punct) if punct.as_char() == ','))
                .any(|condition| requires_test(&condition.iter().cloned().collect()))
        }
        _ => false,
    }
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uses(text: &str) -> Vec<String> {
        let module = ["store", "redis", "leases"].map(ToOwned::to_owned);
        let read = read_file(text, &module).unwrap();
        read.uses
            .iter()
            .map(|found| format!("{} {}", found.line, found.path.join("::")))
            .collect()
    }

    #[test]
    fn imports_are_found_in_groups_and_from_above() {
        assert_eq!(
            uses(
                "use crate::{lock, saga::{self, log as l}, key::*};\nuse super::super::memory;\nuse std::mem;"
            ),
            [
                "1 lock",
                "1 saga",
                "1 saga::log",
                "1 key",
                "2 store::memory"
            ]
        );
    }

    #[test]
    fn paths_are_found_in_code_and_in_macros() {
        assert_eq!(
            uses(
                "fn a(x: crate::key::Key) {\n matches!(x, Some(crate::saga::X(1)));\n b!(use crate::{lock::A, http}; self::c);\n}"
            ),
            [
                "1 key::Key",
                "2 saga::X",
                "3 lock::A",
                "3 http",
                "3 store::redis::leases::c"
            ]
        );
    }

    #[test]
    fn inner_modules_count_from_themselves() {
        assert_eq!(
            uses("mod inner { use super::a; }"),
            ["1 store::redis::leases::a"]
        );
    }

    #[test]
    fn tests_and_comments_do_not_count() {
        assert!(uses("/// [`crate::saga`]\n#[cfg(test)]\nmod tests { use crate::saga; }\npub(crate) struct A;").is_empty());
        assert!(uses("#[cfg(all(test, feature = \"redis\"))] use crate::saga;").is_empty());
        assert_eq!(uses("#[cfg(not(test))] use crate::saga;"), ["1 saga"]);
    }
}
