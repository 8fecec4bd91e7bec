use std::time::Duration;

use test_servers::authme::Server;

use crate::load::{self, LoadResult};
use crate::population::{RenewalClient, Session};
use crate::programs::Programs;
use crate::reference::Reference;
use crate::results::{median, percentile};

/// The number of loads. Reference measurements run before, between and after them. The median is reported.
pub(crate) const ROUNDS: usize = 5;

/// The measurements of renewals by refresh token, with every session on a connection of its own.
pub(crate) struct Renewals {
    rounds: Vec<LoadResult>,
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
            rounds.push(run_round(server, sessions, length)?);
            references.push(Reference::measure(programs)?);
        }
        Ok(Self { rounds, references })
    }

    /// Returns the CPU time of one bare signature, in microseconds.
    pub(crate) fn signature(&self) -> f64 {
        median(self.references.iter().map(|reference| reference.signature))
    }

    /// Returns the CPU time of one bare verification, in microseconds.
    pub(crate) fn verification(&self) -> f64 {
        median(self.references.iter().map(|reference| reference.verification))
    }

    /// Returns the server's CPU time of one renewal, in microseconds.
    pub(crate) fn cpu(&self) -> f64 {
        median(self.rounds.iter().map(LoadResult::cpu_microseconds))
    }

    pub(crate) fn per_second(&self) -> f64 {
        median(self.rounds.iter().map(LoadResult::per_second))
    }

    /// Returns the latency in milliseconds below which `percent` of the renewals lie.
    pub(crate) fn latency(&self, percent: usize) -> f64 {
        let latencies = self.rounds.iter().flat_map(|outcome| outcome.latencies.iter().copied());
        percentile(&mut latencies.collect::<Vec<_>>(), percent)
    }
}

/// Renews every session repeatedly for `length`.
pub(crate) fn run_round(server: &Server, sessions: &mut [Session], length: Duration) -> anyhow::Result<LoadResult> {
    let clients = sessions
        .iter_mut()
        .map(|session| RenewalClient(std::slice::from_mut(session), 0));
    load::run(server, clients.collect(), length)
}
