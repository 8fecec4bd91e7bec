//! Text for a terminal of 80 columns: the page of `authme demo` and the help texts.

/// The maximum number of columns of a line: the default width of a terminal window.
pub(crate) const WIDTH: usize = 80;

/// Breaks prose at spaces into lines of at most `width` characters. A longer word gets a line of its own.
pub(crate) fn wrap(text: &str, width: usize) -> Vec<String> {
    let paragraph = |line: &str| fill(line.split_whitespace(), " ", width);
    text.lines().flat_map(paragraph).collect()
}

/// Breaks the target of a request before `/`, `?` and `&` into lines of at most `width` characters. A longer piece gets a
/// line of its own.
pub(crate) fn wrap_target(target: &str, width: usize) -> Vec<String> {
    let mut pieces = Vec::new();
    let mut rest = target;
    while let Some(end) = rest.char_indices().skip(1).find(|(_, c)| "/?&".contains(*c)) {
        let (piece, after) = rest.split_at(end.0);
        pieces.push(piece);
        rest = after;
    }
    pieces.push(rest);
    fill(pieces.into_iter(), "", width)
}

/// Breaks compact JSON after commas into lines of at most `width` characters. A longer piece, and each object of a list but the
/// first, gets a line of its own. Fields keep their order, which `serde_json` would sort. Text that is not JSON is wrapped as
/// prose.
pub(crate) fn wrap_json(text: &str, width: usize) -> Vec<String> {
    if !text.starts_with(['{', '[']) {
        return wrap(text, width);
    }
    let (mut marked, mut is_in_string, mut is_escaped) = (String::new(), false, false);
    for c in text.chars() {
        marked.push(c);
        match c {
            ':' if !is_in_string => marked.push(' '),
            ',' if !is_in_string => marked.push('\n'),
            '"' if !is_escaped => is_in_string = !is_in_string,
            _ => {}
        }
        is_escaped = c == '\\' && !is_escaped;
    }
    // The marks are unambiguous: JSON escapes line breaks in strings.
    let rows = marked.replace("\n{", "\r{");
    let lines = rows
        .split('\r')
        .flat_map(|row| fill(row.split('\n'), " ", width.saturating_sub(1)));
    let indent = |(index, line): (usize, String)| if index == 0 { line } else { format!(" {line}") };
    lines.enumerate().map(indent).collect()
}

/// Fills each line with as many pieces as fit. A longer piece gets a line of its own.
pub(crate) fn fill<'a>(pieces: impl Iterator<Item = &'a str>, separator: &str, width: usize) -> Vec<String> {
    let length = |text: &str| text.chars().count();
    let mut lines: Vec<String> = Vec::new();
    for piece in pieces {
        match lines.last_mut() {
            Some(line) if length(line) + length(separator) + length(piece) <= width => {
                line.push_str(separator);
                line.push_str(piece);
            }
            _ => lines.push(piece.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn json_that_fits_stays_on_one_line_in_order() {
        let text = r#"{"z":1,"a":[true,null,0.5],"m":{"k":"quote \" here: a,b"},"e":[],"o":{}}"#;
        assert_eq!(
            wrap_json(text, WIDTH + 10),
            [r#"{"z": 1, "a": [true, null, 0.5], "m": {"k": "quote \" here: a,b"}, "e": [], "o": {}}"#]
        );
    }

    #[test]
    fn lines_are_filled_and_list_objects_start_lines() {
        let long = "x".repeat(50);
        let text = format!(r#"[{{"id":"{long}","n":1,"name":"{long}","m":{{"k":2}}}},{{"id":1}},{{"id":2}}]"#);
        let lines = wrap_json(&text, WIDTH);
        assert_eq!(
            lines,
            [
                format!(r#"[{{"id": "{long}", "n": 1,"#),
                format!(r#" "name": "{long}", "m": {{"k": 2}}}},"#),
                r#" {"id": 1},"#.to_owned(),
                r#" {"id": 2}]"#.to_owned(),
            ]
        );
    }

    proptest! {
        #[test]
        fn layout_respects_width_and_preserves_json(words in vec("[a-z\\\\\",:{ ]{0,15}", 0..40)) {
            let value = json!({"words": words, "deep": [{"words": words}, {"words": [words]}]});
            let lines = wrap_json(&value.to_string(), WIDTH);
            prop_assert!(lines.iter().all(|line| line.chars().count() <= WIDTH), "{lines:#?}");
            prop_assert_eq!(serde_json::from_str::<Value>(&lines.concat()).unwrap(), value);
        }
    }

    #[test]
    fn text_that_is_not_json_keeps_its_lines() {
        assert_eq!(wrap_json("no\njson", WIDTH), ["no", "json"]);
        assert!(wrap_json("", WIDTH).is_empty());
    }

    #[test]
    fn prose_is_wrapped_at_spaces_and_keeps_its_paragraphs() {
        assert_eq!(wrap("one two three\nfour", 9), ["one two", "three", "four"]);
        assert_eq!(wrap("a longword é", 3), ["a", "longword", "é"]);
        assert!(wrap("", 9).is_empty());
    }

    #[test]
    fn a_request_target_is_wrapped_before_its_separators() {
        assert_eq!(wrap_target("/a/bcd?e=1&f=2", 8), ["/a/bcd", "?e=1&f=2"]);
        assert_eq!(wrap_target("/short", 8), ["/short"]);
    }
}
