//! C4: a lock or an end of all sessions against every minting path, each call of each path delayed at random.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use domain::caller::Call;
use domain::ids::UserId;
use domain::lock_status::LockStatus;
use domain::sessions::SignInStatus;
use fastrand::Rng;
use ports::sessions::SignInStatuses;
use ports::{LockStatuses, StoreError};
use tokio::sync::Barrier;
use use_cases::sessions::TokenError;
use use_cases::tokens::{ChangeAppRequest, TokensUseCases};

use crate::pace::Pace;
use crate::race::races;
use crate::store::Store;
use crate::summary::{Summary, ensure, rounds, seed};
use test_support::TestApp;
use test_support::app::GRACE;
use test_support::calls::{
    PORTAL, address_of, by_identity_provider, by_token, caller, end_sessions, renew, renew_as, saml_login,
};
use test_support::fault_injection::{FaultInjector, on_a_thread, with_faults};
use test_support::fixtures::client_id;

races!(
    no_path_mints_after_a_lock,
    no_session_survives_an_end_of_all,
    a_mint_that_ignores_the_lock_is_detected,
    a_mint_that_ignores_the_end_is_detected,
);

/// The command that ends everything that the user holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Command {
    Lock,
    LockAndUnlock,
    EndSessions,
}

/// The number of tasks that mint during the command.
const MINTERS: usize = 4;

const MINTED_AFTER_COMMAND: &str = "began after the command's answer and succeeded";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Path {
    Rotating,
    Closing,
    ByValidationToken,
    /// A validation token that was used before.
    ByUsedValidationToken,
    ByIdentityProvider,
    FromASession,
    HandleAuth,
    ChangeApp,
    ByChangeAppToken,
}

const PATHS: [Path; 9] = [
    Path::Rotating,
    Path::Closing,
    Path::ByValidationToken,
    Path::ByUsedValidationToken,
    Path::ByIdentityProvider,
    Path::FromASession,
    Path::HandleAuth,
    Path::ChangeApp,
    Path::ByChangeAppToken,
];

/// Delays every call, before and after it, at random.
struct RandomDelays {
    rng: Mutex<Rng>,
    pace: Pace,
}

impl RandomDelays {
    async fn delay(&self) {
        let times = self.rng.lock().unwrap().usize(..4);
        self.pace.yield_to_others(times).await;
    }
}

#[async_trait]
impl FaultInjector for RandomDelays {
    async fn before(&self, _: &'static str) -> Result<(), StoreError> {
        self.delay().await;
        Ok(())
    }

    async fn after(&self, _: &'static str) -> Result<(), StoreError> {
        self.delay().await;
        Ok(())
    }
}

/// A broken store of lock statuses, which the trial must detect.
struct NeverLocked;

#[async_trait]
impl LockStatuses for NeverLocked {
    async fn read_linearizable(&self, _: &UserId) -> Result<LockStatus, StoreError> {
        Ok(LockStatus::default())
    }

    async fn read_after_write(&self, user: &UserId) -> Result<LockStatus, StoreError> {
        self.read_linearizable(user).await
    }
}

/// A broken store of sign-in statuses, which the trial must detect.
struct NeverEnded;

#[async_trait]
impl SignInStatuses for NeverEnded {
    async fn read_linearizable(&self, _: &UserId) -> Result<SignInStatus, StoreError> {
        Ok(SignInStatus::default())
    }

    async fn read_after_write(&self, user: &UserId) -> Result<SignInStatus, StoreError> {
        self.read_linearizable(user).await
    }
}

/// The tokens that the user holds before the race.
#[derive(Clone)]
struct HeldTokens {
    user: UserId,
    refresh_token: String,
    validation_token: String,
    /// A validation token that was used.
    used_validation_token: String,
    /// A validation token from `change-app`.
    changed: String,
    holder: Call,
}

impl HeldTokens {
    /// Returns the tokens that can be renewed.
    fn tokens(&self) -> [String; 4] {
        [
            &self.refresh_token,
            &self.validation_token,
            &self.used_validation_token,
            &self.changed,
        ]
        .map(Clone::clone)
    }
}

/// The attempt of one minting task.
struct Attempt {
    path: Path,
    /// The attempt began after the command was answered.
    is_late: bool,
    /// The refresh or validation token in the answer, if any.
    outcome: Result<Option<String>, TokenError>,
}

/// The app and pace of the races.
struct RaceSetup {
    app: TestApp,
    pace: Pace,
    /// The minting tasks read broken stores, in which no user is ever locked and no sessions end.
    ignores_commands: bool,
}

impl RaceSetup {
    async fn new(store: Store, ignores_commands: bool) -> Self {
        let app = store.app(GRACE).await;
        let pace = store.pace(&app);
        Self {
            app,
            pace,
            ignores_commands,
        }
    }

    /// Returns the use cases of one minting task.
    fn tokens(&self, rng: Rng) -> Arc<TokensUseCases> {
        let delays: Arc<dyn FaultInjector> = Arc::new(RandomDelays {
            rng: Mutex::new(rng),
            pace: self.pace.clone(),
        });
        let mut stores = with_faults(&self.app.stores, &delays);
        if self.ignores_commands {
            stores.lock_statuses = Arc::new(NeverLocked);
            stores.sign_in_statuses = Arc::new(NeverEnded);
        }
        self.app.with_stores(&stores)
    }
}

async fn no_path_mints_after_a_lock(store: Store) {
    let command = |rng: &mut Rng| match rng.usize(..4) {
        0 => Command::LockAndUnlock,
        _ => Command::Lock,
    };
    run("c4 lock against mint", store, command).await;
}

async fn no_session_survives_an_end_of_all(store: Store) {
    run("c4 end of all sessions against mint", store, |_| Command::EndSessions).await;
}

async fn run(name: &str, store: Store, command: impl Fn(&mut Rng) -> Command) {
    let mut summary = Summary::of(name, store);
    let setup = RaceSetup::new(store, false).await;
    let [mut before, mut rejected, mut late] = [0; 3];
    for _ in 0..rounds(store, 60) {
        let mut rng = summary.rng();
        let command = command(&mut rng);
        let (held, attempts) = race(&setup, &mut rng, command).await;
        for attempt in &attempts {
            match (attempt.is_late, &attempt.outcome) {
                (true, _) => late += 1,
                (false, Ok(_)) => before += 1,
                (false, Err(_)) => rejected += 1,
            }
        }
        summary.add(judge(&setup.app, &held, attempts, command).await);
    }
    println!(
        "{name} ({store}): {before} mints succeeded, {rejected} were rejected after the command, {late} began after its \
         answer"
    );
    summary.end();
}

async fn a_mint_that_ignores_the_lock_is_detected(store: Store) {
    detect(store, Command::Lock).await;
}

async fn a_mint_that_ignores_the_end_is_detected(store: Store) {
    detect(store, Command::EndSessions).await;
}

async fn detect(store: Store, command: Command) {
    let setup = RaceSetup::new(store, true).await;
    let mut rng = Rng::with_seed(seed());
    let mut races = 0;
    loop {
        let (held, attempts) = race(&setup, &mut rng, command).await;
        let judgement = judge(&setup.app, &held, attempts, command).await;
        if judgement.is_err_and(|error| error.ends_with(MINTED_AFTER_COMMAND)) {
            break;
        }
        races += 1;
        assert!(races < 1_000, "nothing was detected");
    }
}

async fn issue_tokens(app: &TestApp) -> HeldTokens {
    let user = app.user().await;
    let tokens = renew(&app.tokens, by_identity_provider(&user)).await.unwrap();
    let holder = app.caller_of(&tokens);
    let used_validation_token = app.validation_token(&user).await;
    app.renew(&used_validation_token).await.unwrap();
    HeldTokens {
        changed: change_app(&app.tokens, &holder).await.unwrap(),
        holder,
        refresh_token: tokens.refresh_token.unwrap(),
        validation_token: app.validation_token(&user).await,
        used_validation_token,
        user,
    }
}

async fn race(setup: &RaceSetup, rng: &mut Rng, command: Command) -> (HeldTokens, Vec<Attempt>) {
    let (app, pace) = (&setup.app, &setup.pace);
    let held = issue_tokens(app).await;
    let barrier = Arc::new(Barrier::new(MINTERS + 1));
    let answered = Arc::new(AtomicBool::new(false));
    let minters: Vec<_> = (0..MINTERS)
        .map(|_| {
            let (held, barrier, answered) = (held.clone(), barrier.clone(), answered.clone());
            let (tokens, pace) = (setup.tokens(Rng::with_seed(rng.u64(..))), pace.clone());
            let (path, delay) = (PATHS[rng.usize(..PATHS.len())], rng.usize(..60));
            on_a_thread(move || async move {
                barrier.wait().await;
                pace.yield_to_others(delay).await;
                let is_late = answered.load(Ordering::SeqCst);
                let outcome = mint(&tokens, path, &held).await;
                Attempt { path, is_late, outcome }
            })
        })
        .collect();
    let delay = rng.usize(..60);
    barrier.wait().await;
    pace.yield_to_others(delay).await;
    match command {
        Command::Lock | Command::LockAndUnlock => app.lock(&held.user).await,
        Command::EndSessions => end_sessions(&app.tokens, &held.user, None).await,
    }
    answered.store(true, Ordering::SeqCst);
    if command == Command::LockAndUnlock {
        pace.yield_to_others(rng.usize(..20)).await;
        app.unlock(&held.user).await;
    }
    let mut attempts = Vec::new();
    for minter in minters {
        attempts.push(minter.await.unwrap());
    }
    (held, attempts)
}

async fn mint(tokens: &TokensUseCases, path: Path, held: &HeldTokens) -> Result<Option<String>, TokenError> {
    let minted = match path {
        Path::Rotating => renew(tokens, by_token(&held.refresh_token, true)).await,
        Path::Closing => renew(tokens, by_token(&held.refresh_token, false)).await,
        Path::ByValidationToken => renew(tokens, by_token(&held.validation_token, true)).await,
        Path::ByUsedValidationToken => renew(tokens, by_token(&held.used_validation_token, true)).await,
        Path::ByIdentityProvider => renew(tokens, by_identity_provider(&held.user)).await,
        Path::FromASession => renew_as(tokens, &held.holder, by_identity_provider(&held.user)).await,
        Path::ByChangeAppToken => renew(tokens, by_token(&held.changed, true)).await,
        Path::ChangeApp => return change_app(tokens, &held.holder).await.map(Some),
        Path::HandleAuth => {
            let issued = tokens
                .handle_auth
                .run(&caller("saml"), saml_login(&address_of(&held.user)))
                .await?;
            return Ok(Some(issued.into_inner().validation_token.reveal().to_owned()));
        }
    };
    Ok(minted?.refresh_token)
}

/// Returns a validation token with which the portal makes a branch of the caller's session.
async fn change_app(tokens: &TokensUseCases, caller: &Call) -> Result<String, TokenError> {
    let request = ChangeAppRequest {
        target_client: client_id(PORTAL),
        ip: None,
    };
    let issued = tokens.change_app.run(caller, request).await?.into_inner();
    Ok(issued.validation_token.reveal().to_owned())
}

async fn judge(app: &TestApp, held: &HeldTokens, attempts: Vec<Attempt>, command: Command) -> Result<(), String> {
    for attempt in attempts.iter().filter(|attempt| attempt.is_late) {
        // A login after the unlock or after the end is a new session.
        let may_be_new =
            command != Command::Lock && [Path::ByIdentityProvider, Path::HandleAuth].contains(&attempt.path);
        ensure(attempt.outcome.is_err() || may_be_new, || {
            format!("{:?} {MINTED_AFTER_COMMAND}", attempt.path)
        })?;
    }
    for attempt in &attempts {
        let is_rejection = matches!(
            attempt.outcome,
            Ok(_) | Err(TokenError::CredentialLocked | TokenError::TokenNotValid)
        );
        ensure(is_rejection, || format!("{:?}: {:?}", attempt.path, attempt.outcome))?;
    }
    if command != Command::Lock {
        return require_no_old_session(app, held, command).await;
    }
    let mut minted: Vec<_> = attempts
        .into_iter()
        .filter_map(|attempt| attempt.outcome.ok()?)
        .collect();
    minted.extend(held.tokens());
    let renewable = app.renewable_tokens(&held.user).await.len();
    ensure(renewable == 0, || {
        format!("{renewable} renewable refresh tokens after the lock")
    })?;
    require_no_renewal(app, &minted, "while locked").await?;
    app.unlock(&held.user).await;
    let renewable = app.renewable_tokens(&held.user).await.len();
    ensure(renewable == 0, || {
        format!("{renewable} renewable sessions after lock and unlock")
    })?;
    require_no_renewal(app, &minted, "after lock and unlock").await?;
    let branched = renew_as(&app.tokens, &held.holder, by_identity_provider(&held.user)).await;
    let changed = change_app(&app.tokens, &held.holder).await;
    ensure(
        branched.is_err() && changed.is_err(),
        || "an access token from before was renewed after lock and unlock",
    )
}

async fn require_no_renewal(app: &TestApp, minted: &[String], when: &str) -> Result<(), String> {
    for token in minted {
        let renewed = app.renew(token).await;
        let is_rejected = matches!(renewed, Err(TokenError::CredentialLocked | TokenError::TokenNotValid));
        ensure(is_rejected, || format!("{when}: {renewed:?}"))?;
    }
    Ok(())
}

/// Requires that every session from before the command has ended.
async fn require_no_old_session(app: &TestApp, held: &HeldTokens, command: Command) -> Result<(), String> {
    for token in app.renewable_tokens(&held.user).await {
        let origin = app.family_of(&token).await.origin;
        let number = match command {
            Command::Lock | Command::LockAndUnlock => origin.epoch,
            Command::EndSessions => origin.sessions_version,
        };
        ensure(number == 1, || {
            format!("a session of epoch or version {number} is renewable after {command:?}")
        })?;
    }
    require_no_renewal(app, &held.tokens(), &format!("after {command:?}")).await
}
