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
    use super::*;

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
