//! Reads Rust source in the form that rustfmt gives it: an item of a file and its last brace start in the first column.

use std::path::{Path, PathBuf};

use crate::checkout::{read, stem};

/// Returns the lines before the test module.
pub(crate) fn production_lines(source: &str) -> impl Iterator<Item = &str> {
    let lines: Vec<_> = source.lines().collect();
    let tests_begin = |at: &usize| {
        let mut rest = lines.iter().skip(*at);
        rest.next() == Some(&"#[cfg(test)]")
            && rest
                .find(|line| !line.starts_with("#["))
                .is_some_and(|line| line.starts_with("mod ") && line.ends_with('{'))
    };
    let end = (0..lines.len()).find(tests_begin).unwrap_or(lines.len());
    lines.into_iter().take(end)
}

/// Returns the items of a file that start with `opening`, each up to its last brace.
pub(crate) fn items(source: &str, opening: &str) -> Vec<String> {
    let mut lines = source.lines();
    let mut items = Vec::new();
    while let Some(first) = lines.next() {
        if !first.starts_with(opening) {
            continue;
        }
        let mut item = first.to_owned();
        if !first.ends_with(['}', ';']) {
            for line in lines.by_ref() {
                item.push('\n');
                item.push_str(line);
                if line.starts_with(['}', ')']) {
                    break;
                }
            }
        }
        items.push(item);
    }
    items
}

/// Returns the identifier at the start of `text`.
pub(crate) fn identifier(text: &str) -> &str {
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_');
    end.map_or(text, |end| &text[..end])
}

/// Returns whether a path in this line contains a module of this name, as in `tokens::X` or `ports::tokens`.
pub(crate) fn passes_through(line: &str, module: &str) -> bool {
    line.match_indices(module).any(|(at, _)| {
        let (before, after) = (&line[..at], &line[at + module.len()..]);
        let is_whole = !before.ends_with(|c: char| c.is_alphanumeric() || c == '_') && identifier(after).is_empty();
        is_whole && (before.ends_with("::") || after.starts_with("::"))
    })
}

/// Returns the files that are compiled only for tests, because `#[cfg(test)] mod name;` in one of `files` declares
/// them.
pub(crate) fn test_only_files(files: &[PathBuf]) -> Vec<PathBuf> {
    let mut paths = Vec::new();
    for file in files {
        let source = read(file);
        let lines: Vec<_> = source.lines().collect();
        for pair in lines.windows(2) {
            if let ["#[cfg(test)]", declaration] = pair
                && let Some(name) = declaration.strip_prefix("mod ").and_then(|rest| rest.strip_suffix(';'))
            {
                let folder = folder_of_submodules(file);
                paths.extend([folder.join(format!("{name}.rs")), folder.join(name)]);
            }
        }
    }
    paths
}

fn folder_of_submodules(file: &Path) -> PathBuf {
    if matches!(stem(file), "mod" | "lib" | "main") {
        file.with_file_name("")
    } else {
        file.with_extension("")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn production_ends_before_the_test_module() {
        let source = "a\n#[cfg(test)]\nuse b;\nc\n#[cfg(test)]\nmod tests {\n}\n";
        assert_eq!(production_lines(source).count(), 4);
        assert_eq!(production_lines("a\n#[cfg(test)]\nmod tests;\nb\n").count(), 4);
    }

    #[test]
    fn passes_through_distinguishes_paths_from_fields() {
        assert!(passes_through("use domain::tokens::Nonce;", "tokens"));
        assert!(passes_through("use ports::{Clock, tokens::KeySet};", "tokens"));
        assert!(passes_through("use ports::tokens;", "tokens"));
        assert!(!passes_through("self.tokens.hasher.hash(token)", "tokens"));
        assert!(!passes_through("use domain::my_tokens::Nonce;", "tokens"));
    }

    #[test]
    fn items_end_with_their_last_brace() {
        let source = "impl A {\n    fn run() {\n    }\n}\n\nimpl B {}\nimpl A {\n}\n";
        assert_eq!(
            items(source, "impl A "),
            ["impl A {\n    fn run() {\n    }\n}", "impl A {\n}"]
        );
        assert_eq!(items(source, "impl B "), ["impl B {}"]);
    }
}
