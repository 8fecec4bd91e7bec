//! What the reader sees.

use std::io::{self, Write};

use serde_json::Value;

use super::json_layout::lay_out;

/// So much of a secret is shown at its start, in characters.
const HEAD: usize = 10;

/// So much of an issued token is shown at its end: tokens of one family begin alike.
const TAIL: usize = 4;

/// Fields of an answer that hold what must not be shown whole.
const TOKEN_FIELDS: [&str; 3] = ["accessToken", "refreshToken", "validationToken"];

/// How a line looks where there are colours.
#[derive(Clone, Copy)]
pub(super) enum Look {
    Plain,
    Heading,
    Request,
    Good,
    Bad,
}

impl Look {
    const fn code(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Heading => "1",
            Self::Request => "36",
            Self::Good => "32",
            Self::Bad => "1;31",
        }
    }
}

/// The output. Every line goes through here, and leaves with every known secret shortened.
pub(super) struct Page<W> {
    out: W,
    colour: bool,
    secrets: Vec<Secret>,
}

struct Secret {
    whole: String,
    shown: String,
}

impl<W: Write> Page<W> {
    pub(super) fn new(out: W, colour: bool) -> Self {
        Self {
            out,
            colour,
            secrets: Vec::new(),
        }
    }

    /// From now on only the beginning of `secret` is shown, and with `tail` its last characters.
    pub(super) fn hide(&mut self, secret: &str, tail: usize) {
        let length = secret.chars().count();
        let known = self.secrets.iter().any(|known| known.whole == secret);
        if secret.is_empty() || known {
            return;
        }
        let is_long = length >= 2 * (HEAD + tail);
        let (head, tail) = if is_long { (HEAD, tail) } else { (0, 0) };
        let begin: String = secret.chars().take(head).collect();
        let end: String = secret.chars().skip(length - tail).collect();
        self.secrets.push(Secret {
            whole: secret.to_owned(),
            shown: format!("{begin}…{end}"),
        });
    }

    /// Hides every token of an answer.
    pub(super) fn hide_tokens(&mut self, answer: &Value) {
        match answer {
            Value::Object(fields) => {
                for (name, value) in fields {
                    match value {
                        Value::String(token) if TOKEN_FIELDS.contains(&name.as_str()) => self.hide(token, TAIL),
                        value => self.hide_tokens(value),
                    }
                }
            }
            Value::Array(values) => values.iter().for_each(|value| self.hide_tokens(value)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    /// Everything that is hidden, whole.
    #[cfg(test)]
    pub(super) fn hidden(&self) -> impl Iterator<Item = &str> {
        self.secrets.iter().map(|secret| secret.whole.as_str())
    }

    fn shortened(&self, text: &str) -> String {
        let hide = |text: String, secret: &Secret| text.replace(&secret.whole, &secret.shown);
        self.secrets.iter().fold(text.to_owned(), hide)
    }

    /// Prints a line, or several of one look.
    pub(super) fn say(&mut self, look: Look, text: &str) -> io::Result<()> {
        let text = self.shortened(text);
        for line in text.lines() {
            match look.code() {
                code if self.colour && !code.is_empty() => writeln!(self.out, "\x1b[{code}m{line}\x1b[0m")?,
                _ => writeln!(self.out, "{line}")?,
            }
        }
        self.out.flush()
    }

    pub(super) fn blank(&mut self) -> io::Result<()> {
        writeln!(self.out)
    }

    /// Prints JSON, laid out behind `margin`.
    pub(super) fn json(&mut self, margin: &str, text: &str) -> io::Result<()> {
        // Shortened first: what is short fits on one line.
        for line in lay_out(&self.shortened(text)) {
            self.say(Look::Plain, &format!("{margin}{line}"))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn printed(colour: bool, print: impl FnOnce(&mut Page<Vec<u8>>)) -> String {
        let mut page = Page::new(Vec::new(), colour);
        print(&mut page);
        String::from_utf8(page.out).unwrap()
    }

    #[test]
    fn a_hidden_secret_is_short_wherever_it_stands() {
        let token = "rt_5efd263cbe2d398bb00b97ea.1.k.abcdef";
        let text = printed(false, |page| {
            page.hide_tokens(&json!([{"refreshToken": token}]));
            page.hide("hunter2", 0);
            page.say(Look::Plain, &format!("GET /?token={token} {token} hunter2"))
                .unwrap();
            page.json("", &json!({"token": token}).to_string()).unwrap();
        });
        assert_eq!(
            text,
            "GET /?token=rt_5efd263…cdef rt_5efd263…cdef …\n{\"token\": \"rt_5efd263…cdef\"}\n"
        );
    }

    #[test]
    fn colour_is_there_only_when_asked_for() {
        let say = |page: &mut Page<Vec<u8>>| page.say(Look::Good, "200 OK").unwrap();
        assert_eq!(printed(false, say), "200 OK\n");
        assert_eq!(printed(true, say), "\x1b[32m200 OK\x1b[0m\n");
    }
}
