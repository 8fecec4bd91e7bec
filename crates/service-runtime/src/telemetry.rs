use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::{PoisonError, RwLock};

use metrics::{Counter, Gauge, Histogram, Key, Label, Level, Metadata, Recorder as _};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder};
use ports::{Backlog, Measure, RenewalOutcome, Telemetry};

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
    requests: RwLock<HashMap<String, Vec<Answer>>>,
    renewals: [Counter; 4],
    replays: Counter,
    locks: Counter,
    unlocks: Counter,
    signatures: Histogram,
    outbox_depth: Gauge,
    outbox_age: Gauge,
    outboxes_unreadable: Counter,
}

/// The figures of one way in which a route answers. A race may make two of them; both count into the same series.
struct Answer {
    method: String,
    status: u16,
    count: Counter,
    duration: Histogram,
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
        let renewals = |outcome: &'static str| {
            let key = Key::from_parts("authme_renewals_total", vec![Label::new("outcome", outcome)]);
            recorder.register_counter(&key, &METADATA)
        };
        Ok(Self {
            handle: recorder.handle(),
            requests: RwLock::default(),
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

    fn request(&self, route: &str, method: &str, status: u16, seconds: f64) {
        let recorded = self
            .requests
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(route)
            .is_some_and(|answers| {
                let answer = answers
                    .iter()
                    .find(|answer| answer.status == status && answer.method == method);
                answer.map(|answer| answer.record(seconds)).is_some()
            });
        if !recorded {
            let answer = self.new_answer(route, method, status);
            answer.record(seconds);
            self.requests
                .write()
                .unwrap_or_else(PoisonError::into_inner)
                .entry(route.to_owned())
                .or_default()
                .push(answer);
        }
    }

    fn new_answer(&self, route: &str, method: &str, status: u16) -> Answer {
        let labels = || {
            vec![
                Label::new("method", method.to_owned()),
                Label::new("route", route.to_owned()),
                Label::new("status", status.to_string()),
            ]
        };
        let counter = Key::from_parts("authme_http_requests_total", labels());
        let histogram = Key::from_parts("authme_http_request_duration_seconds", labels());
        Answer {
            method: method.to_owned(),
            status,
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
const METRICS: [(&str, Kind, &str); 10] = [
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
    fn record(&self, measure: Measure<'_>) {
        let [renewed, repeated, refused, failed] = &self.renewals;
        match measure {
            Measure::Request {
                method,
                route,
                status,
                took,
            } => {
                self.request(route, method, status, took.as_secs_f64());
            }
            Measure::Renewal(RenewalOutcome::Renewed) => renewed.increment(1),
            Measure::Renewal(RenewalOutcome::Repeated) => repeated.increment(1),
            Measure::Renewal(RenewalOutcome::Refused) => refused.increment(1),
            Measure::Renewal(RenewalOutcome::Failed) => failed.increment(1),
            Measure::Replay => self.replays.increment(1),
            Measure::Lock => self.locks.increment(1),
            Measure::Unlock => self.unlocks.increment(1),
            Measure::Signature { took } => self.signatures.record(took.as_secs_f64()),
        }
    }
}
