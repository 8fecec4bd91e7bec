//! No cycles between the files of a crate.
//!
//! File A needs file B if production code of A names something that B defines. The rule looks through re-exports: after
//! `pub use event::Event;` in `lib.rs`, `crate::Event` needs `event.rs`. So a `mod.rs` or `lib.rs` that only declares
//! modules and re-exports their items is part of no cycle. One that defines a type or function counts as the file of
//! that item. The following do not count: `mod name;`, a re-export by itself, and code under `#[cfg(test)]`.

#![expect(clippy::indexing_slicing, reason = "a path that is not in the map fails the test")]

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::{Path, PathBuf};

use syn::visit::Visit;

use crate::assert_no_violations;
use crate::checkout::{crate_folders, display_path, read, rust_files_under, stem};

/// The path of a module, or of an item in it, as in `["crate", "tokens", "mod_name"]`.
type ItemPath = Vec<String>;

/// What a file has that matters for the rule.
#[derive(Default)]
struct Module {
    file: PathBuf,
    /// The modules that it declares.
    children: BTreeSet<String>,
    /// The modules that it declares for tests only.
    test_children: BTreeSet<String>,
    /// The names that it imports or re-exports, and their paths.
    imports: BTreeMap<String, ItemPath>,
    /// The names that it imports for its own use.
    own_imports: BTreeSet<String>,
    /// The paths in its code.
    paths: BTreeSet<ItemPath>,
}

/// The modules of a crate by their path from its root.
struct Crate(BTreeMap<ItemPath, Module>);

#[test]
fn files_of_a_crate_have_no_cycles() {
    let cycles = crate_folders()
        .into_iter()
        .flat_map(|folder| Crate::read(&folder.join("src")).cycles());
    assert_no_violations(
        "Move what both files need (a type, a constant, a function) to a file of its own, or pass it as an argument. If a \
         `mod.rs` is part of the cycle, move its types to a file that its submodules may import:",
        &cycles.collect::<Vec<_>>(),
    );
}

impl Crate {
    fn read(src: &Path) -> Self {
        let files = rust_files_under(src).into_iter();
        Self::parse(files.map(|file| (module_path(src, &file), read(&file), file)))
    }

    fn parse(files: impl Iterator<Item = (ItemPath, String, PathBuf)>) -> Self {
        let modules = files.map(|(path, source, file)| (path, Module::parse(&source, file)));
        let mut modules: BTreeMap<_, _> = modules.collect();
        let tests: Vec<ItemPath> = modules
            .iter()
            .flat_map(|(path, module)| module.test_children.iter().map(|name| join(path, name)))
            .collect();
        modules.retain(|path, _| !tests.iter().any(|test| path.starts_with(test)));
        Self(modules)
    }

    /// Returns a shortest cycle for each file that is part of one; a cycle is listed once.
    fn cycles(&self) -> Vec<String> {
        let needs: BTreeMap<_, _> = self.0.keys().map(|module| (module, self.needs(module))).collect();
        let mut cycles = BTreeMap::new();
        for module in self.0.keys() {
            if let Some(cycle) = shortest_cycle(module, &needs) {
                let steps: Vec<_> = cycle
                    .windows(2)
                    .filter_map(|pair| match pair {
                        [from, to] => Some(format!("{} → `{}`", self.display(from), needs[from][*to].join("::"))),
                        _ => None,
                    })
                    .collect();
                let files: BTreeSet<_> = cycle.into_iter().collect();
                cycles
                    .entry(files)
                    .or_insert_with(|| format!("{} → {}", steps.join(" → "), self.display(module)));
            }
        }
        cycles.into_values().collect()
    }

    /// Returns the modules whose items this module names, each with one such path.
    fn needs(&self, path: &ItemPath) -> BTreeMap<ItemPath, ItemPath> {
        let module = &self.0[path];
        let imported = module.own_imports.iter().map(|name| vec![name.clone()]);
        let named = imported.chain(module.paths.iter().cloned());
        let needed = named.filter_map(|named| Some((self.definition(path, &named)?, named)));
        needed.filter(|(needed, _)| needed != path).collect()
    }

    /// Returns the module of this crate that defines the item at a path. Returns `None` for another crate's items, for
    /// local names, and for modules themselves.
    fn definition(&self, from: &ItemPath, named: &ItemPath) -> Option<ItemPath> {
        let mut imports = BTreeSet::new();
        let (mut module, mut rest) = self.start(from, named)?;
        while let Some((name, after)) = rest.split_first() {
            let child = join(&module, name);
            if self.0.contains_key(&child) {
                (module, rest) = (child, after.to_vec());
            } else if let Some(import) = self.0[&module].imports.get(name) {
                // `use time::time;` imports an item of another crate, not itself.
                if !imports.insert(import) {
                    return None;
                }
                (module, rest) = self.start(&module, &[import, after].concat())?;
            } else {
                return Some(module);
            }
        }
        None
    }

    /// Returns the module at which a path begins, and the rest of the path.
    fn start(&self, from: &ItemPath, named: &[String]) -> Option<(ItemPath, ItemPath)> {
        let (first, rest) = named.split_first()?;
        let module = &self.0[from];
        match first.as_str() {
            "crate" => Some((Vec::new(), rest.to_vec())),
            "self" => Some((from.clone(), rest.to_vec())),
            "super" => {
                let levels = named.iter().take_while(|name| *name == "super").count();
                let depth = from.len().checked_sub(levels)?;
                Some((from[..depth].to_vec(), named[levels..].to_vec()))
            }
            first if module.children.contains(first) || module.imports.contains_key(first) => {
                Some((from.clone(), named.to_vec()))
            }
            _ => None,
        }
    }

    fn display(&self, module: &ItemPath) -> String {
        display_path(&self.0[module].file)
    }
}

impl Module {
    fn parse(source: &str, file: PathBuf) -> Self {
        let source = syn::parse_file(source).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let mut module = Self {
            file,
            ..Self::default()
        };
        module.visit_file(&source);
        module
    }

    fn import(&mut self, tree: &syn::UseTree, prefix: &ItemPath, is_reexport: bool) {
        let (name, path) = match tree {
            syn::UseTree::Path(path) => {
                return self.import(&path.tree, &join(prefix, &path.ident.to_string()), is_reexport);
            }
            syn::UseTree::Group(group) => {
                return group
                    .items
                    .iter()
                    .for_each(|tree| self.import(tree, prefix, is_reexport));
            }
            syn::UseTree::Glob(_) => return,
            syn::UseTree::Name(name) if name.ident == "self" => (prefix.last().cloned(), prefix.clone()),
            syn::UseTree::Name(name) => (Some(name.ident.to_string()), join(prefix, &name.ident.to_string())),
            // `Trait as _` needs the file of the trait as well. Two of them must not share a name.
            syn::UseTree::Rename(rename) if rename.rename == "_" => {
                let path = join(prefix, &rename.ident.to_string());
                (Some(path.join("::")), path)
            }
            syn::UseTree::Rename(rename) => (Some(rename.rename.to_string()), join(prefix, &rename.ident.to_string())),
        };
        let Some(name) = name else { return };
        if !is_reexport {
            self.own_imports.insert(name.clone());
        }
        self.imports.insert(name, path);
    }
}

impl<'ast> Visit<'ast> for Module {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        if is_for_tests(item) {
            if let syn::Item::Mod(module) = item {
                self.test_children.insert(module.ident.to_string());
            }
            return;
        }
        match item {
            syn::Item::Use(item) => {
                let is_reexport = !matches!(item.vis, syn::Visibility::Inherited);
                self.import(&item.tree, &Vec::new(), is_reexport);
            }
            syn::Item::Mod(module) if module.content.is_none() => {
                self.children.insert(module.ident.to_string());
            }
            item => syn::visit::visit_item(self, item),
        }
    }

    fn visit_attribute(&mut self, _: &'ast syn::Attribute) {}

    fn visit_path(&mut self, path: &'ast syn::Path) {
        self.paths
            .insert(path.segments.iter().map(|segment| segment.ident.to_string()).collect());
        syn::visit::visit_path(self, path);
    }

    /// Reads the paths among the tokens of a macro's arguments.
    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        let tokens = call.tokens.to_string().replace(" :: ", "::");
        let words = tokens.split(|c: char| !c.is_alphanumeric() && c != '_' && c != ':');
        let paths = words.filter(|word| word.contains("::"));
        self.paths
            .extend(paths.map(|path| path.split("::").map(str::to_owned).collect()));
    }
}

fn is_for_tests(item: &syn::Item) -> bool {
    let attributes = match item {
        syn::Item::Mod(item) => &item.attrs,
        syn::Item::Use(item) => &item.attrs,
        syn::Item::Fn(item) => &item.attrs,
        syn::Item::Impl(item) => &item.attrs,
        _ => return false,
    };
    let is_test = |attribute: &syn::Attribute| match &attribute.meta {
        syn::Meta::List(list) => list.path.is_ident("cfg") && list.tokens.to_string() == "test",
        _ => false,
    };
    attributes.iter().any(is_test)
}

fn module_path(src: &Path, file: &Path) -> ItemPath {
    let relative = file
        .strip_prefix(src)
        .expect("the file is in the folder")
        .with_extension("");
    let mut path: ItemPath = relative
        .iter()
        .map(|name| name.to_string_lossy().into_owned())
        .collect();
    if matches!(stem(file), "mod" | "lib") {
        path.pop();
    }
    path
}

fn join(path: &ItemPath, name: &str) -> ItemPath {
    let mut path = path.clone();
    path.push(name.to_owned());
    path
}

/// Returns the modules of a shortest cycle, beginning and ending with `start`.
fn shortest_cycle<'a>(
    start: &'a ItemPath,
    needs: &'a BTreeMap<&ItemPath, BTreeMap<ItemPath, ItemPath>>,
) -> Option<Vec<&'a ItemPath>> {
    let mut came_from = BTreeMap::new();
    let mut queue = VecDeque::from([start]);
    while let Some(module) = queue.pop_front() {
        for needed in needs[module].keys() {
            if came_from.contains_key(needed) {
                continue;
            }
            came_from.insert(needed, module);
            if needed == start {
                let mut cycle = vec![start, module];
                while let Some(last) = cycle.last().filter(|last| **last != start) {
                    cycle.push(came_from[*last]);
                }
                cycle.reverse();
                return Some(cycle);
            }
            queue.push_back(needed);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the cycles among `lib.rs`, `token.rs` and `store.rs` with these sources.
    fn cycles(lib: &str, token: &str, store: &str) -> Vec<String> {
        let files = [("lib", lib), ("token", token), ("store", store)].map(|(name, source)| {
            let file = PathBuf::from(format!("{name}.rs"));
            (module_path(Path::new(""), &file), source.to_owned(), file)
        });
        Crate::parse(files.into_iter()).cycles()
    }

    const LIB: &str = "mod store; mod token; pub use token::Token;";
    const TOKEN: &str = "use crate::store::Store; pub struct Token(Store);";

    #[test]
    fn cycle_through_a_reexport_is_found() {
        for store in [
            "use crate::Token; pub struct Store(Token);",
            "pub struct Store; fn find() { crate::Token::new() }",
            "pub struct Store; fn find() { assert!(super::token::Token::new().is_some()) }",
        ] {
            let found = cycles(LIB, TOKEN, store);
            let [cycle] = &found[..] else {
                panic!("{store}: {found:?}")
            };
            assert!(
                cycle.starts_with("store.rs → `") && cycle.ends_with("token.rs → `Store` → store.rs"),
                "{cycle}"
            );
        }
    }

    #[test]
    fn reexports_and_tests_make_no_cycle() {
        let store = "pub struct Store; #[cfg(test)] mod tests { use crate::Token; } #[cfg(test)] mod fixtures;";
        assert_eq!(cycles(LIB, TOKEN, store), Vec::<String>::new());
        let store = "use super::LIMIT; pub struct Store;";
        assert_eq!(
            cycles(&format!("{LIB} const LIMIT: u8 = 1;"), TOKEN, store),
            Vec::<String>::new()
        );
    }

    #[test]
    fn parent_that_uses_its_submodule_may_be_part_of_a_cycle() {
        let lib = format!("{LIB} use store::Store; pub struct Ports; fn open() {{ Store::new() }}");
        let found = cycles(&lib, TOKEN, "use super::Ports; pub struct Store(Ports);");
        assert_eq!(found, ["lib.rs → `Store::new` → store.rs → `Ports` → lib.rs"]);
    }
}
