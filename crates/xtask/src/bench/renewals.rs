use std::time::Duration;

use super::figures::{median, percentile};
use super::load::{self, Outcome};
use super::population::{Renewing, Session};
use super::process::Server;
use super::programs::Programs;
use super::reference::Reference;

/// The load is measured this often, between readings of the reference lines, and the median is told.
pub(crate) const ROUNDS: usize = 5;

/// What renewals by refresh token came to, every session on a connection of its own.
pub(crate) struct Renewals {
    rounds: Vec<Outcome>,
    references: Vec<Reference>,
}

impl Renewals {
    pub(crate) fn measure(
        programs: &Programs,
        server: &Server,
        sessions: &mut [Session],
        length: Duration,
    ) -> anyhow::Result<Self> {
        let mut references = vec![Reference::measure(programs)?];
        let mut rounds = Vec::new();
        for _ in 0..ROUNDS {
            rounds.push(round(server, sessions, length)?);
            references.push(Reference::measure(programs)?);
        }
        Ok(Self { rounds, references })
    }

    /// CPU of one bare signature, in microseconds.
    pub(crate) fn signature(&self) -> f64 {
        median(self.references.iter().map(|reference| reference.signature))
    }

    /// CPU of one bare verification, in microseconds.
    pub(crate) fn verification(&self) -> f64 {
        median(self.references.iter().map(|reference| reference.verification))
    }

    /// Server CPU of one renewal, in microseconds.
    pub(crate) fn cpu(&self) -> f64 {
        median(self.rounds.iter().map(Outcome::cpu_microseconds))
    }

    pub(crate) fn per_second(&self) -> f64 {
        median(self.rounds.iter().map(Outcome::per_second))
    }

    /// Milliseconds of the renewal that `percent` of them are faster than.
    pub(crate) fn latency(&self, percent: usize) -> f64 {
        let latencies = self.rounds.iter().flat_map(|outcome| outcome.latencies.iter().copied());
        percentile(&mut latencies.collect::<Vec<_>>(), percent)
    }
}

/// Renews every session again and again.
pub(crate) fn round(server: &Server, sessions: &mut [Session], length: Duration) -> anyhow::Result<Outcome> {
    let renewing = sessions
        .iter_mut()
        .map(|session| Renewing(std::slice::from_mut(session), 0));
    load::run(server, renewing.collect(), length)
}
