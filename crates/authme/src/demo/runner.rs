//! The runner of the demo's steps: it prints a step, sends its request, prints the response and checks it.

use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::{Client, Method, StatusCode};
use serde_json::Value;

use super::page::{LineStyle, Page};
use crate::CommandError;
use crate::scenario::{Members, Step, Values, json_mismatches, templates, text};

/// The base path of every operation.
const BASE: &str = "/security/iam/v1";

/// The time limit for a response. The slowest response is the one to a long poll of events, which takes up to 10 s.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The margin of headers and bodies. It aligns them with the request line.
const MARGIN: &str = "     ";

/// The reason for the end of the demo before its last step.
pub(super) enum DemoError {
    /// A response was not as expected. The page shows the mismatches.
    UnexpectedResponse,
    /// The process received SIGTERM or SIGINT.
    Interrupted,
    Output(io::Error),
    Command(CommandError),
}

impl From<io::Error> for DemoError {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

impl From<CommandError> for DemoError {
    fn from(error: CommandError) -> Self {
        Self::Command(error)
    }
}

/// The number of steps and requests of a run.
#[derive(Clone, Copy, Default)]
pub(super) struct Summary {
    pub(super) steps: usize,
    pub(super) requests: usize,
}

struct Response {
    status: StatusCode,
    body: String,
}

impl Response {
    /// Returns the body as JSON, or `null` if it is empty or not JSON.
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }
}

/// Sends the requests of the scenario to one server, and prints them on one page.
pub(super) struct DemoRunner<'a, W> {
    pub(super) page: &'a mut Page<W>,
    http: Client,
    /// The URL of the server.
    server: String,
    /// The file into which the server writes one-time codes.
    codes_file: &'a Path,
    values: Values,
    summary: Summary,
}

impl<'a, W: Write> DemoRunner<'a, W> {
    pub(super) fn new(
        page: &'a mut Page<W>,
        server: String,
        codes_file: &'a Path,
        values: Values,
    ) -> Result<Self, DemoError> {
        let http = Client::builder().no_proxy().tls_certs_only([]).timeout(TIMEOUT).build();
        Ok(Self {
            page,
            http: http.map_err(CommandError::context("the HTTP client cannot be set up"))?,
            server,
            codes_file,
            values,
            summary: Summary::default(),
        })
    }

    /// Runs every step.
    pub(super) async fn run(mut self) -> Result<Summary, DemoError> {
        for template in templates() {
            let step = self.read(&template)?;
            if let Some(title) = &step.title {
                self.print_title(title, &step.explanation)?;
                if step.events.is_empty() {
                    self.run_step(&template, &step).await?;
                } else {
                    self.follow_events(&template).await?;
                }
            } else {
                self.run_similar_step(&step).await?;
            }
        }
        Ok(self.summary)
    }

    fn read(&self, template: &str) -> Result<Step, DemoError> {
        Ok(Step::read(template, &self.values).map_err(CommandError::context("the scenario cannot be read"))?)
    }

    fn print_title(&mut self, title: &str, explanation: &str) -> io::Result<()> {
        self.summary.steps += 1;
        let number = format!("{:>2}. ", self.summary.steps);
        self.page.print_blank()?;
        self.page.print(LineStyle::Heading, &number, title)?;
        self.page.print(LineStyle::Plain, "    ", explanation)
    }

    async fn run_step(&mut self, template: &str, step: &Step) -> Result<(), DemoError> {
        let response = self.send_and_print(step).await?;
        self.page.print_json(MARGIN, &response.body)?;
        self.check(step, &response)?;
        if !step.claims.is_empty() {
            self.show_claims(&text(&response.json(), "/accessToken"), &self.read(template)?.claims)?;
        }
        if step.sends_code {
            self.show_message(&text(&response.json(), "/challengeId"))?;
        }
        Ok(())
    }

    /// Sends a request that resembles an earlier one, and prints it in one sentence.
    async fn run_similar_step(&mut self, step: &Step) -> Result<(), DemoError> {
        let response = self.send(step).await?;
        let (request, status) = (absolute(&step.request), response.status.as_u16());
        self.page.print_blank()?;
        let sentence = format!("({} {request} returns {status}.)", step.explanation);
        self.page.print(LineStyle::Plain, "    ", &sentence)?;
        self.check(step, &response)
    }

    /// Sends a request and prints it with the status of the response.
    async fn send_and_print(&mut self, step: &Step) -> Result<Response, DemoError> {
        let request = absolute(&step.request);
        let (method, target) = request.split_once(' ').unwrap_or_default();
        self.page.print_request(method, target)?;
        let header = format!("Authorization: {}", step.authorization);
        self.page.print(LineStyle::Plain, MARGIN, &header)?;
        if let Some(body) = &step.body {
            self.page.print_json(MARGIN, &body.to_string())?;
        }
        let response = self.send(step).await?;
        let style = if response.status.is_success() {
            LineStyle::Success
        } else {
            LineStyle::Error
        };
        self.page.print(style, "  <- ", &response.status.to_string())?;
        Ok(response)
    }

    async fn send(&mut self, step: &Step) -> Result<Response, DemoError> {
        self.summary.requests += 1;
        let (method, path) = step.request.split_once(' ').unwrap_or_default();
        let method =
            Method::from_bytes(method.as_bytes()).map_err(CommandError::context("the scenario cannot be read"))?;
        let request = self.http.request(method, format!("{}{BASE}{path}", self.server));
        let request = request.header("authorization", &step.authorization);
        let request = match &step.body {
            Some(body) => request.json(body),
            None => request,
        };
        let no_response = || CommandError::context("the demo's server did not respond");
        let response = request.send().await.map_err(no_response())?;
        let response = Response {
            status: response.status(),
            body: response.text().await.map_err(no_response())?,
        };
        self.page.hide_tokens(&response.json());
        Ok(response)
    }

    fn show_claims(&mut self, token: &str, expected: &Members) -> Result<(), DemoError> {
        let claims = token
            .split('.')
            .nth(1)
            .and_then(|part| URL_SAFE_NO_PAD.decode(part).ok());
        let claims = claims
            .and_then(|claims| String::from_utf8(claims).ok())
            .unwrap_or_default();
        let heading = "Claims of the access token (signed with RS512; `GET /keys` returns the public key):";
        self.page.print(LineStyle::Plain, MARGIN, heading)?;
        self.page.print_json(MARGIN, &claims)?;
        self.end_on(&json_mismatches(
            expected,
            &serde_json::from_str(&claims).unwrap_or_default(),
        ))
    }

    /// Prints the message of a challenge from the file, and saves its code.
    fn show_message(&mut self, challenge: &str) -> Result<(), DemoError> {
        let lines = fs::read_to_string(self.codes_file).unwrap_or_default();
        let mut messages = lines
            .lines()
            .map(|line| serde_json::from_str(line).unwrap_or(Value::Null));
        let Some(message) = messages.find(|message| text(message, "/challengeId") == challenge) else {
            return self.end_on(&[format!("no message of the challenge {challenge}")]);
        };
        let heading = format!("The message to {}, as the file holds it:", text(&message, "/to"));
        self.page.print(LineStyle::Plain, MARGIN, &heading)?;
        let words = format!("\"{}\"", text(&message, "/text"));
        self.page.print(LineStyle::Plain, MARGIN, &words)?;
        self.values.insert("code".to_owned(), text(&message, "/code"));
        Ok(())
    }

    /// Reads events until one of each expected type was read.
    async fn follow_events(&mut self, template: &str) -> Result<(), DemoError> {
        let mut expected = self.read(template)?.events;
        while !expected.is_empty() {
            let step = self.read(template)?;
            let response = self.send_and_print(&step).await?;
            self.check(&step, &response)?;
            for line in response.body.lines() {
                let event = serde_json::from_str(line).unwrap_or_default();
                let kind = text(&event, "/type");
                self.print_event(&event, line)?;
                if let Some(members) = expected.remove(&kind) {
                    self.end_on(&json_mismatches(&members, &event))?;
                }
                self.values.insert("after".to_owned(), text(&event, "/cursor"));
            }
            if response.body.is_empty() {
                self.end_on(&[format!("no event of {:?}", expected.keys())])?;
            }
        }
        Ok(())
    }

    /// Prints the whole lock event, and only the type, cursor and reason of any other.
    fn print_event(&mut self, event: &Value, line: &str) -> io::Result<()> {
        let kind = text(event, "/type");
        if kind == "credential.locked" {
            return self.page.print_json(MARGIN, line);
        }
        let reason = event.pointer("/data/reason").and_then(Value::as_str);
        let reason = reason.map(|reason| format!(", reason: {reason}")).unwrap_or_default();
        let summary = format!("({kind}, cursor {}{reason})", text(event, "/cursor"));
        self.page.print(LineStyle::Plain, MARGIN, &summary)
    }

    /// Saves the values that later steps use, or ends the demo if the response is not as expected.
    fn check(&mut self, step: &Step, response: &Response) -> Result<(), DemoError> {
        let body = response.json();
        self.end_on(&step.mismatches(response.status.as_u16(), &body))?;
        step.save(&body, &mut self.values);
        Ok(())
    }

    /// Prints the mismatches of a response. If there are any, returns an error that ends the demo.
    fn end_on(&mut self, mismatches: &[String]) -> Result<(), DemoError> {
        if mismatches.is_empty() {
            return Ok(());
        }
        self.page.print_blank()?;
        let verdict = "The response is not as expected, so the demo ends here:";
        self.page.print(LineStyle::Error, "", verdict)?;
        for mismatch in mismatches {
            self.page.print(LineStyle::Error, "  ", mismatch)?;
        }
        Err(DemoError::UnexpectedResponse)
    }
}

/// Adds the base path to a request of the scenario.
fn absolute(request: &str) -> String {
    request.replacen(" /", &format!(" {BASE}/"), 1)
}
