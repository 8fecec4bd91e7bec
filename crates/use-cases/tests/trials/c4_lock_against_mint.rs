//! C4: a lock against every minting path, each call of each path delayed at random.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use domain::caller::Call;
use domain::ids::UserId;
use domain::lock_status::LockStatus;
use ports::{LockStatuses, StoreError};
use tokio::sync::Barrier;
use use_cases::tokens::{ChangeAppRequest, TokenError, TokensUseCases};

use crate::pace::Pace;
use crate::race::races;
use crate::rng::Rng;
use crate::store::Store;
use crate::summary::{Summary, hold, rounds, seed};
use crate::test_app::fault_injection::{FaultInjector, on_a_thread, with_faults};
use crate::test_app::{
    GRACE, PORTAL, TestApp, address_of, by_identity_provider, by_token, caller, client_id, hand_off, renew, renew_as,
};

races!(
    no_path_mints_once_a_lock_was_answered_and_nothing_of_before_lives_on,
    a_mint_that_does_not_see_the_lock_is_caught,
);

/// Who mints while the lock is on its way.
const MINTERS: usize = 4;

const MINTED_LATE: &str = "began after the lock's answer and succeeded";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Path {
    Remembering,
    Forgetting,
    ByValidationToken,
    ByIdentityProvider,
    FromASession,
    HandleAuth,
    ChangeApp,
    ByChangeAppToken,
}

const PATHS: [Path; 8] = [
    Path::Remembering,
    Path::Forgetting,
    Path::ByValidationToken,
    Path::ByIdentityProvider,
    Path::FromASession,
    Path::HandleAuth,
    Path::ChangeApp,
    Path::ByChangeAppToken,
];

/// Lets others go first before and after every call.
struct Dawdler {
    rng: Mutex<Rng>,
    pace: Pace,
}

impl Dawdler {
    async fn dawdle(&self) {
        let times = self.rng.lock().unwrap().below(4);
        self.pace.give_way(times).await;
    }
}

#[async_trait]
impl FaultInjector for Dawdler {
    async fn before(&self, _: &'static str) -> Result<(), StoreError> {
        self.dawdle().await;
        Ok(())
    }

    async fn after(&self, _: &'static str) -> Result<(), StoreError> {
        self.dawdle().await;
        Ok(())
    }
}

/// A look that sees nothing: what the trials must not let pass.
struct Blind;

#[async_trait]
impl LockStatuses for Blind {
    async fn read_linearizable(&self, _: &UserId) -> Result<LockStatus, StoreError> {
        Ok(LockStatus::default())
    }

    async fn read_after_write(&self, user: &UserId) -> Result<LockStatus, StoreError> {
        self.read_linearizable(user).await
    }
}

/// What the user holds before the race.
#[derive(Clone)]
struct Held {
    user: UserId,
    refresh_token: String,
    validation_token: String,
    /// A validation token by change-app.
    changed: String,
    holder: Call,
}

impl Held {
    /// What may be presented to renew.
    fn tokens(&self) -> [String; 3] {
        [&self.refresh_token, &self.validation_token, &self.changed].map(Clone::clone)
    }
}

/// What a minter came to.
struct Attempt {
    path: Path,
    /// It began when the lock had been answered.
    is_late: bool,
    /// The refresh or validation token it got, if any.
    outcome: Result<Option<String>, TokenError>,
}

/// Where the races are run.
struct Course {
    app: TestApp,
    pace: Pace,
    /// The minters' looks see nothing.
    is_blind: bool,
}

impl Course {
    async fn on(store: Store, is_blind: bool) -> Self {
        let app = store.app(GRACE).await;
        let pace = store.pace(&app);
        Self { app, pace, is_blind }
    }

    /// A minter's use cases.
    fn tokens(&self, rng: Rng) -> Arc<TokensUseCases> {
        let dawdler: Arc<dyn FaultInjector> = Arc::new(Dawdler {
            rng: Mutex::new(rng),
            pace: self.pace.clone(),
        });
        let mut ports = with_faults(&self.app.ports, &dawdler);
        if self.is_blind {
            ports.lock_statuses = Arc::new(Blind);
        }
        self.app.wired(&ports)
    }
}

async fn no_path_mints_once_a_lock_was_answered_and_nothing_of_before_lives_on(store: Store) {
    let mut summary = Summary::of("c4 lock against mint", store);
    let course = Course::on(store, false).await;
    let [mut before, mut overtaken, mut late] = [0; 3];
    for _ in 0..rounds(store, 60) {
        let mut rng = summary.rng();
        let unlocks = rng.below(4) == 0;
        let (held, attempts) = race(&course, &mut rng, unlocks).await;
        for attempt in &attempts {
            match (attempt.is_late, &attempt.outcome) {
                (true, _) => late += 1,
                (false, Ok(_)) => before += 1,
                (false, Err(_)) => overtaken += 1,
            }
        }
        summary.add(judge(&course.app, &held, attempts, unlocks).await);
    }
    println!(
        "c4 ({store}): {before} mints succeeded, {overtaken} were overtaken by the lock, {late} began after its answer"
    );
    summary.end();
}

async fn a_mint_that_does_not_see_the_lock_is_caught(store: Store) {
    let course = Course::on(store, true).await;
    let mut rng = Rng(seed());
    let mut races = 0;
    loop {
        let (held, attempts) = race(&course, &mut rng, false).await;
        let judgement = judge(&course.app, &held, attempts, false).await;
        if judgement.is_err_and(|failure| failure.ends_with(MINTED_LATE)) {
            break;
        }
        races += 1;
        assert!(races < 1_000, "nothing was caught");
    }
}

async fn held(app: &TestApp) -> Held {
    let user = app.user().await;
    let tokens = renew(&app.tokens, by_identity_provider(&user)).await.unwrap();
    let holder = app.caller_of(&tokens);
    Held {
        changed: change_app(&app.tokens, &holder).await.unwrap(),
        holder,
        refresh_token: tokens.refresh_token.unwrap(),
        validation_token: app.validation_token(&user).await,
        user,
    }
}

async fn race(course: &Course, rng: &mut Rng, unlocks: bool) -> (Held, Vec<Attempt>) {
    let (app, pace) = (&course.app, &course.pace);
    let held = held(app).await;
    let barrier = Arc::new(Barrier::new(MINTERS + 1));
    let answered = Arc::new(AtomicBool::new(false));
    let minters: Vec<_> = (0..MINTERS)
        .map(|_| {
            let (held, barrier, answered) = (held.clone(), barrier.clone(), answered.clone());
            let (tokens, pace) = (course.tokens(Rng(rng.next())), pace.clone());
            let (path, patience) = (PATHS[rng.below(PATHS.len())], rng.below(60));
            on_a_thread(move || async move {
                barrier.wait().await;
                pace.give_way(patience).await;
                let is_late = answered.load(Ordering::SeqCst);
                let outcome = mint(&tokens, path, &held).await;
                Attempt { path, is_late, outcome }
            })
        })
        .collect();
    let patience = rng.below(60);
    barrier.wait().await;
    pace.give_way(patience).await;
    app.lock(&held.user).await;
    answered.store(true, Ordering::SeqCst);
    if unlocks {
        pace.give_way(rng.below(20)).await;
        app.unlock(&held.user).await;
    }
    let mut attempts = Vec::new();
    for minter in minters {
        attempts.push(minter.await.unwrap());
    }
    (held, attempts)
}

async fn mint(tokens: &TokensUseCases, path: Path, held: &Held) -> Result<Option<String>, TokenError> {
    let minted = match path {
        Path::Remembering => renew(tokens, by_token(&held.refresh_token, true)).await,
        Path::Forgetting => renew(tokens, by_token(&held.refresh_token, false)).await,
        Path::ByValidationToken => renew(tokens, by_token(&held.validation_token, true)).await,
        Path::ByIdentityProvider => renew(tokens, by_identity_provider(&held.user)).await,
        Path::FromASession => renew_as(tokens, &held.holder, by_identity_provider(&held.user)).await,
        Path::ByChangeAppToken => renew(tokens, by_token(&held.changed, true)).await,
        Path::ChangeApp => return change_app(tokens, &held.holder).await.map(Some),
        Path::HandleAuth => {
            let handed_off = tokens
                .handle_auth
                .run(&caller("saml"), hand_off(&address_of(&held.user)))
                .await?;
            return Ok(Some(handed_off.into_inner().validation_token.reveal().to_owned()));
        }
    };
    Ok(minted?.refresh_token)
}

/// The validation token with which the portal makes a branch of the caller's session.
async fn change_app(tokens: &TokensUseCases, caller: &Call) -> Result<String, TokenError> {
    let request = ChangeAppRequest {
        target_client: client_id(PORTAL),
        ip: None,
    };
    let handed_off = tokens.change_app.run(caller, request).await?.into_inner();
    Ok(handed_off.validation_token.reveal().to_owned())
}

async fn judge(app: &TestApp, held: &Held, attempts: Vec<Attempt>, unlocks: bool) -> Result<(), String> {
    for attempt in attempts.iter().filter(|attempt| attempt.is_late) {
        // After an unlock a new login is one.
        let may_be_new = unlocks && [Path::ByIdentityProvider, Path::HandleAuth].contains(&attempt.path);
        hold(attempt.outcome.is_err() || may_be_new, || {
            format!("{:?} {MINTED_LATE}", attempt.path)
        })?;
    }
    for attempt in &attempts {
        let is_refusal = matches!(
            attempt.outcome,
            Ok(_) | Err(TokenError::CredentialLocked | TokenError::TokenNotValid)
        );
        hold(is_refusal, || format!("{:?}: {:?}", attempt.path, attempt.outcome))?;
    }
    if unlocks {
        return nothing_of_before_lives(app, held).await;
    }
    let mut minted: Vec<_> = attempts
        .into_iter()
        .filter_map(|attempt| attempt.outcome.ok()?)
        .collect();
    minted.extend(held.tokens());
    let alive = app.renewable_tokens(&held.user).await.len();
    hold(alive == 0, || format!("{alive} refresh tokens alive after the lock"))?;
    nothing_renews(app, &minted, "while locked").await?;
    app.unlock(&held.user).await;
    let alive = app.renewable_tokens(&held.user).await.len();
    hold(alive == 0, || format!("{alive} sessions alive after lock and unlock"))?;
    nothing_renews(app, &minted, "after lock and unlock").await?;
    let branched = renew_as(&app.tokens, &held.holder, by_identity_provider(&held.user)).await;
    let changed = change_app(&app.tokens, &held.holder).await;
    hold(
        branched.is_err() && changed.is_err(),
        || "an access token of before branched after lock and unlock",
    )
}

async fn nothing_renews(app: &TestApp, minted: &[String], when: &str) -> Result<(), String> {
    for token in minted {
        let renewed = app.renew(token).await;
        let is_refused = matches!(renewed, Err(TokenError::CredentialLocked | TokenError::TokenNotValid));
        hold(is_refused, || format!("{when}: {renewed:?}"))?;
    }
    Ok(())
}

/// What was born before the lock is dead, whatever began after the unlock.
async fn nothing_of_before_lives(app: &TestApp, held: &Held) -> Result<(), String> {
    for token in app.renewable_tokens(&held.user).await {
        let epoch = app.family_of(&token).await.origin.epoch;
        hold(epoch == 1, || {
            format!("a session of epoch {epoch} is alive after lock and unlock")
        })?;
    }
    nothing_renews(app, &held.tokens(), "after lock and unlock").await
}
