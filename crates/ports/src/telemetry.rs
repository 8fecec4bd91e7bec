use std::time::Duration;

/// How a renewal ended, for the operator's figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RenewalOutcome {
    Renewed,
    /// The same successor again, inside the grace time.
    Repeated,
    Refused,
    Failed,
}

/// Something worth counting. Holds no id and no secret.
#[derive(Debug, Clone, Copy)]
pub enum Measure<'a> {
    /// A request was answered; `route` is the path template, never the path.
    Request {
        method: &'a str,
        route: &'a str,
        status: u16,
        took: Duration,
    },
    Renewal(RenewalOutcome),
    /// A spent refresh token came back and ended its family.
    Replay,
    Lock,
    Unlock,
    Signature {
        took: Duration,
    },
}

/// Takes measurements. Synchronous, never fails, never blocks.
pub trait Telemetry: Send + Sync {
    fn record(&self, measure: Measure<'_>);
}
