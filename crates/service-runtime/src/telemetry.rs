use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::{PoisonError, RwLock};

use metrics::{Counter, Gauge, Histogram, Key, Label, Level, Metadata, Recorder as _};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder};
use ports::{
    Backlog, ConnectionError, ConnectionLimit, MetricEvent, RenewalOutcome, RequestLimit, RequestMethod, RouteTemplate,
    Telemetry,
};

static METADATA: Metadata<'static> = Metadata::new(module_path!(), Level::INFO, None);

/// Upper bounds of the latency histograms, in seconds.
const LATENCY_BUCKETS: [f64; 12] = [
    0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5,
];

const SIGNATURE_BUCKETS: [f64; 8] = [0.000_1, 0.000_2, 0.000_3, 0.000_5, 0.001, 0.002_5, 0.01, 0.1];

/// Figures in the text format of Prometheus. Handles are looked up once per label set, not once per request.
pub struct PrometheusTelemetry {
    recorder: PrometheusRecorder,
    handle: PrometheusHandle,
    requests: RwLock<HashMap<AnswerKind, Answer>>,
    connections_refused: Labelled<ConnectionLimit>,
    connections_failed: Labelled<ConnectionError>,
    requests_refused: Labelled<RequestLimit>,
    renewals: [Counter; 4],
    replays: Counter,
    locks: Counter,
    unlocks: Counter,
    signatures: Histogram,
    outbox_depth: Gauge,
    outbox_age: Gauge,
    outboxes_unreadable: Counter,
}

/// A way in which a route answers. Its method and route come from closed lists, its status from a handler, so there are
/// never more of them than the API has.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct AnswerKind {
    method: RequestMethod,
    route: RouteTemplate,
    status: u16,
}

/// The figures of one way in which a route answers. A race may make two of them; both count into the same series.
struct Answer {
    count: Counter,
    duration: Histogram,
}

/// A counter for each value of one label.
struct Labelled<L: 'static>(Vec<(L, Counter)>);

impl<L: Copy + PartialEq> Labelled<L> {
    fn increment(&self, value: L) {
        if let Some((_, counter)) = self.0.iter().find(|(known, _)| *known == value) {
            counter.increment(1);
        }
    }
}

impl Answer {
    fn record(&self, seconds: f64) {
        self.count.increment(1);
        self.duration.record(seconds);
    }
}

impl PrometheusTelemetry {
    pub fn new() -> Result<Self, BuildError> {
        let requests = Matcher::Full("authme_http_request_duration_seconds".to_owned());
        let signatures = Matcher::Full("authme_signing_duration_seconds".to_owned());
        let recorder = PrometheusBuilder::new()
            .set_buckets_for_metric(requests, &LATENCY_BUCKETS)?
            .set_buckets_for_metric(signatures, &SIGNATURE_BUCKETS)?
            .build_recorder();
        describe(&recorder);
        let counter = |name: &'static str| recorder.register_counter(&Key::from_static_name(name), &METADATA);
        let gauge = |name: &'static str| recorder.register_gauge(&Key::from_static_name(name), &METADATA);
        let labelled = |name: &'static str, label: &'static str, value: &'static str| {
            let key = Key::from_parts(name, vec![Label::new(label, value)]);
            recorder.register_counter(&key, &METADATA)
        };
        let renewals = |outcome| labelled("authme_renewals_total", "outcome", outcome);
        let refused = "authme_http_connections_refused_total";
        let refused = |limit: ConnectionLimit| (limit, labelled(refused, "limit", limit.as_str()));
        let failed = "authme_http_connection_errors_total";
        let failed = |error: ConnectionError| (error, labelled(failed, "error", error.as_str()));
        let limited = "authme_http_requests_refused_total";
        let limited = |limit: RequestLimit| (limit, labelled(limited, "limit", limit.as_str()));
        Ok(Self {
            handle: recorder.handle(),
            requests: RwLock::default(),
            connections_refused: Labelled(ConnectionLimit::ALL.iter().copied().map(refused).collect()),
            connections_failed: Labelled(ConnectionError::ALL.iter().copied().map(failed).collect()),
            requests_refused: Labelled(RequestLimit::ALL.iter().copied().map(limited).collect()),
            renewals: [
                renewals("renewed"),
                renewals("repeated"),
                renewals("refused"),
                renewals("failed"),
            ],
            replays: counter("authme_refresh_replays_total"),
            locks: counter("authme_locks_total"),
            unlocks: counter("authme_unlocks_total"),
            signatures: recorder
                .register_histogram(&Key::from_static_name("authme_signing_duration_seconds"), &METADATA),
            outbox_depth: gauge("authme_outbox_depth"),
            outbox_age: gauge("authme_outbox_age_seconds"),
            outboxes_unreadable: counter("authme_outboxes_unreadable_total"),
            recorder,
        })
    }

    /// Everything measured so far.
    pub fn render(&self) -> String {
        self.handle.render()
    }

    /// Folds what was recorded into the histograms; called now and then, so that samples do not pile up unseen.
    pub fn fold(&self) {
        self.handle.run_upkeep();
    }

    /// `age_seconds` is that of the oldest event not yet sent.
    #[expect(
        clippy::cast_precision_loss,
        reason = "a gauge is a float; no backlog has 2^52 aggregates"
    )]
    pub fn set_backlog(&self, backlog: &Backlog, age_seconds: f64) {
        self.outbox_depth.set(backlog.depth as f64);
        self.outbox_age.set(age_seconds);
        self.outboxes_unreadable.absolute(backlog.unreadable);
    }

    fn request(&self, kind: AnswerKind, seconds: f64) {
        let known = self.requests.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(answer) = known.get(&kind) {
            return answer.record(seconds);
        }
        drop(known);
        let answer = self.new_answer(kind);
        answer.record(seconds);
        let mut known = self.requests.write().unwrap_or_else(PoisonError::into_inner);
        known.insert(kind, answer);
    }

    fn new_answer(&self, kind: AnswerKind) -> Answer {
        let labels = || {
            vec![
                Label::new("method", kind.method.as_str()),
                Label::new("route", kind.route.to_string()),
                Label::new("status", kind.status.to_string()),
            ]
        };
        let counter = Key::from_parts("authme_http_requests_total", labels());
        let histogram = Key::from_parts("authme_http_request_duration_seconds", labels());
        Answer {
            count: self.recorder.register_counter(&counter, &METADATA),
            duration: self.recorder.register_histogram(&histogram, &METADATA),
        }
    }
}

/// A kind of figure.
#[derive(Clone, Copy)]
enum Kind {
    Counter,
    Gauge,
    Histogram,
}

/// Every figure, and what it means.
const METRICS: [(&str, Kind, &str); 13] = [
    (
        "authme_http_requests_total",
        Kind::Counter,
        "Requests answered, by method, route template and status",
    ),
    (
        "authme_http_request_duration_seconds",
        Kind::Histogram,
        "Time to answer, by method, route template and status",
    ),
    (
        "authme_http_connections_refused_total",
        Kind::Counter,
        "Connections closed as soon as they were accepted, by the limit they exceeded: of the peer address or of the process",
    ),
    (
        "authme_http_connection_errors_total",
        Kind::Counter,
        "Connections that ended otherwise than by agreement, by error: not HTTP, answer not taken in time, broken, …",
    ),
    (
        "authme_http_requests_refused_total",
        Kind::Counter,
        "Requests answered with 429, by limit: of the client, of the user, of new sessions",
    ),
    ("authme_renewals_total", Kind::Counter, "Token renewals, by outcome"),
    (
        "authme_refresh_replays_total",
        Kind::Counter,
        "Spent refresh tokens that came back and ended their session",
    ),
    ("authme_locks_total", Kind::Counter, "Credentials locked"),
    ("authme_unlocks_total", Kind::Counter, "Credentials unlocked"),
    (
        "authme_signing_duration_seconds",
        Kind::Histogram,
        "Time of one access token signature",
    ),
    (
        "authme_outbox_depth",
        Kind::Gauge,
        "Aggregates whose events are not all published",
    ),
    (
        "authme_outbox_age_seconds",
        Kind::Gauge,
        "Age of the oldest event not yet published",
    ),
    (
        "authme_outboxes_unreadable_total",
        Kind::Counter,
        "Outboxes that the relay claimed and could not read; each is held alone for a minute",
    ),
];

fn describe(recorder: &PrometheusRecorder) {
    for (name, kind, what) in METRICS {
        match kind {
            Kind::Counter => recorder.describe_counter(name.into(), None, what.into()),
            Kind::Gauge => recorder.describe_gauge(name.into(), None, what.into()),
            Kind::Histogram => recorder.describe_histogram(name.into(), None, what.into()),
        }
    }
}

/// Every figure as a table in Markdown, for `docs/operations.md`.
pub fn metrics_table() -> String {
    let mut table = "| metric | kind | meaning |\n| --- | --- | --- |\n".to_owned();
    for (name, kind, what) in METRICS {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        let _ = writeln!(table, "| `{name}` | {kind} | {what} |");
    }
    table
}

impl Telemetry for PrometheusTelemetry {
    fn record(&self, measure: MetricEvent) {
        let [renewed, repeated, refused, failed] = &self.renewals;
        match measure {
            MetricEvent::Request {
                method,
                route,
                status,
                took,
            } => {
                let kind = AnswerKind { method, route, status };
                self.request(kind, took.as_secs_f64());
            }
            MetricEvent::ConnectionRefused(limit) => self.connections_refused.increment(limit),
            MetricEvent::ConnectionFailed(error) => self.connections_failed.increment(error),
            MetricEvent::RequestRefused(limit) => self.requests_refused.increment(limit),
            MetricEvent::Renewal(RenewalOutcome::Renewed) => renewed.increment(1),
            MetricEvent::Renewal(RenewalOutcome::Repeated) => repeated.increment(1),
            MetricEvent::Renewal(RenewalOutcome::Refused) => refused.increment(1),
            MetricEvent::Renewal(RenewalOutcome::Failed) => failed.increment(1),
            MetricEvent::Replay => self.replays.increment(1),
            MetricEvent::Lock => self.locks.increment(1),
            MetricEvent::Unlock => self.unlocks.increment(1),
            MetricEvent::Signature { took } => self.signatures.record(took.as_secs_f64()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::time::Duration;

    use super::*;

    const ROUTE: RouteTemplate = RouteTemplate::new("/base", "/{id}/lock");

    fn request(method: RequestMethod, status: u16) -> MetricEvent {
        MetricEvent::Request {
            method,
            route: ROUTE,
            status,
            took: Duration::from_millis(1),
        }
    }

    /// Everything that can be recorded: a new kind of measure has no place here until it is added.
    fn everything() -> Vec<MetricEvent> {
        let mut all: Vec<MetricEvent> = RequestMethod::ALL.iter().map(|method| request(*method, 200)).collect();
        all.extend(
            ConnectionLimit::ALL
                .iter()
                .map(|limit| MetricEvent::ConnectionRefused(*limit)),
        );
        all.extend(
            ConnectionError::ALL
                .iter()
                .map(|error| MetricEvent::ConnectionFailed(*error)),
        );
        all.extend(
            RequestLimit::ALL
                .iter()
                .map(|limit| MetricEvent::RequestRefused(*limit)),
        );
        let outcomes = [
            RenewalOutcome::Renewed,
            RenewalOutcome::Repeated,
            RenewalOutcome::Refused,
            RenewalOutcome::Failed,
        ];
        all.extend(outcomes.map(MetricEvent::Renewal));
        let took = Duration::from_millis(1);
        all.extend([
            MetricEvent::Replay,
            MetricEvent::Lock,
            MetricEvent::Unlock,
            MetricEvent::Signature { took },
        ]);
        all
    }

    /// Each label with each of its values, except the bounds of histograms.
    fn labels(rendered: &str) -> BTreeSet<(String, String)> {
        let labels = rendered
            .lines()
            .filter_map(|line| line.split_once('{')?.1.split_once("} "));
        let labels = labels.flat_map(|(labels, _)| labels.split("\","));
        let pairs = labels.filter_map(|label| label.split_once("=\""));
        let pairs = pairs.map(|(name, value)| (name.to_owned(), value.trim_end_matches('"').to_owned()));
        pairs.filter(|(name, _)| name != "le").collect()
    }

    #[test]
    fn the_values_of_every_label_are_a_closed_list() {
        let telemetry = PrometheusTelemetry::new().unwrap();
        for measure in everything() {
            telemetry.record(measure);
        }
        let mut closed = BTreeSet::new();
        let mut label = |name: &str, values: &[&str]| {
            closed.extend(values.iter().map(|value| (name.to_owned(), (*value).to_owned())));
        };
        let methods = [
            "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "other",
        ];
        label("method", &methods);
        label("route", &["/base/{id}/lock"]);
        label("status", &["200"]);
        label("outcome", &["renewed", "repeated", "refused", "failed"]);
        label("limit", &["peer", "process", "client", "user", "sessions"]);
        label(
            "error",
            &["malformed", "write-timeout", "close-timeout", "broken", "internal"],
        );
        assert_eq!(labels(&telemetry.render()), closed);
    }

    #[test]
    fn a_thousand_names_of_methods_are_one_series() {
        let telemetry = PrometheusTelemetry::new().unwrap();
        telemetry.record(request(RequestMethod::named("BREW"), 405));
        let lines = telemetry.render().lines().count();
        for number in 0..1_000 {
            telemetry.record(request(RequestMethod::named(&format!("BREW{number}")), 405));
        }
        assert_eq!(telemetry.render().lines().count(), lines);
        assert!(telemetry.render().contains("status=\"405\"} 1001"));
    }
}
