//! Files have names that describe their content, and are short enough to read in one sitting.

use std::path::{Path, PathBuf};

use crate::assert_no_violations;
use crate::checkout::{crate_folders, display_path, read, rust_files_under, stem};
use crate::source::{identifier, production_lines, test_only_files};

const MAX_FILE_LINES: usize = 400;
const MAX_MAIN_LINES: usize = 60;

/// Names that describe no content.
const VAGUE_NAMES: [&str; 8] = ["common", "data", "helpers", "impl", "info", "kit", "manager", "utils"];

fn production_files() -> Vec<PathBuf> {
    let mut files = Vec::new();
    for folder in crate_folders() {
        let mut own = rust_files_under(&folder.join("src"));
        let tests = test_only_files(&own);
        own.retain(|file| !tests.iter().any(|test| file.starts_with(test)));
        files.extend(own);
    }
    files
}

#[test]
fn files_have_at_most_400_lines() {
    let mut violations = Vec::new();
    for file in production_files() {
        let lines = production_lines(&read(&file)).count();
        if lines > MAX_FILE_LINES {
            violations.push(format!("{} has {lines}", display_path(&file)));
        }
    }
    assert_no_violations(
        "Move the second subject of the file into a file of its own (tests do not count):",
        &violations,
    );
}

#[test]
fn main_files_have_at_most_60_lines() {
    let mut violations = Vec::new();
    for file in production_files() {
        let lines = read(&file).lines().count();
        if stem(&file) == "main" && lines > MAX_MAIN_LINES {
            violations.push(format!(
                "{} has {lines} lines, more than {MAX_MAIN_LINES}",
                display_path(&file)
            ));
        }
    }
    assert_no_violations(
        "A main file only starts the program. Move the rest into a module:",
        &violations,
    );
}

#[test]
fn names_describe_their_content() {
    let mut violations = Vec::new();
    for folder in crate_folders() {
        if VAGUE_NAMES.contains(&stem(&folder)) {
            violations.push(display_path(&folder));
        }
        for part in ["src", "tests", "benches", "examples"] {
            for file in rust_files_under(&folder.join(part)) {
                violations.extend(vague_names(&file, &folder.join(part)));
            }
        }
    }
    violations.sort();
    violations.dedup();
    assert_no_violations(
        "Name it after its content, or move its parts to where they are used:",
        &violations,
    );
}

/// Returns the file, its folders and the modules declared in it that have a vague name.
fn vague_names(file: &Path, from: &Path) -> Vec<String> {
    let mut vague: Vec<_> = file
        .ancestors()
        .take_while(|path| *path != from)
        .filter(|path| VAGUE_NAMES.contains(&stem(path)))
        .map(display_path)
        .collect();
    for line in read(file).lines() {
        let declaration = line
            .trim_start()
            .trim_start_matches("pub ")
            .trim_start_matches("pub(crate) ");
        let name = declaration.strip_prefix("mod ").map(identifier);
        if let Some(name) = name.filter(|name| VAGUE_NAMES.contains(name)) {
            vague.push(format!("{}: mod {name}", display_path(file)));
        }
    }
    vague
}
