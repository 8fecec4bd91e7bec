use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::{PoisonError, RwLock};

use metrics::{Counter, Gauge, Histogram, Key, Label, Level, Metadata, Recorder as _};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder};
use ports::{
    CodeSendOutcome, ConnectionError, ConnectionLimit, MetricEvent, OutboxBacklog, RenewalOutcome, RequestLimit,
    RequestMethod, RouteTemplate, Telemetry,
};

static METADATA: Metadata<'static> = Metadata::new(module_path!(), Level::INFO, None);

/// Upper bounds of the request histogram, in seconds. A request without an answer after 2.8 s gets a 503, so 2.5 s is
/// the last useful bound.
const LATENCY_BUCKETS: [f64; 12] = [
    0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5,
];

/// Upper bounds of the signature histogram, in seconds. An RS512 signature takes from a few tenths of a millisecond
/// (2,048 bits) to a few milliseconds (4,096 bits); the last bounds show an overloaded machine.
const SIGNATURE_BUCKETS: [f64; 8] = [0.000_1, 0.000_2, 0.000_3, 0.000_5, 0.001, 0.002_5, 0.01, 0.1];

/// Metrics in the text format of Prometheus. The handles of a label set are kept after their registration, which takes
/// a lock and allocates the labels.
pub struct PrometheusTelemetry {
    recorder: PrometheusRecorder,
    handle: PrometheusHandle,
    requests: RwLock<HashMap<RequestLabels, RequestMetrics>>,
    connections_refused: LabelledCounters<ConnectionLimit>,
    connections_failed: LabelledCounters<ConnectionError>,
    requests_refused: LabelledCounters<RequestLimit>,
    code_sends: LabelledCounters<CodeSendOutcome>,
    renewals: [Counter; 4],
    replays: Counter,
    locks: Counter,
    unlocks: Counter,
    signatures: Histogram,
    outbox_depth: Gauge,
    outbox_age: Gauge,
    outboxes_unreadable: Counter,
}

/// The labels of a request. Method and route come from closed lists and the status from a response of AuthMe, so the API
/// bounds the number of series: no caller can create new ones.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct RequestLabels {
    method: RequestMethod,
    route: RouteTemplate,
    status: u16,
}

/// The metrics of one label set. Two threads may register the same set at the same time; both handles then count
/// into one series.
struct RequestMetrics {
    count: Counter,
    duration: Histogram,
}

/// One counter for each value of a label.
struct LabelledCounters<L: 'static>(Vec<(L, Counter)>);

impl<L: Copy + PartialEq> LabelledCounters<L> {
    fn increment(&self, value: L) {
        if let Some((_, counter)) = self.0.iter().find(|(known, _)| *known == value) {
            counter.increment(1);
        }
    }
}

impl RequestMetrics {
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
        let labelled_counter = |name: &'static str, label: &'static str, value: &'static str| {
            let key = Key::from_parts(name, vec![Label::new(label, value)]);
            recorder.register_counter(&key, &METADATA)
        };
        let renewals = |outcome| labelled_counter("authme_renewals_total", "outcome", outcome);
        let connection_limit = |limit: ConnectionLimit| {
            let name = "authme_http_connections_refused_total";
            (limit, labelled_counter(name, "limit", limit.as_str()))
        };
        let connection_error = |error: ConnectionError| {
            let name = "authme_http_connection_errors_total";
            (error, labelled_counter(name, "error", error.as_str()))
        };
        let request_limit = |limit: RequestLimit| {
            let name = "authme_http_requests_refused_total";
            (limit, labelled_counter(name, "limit", limit.as_str()))
        };
        let code_send = |outcome: CodeSendOutcome| {
            let name = "authme_code_sends_total";
            (outcome, labelled_counter(name, "outcome", outcome.as_str()))
        };
        Ok(Self {
            handle: recorder.handle(),
            requests: RwLock::default(),
            connections_refused: LabelledCounters(ConnectionLimit::ALL.iter().copied().map(connection_limit).collect()),
            connections_failed: LabelledCounters(ConnectionError::ALL.iter().copied().map(connection_error).collect()),
            requests_refused: LabelledCounters(RequestLimit::ALL.iter().copied().map(request_limit).collect()),
            code_sends: LabelledCounters(CodeSendOutcome::ALL.iter().copied().map(code_send).collect()),
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

    /// Renders all metrics for a scrape.
    pub fn render(&self) -> String {
        self.handle.render()
    }

    /// Moves recorded samples into the buckets of the histograms. Has to be called periodically, because samples
    /// accumulate in memory until then.
    pub fn drain_histograms(&self) {
        self.handle.run_upkeep();
    }

    /// Sets the metrics of the outboxes. `age_seconds` is the age of the oldest event that is not yet published, or 0.
    #[expect(
        clippy::cast_precision_loss,
        reason = "a gauge is a float; no backlog has 2^52 aggregates"
    )]
    pub fn set_backlog(&self, backlog: &OutboxBacklog, age_seconds: f64) {
        self.outbox_depth.set(backlog.depth as f64);
        self.outbox_age.set(age_seconds);
        self.outboxes_unreadable.absolute(backlog.unreadable);
    }

    fn record_request(&self, labels: RequestLabels, seconds: f64) {
        let registered = self.requests.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(metrics) = registered.get(&labels) {
            return metrics.record(seconds);
        }
        drop(registered);
        let metrics = self.register(labels);
        metrics.record(seconds);
        let mut registered = self.requests.write().unwrap_or_else(PoisonError::into_inner);
        registered.insert(labels, metrics);
    }

    fn register(&self, labels: RequestLabels) -> RequestMetrics {
        let labels = || {
            vec![
                Label::new("method", labels.method.as_str()),
                Label::new("route", labels.route.to_string()),
                Label::new("status", labels.status.to_string()),
            ]
        };
        let counter = Key::from_parts("authme_http_requests_total", labels());
        let histogram = Key::from_parts("authme_http_request_duration_seconds", labels());
        RequestMetrics {
            count: self.recorder.register_counter(&counter, &METADATA),
            duration: self.recorder.register_histogram(&histogram, &METADATA),
        }
    }
}

#[derive(Clone, Copy)]
enum MetricKind {
    Counter,
    Gauge,
    Histogram,
}

/// Name, kind and meaning of every metric.
const METRICS: [(&str, MetricKind, &str); 14] = [
    (
        "authme_http_requests_total",
        MetricKind::Counter,
        "Requests answered, by method, route template and status",
    ),
    (
        "authme_http_request_duration_seconds",
        MetricKind::Histogram,
        "Time to answer, by method, route template and status",
    ),
    (
        "authme_http_connections_refused_total",
        MetricKind::Counter,
        "Connections closed right after accept, by the limit that they exceeded: connections of a peer address or of the process",
    ),
    (
        "authme_http_connection_errors_total",
        MetricKind::Counter,
        "Connections that ended with an error, by error: not HTTP, response not read in time, broken, …",
    ),
    (
        "authme_http_requests_refused_total",
        MetricKind::Counter,
        "Requests answered with 429, by limit: requests of a client, requests of a user, new sessions",
    ),
    (
        "authme_renewals_total",
        MetricKind::Counter,
        "Token renewals, by outcome",
    ),
    (
        "authme_code_sends_total",
        MetricKind::Counter,
        "Requests to send a one-time code, by outcome: sent, a quota is used up, the process reached `codes.sends_per_hour`, \
         the region of the number is not in `sms.regions`, the recipient was refused, no server accepted the message",
    ),
    (
        "authme_refresh_replays_total",
        MetricKind::Counter,
        "Replays: spent refresh tokens that were presented again and ended their session",
    ),
    ("authme_locks_total", MetricKind::Counter, "Credentials locked"),
    ("authme_unlocks_total", MetricKind::Counter, "Credentials unlocked"),
    (
        "authme_signing_duration_seconds",
        MetricKind::Histogram,
        "Time to sign one access token",
    ),
    (
        "authme_outbox_depth",
        MetricKind::Gauge,
        "Aggregates with events that are not yet published",
    ),
    (
        "authme_outbox_age_seconds",
        MetricKind::Gauge,
        "Age of the oldest event that is not yet published",
    ),
    (
        "authme_outboxes_unreadable_total",
        MetricKind::Counter,
        "Claimed outboxes that the relay could not read; each is skipped for a minute, and the others are published",
    ),
];

fn describe(recorder: &PrometheusRecorder) {
    for (name, kind, meaning) in METRICS {
        match kind {
            MetricKind::Counter => recorder.describe_counter(name.into(), None, meaning.into()),
            MetricKind::Gauge => recorder.describe_gauge(name.into(), None, meaning.into()),
            MetricKind::Histogram => recorder.describe_histogram(name.into(), None, meaning.into()),
        }
    }
}

/// Renders the table of metrics in `docs/operations.md`, as Markdown.
pub fn metrics_table() -> String {
    let mut table = "| metric | kind | meaning |\n| --- | --- | --- |\n".to_owned();
    for (name, kind, meaning) in METRICS {
        let kind = match kind {
            MetricKind::Counter => "counter",
            MetricKind::Gauge => "gauge",
            MetricKind::Histogram => "histogram",
        };
        let _ = writeln!(table, "| `{name}` | {kind} | {meaning} |");
    }
    table
}

impl Telemetry for PrometheusTelemetry {
    fn record(&self, event: MetricEvent) {
        let [renewed, repeated, refused, failed] = &self.renewals;
        match event {
            MetricEvent::Request {
                method,
                route,
                status,
                took,
            } => {
                let labels = RequestLabels { method, route, status };
                self.record_request(labels, took.as_secs_f64());
            }
            MetricEvent::ConnectionRefused(limit) => self.connections_refused.increment(limit),
            MetricEvent::ConnectionFailed(error) => self.connections_failed.increment(error),
            MetricEvent::RequestRefused(limit) => self.requests_refused.increment(limit),
            MetricEvent::Renewal(RenewalOutcome::Renewed) => renewed.increment(1),
            MetricEvent::Renewal(RenewalOutcome::Repeated) => repeated.increment(1),
            MetricEvent::Renewal(RenewalOutcome::Refused) => refused.increment(1),
            MetricEvent::Renewal(RenewalOutcome::Failed) => failed.increment(1),
            MetricEvent::CodeSend(outcome) => self.code_sends.increment(outcome),
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

    /// Returns every event, with every value of its enumerated labels. A new variant of [`MetricEvent`] has to be added by hand.
    fn all_events() -> Vec<MetricEvent> {
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
        all.extend(
            CodeSendOutcome::ALL
                .iter()
                .map(|outcome| MetricEvent::CodeSend(*outcome)),
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

    /// Returns the pairs of label and value, except the bounds of histograms (`le`).
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
    fn label_values_are_a_closed_list() {
        let telemetry = PrometheusTelemetry::new().unwrap();
        for event in all_events() {
            telemetry.record(event);
        }
        let mut expected = BTreeSet::new();
        let mut label = |name: &str, values: &[&str]| {
            expected.extend(values.iter().map(|value| (name.to_owned(), (*value).to_owned())));
        };
        let methods = [
            "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "other",
        ];
        label("method", &methods);
        label("route", &["/base/{id}/lock"]);
        label("status", &["200"]);
        label("outcome", &["renewed", "repeated", "refused", "failed"]);
        label("outcome", &["sent", "quota", "process-limit", "region"]);
        label("limit", &["peer", "process", "client", "user", "sessions"]);
        label(
            "error",
            &["malformed", "write-timeout", "close-timeout", "broken", "internal"],
        );
        assert_eq!(labels(&telemetry.render()), expected);
    }

    #[test]
    fn unknown_methods_share_one_series() {
        let telemetry = PrometheusTelemetry::new().unwrap();
        telemetry.record(request(RequestMethod::from_name("BREW"), 405));
        let lines = telemetry.render().lines().count();
        for number in 0..1_000 {
            telemetry.record(request(RequestMethod::from_name(&format!("BREW{number}")), 405));
        }
        assert_eq!(telemetry.render().lines().count(), lines);
        assert!(telemetry.render().contains("status=\"405\"} 1001"));
    }
}
