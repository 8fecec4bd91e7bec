//! One operation, one name; one stored thing, one name: who knows the one file finds its counterpart.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::checkout::{modules_in, read, root, shown, stem};
use crate::imports::CONTEXTS;
use crate::none_break;
use crate::source::{identifier, items, production};

/// Ports at the root of `ports` that answer `StoreError` and are no stored thing of their own: they look at, carry or
/// remove what other stores hold.
const VIEWS: [&str; 4] = ["lock_statuses", "event_log", "garbage", "outboxes"];

fn source_of(layer: &str) -> PathBuf {
    root().join("crates").join(layer).join("src")
}

fn production_of(file: &Path) -> String {
    production(&read(file)).collect::<Vec<_>>().join("\n")
}

fn is_use_case(file: &Path) -> bool {
    let source = production_of(file);
    items(&source, "pub struct ").iter().any(|item| {
        let name = identifier(item.trim_start_matches("pub struct "));
        let bodies = items(&source, &format!("impl {name} "));
        let run = |body: &String| body.contains("    pub async fn run(") || body.contains("    pub fn run(");
        bodies.iter().any(run)
    })
}

fn is_endpoint(file: &Path) -> bool {
    let source = production_of(file);
    stem(file) != "routes" && (source.contains("fn handle(") || source.contains("fn handle<"))
}

fn is_store(file: &Path) -> bool {
    let source = production_of(file);
    items(&source, "pub trait ")
        .iter()
        .any(|item| item.contains("StoreError"))
}

fn names(folder: &Path, wanted: fn(&Path) -> bool) -> BTreeSet<String> {
    let files = modules_in(folder);
    files
        .iter()
        .filter(|file| wanted(file))
        .map(|file| stem(file).to_owned())
        .collect()
}

#[test]
fn an_operation_has_the_same_name_in_every_layer() {
    let mut offenders = Vec::new();
    for context in CONTEXTS {
        let use_cases = source_of("use-cases").join(context);
        let endpoints = source_of("adapter-http").join(context);
        let (done, offered) = (names(&use_cases, is_use_case), names(&endpoints, is_endpoint));
        for name in done.difference(&offered) {
            offenders.push(format!(
                "{}/{name}.rs has no endpoint in {}",
                shown(&use_cases),
                shown(&endpoints)
            ));
        }
        for name in offered.difference(&done) {
            offenders.push(format!(
                "{}/{name}.rs has no use case in {}",
                shown(&endpoints),
                shown(&use_cases)
            ));
        }
    }
    none_break(
        "A use case (a struct with `pub async fn run`) and its endpoint (a file with `fn handle`) are files of the same \
         name; rename one, or write the other:",
        &offenders,
    );
}

#[test]
fn a_stored_thing_has_the_same_name_in_every_layer() {
    let ports = source_of("ports");
    let mut stores: Vec<PathBuf> = CONTEXTS.iter().map(|context| PathBuf::from(*context)).collect();
    stores.push(PathBuf::new());
    let stores: Vec<PathBuf> = stores
        .iter()
        .flat_map(|context| {
            names(&ports.join(context), is_store)
                .into_iter()
                .map(|name| context.join(name))
        })
        .filter(|store| !VIEWS.iter().any(|view| store == Path::new(view)))
        .map(|store| store.with_extension("rs"))
        .collect();
    assert!(
        stores.len() >= CONTEXTS.len(),
        "the stores were not recognised: {stores:?}"
    );

    let mut missing = Vec::new();
    for layer in ["adapter-sqlite", "adapter-mongodb", "port-contracts"] {
        // Crates that are still to come are no gap.
        let counterparts = source_of(layer);
        for store in stores.iter().filter(|_| counterparts.exists()) {
            let counterpart = counterparts.join(store);
            if !counterpart.exists() {
                missing.push(format!("{} for {}", shown(&counterpart), shown(&ports.join(store))));
            }
        }
    }
    none_break(
        "Every store adapter implements each store port in the file of the port's name, and `port-contracts` says in \
         such a file what must hold. Write:",
        &missing,
    );
}
