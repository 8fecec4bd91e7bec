//! The runner of the demo's steps: it prints a step, sends its request, prints the response and checks it.

use std::io::{self, Write};
use std::net::SocketAddr;

use serde_json::Value;

use super::expectation::Expectation;
use super::http_client::{Request, Response, send};
use super::page::{LineStyle, Page};
use crate::CommandError;

/// The margin of headers and bodies. It aligns them with the request line.
pub(super) const MARGIN: &str = "     ";

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

/// A numbered step: an explanation, a request, and the expected response.
pub(super) struct Step {
    pub(super) title: &'static str,
    pub(super) explanation: &'static str,
    pub(super) request: Request,
    pub(super) expected: Expectation,
}

/// The number of steps and requests of a run.
#[derive(Clone, Copy, Default)]
pub(super) struct Summary {
    pub(super) steps: usize,
    pub(super) requests: usize,
}

/// Sends requests to one server and prints them on one page.
pub(super) struct DemoRunner<'a, W> {
    pub(super) page: &'a mut Page<W>,
    address: SocketAddr,
    pub(super) summary: Summary,
}

/// Returns the body as JSON, or `null` if it is empty or not JSON.
fn parse_json(response: &Response) -> Value {
    serde_json::from_str(&response.body).unwrap_or_default()
}

impl<'a, W: Write> DemoRunner<'a, W> {
    pub(super) fn new(page: &'a mut Page<W>, address: SocketAddr) -> Self {
        Self {
            page,
            address,
            summary: Summary::default(),
        }
    }

    /// Runs a step and returns the body of the response.
    pub(super) async fn run(&mut self, step: Step) -> Result<Value, DemoError> {
        self.begin_step(step.title, step.explanation)?;
        let response = self.send_and_print(step.request).await?;
        self.page.print_json(MARGIN, &response.body)?;
        let body = parse_json(&response);
        self.check(&step.expected, response.status, &body)?;
        Ok(body)
    }

    pub(super) fn begin_step(&mut self, title: &str, explanation: &str) -> io::Result<()> {
        self.summary.steps += 1;
        let number = format!("{:>2}. ", self.summary.steps);
        self.page.print_blank()?;
        self.page.print(LineStyle::Heading, &number, title)?;
        self.page.print(LineStyle::Plain, "    ", explanation)
    }

    /// Sends a request and prints it with the status of the response.
    pub(super) async fn send_and_print(&mut self, request: Request) -> Result<Response, DemoError> {
        self.page.print_request(request.method, &request.target)?;
        let header = format!("Authorization: {}", request.authorization);
        self.page.print(LineStyle::Plain, MARGIN, &header)?;
        if let Some(body) = &request.body {
            self.page.print_json(MARGIN, &body.to_string())?;
        }
        let response = self.send(request).await?;
        let style = if response.status < 400 {
            LineStyle::Success
        } else {
            LineStyle::Error
        };
        let status = format!("{} {}", response.status, response.reason);
        self.page.print(style, "  <- ", &status)?;
        Ok(response)
    }

    async fn send(&mut self, request: Request) -> Result<Response, DemoError> {
        self.summary.requests += 1;
        let response = send(self.address, request).await;
        let response = response.map_err(CommandError::context("the demo's server did not respond"));
        let response = response.map_err(DemoError::Command)?;
        self.page.hide_tokens(&parse_json(&response));
        Ok(response)
    }

    /// Sends a request that resembles an earlier one, and prints it in one sentence.
    pub(super) async fn send_and_summarize(
        &mut self,
        subject: &str,
        request: Request,
        expected: &Expectation,
    ) -> Result<Value, DemoError> {
        let target = format!("{} {}", request.method, request.target);
        let response = self.send(request).await?;
        let body = parse_json(&response);
        self.page.print_blank()?;
        let sentence = format!("({subject} {target} returns {}.)", response.status);
        self.page.print(LineStyle::Plain, "    ", &sentence)?;
        self.check(expected, response.status, &body)?;
        Ok(body)
    }

    /// Prints the mismatches of a response. If there are any, returns an error that ends the demo.
    pub(super) fn check(&mut self, expected: &Expectation, status: u16, body: &Value) -> Result<(), DemoError> {
        self.end_on_mismatch(&expected.mismatches(status, body))
    }

    /// Does the same as [`Self::check`] for a part of a response.
    pub(super) fn check_json(&mut self, expected: &Expectation, json: &Value) -> Result<(), DemoError> {
        self.end_on_mismatch(&expected.json_mismatches(json))
    }

    fn end_on_mismatch(&mut self, mismatches: &[String]) -> Result<(), DemoError> {
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
