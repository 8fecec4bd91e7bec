//! A file is found by its name and read in one go.

use std::path::{Path, PathBuf};

use crate::checkout::{crate_folders, read, rust_files_under, shown, stem};
use crate::none_break;
use crate::source::{identifier, production, test_only};

const LONGEST_FILE: usize = 400;
const LONGEST_MAIN: usize = 60;

/// They say nothing about what is inside.
const EMPTY_NAMES: [&str; 8] = ["common", "data", "helpers", "impl", "info", "kit", "manager", "utils"];

fn production_files() -> Vec<PathBuf> {
    let mut files = Vec::new();
    for folder in crate_folders() {
        let mut own = rust_files_under(&folder.join("src"));
        let tests = test_only(&own);
        own.retain(|file| !tests.iter().any(|test| file.starts_with(test)));
        files.extend(own);
    }
    files
}

#[test]
fn no_file_is_longer_than_400_lines() {
    let mut offenders = Vec::new();
    for file in production_files() {
        let lines = production(&read(&file)).count();
        if lines > LONGEST_FILE {
            offenders.push(format!("{} has {lines}", shown(&file)));
        }
    }
    none_break(
        "Find the second thing that the file is about and give it a file of its own (tests do not count):",
        &offenders,
    );
}

#[test]
fn main_files_only_start_things() {
    let mut offenders = Vec::new();
    for file in production_files() {
        let lines = read(&file).lines().count();
        if stem(&file) == "main" && lines > LONGEST_MAIN {
            offenders.push(format!(
                "{} has {lines} lines, at most {LONGEST_MAIN} are good",
                shown(&file)
            ));
        }
    }
    none_break("Move what it does into a module named after that:", &offenders);
}

#[test]
fn a_name_says_what_is_inside() {
    let mut offenders = Vec::new();
    for folder in crate_folders() {
        if EMPTY_NAMES.contains(&stem(&folder)) {
            offenders.push(shown(&folder));
        }
        for part in ["src", "tests", "benches", "examples"] {
            for file in rust_files_under(&folder.join(part)) {
                offenders.extend(empty_names(&file, &folder.join(part)));
            }
        }
    }
    offenders.sort();
    offenders.dedup();
    none_break(
        "Name it after what it holds, or put its parts where they are used:",
        &offenders,
    );
}

/// The file, its folders and the modules written in it, as far as they have an empty name.
fn empty_names(file: &Path, from: &Path) -> Vec<String> {
    let mut found: Vec<_> = file
        .ancestors()
        .take_while(|path| *path != from)
        .filter(|path| EMPTY_NAMES.contains(&stem(path)))
        .map(shown)
        .collect();
    for line in read(file).lines() {
        let declaration = line
            .trim_start()
            .trim_start_matches("pub ")
            .trim_start_matches("pub(crate) ");
        let name = declaration.strip_prefix("mod ").map(identifier);
        if let Some(name) = name.filter(|name| EMPTY_NAMES.contains(name)) {
            found.push(format!("{}: mod {name}", shown(file)));
        }
    }
    found
}
