//! C1: one refresh token, renewed by many at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use domain::time::Timestamp;
use domain::tokens::{FamilyStatus, RevocationReason};
use ports::Clock;
use use_cases::tokens::{TokenError, TokensPorts, TokensUseCases};

use crate::race::{at_once, races};
use crate::store::Store;
use crate::summary::{Summary, hold, rounds};
use crate::test_app::{GRACE, TestApp, by_token, renew};

races!(
    parallel_renewals_of_one_token_end_with_the_same_successor,
    without_grace_at_most_one_of_parallel_renewals_succeeds_and_the_family_ends,
    without_grace_it_does_not_matter_who_looked_at_the_clock_first,
);

const CALLERS: usize = 64;

/// No two looks at it see the same time.
struct RunningClock(AtomicI64);

impl Clock for RunningClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millisecond(self.0.fetch_add(1, Ordering::SeqCst)).unwrap()
    }
}

/// Renews one token from all sides: the refresh tokens of those who got one, and what the others were told.
async fn race(tokens: &Arc<TokensUseCases>, token: &str) -> (Vec<String>, Vec<TokenError>) {
    let (tokens, request) = (tokens.clone(), by_token(token, true));
    let answers = at_once(CALLERS, move |_| {
        let (tokens, request) = (tokens.clone(), request.clone());
        async move { renew(&tokens, request).await }
    });
    let (mut won, mut refused) = (Vec::new(), Vec::new());
    for answer in answers.await {
        match answer {
            Ok(issued) => won.extend(issued.refresh_token),
            Err(refusal) => refused.push(refusal),
        }
    }
    (won, refused)
}

async fn parallel_renewals_of_one_token_end_with_the_same_successor(store: Store) {
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
    // A chain that has been renewed before is no other.
    token = app.successor(&token).await;
    let (mut won, refused) = race(&app.tokens, &token).await;
    hold(won.len() == CALLERS, || {
        format!("{} of {CALLERS} got a token, another {:?}", won.len(), refused.first())
    })?;
    won.dedup();
    let alive = app.renewable_tokens(&user).await;
    hold(won == alive, || {
        format!("{} successors, {} alive", won.len(), alive.len())
    })?;
    let families = app.families(&user).await;
    hold(families.len() == 1, || format!("{} families", families.len()))?;
    hold(families[0].generation == 3, || {
        format!("generation {}", families[0].generation)
    })
}

async fn without_grace_at_most_one_of_parallel_renewals_succeeds_and_the_family_ends(store: Store) {
    let mut summary = Summary::of("c1 strict", store);
    let app = store.app(Duration::ZERO).await;
    for _ in 0..rounds(store, 20) {
        summary.add(without_grace(&app, &app.tokens).await);
    }
    summary.end();
}

async fn without_grace_it_does_not_matter_who_looked_at_the_clock_first(store: Store) {
    let mut summary = Summary::of("c1 strict, clock running", store);
    let app = store.app(Duration::ZERO).await;
    let tokens = app.wired(&TokensPorts {
        clock: Arc::new(RunningClock(AtomicI64::new(app.clock.now().as_millisecond()))),
        ..app.ports.clone()
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
    let alive = app.renewable_tokens(&user).await.len();
    hold(alive <= 1, || format!("{alive} alive"))?;
    let families = app.families(&user).await;
    hold(families.len() == 1, || format!("{} families", families.len()))?;
    hold(won.len() <= 1, || format!("{} got a token", won.len()))?;
    let revoked = families[0].status == FamilyStatus::Revoked(RevocationReason::Replay);
    hold(revoked, || format!("{:?}", families[0].status))
}
