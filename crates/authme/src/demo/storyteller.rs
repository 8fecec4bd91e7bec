//! How a step is told: what happens and why, the request, its answer, and whether that is as it must be.

use std::io::{self, Write};
use std::net::SocketAddr;

use serde_json::Value;

use super::expected::Expected;
use super::http_client::{Answer, Request, ask};
use super::page::{Look, Page};
use crate::CommandError;

/// Why the story was not told to its end.
pub(super) enum Interruption {
    /// A step was not answered as it must be; the page says how.
    Unmet,
    /// The process was asked to end.
    Asked,
    Unprinted(io::Error),
    Refused(CommandError),
}

impl From<io::Error> for Interruption {
    fn from(error: io::Error) -> Self {
        Self::Unprinted(error)
    }
}

/// A step: what happens and why, the request, what its answer must be.
pub(super) struct Step {
    pub(super) title: &'static str,
    pub(super) why: &'static str,
    pub(super) request: Request,
    pub(super) expected: Expected,
}

/// How much was told.
#[derive(Clone, Copy, Default)]
pub(super) struct Tally {
    pub(super) steps: usize,
    pub(super) requests: usize,
}

/// Asks one server, and tells one reader.
pub(super) struct Storyteller<'a, W> {
    pub(super) page: &'a mut Page<W>,
    address: SocketAddr,
    pub(super) tally: Tally,
}

/// The body as JSON; `null` when it is empty or something else.
fn json_of(answer: &Answer) -> Value {
    serde_json::from_str(&answer.body).unwrap_or_default()
}

impl<'a, W: Write> Storyteller<'a, W> {
    pub(super) fn new(page: &'a mut Page<W>, address: SocketAddr) -> Self {
        Self {
            page,
            address,
            tally: Tally::default(),
        }
    }

    /// Plays a step to its end; answers the body.
    pub(super) async fn play(&mut self, step: Step) -> Result<Value, Interruption> {
        self.begin(step.title, step.why)?;
        let answer = self.ask_aloud(step.request).await?;
        self.page.json("     ", &answer.body)?;
        let body = json_of(&answer);
        self.judge(&step.expected, answer.status, &body)?;
        Ok(body)
    }

    pub(super) fn begin(&mut self, title: &str, why: &str) -> io::Result<()> {
        self.tally.steps += 1;
        self.page.blank()?;
        let title = format!("{:>2}. {title}", self.tally.steps);
        self.page.say(Look::Heading, &title)?;
        for line in why.lines() {
            self.page.say(Look::Plain, &format!("    {line}"))?;
        }
        Ok(())
    }

    /// Asks, and prints the request and the status of its answer.
    pub(super) async fn ask_aloud(&mut self, request: Request) -> Result<Answer, Interruption> {
        let line = format!("  -> {} {}", request.method, request.target);
        self.page.say(Look::Request, &line)?;
        let line = format!("     Authorization: {}", request.authorization);
        self.page.say(Look::Plain, &line)?;
        if let Some(body) = &request.body {
            self.page.json("     ", &body.to_string())?;
        }
        let answer = self.ask(request).await?;
        let look = if answer.status < 400 { Look::Good } else { Look::Bad };
        let line = format!("  <- {} {}", answer.status, answer.reason);
        self.page.say(look, line.trim_end())?;
        Ok(answer)
    }

    async fn ask(&mut self, request: Request) -> Result<Answer, Interruption> {
        self.tally.requests += 1;
        let answer = ask(self.address, request).await;
        let answer = answer.map_err(CommandError::context("the demo's own server did not answer"));
        let answer = answer.map_err(Interruption::Refused)?;
        self.page.hide_tokens(&json_of(&answer));
        Ok(answer)
    }

    /// A request that is like one before: told in half a sentence.
    pub(super) async fn ask_aside(
        &mut self,
        what: &str,
        request: Request,
        expected: &Expected,
    ) -> Result<Value, Interruption> {
        let target = format!("{} {}", request.method, request.target);
        let answer = self.ask(request).await?;
        let body = json_of(&answer);
        self.page.blank()?;
        let said = format!("    ({what}: {target} answers {}.)", answer.status);
        self.page.say(Look::Plain, &said)?;
        self.judge(expected, answer.status, &body)?;
        Ok(body)
    }

    /// Ends the story when something is not as it must be.
    pub(super) fn judge(&mut self, expected: &Expected, status: u16, body: &Value) -> Result<(), Interruption> {
        self.end_if(&expected.unmet(status, body))
    }

    /// The same for a part of an answer.
    pub(super) fn judge_content(&mut self, expected: &Expected, content: &Value) -> Result<(), Interruption> {
        self.end_if(&expected.unmet_content(content))
    }

    fn end_if(&mut self, unmet: &[String]) -> Result<(), Interruption> {
        if unmet.is_empty() {
            return Ok(());
        }
        self.page.blank()?;
        let verdict = "This is not the answer that had to come, so the story ends here:";
        self.page.say(Look::Bad, verdict)?;
        for sentence in unmet {
            self.page.say(Look::Bad, &format!("  {sentence}"))?;
        }
        Err(Interruption::Unmet)
    }
}
