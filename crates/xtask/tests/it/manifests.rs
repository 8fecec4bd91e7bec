//! Only the root manifest has versions and lints.

use toml::{Table, Value};

use crate::assert_no_violations;
use crate::checkout::{crate_folders, display_path, manifest};

fn member_manifests() -> Vec<(String, Table)> {
    crate_folders()
        .iter()
        .map(|folder| {
            let path = display_path(&folder.join("Cargo.toml"));
            let table = manifest(&path);
            (path, table)
        })
        .collect()
}

fn is_inherited(value: &Value) -> bool {
    value.get("workspace").and_then(Value::as_bool) == Some(true)
}

/// Returns every table of dependencies, including tables for one target.
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
fn every_crate_inherits_the_workspace_lints() {
    let mut violations = Vec::new();
    for (path, manifest) in member_manifests() {
        if !manifest.get("lints").is_some_and(is_inherited) {
            violations.push(path);
        }
    }
    assert_no_violations("Add `[lints]` with `workspace = true` to:", &violations);
}

#[test]
fn only_the_root_manifest_has_versions() {
    let mut violations = Vec::new();
    for (path, manifest) in member_manifests() {
        for (name, dependency) in dependency_tables(&manifest).into_iter().flatten() {
            if !is_inherited(dependency) {
                violations.push(format!("{path}: {name}"));
            }
        }
        let package = manifest.get("package").and_then(Value::as_table);
        for (key, value) in package.into_iter().flatten() {
            let is_shared = matches!(
                key.as_str(),
                "version" | "edition" | "rust-version" | "license" | "publish"
            );
            if is_shared && !is_inherited(value) {
                violations.push(format!("{path}: package.{key}"));
            }
        }
    }
    assert_no_violations(
        "Write it into the root Cargo.toml, under [workspace.dependencies] or [workspace.package], and \
         `{ workspace = true }` here:",
        &violations,
    );
}

#[test]
fn dependency_tables_include_target_specific_tables() {
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
