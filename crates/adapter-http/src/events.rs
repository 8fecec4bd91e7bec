//! The embedded event log over HTTP: pages of lines, long polling, and server-sent events.

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
use use_cases::{Admission, AdmitCaller, FollowEvents};
use utoipa::openapi::path::ParameterIn;

use crate::authenticator::Authenticator;
use crate::authorised::Authorised;
use crate::body;
use crate::cloud_event::CloudEventMessage;
use crate::endpoints::{Endpoints, OperationDoc};
use crate::module::Module;
use crate::problem::Problem;
use crate::shutdown::Shutdown;

/// The maximum number of events in one response. A page of short events is well below a megabyte.
const PAGE_SIZE: usize = 1000;

/// The time for which a response waits for a first event when the caller sends no `wait`.
const DEFAULT_WAIT: Duration = Duration::from_secs(10);

/// The longest `wait`; a longer one is shortened to it. Common proxies close a silent request after a minute.
const MAX_WAIT: Duration = Duration::from_mins(1);

/// The longest silence of a stream. After it a comment is sent, so that proxies and the client keep the connection, and
/// a broken connection is noticed.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// The maximum age of the last active check when a stream sends events. An older check is repeated first. Two seconds
/// after a lock, the locked caller gets no more events, and a busy stream reads the store once a second instead of for
/// every event.
const RECHECK_AFTER: Duration = Duration::from_secs(1);

const MAY_FOLLOW: Admission = Admission {
    requirement: MayFollow::REQUIREMENT,
    check: MayFollow::TOKEN_CHECK,
};

/// Returns the endpoint of the event log.
pub fn module(follow_events: FollowEvents) -> Module {
    let follow_events = web::Data::new(follow_events);
    Module::new("events", routes, move |config| {
        config.app_data(follow_events.clone());
    })
}

pub fn routes(api: Endpoints) -> Endpoints {
    api.at("/events", |at| at.without_deadline().get(handle, describe))
}

#[derive(Deserialize)]
struct FollowQuery {
    after: Option<String>,
    /// Seconds.
    wait: Option<String>,
}

fn parse_number(field: &str, text: Option<String>) -> Result<Option<u64>, Problem> {
    let parse = |text: String| {
        text.parse()
            .map_err(|_| Problem::malformed_field(field, format!("{field} must be a whole number")))
    };
    text.filter(|text| !text.is_empty()).map(parse).transpose()
}

async fn handle(
    authorised: Authorised<MayFollow>,
    request: HttpRequest,
    follow: web::Data<FollowEvents>,
    shutdown: web::Data<Shutdown>,
    authenticator: web::Data<Authenticator>,
) -> Result<HttpResponse, Problem> {
    let query: FollowQuery = body::query(&request)?;
    let header_text = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
    let last_event_id = parse_number("Last-Event-ID", header_text("last-event-id").map(str::to_owned))?;
    let after = parse_number("after", query.after)?.or(last_event_id).map(Cursor);
    let wait = parse_number("wait", query.wait)?
        .map_or(DEFAULT_WAIT, Duration::from_secs)
        .min(MAX_WAIT);
    let mut page = follow.run(after, PAGE_SIZE).await?;
    if header_text(ACCEPT.as_str()).is_some_and(|accept| accept.contains("text/event-stream")) {
        let stream = EventStream {
            follow: follow.into_inner(),
            shutdown: shutdown.get_ref().clone(),
            clock: authenticator.clock.clone(),
            caller: authorised.call.caller,
            admit_caller: authenticator.admit_caller.clone(),
            checked_at: authenticator.clock.now(),
            after,
        };
        return Ok(stream.into_response());
    }
    if page.events.is_empty() {
        wait_for_more(&follow, after.unwrap_or_default(), wait, shutdown.get_ref().clone()).await;
        // The caller may have been locked during the wait.
        authenticator
            .admit_caller
            .run(&authorised.call, MAY_FOLLOW, None)
            .await?;
        page = follow.run(after, PAGE_SIZE).await?;
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

/// Waits until there is an event after the cursor, the shutdown begins, or `wait` has passed. Holds no store connection
/// meanwhile.
async fn wait_for_more(follow: &FollowEvents, after: Cursor, wait: Duration, mut shutdown: Shutdown) {
    let event_or_shutdown = async {
        tokio::select! {
            () = follow.wait_after(after) => {}
            () = shutdown.wait() => {}
        }
    };
    let _ = timeout(wait, event_or_shutdown).await;
}

/// Server-sent events after a cursor, for as long as the caller's token is active.
struct EventStream {
    follow: Arc<FollowEvents>,
    shutdown: Shutdown,
    clock: Arc<dyn Clock>,
    caller: Arc<Caller>,
    admit_caller: AdmitCaller,
    /// The time at which the active check of the caller's token last succeeded.
    checked_at: Timestamp,
    after: Option<Cursor>,
}

impl EventStream {
    fn into_response(self) -> HttpResponse {
        let chunks = stream::unfold(self, |mut stream| async move {
            let chunk = stream.next().await?;
            Some((Ok::<_, Infallible>(chunk), stream))
        });
        HttpResponse::Ok()
            .content_type("text/event-stream")
            .insert_header((CACHE_CONTROL, "no-store"))
            .streaming(chunks)
    }

    /// Returns the next events, or a heartbeat comment. `None` ends the stream; the client reconnects with its last
    /// cursor.
    async fn next(&mut self) -> Option<Bytes> {
        if self.shutdown.has_begun() || self.clock.now() >= self.caller.expires_at {
            return None;
        }
        let page = self.follow.run(self.after, PAGE_SIZE).await.ok()?;
        self.after = page.next;
        if !page.events.is_empty() {
            let now = self.clock.now();
            if Duration::try_from(now.duration_since(self.checked_at)).map_or(true, |ago| ago >= RECHECK_AFTER) {
                self.admit_caller.run(&self.caller, MAY_FOLLOW, None).await.ok()?;
                self.checked_at = now;
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
            () = self.follow.wait_after(self.after.unwrap_or_default()) => {}
            () = self.shutdown.wait() => {}
            () = sleep(HEARTBEAT) => {}
        }
        Some(Bytes::from_static(b": still here\n\n"))
    }
}

fn describe(operation: OperationDoc) -> OperationDoc {
    operation
        .operation("events", "followEvents", "Follow the embedded event log")
        .description(
            "Returns up to 1,000 events after a cursor, in the order of the log. At the end of the log, the request \
             waits for an event. With `Accept: text/event-stream`, the response is a stream that lasts as long as \
             the token is active.",
        )
        .requires::<MayFollow>()
        .parameter(
            ParameterIn::Query,
            "after",
            false,
            "The cursor of the last event that the client handled. Without it, the log is read from the oldest event that \
             is kept",
        )
        .parameter(
            ParameterIn::Query,
            "wait",
            false,
            "How long to wait for a first event, 0 to 60 seconds. The default is 10",
        )
        .ndjson_response::<CloudEventMessage>(
            200,
            "One CloudEvent per line, or server-sent events if the request accepts text/event-stream",
        )
        .error(400, "`after` or `wait` is not a whole number")
        .error(
            410,
            "The client has missed events after `after`: they were removed by their age, or lost by a restore of the \
             store. The client reads the current state, and then the log without `after`",
        )
        .store_errors()
}
