//! The manifests and files of this checkout.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;

/// A crate of the workspace, as cargo reads its manifest.
#[derive(Deserialize)]
pub(crate) struct Member {
    pub(crate) name: String,
    pub(crate) dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    /// `None` for a normal dependency, else `dev` or `build`.
    pub(crate) kind: Option<String>,
    /// Set for a crate of this workspace.
    path: Option<PathBuf>,
    pub(crate) features: Vec<String>,
}

impl Dependency {
    pub(crate) fn is_member(&self) -> bool {
        self.path.is_some()
    }

    pub(crate) fn is_for_tests(&self) -> bool {
        self.kind.as_deref() == Some("dev")
    }
}

pub(crate) fn root() -> PathBuf {
    let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    crate_folder
        .ancestors()
        .nth(2)
        .expect("xtask lies two folders deep")
        .to_owned()
}

/// Returns the crates of the workspace. Cargo reads only their manifests: it resolves and fetches nothing.
pub(crate) fn members() -> Vec<Member> {
    #[derive(Deserialize)]
    struct Metadata {
        packages: Vec<Member>,
    }
    let output = cargo(&["metadata", "--format-version", "1", "--no-deps"]);
    let metadata: Metadata = serde_json::from_str(&output).expect("cargo metadata is JSON");
    metadata.packages
}

/// Runs cargo in the checkout and returns its output.
pub(crate) fn cargo(arguments: &[&str]) -> String {
    let output = Command::new("cargo")
        .args(arguments)
        .arg("--locked")
        .current_dir(root())
        .output()
        .expect("cargo starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("the output of cargo is UTF-8")
}

pub(crate) fn manifest(path: &str) -> toml::Table {
    read(&root().join(path)).parse().expect("a manifest is TOML")
}

pub(crate) fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{} cannot be read: {error}", path.display()))
}

/// Returns the files under a folder, at any depth, that end in `.rs`; none when there is no such folder.
pub(crate) fn rust_files_under(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for path in entries(folder) {
        if path.is_dir() {
            files.extend(rust_files_under(&path));
        } else if is_rust(&path) {
            files.push(path);
        }
    }
    files
}

/// Returns the files in a folder itself that end in `.rs`, except `mod.rs` and `lib.rs`.
pub(crate) fn modules_in(folder: &Path) -> Vec<PathBuf> {
    let mut files = entries(folder);
    files.retain(|path| is_rust(path) && !matches!(stem(path), "mod" | "lib"));
    files
}

/// Returns the folders `crates/*`.
pub(crate) fn crate_folders() -> Vec<PathBuf> {
    let mut folders = entries(&root().join("crates"));
    folders.retain(|path| path.join("Cargo.toml").exists());
    folders
}

/// Returns the name of a file without its extension, which is the name of its module.
pub(crate) fn stem(path: &Path) -> &str {
    path.file_stem()
        .and_then(|stem| stem.to_str())
        .expect("names are UTF-8")
}

/// Returns a path relative to the root of the checkout.
pub(crate) fn display_path(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}

fn is_rust(path: &Path) -> bool {
    path.is_file() && path.extension().is_some_and(|extension| extension == "rs")
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let Ok(listing) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut entries: Vec<_> = listing
        .map(|entry| entry.expect("a folder can be listed").path())
        .collect();
    entries.sort();
    entries
}
