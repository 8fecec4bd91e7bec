//! An operation and a stored object have the same name in every layer, so that a developer finds the counterpart of a
//! file.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::assert_no_violations;
use crate::checkout::{display_path, modules_in, read, root, stem};
use crate::imports::CONTEXTS;
use crate::source::{identifier, items, production_lines};

/// Ports at the root of `ports` that have the form of a store but store nothing themselves. They read, publish or
/// remove the records of other stores.
const VIEWS: [&str; 5] = ["lock_statuses", "event_log", "expired_records", "outboxes", "stores"];

fn source_of(layer: &str) -> PathBuf {
    root().join("crates").join(layer).join("src")
}

fn production_of(file: &Path) -> String {
    production_lines(&read(file)).collect::<Vec<_>>().join("\n")
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
    source.contains("fn handle(") || source.contains("fn handle<")
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
fn operations_have_the_same_name_in_every_layer() {
    let mut violations = Vec::new();
    for context in CONTEXTS {
        let use_cases = source_of("use-cases").join(context);
        let endpoints = source_of("adapter-http").join(context);
        let (implemented, exposed) = (names(&use_cases, is_use_case), names(&endpoints, is_endpoint));
        for name in implemented.difference(&exposed) {
            violations.push(format!(
                "{}/{name}.rs has no endpoint in {}",
                display_path(&use_cases),
                display_path(&endpoints)
            ));
        }
        for name in exposed.difference(&implemented) {
            violations.push(format!(
                "{}/{name}.rs has no use case in {}",
                display_path(&endpoints),
                display_path(&use_cases)
            ));
        }
    }
    assert_no_violations(
        "A use case (a struct with `pub async fn run`) and its endpoint (a file with `fn handle`) are files of the same \
         name; rename one, or write the other:",
        &violations,
    );
}

#[test]
fn use_cases_have_spans_of_their_name() {
    let files = CONTEXTS.map(|context| modules_in(&source_of("use-cases").join(context)));
    let use_cases = files.iter().flatten().filter(|file| is_use_case(file));
    let has_span = |file: &Path| production_of(file).contains(&format!("name = \"{}\"", stem(file)));
    let violations: Vec<_> = use_cases
        .filter(|file| !has_span(file))
        .map(|file| display_path(file))
        .collect();
    assert_no_violations(
        "`run` of a use case has `#[tracing::instrument]` with the name of its file:",
        &violations,
    );
}

#[test]
fn stored_objects_have_the_same_name_in_every_layer() {
    let ports = source_of("ports");
    let mut stores: Vec<PathBuf> = CONTEXTS.iter().map(|context| PathBuf::from(*context)).collect();
    stores.extend(["sessions", ""].map(PathBuf::from));
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
        "the stores were not recognized: {stores:?}"
    );

    let mut missing = Vec::new();
    for layer in ["adapter-sqlite", "adapter-mongodb", "port-contracts"] {
        // A crate that does not exist is not a gap.
        let counterparts = source_of(layer);
        for store in stores.iter().filter(|_| counterparts.exists()) {
            let counterpart = counterparts.join(store);
            if !counterpart.exists() {
                missing.push(format!(
                    "{} for {}",
                    display_path(&counterpart),
                    display_path(&ports.join(store))
                ));
            }
        }
    }
    assert_no_violations(
        "Every store adapter implements each store port in a file with the name of the port, and `port-contracts` tests it in \
         such a file. Add:",
        &missing,
    );
}
