//! The page that the demo prints: lines of at most [`WIDTH`] columns, without whole secrets.

use std::io::{self, Write};

use serde_json::Value;

use crate::text::{WIDTH, wrap, wrap_json, wrap_target};

/// The number of characters that stay visible at the start of a secret.
const HEAD: usize = 10;

/// The number of characters that stay visible at the end of an issued token. They distinguish the tokens of one family,
/// which all start with the same characters.
const TAIL: usize = 4;

/// Fields of a response that hold tokens.
const TOKEN_FIELDS: [&str; 3] = ["accessToken", "refreshToken", "validationToken"];

/// The style of a line on a terminal with colors.
#[derive(Clone, Copy)]
pub(super) enum LineStyle {
    Plain,
    Heading,
    Request,
    Success,
    Error,
}

impl LineStyle {
    const fn code(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Heading => "1",
            Self::Request => "36",
            Self::Success => "32",
            Self::Error => "1;31",
        }
    }
}

/// The output of the demo. It shortens every registered secret.
pub(super) struct Page<W> {
    out: W,
    has_colors: bool,
    secrets: Vec<Secret>,
}

struct Secret {
    whole: String,
    short: String,
}

impl<W: Write> Page<W> {
    pub(super) fn new(out: W, has_colors: bool) -> Self {
        Self {
            out,
            has_colors,
            secrets: Vec::new(),
        }
    }

    /// Shortens `secret` in all further output. Its last `tail` characters stay visible.
    pub(super) fn hide(&mut self, secret: &str, tail: usize) {
        let length = secret.chars().count();
        let is_registered = self.secrets.iter().any(|known| known.whole == secret);
        if secret.is_empty() || is_registered {
            return;
        }
        let is_long = length >= 2 * (HEAD + tail);
        let (head, tail) = if is_long { (HEAD, tail) } else { (0, 0) };
        let start: String = secret.chars().take(head).collect();
        let end: String = secret.chars().skip(length - tail).collect();
        self.secrets.push(Secret {
            whole: secret.to_owned(),
            short: format!("{start}…{end}"),
        });
    }

    /// Hides every token of a response.
    pub(super) fn hide_tokens(&mut self, body: &Value) {
        let tokens = TOKEN_FIELDS.iter().filter_map(|name| body.get(name)?.as_str());
        tokens.for_each(|token| self.hide(token, TAIL));
    }

    /// Returns every registered secret, not shortened.
    #[cfg(test)]
    pub(super) fn secrets(&self) -> impl Iterator<Item = &str> {
        self.secrets.iter().map(|secret| secret.whole.as_str())
    }

    fn shorten(&self, text: &str) -> String {
        let shorten = |text: String, secret: &Secret| text.replace(&secret.whole, &secret.short);
        self.secrets.iter().fold(text.to_owned(), shorten)
    }

    /// Prints prose after `margin`. Further lines are indented by the same width.
    pub(super) fn print(&mut self, style: LineStyle, margin: &str, text: &str) -> io::Result<()> {
        let lines = wrap(&self.shorten(text), room_after(margin));
        self.print_lines(style, margin, &lines)
    }

    /// Prints a line that is not wrapped, such as a command to copy.
    pub(super) fn print_whole(&mut self, text: &str) -> io::Result<()> {
        let text = self.shorten(text);
        self.print_lines(LineStyle::Plain, "", &[text])
    }

    /// Prints the method and the target of a request.
    pub(super) fn print_request(&mut self, method: &str, target: &str) -> io::Result<()> {
        let margin = format!("  -> {method} ");
        let lines = wrap_target(&self.shorten(target), room_after(&margin));
        self.print_lines(LineStyle::Request, &margin, &lines)
    }

    /// Prints JSON after `margin`.
    pub(super) fn print_json(&mut self, margin: &str, text: &str) -> io::Result<()> {
        // Shortened before the layout, so that the layout counts only the printed characters.
        let lines = wrap_json(&self.shorten(text), room_after(margin));
        self.print_lines(LineStyle::Plain, margin, &lines)
    }

    pub(super) fn print_blank(&mut self) -> io::Result<()> {
        writeln!(self.out)
    }

    fn print_lines(&mut self, style: LineStyle, margin: &str, lines: &[String]) -> io::Result<()> {
        let indent = " ".repeat(margin.chars().count());
        for (index, line) in lines.iter().enumerate() {
            let margin = if index == 0 { margin } else { &indent };
            match style.code() {
                code if self.has_colors && !code.is_empty() => writeln!(self.out, "\x1b[{code}m{margin}{line}\x1b[0m")?,
                _ => writeln!(self.out, "{margin}{line}")?,
            }
        }
        self.out.flush()
    }
}

fn room_after(margin: &str) -> usize {
    WIDTH.saturating_sub(margin.chars().count())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn render(has_colors: bool, print: impl FnOnce(&mut Page<Vec<u8>>)) -> String {
        let mut page = Page::new(Vec::new(), has_colors);
        print(&mut page);
        String::from_utf8(page.out).unwrap()
    }

    #[test]
    fn a_hidden_secret_is_shortened_everywhere() {
        let token = "rt_5efd263cbe2d398bb00b97ea.1.k.abcdef";
        let text = render(false, |page| {
            page.hide_tokens(&json!({"refreshToken": token}));
            page.hide("hunter2", 0);
            page.print(LineStyle::Plain, "- ", &format!("{token} {token} hunter2"))
                .unwrap();
            page.print_whole(token).unwrap();
            page.print_request("GET", &format!("/?token={token}")).unwrap();
            page.print_json("", &json!({"token": token}).to_string()).unwrap();
        });
        assert_eq!(
            text,
            "- rt_5efd263…cdef rt_5efd263…cdef …\nrt_5efd263…cdef\n  -> GET /?token=rt_5efd263…cdef\n\
             {\"token\": \"rt_5efd263…cdef\"}\n"
        );
    }

    #[test]
    fn further_lines_are_indented_like_the_first() {
        let text = render(false, |page| {
            page.print(LineStyle::Plain, "  name  ", &"word ".repeat(20)).unwrap();
            page.print_request("POST", &format!("/{}/{}?c=1", "a".repeat(60), "b".repeat(60)))
                .unwrap();
        });
        let lines: Vec<&str> = text.lines().collect();
        assert!(
            lines[0].starts_with("  name  word") && lines[1].starts_with("        word"),
            "{text}"
        );
        assert!(
            lines[2].starts_with("  -> POST /aaa") && lines[3].starts_with("          /bbb"),
            "{text}"
        );
        assert!(lines.iter().all(|line| line.len() <= WIDTH), "{text}");
    }

    #[test]
    fn colors_are_used_only_on_request() {
        let print = |page: &mut Page<Vec<u8>>| page.print(LineStyle::Success, "", "200 OK").unwrap();
        assert_eq!(render(false, print), "200 OK\n");
        assert_eq!(render(true, print), "\x1b[32m200 OK\x1b[0m\n");
    }
}
