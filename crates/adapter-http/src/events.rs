//! The embedded event log over HTTP: pages of lines, long polls, and a stream.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use actix_web::http::header::{ACCEPT, CACHE_CONTROL};
use actix_web::rt::time::{sleep, timeout};
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse, web};
use domain::credential_lock::permissions::FollowEvents as MayFollow;
use domain::time::Timestamp;
use futures_util::stream;
use ports::{Clock, Cursor};
use serde::Deserialize;
use tokio::sync::watch;
use use_cases::{EventPage, FollowEvents};
use utoipa::openapi::path::ParameterIn;

use crate::authorised::{Authorised, Gatekeeper};
use crate::body;
use crate::cloud_event::CloudEventMessage;
use crate::endpoints::{Described, Endpoints};
use crate::problem::Problem;

/// Events in one answer.
const PAGE: usize = 1000;

/// How long an answer waits for a first event, unless the caller says otherwise.
const WAIT: Duration = Duration::from_secs(10);

/// Longest wait a caller may ask for.
const LONGEST_WAIT: Duration = Duration::from_mins(1);

/// A stream says something at least so often, so that both ends know it lives.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// Turns true when the process begins to stop: whoever waits, stops waiting.
#[derive(Clone)]
pub(crate) struct Stopping(pub(crate) watch::Receiver<bool>);

impl Stopping {
    async fn begun(&mut self) {
        // A sender that is gone has stopped, too.
        let _ = self.0.wait_for(|stopping| *stopping).await;
    }
}

pub(crate) fn routes(api: Endpoints) -> Endpoints {
    api.at("/events", |at| at.that_wait().get(handle, describe))
}

#[derive(Deserialize)]
struct FollowQuery {
    after: Option<String>,
    /// Seconds.
    wait: Option<String>,
}

fn number(field: &str, text: Option<String>) -> Result<Option<u64>, Problem> {
    let parse = |text: String| {
        text.parse()
            .map_err(|_| Problem::malformed_field(field, format!("{field} is not a number")))
    };
    text.filter(|text| !text.is_empty()).map(parse).transpose()
}

async fn handle(
    authorised: Authorised<MayFollow>,
    request: HttpRequest,
    follow: web::Data<FollowEvents>,
    stopping: web::Data<Stopping>,
    gatekeeper: web::Data<Gatekeeper>,
) -> Result<HttpResponse, Problem> {
    let query: FollowQuery = body::query(&request)?;
    let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
    let resumed = number("Last-Event-ID", header("last-event-id").map(str::to_owned))?;
    let after = Cursor(number("after", query.after)?.or(resumed).unwrap_or_default());
    let wait = number("wait", query.wait)?
        .map_or(WAIT, Duration::from_secs)
        .min(LONGEST_WAIT);
    if header(ACCEPT.as_str()).is_some_and(|accept| accept.contains("text/event-stream")) {
        let stream = EventStream {
            follow: follow.into_inner(),
            stopping: stopping.get_ref().clone(),
            clock: gatekeeper.clock.clone(),
            ends_at: authorised.caller.expires_at,
            after,
        };
        return Ok(stream.answer());
    }
    let page = first_page(&follow, after, wait, stopping.get_ref().clone()).await?;
    let lines: String = page
        .events
        .into_iter()
        .map(|event| CloudEventMessage::from(event).to_line() + "\n")
        .collect();
    Ok(HttpResponse::Ok()
        .content_type("application/x-ndjson")
        .insert_header((CACHE_CONTROL, "no-store"))
        .body(lines))
}

/// The events after a cursor; at the end of the log it waits for one. Waiting holds nothing of the store.
async fn first_page(
    follow: &FollowEvents,
    after: Cursor,
    wait: Duration,
    mut stopping: Stopping,
) -> Result<EventPage, Problem> {
    let page = follow.run(after, PAGE).await?;
    if !page.events.is_empty() {
        return Ok(page);
    }
    let grown = async {
        tokio::select! {
            () = follow.grown(after) => {}
            () = stopping.begun() => {}
        }
    };
    let _ = timeout(wait, grown).await;
    Ok(follow.run(after, PAGE).await?)
}

/// Server-sent events from a cursor on, for as long as the caller's token lives.
struct EventStream {
    follow: Arc<FollowEvents>,
    stopping: Stopping,
    clock: Arc<dyn Clock>,
    ends_at: Timestamp,
    after: Cursor,
}

impl EventStream {
    fn answer(self) -> HttpResponse {
        let chunks = stream::unfold(self, |mut stream| async move {
            let chunk = stream.next().await?;
            Some((Ok::<_, Infallible>(chunk), stream))
        });
        HttpResponse::Ok()
            .content_type("text/event-stream")
            .insert_header((CACHE_CONTROL, "no-store"))
            .streaming(chunks)
    }

    /// The next events, or a sign of life; `None` ends the stream, and the client comes back with its last cursor.
    async fn next(&mut self) -> Option<Bytes> {
        if *self.stopping.0.borrow() || self.clock.now() >= self.ends_at {
            return None;
        }
        let page = self.follow.run(self.after, PAGE).await.ok()?;
        self.after = page.next;
        if !page.events.is_empty() {
            let events = page.events.into_iter().map(|event| {
                let event = CloudEventMessage::from(event);
                format!(
                    "id: {}\nevent: {}\ndata: {}\n\n",
                    event.cursor(),
                    event.kind(),
                    event.to_line()
                )
            });
            return Some(Bytes::from(events.collect::<String>()));
        }
        tokio::select! {
            () = self.follow.grown(self.after) => {}
            () = self.stopping.begun() => {}
            () = sleep(HEARTBEAT) => {}
        }
        Some(Bytes::from_static(b": still here\n\n"))
    }
}

fn describe(operation: Described) -> Described {
    operation
        .operation("events", "followEvents", "Follow the embedded event log")
        .requires::<MayFollow>()
        .parameter(
            ParameterIn::Query,
            "after",
            false,
            "Cursor of the last event seen; absent from the beginning",
        )
        .parameter(
            ParameterIn::Query,
            "wait",
            false,
            "Seconds to wait for a first event, 0 to 60; 10 unless given",
        )
        .answers_lines::<CloudEventMessage>(
            200,
            "One CloudEvent a line, or server-sent events when asked for text/event-stream",
        )
        .error(400, "The query cannot be read")
        .store_errors()
}
