//! A reference leads to something that a reader of this repository can open.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use crate::assert_no_violations;
use crate::checkout::{display_path, root};

/// Names for documents that are not in this repository. RFCs and other public standards have names of their own.
const OUTSIDE_PHRASES: [&str; 2] = ["the contract", "the spec"];

/// A file that git tracks or would track, and its text.
struct TextFile {
    path: PathBuf,
    text: String,
}

/// Every text file of the checkout, except the files that .gitignore names.
static TEXT_FILES: LazyLock<Vec<TextFile>> = LazyLock::new(read_text_files);

fn read_text_files() -> Vec<TextFile> {
    let output = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(root())
        .output()
        .expect("git starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let names = String::from_utf8(output.stdout).expect("names are UTF-8");
    let files: Vec<_> = names
        .split_terminator('\0')
        .filter_map(|name| {
            let path = root().join(name);
            let text = String::from_utf8(fs::read(&path).ok()?).ok()?;
            Some(TextFile { path, text })
        })
        .collect();
    assert!(files.len() > 100, "git listed only {} files", files.len());
    files
}

impl TextFile {
    fn is_of_type(&self, extension: &str) -> bool {
        self.path.extension().is_some_and(|own| own == extension)
    }

    /// Returns the path and the line in the form that editors open.
    fn place(&self, line: usize) -> String {
        format!("{}:{line}", display_path(&self.path))
    }
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// Returns the names of numbered pages in a line: a number from 01 to 09, a hyphen and a lower-case word. Ignores
/// parts of dates and of longer numbers.
fn numbered_pages(line: &str) -> Vec<&str> {
    let mut pages = Vec::new();
    for (at, _) in line.match_indices('0') {
        let (before, rest) = line.split_at(at);
        let is_inside_a_word = before.ends_with(|c: char| is_word(c) || c == '-');
        let has_number = rest
            .as_bytes()
            .get(1)
            .is_some_and(|digit| (b'1'..=b'9').contains(digit));
        let word = rest
            .get(2..)
            .and_then(|rest| rest.strip_prefix('-'))
            .unwrap_or_default();
        let length = word.find(|c: char| !c.is_ascii_lowercase()).unwrap_or(word.len());
        if !is_inside_a_word && has_number && length > 0 {
            pages.push(&rest[..3 + length]);
        }
    }
    pages
}

/// Returns the phrases in a line that name a document outside the repository.
fn outside_phrases(line: &str) -> Vec<&'static str> {
    let occurs = |phrase: &&str| {
        line.match_indices(*phrase).any(|(at, _)| {
            let (before, after) = (&line[..at], &line[at + phrase.len()..]);
            !before.ends_with(is_word) && !after.starts_with(is_word)
        })
    };
    OUTSIDE_PHRASES.into_iter().filter(|phrase| occurs(phrase)).collect()
}

/// Returns whether a contract in this file is one of `port-contracts`, so that the word is no reference.
fn is_contract_test(path: &Path) -> bool {
    path.starts_with(root().join("crates/port-contracts"))
}

#[test]
fn no_reference_leads_out_of_the_repository() {
    let mut violations = Vec::new();
    let own = Path::new(file!()).file_name();
    for file in TEXT_FILES.iter().filter(|file| file.path.file_name() != own) {
        for (at, line) in file.text.lines().enumerate() {
            let phrases = if is_contract_test(&file.path) {
                Vec::new()
            } else {
                outside_phrases(line)
            };
            let found = numbered_pages(line).into_iter().chain(phrases);
            violations.extend(found.map(|name| format!("{}: `{name}`", file.place(at + 1))));
        }
    }
    assert_no_violations(
        "A reader of this repository cannot open this document. Name the page under docs/ that has the content, or write \
         the content here:",
        &violations,
    );
}

/// Returns the headings of a page without their marks.
fn headings(page: &str) -> Vec<String> {
    let prose = outside_code(page);
    let headings = prose.iter().filter_map(|(_, line)| {
        let text = line.trim_start_matches('#');
        (text.len() < line.len() && text.starts_with(' ')).then(|| text.trim().replace('`', ""))
    });
    headings.collect()
}

/// Returns the lines of a Markdown page, with their numbers, except those in fenced blocks of code.
fn outside_code(page: &str) -> Vec<(usize, &str)> {
    let mut is_code = false;
    let mut lines = Vec::new();
    for (at, line) in page.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            is_code = !is_code;
        } else if !is_code {
            lines.push((at + 1, line));
        }
    }
    lines
}

/// Returns the targets of the links in a line of Markdown.
fn link_targets(line: &str) -> Vec<&str> {
    let inline = line
        .match_indices("](")
        .filter_map(|(at, _)| line[at + 2..].split([')', ' ']).next());
    let definition = line
        .strip_prefix('[')
        .and_then(|rest| rest.split_once("]: "))
        .and_then(|(_, target)| target.split(' ').next());
    inline.chain(definition).collect()
}

/// Returns the fragment that GitHub gives a heading.
fn fragment(heading: &str) -> String {
    let kept = heading
        .to_lowercase()
        .replace(|c: char| !c.is_alphanumeric() && !matches!(c, ' ' | '-' | '_'), "");
    kept.replace(' ', "-")
}

/// Returns what is wrong with the target of a link in `page`; `None` if it exists or is a URL.
fn broken_link(page: &TextFile, target: &str) -> Option<String> {
    if target.contains("://") || target.starts_with("mailto:") {
        return None;
    }
    let (path, wanted) = target.split_once('#').unwrap_or((target, ""));
    let folder = page.path.parent().expect("a file has a folder");
    let linked = if path.is_empty() {
        page.path.clone()
    } else {
        folder.join(path)
    };
    if !linked.exists() {
        return Some(format!("there is no file `{path}`"));
    }
    if wanted.is_empty() || linked.extension().is_none_or(|extension| extension != "md") {
        return None;
    }
    let text = fs::read_to_string(&linked).ok()?;
    let has_heading = headings(&text).iter().any(|heading| fragment(heading) == wanted);
    (!has_heading).then(|| format!("`{}` has no heading `#{wanted}`", display_path(&linked)))
}

#[test]
fn links_in_markdown_lead_to_files_and_headings() {
    let mut violations = Vec::new();
    for page in TEXT_FILES.iter().filter(|file| file.is_of_type("md")) {
        for (number, line) in outside_code(&page.text) {
            let defects = link_targets(line)
                .into_iter()
                .filter_map(|target| broken_link(page, target));
            violations.extend(defects.map(|defect| format!("{}: {defect}", page.place(number))));
        }
    }
    assert_no_violations(
        "The target of this link has moved or has another name. Use the present path and heading:",
        &violations,
    );
}

/// Consecutive lines of a comment, joined by spaces, or one line of anything else.
struct Passage {
    text: String,
    /// The offset at which each line begins, and its number.
    lines: Vec<(usize, usize)>,
}

impl Passage {
    fn line_at(&self, offset: usize) -> usize {
        let begun = self.lines.iter().rev().find(|(begins, _)| *begins <= offset);
        begun.map_or(1, |(_, number)| *number)
    }
}

/// Returns the passages of a file. Its comments start with `mark`.
fn passages(text: &str, mark: &str) -> Vec<Passage> {
    let mut passages: Vec<Passage> = Vec::new();
    let mut is_in_comment = false;
    for (at, line) in text.lines().enumerate() {
        let comment = line.trim_start().strip_prefix(mark);
        let content = comment.map_or(line, |comment| comment.trim_start_matches(['/', '!', '#']).trim());
        match passages.last_mut().filter(|_| is_in_comment && comment.is_some()) {
            Some(passage) => {
                passage.text.push(' ');
                passage.lines.push((passage.text.len(), at + 1));
                passage.text.push_str(content);
            }
            None => passages.push(Passage {
                text: content.to_owned(),
                lines: vec![(0, at + 1)],
            }),
        }
        is_in_comment = comment.is_some();
    }
    passages
}

/// A path under docs/ in a text, and the heading that is named after it: `docs/x.md "Heading"`.
#[derive(Debug, PartialEq)]
struct Mention<'a> {
    offset: usize,
    path: &'a str,
    heading: Option<&'a str>,
}

fn mentions(text: &str) -> Vec<Mention<'_>> {
    let mut mentions = Vec::new();
    for (offset, _) in text.match_indices("docs/") {
        let (before, rest) = text.split_at(offset);
        // This is part of a longer path, such as the path of a page that the server serves.
        if before.ends_with(|c: char| is_word(c) || "/.-".contains(c)) {
            continue;
        }
        let length = rest
            .find(|c: char| !is_word(c) && !"/.-".contains(c))
            .unwrap_or(rest.len());
        let (path, after) = rest.split_at(length);
        // The program inserts the rest of the name at run time.
        if after.starts_with('{') {
            continue;
        }
        let after = after.strip_prefix('`').unwrap_or(after);
        let after = after.strip_prefix(',').unwrap_or(after);
        let heading = after
            .strip_prefix(" \"")
            .and_then(|quoted| quoted.split_once('"'))
            .map(|(heading, _)| heading);
        mentions.push(Mention {
            offset,
            path: path.trim_end_matches('.'),
            heading,
        });
    }
    mentions
}

/// Returns what is wrong with a mention; `None` if the file exists and has the heading.
fn broken_mention(mention: &Mention<'_>) -> Option<String> {
    let Mention { path, heading, .. } = mention;
    let file = root().join(path);
    if !file.exists() {
        return Some(format!("there is no file `{path}`"));
    }
    let heading = (*heading)?;
    let text = fs::read_to_string(&file).ok()?;
    let has_heading = headings(&text).iter().any(|own| own == heading);
    (!has_heading).then(|| format!("`{path}` has no heading \"{heading}\""))
}

#[test]
fn paths_under_docs_name_files_and_headings() {
    let mut violations = Vec::new();
    let own = Path::new(file!()).file_name();
    for file in TEXT_FILES.iter().filter(|file| file.path.file_name() != own) {
        let mark = if file.is_of_type("rs") { "//" } else { "#" };
        // Another rule checks the links of a page, and its `#` starts a heading instead of a comment.
        if file.is_of_type("md") {
            continue;
        }
        for passage in passages(&file.text, mark) {
            for mention in mentions(&passage.text) {
                let place = file.place(passage.line_at(mention.offset));
                violations.extend(broken_mention(&mention).map(|defect| format!("{place}: {defect}")));
            }
        }
    }
    assert_no_violations(
        "The page under docs/ has moved, or its heading has changed. Use the present path and heading:",
        &violations,
    );
}

#[test]
fn numbered_page_is_recognized() {
    assert_eq!(
        numbered_pages("see 03-protocols 2 and `01-api`"),
        ["03-protocols", "01-api"]
    );
    for harmless in [
        "docs/adr/0001-sqlite-with-one-writer.md",
        "2026-01-31",
        "00-trace-01-a",
        "01-2",
        "x01-api",
    ] {
        assert_eq!(numbered_pages(harmless), [""; 0], "{harmless}");
    }
}

#[test]
fn phrase_is_recognized_as_whole_words() {
    assert_eq!(outside_phrases("what the contract says"), ["the contract"]);
    assert_eq!(outside_phrases("the contract's topics"), ["the contract"]);
    assert_eq!(
        outside_phrases("the contracts of every port, the specific one"),
        [""; 0]
    );
}

#[test]
fn link_without_its_file_or_heading_is_broken() {
    let page = TextFile {
        path: root().join("docs/page.md"),
        text: String::new(),
    };
    for good in [
        "ARCHITECTURE.md",
        "../README.md#licence",
        "adr/",
        "https://example.com/x",
    ] {
        assert_eq!(broken_link(&page, good), None, "{good}");
    }
    for broken in ["nowhere.md", "../README.md#nowhere"] {
        assert!(broken_link(&page, broken).is_some(), "{broken}");
    }
    assert_eq!(link_targets("[a](b.md \"title\") and [c](d#e)"), ["b.md", "d#e"]);
    assert_eq!(link_targets("[a]: b.md"), ["b.md"]);
    assert_eq!(fragment("Where do I change…?"), "where-do-i-change");
}

#[test]
fn mention_is_read_across_the_lines_of_a_comment() {
    let source = "let a = 1;\n/// First (docs/operations.md,\n/// \"Two words\").\n";
    let passages = passages(source, "//");
    let passage = passages.last().expect("a passage");
    let found = mentions(&passage.text);
    assert!(
        matches!(
            found[..],
            [Mention {
                path: "docs/operations.md",
                heading: Some("Two words"),
                ..
            }]
        ),
        "{found:?}"
    );
    assert_eq!(passage.line_at(found[0].offset), 2);
}

#[test]
fn route_and_template_are_not_mentions() {
    assert_eq!(
        mentions("page(\"/docs/scalar.js\") target/docs/x docs/api/{context}.json"),
        []
    );
    let missing = &mentions("docs/nowhere.md")[0];
    assert!(broken_mention(missing).is_some());
    let other_heading = &mentions("docs/operations.md \"No such heading\"")[0];
    assert!(broken_mention(other_heading).is_some());
}

/// Returns the names in backticks that can only be names of tests: four words or more, joined by underscores.
fn test_names(line: &str) -> Vec<&str> {
    let spans = line.split('`').skip(1).step_by(2);
    let names = spans.map(|span| span.rsplit("::").next().unwrap_or_default());
    let is_test_name = |name: &&str| {
        let has_only_words = name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
        has_only_words && name.split('_').filter(|word| !word.is_empty()).count() > 3
    };
    names.filter(is_test_name).collect()
}

#[test]
fn pages_name_tests_and_functions_that_exist() {
    let code: String = TEXT_FILES
        .iter()
        .filter(|file| file.is_of_type("rs"))
        .map(|file| &*file.text)
        .collect();
    let words: HashSet<&str> = code.split(|c| !is_word(c)).collect();
    let mut violations = Vec::new();
    for page in TEXT_FILES.iter().filter(|file| file.is_of_type("md")) {
        for (at, line) in page.text.lines().enumerate() {
            let missing = test_names(line).into_iter().filter(|name| !words.contains(name));
            violations.extend(missing.map(|name| format!("{}: `{name}`", page.place(at + 1))));
        }
    }
    assert_no_violations(
        "No test or function has this name. Write the present name, or leave the name out:",
        &violations,
    );
}
