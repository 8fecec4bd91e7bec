//! The embedded event log over HTTP: pages of lines, long polls, and a stream.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use actix_web::http::header::{ACCEPT, CACHE_CONTROL};
use actix_web::rt::time::{sleep, timeout};
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse, web};
use domain::caller::Caller;
use domain::credential_lock::permissions::FollowEvents as MayFollow;
use domain::permission::Permission as _;
use domain::time::Timestamp;
use futures_util::stream;
use ports::{Clock, Cursor};
use serde::Deserialize;
use tokio::sync::watch;
use use_cases::{Admission, AdmitCaller, FollowEvents};
use utoipa::openapi::path::ParameterIn;

use crate::authorised::{Authenticator, Authorised};
use crate::body;
use crate::cloud_event::CloudEventMessage;
use crate::endpoints::{Endpoints, OperationDoc};
use crate::problem::Problem;

/// Events in one answer.
const PAGE: usize = 1000;

/// How long an answer waits for a first event, unless the caller says otherwise.
const WAIT: Duration = Duration::from_secs(10);

/// Longest wait a caller may ask for.
const LONGEST_WAIT: Duration = Duration::from_mins(1);

/// A stream says something at least so often, so that both ends know it lives.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// A stream looks at its caller's token again before it hands out events, unless it did within this time: a locked caller is
/// told nothing after two seconds at the latest, and a busy stream does not read the store for every event.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

const MAY_FOLLOW: Admission = Admission {
    requirement: MayFollow::REQUIREMENT,
    check: MayFollow::TOKEN_CHECK,
};

/// Turns true when the process begins to stop: whoever waits, stops waiting.
#[derive(Clone)]
pub(crate) struct Stopping(pub(crate) watch::Receiver<bool>);

impl Stopping {
    pub(crate) fn has_begun(&self) -> bool {
        *self.0.borrow()
    }

    pub(crate) async fn begun(&mut self) {
        // A sender that is gone has stopped, too.
        let _ = self.0.wait_for(|stopping| *stopping).await;
    }
}

pub(crate) fn routes(api: Endpoints) -> Endpoints {
    api.at("/events", |at| at.without_deadline().get(handle, describe))
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
    gatekeeper: web::Data<Authenticator>,
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
            caller: authorised.call.caller,
            admit_caller: gatekeeper.admit_caller.clone(),
            looked_at: gatekeeper.clock.now(),
            after,
        };
        return Ok(stream.answer());
    }
    let mut page = follow.run(after, PAGE).await?;
    if page.events.is_empty() {
        wait_for_more(&follow, after, wait, stopping.get_ref().clone()).await;
        // The caller may have been locked meanwhile.
        gatekeeper.admit_caller.run(&authorised.call, MAY_FOLLOW, None).await?;
        page = follow.run(after, PAGE).await?;
    }
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

/// Waits for an event after a cursor, for `wait` at most. Waiting holds nothing of the store.
async fn wait_for_more(follow: &FollowEvents, after: Cursor, wait: Duration, mut stopping: Stopping) {
    let grown = async {
        tokio::select! {
            () = follow.grown(after) => {}
            () = stopping.begun() => {}
        }
    };
    let _ = timeout(wait, grown).await;
}

/// Server-sent events from a cursor on, for as long as the caller's token is alive and not expired.
struct EventStream {
    follow: Arc<FollowEvents>,
    stopping: Stopping,
    clock: Arc<dyn Clock>,
    caller: Arc<Caller>,
    admit_caller: AdmitCaller,
    /// When the caller's token was last found alive.
    looked_at: Timestamp,
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
        if self.stopping.has_begun() || self.clock.now() >= self.caller.expires_at {
            return None;
        }
        let page = self.follow.run(self.after, PAGE).await.ok()?;
        self.after = page.next;
        if !page.events.is_empty() {
            let now = self.clock.now();
            if Duration::try_from(now.duration_since(self.looked_at)).map_or(true, |ago| ago >= LOOK_AGAIN) {
                self.admit_caller.run(&self.caller, MAY_FOLLOW, None).await.ok()?;
                self.looked_at = now;
            }
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

fn describe(operation: OperationDoc) -> OperationDoc {
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
