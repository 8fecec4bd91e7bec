//! Versions and lints are said once, in the root manifest.

use toml::{Table, Value};

use crate::checkout::{crate_folders, manifest, shown};
use crate::none_break;

fn member_manifests() -> Vec<(String, Table)> {
    crate_folders()
        .iter()
        .map(|folder| {
            let path = shown(&folder.join("Cargo.toml"));
            let table = manifest(&path);
            (path, table)
        })
        .collect()
}

fn is_inherited(value: &Value) -> bool {
    value.get("workspace").and_then(Value::as_bool) == Some(true)
}

/// Every table of dependencies, those for one target included.
fn dependency_tables(manifest: &Table) -> Vec<&Table> {
    let targets = manifest.get("target").and_then(Value::as_table);
    let for_targets = targets.into_iter().flat_map(Table::values).filter_map(Value::as_table);
    for_targets
        .chain([manifest])
        .flat_map(|holder| ["dependencies", "dev-dependencies", "build-dependencies"].map(|kind| holder.get(kind)))
        .flatten()
        .filter_map(Value::as_table)
        .collect()
}

#[test]
fn every_crate_obeys_the_shared_lints() {
    let mut offenders = Vec::new();
    for (path, manifest) in member_manifests() {
        if !manifest.get("lints").is_some_and(is_inherited) {
            offenders.push(path);
        }
    }
    none_break("Add `[lints]` with `workspace = true` to:", &offenders);
}

#[test]
fn versions_are_said_in_the_root_manifest_only() {
    let mut offenders = Vec::new();
    for (path, manifest) in member_manifests() {
        for (name, dependency) in dependency_tables(&manifest).into_iter().flatten() {
            if !is_inherited(dependency) {
                offenders.push(format!("{path}: {name}"));
            }
        }
        let package = manifest.get("package").and_then(Value::as_table);
        for (key, value) in package.into_iter().flatten() {
            let shared = matches!(
                key.as_str(),
                "version" | "edition" | "rust-version" | "license" | "publish"
            );
            if shared && !is_inherited(value) {
                offenders.push(format!("{path}: package.{key}"));
            }
        }
    }
    none_break(
        "Say it in the root Cargo.toml, under [workspace.dependencies] or [workspace.package], and write \
         `{ workspace = true }` here:",
        &offenders,
    );
}

#[test]
fn the_tables_of_a_target_count_as_well() {
    let manifest: Table =
        "[target.'cfg(loom)'.dev-dependencies]\nloom = '0.7'\n[dependencies]\na = { workspace = true }\n"
            .parse()
            .expect("TOML");
    let names: Vec<_> = dependency_tables(&manifest)
        .into_iter()
        .flatten()
        .map(|(name, dependency)| (name.as_str(), is_inherited(dependency)))
        .collect();
    assert_eq!(names, [("loom", false), ("a", true)]);
}
