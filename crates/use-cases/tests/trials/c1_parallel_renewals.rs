//! C1: parallel renewals of one refresh token.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use domain::sessions::{FamilyStatus, RevocationReason};
use domain::time::Timestamp;
use ports::Clock;
use ports::Runtime;
use use_cases::sessions::TokenError;
use use_cases::tokens::TokensUseCases;

use crate::race::{in_parallel, races};
use crate::store::Store;
use crate::summary::{Summary, ensure, rounds};
use test_support::TestApp;
use test_support::app::GRACE;
use test_support::calls::{by_token, renew};

races!(
    parallel_renewals_get_the_same_successor,
    without_grace_parallel_renewals_end_the_family,
    without_grace_the_order_of_clock_reads_is_irrelevant,
);

const CALLERS: usize = 64;

/// A clock that advances by a millisecond at each read.
struct RunningClock(AtomicI64);

impl Clock for RunningClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millisecond(self.0.fetch_add(1, Ordering::SeqCst)).unwrap()
    }
}

/// Renews one token in parallel. Returns the refresh tokens, and the errors.
async fn race(tokens: &Arc<TokensUseCases>, token: &str) -> (Vec<String>, Vec<TokenError>) {
    let (tokens, request) = (tokens.clone(), by_token(token, true));
    let answers = in_parallel(CALLERS, move |_| {
        let (tokens, request) = (tokens.clone(), request.clone());
        async move { renew(&tokens, request).await }
    });
    let (mut won, mut rejected) = (Vec::new(), Vec::new());
    for answer in answers.await {
        match answer {
            Ok(issued) => won.extend(issued.refresh_token),
            Err(error) => rejected.push(error),
        }
    }
    (won, rejected)
}

async fn parallel_renewals_get_the_same_successor(store: Store) {
    let mut summary = Summary::of("c1 grace", store);
    let app = store.app(GRACE).await;
    for _ in 0..rounds(store, 20) {
        summary.add(with_grace(&app).await);
    }
    summary.end();
}

async fn with_grace(app: &TestApp) -> Result<(), String> {
    let user = app.user().await;
    let mut token = app.session(&user).await;
    // Renewed once before, so that the family has a previous token.
    token = app.successor(&token).await;
    let (mut won, rejected) = race(&app.tokens, &token).await;
    ensure(won.len() == CALLERS, || {
        format!("{} of {CALLERS} got a token, another {:?}", won.len(), rejected.first())
    })?;
    won.dedup();
    let renewable = app.renewable_tokens(&user).await;
    ensure(won == renewable, || {
        format!("{} successors, {} renewable", won.len(), renewable.len())
    })?;
    let families = app.families(&user).await;
    ensure(families.len() == 1, || format!("{} families", families.len()))?;
    ensure(families[0].generation == 3, || {
        format!("generation {}", families[0].generation)
    })
}

async fn without_grace_parallel_renewals_end_the_family(store: Store) {
    let mut summary = Summary::of("c1 strict", store);
    let app = store.app(Duration::ZERO).await;
    for _ in 0..rounds(store, 20) {
        summary.add(without_grace(&app, &app.tokens).await);
    }
    summary.end();
}

async fn without_grace_the_order_of_clock_reads_is_irrelevant(store: Store) {
    let mut summary = Summary::of("c1 strict, clock running", store);
    let app = store.app(Duration::ZERO).await;
    let tokens = app.with_runtime(&Runtime {
        clock: Arc::new(RunningClock(AtomicI64::new(app.clock.now().as_millisecond()))),
        ..app.runtime.clone()
    });
    for _ in 0..rounds(store, 20) {
        summary.add(without_grace(&app, &tokens).await);
    }
    summary.end();
}

async fn without_grace(app: &TestApp, tokens: &Arc<TokensUseCases>) -> Result<(), String> {
    let user = app.user().await;
    let token = app.session(&user).await;
    let (won, _) = race(tokens, &token).await;
    let renewable = app.renewable_tokens(&user).await.len();
    ensure(renewable <= 1, || format!("{renewable} renewable"))?;
    let families = app.families(&user).await;
    ensure(families.len() == 1, || format!("{} families", families.len()))?;
    ensure(won.len() <= 1, || format!("{} got a token", won.len()))?;
    let is_revoked = families[0].status == FamilyStatus::Revoked(RevocationReason::Replay);
    ensure(is_revoked, || format!("{:?}", families[0].status))
}
