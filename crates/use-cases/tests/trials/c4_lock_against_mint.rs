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

use crate::dice::Dice;
use crate::pace::Pace;
use crate::race::races;
use crate::store::Store;
use crate::tally::{Tally, hold, rounds, seed};
use crate::world::meddling::{Meddler, meddled, on_a_thread};
use crate::world::{
    GRACE, PORTAL, World, address_of, by_identity_provider, by_token, caller, client_id, hand_off, renew, renew_as,
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
    dice: Mutex<Dice>,
    pace: Pace,
}

impl Dawdler {
    async fn dawdle(&self) {
        let times = self.dice.lock().unwrap().below(4);
        self.pace.give_way(times).await;
    }
}

#[async_trait]
impl Meddler for Dawdler {
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
    world: World,
    pace: Pace,
    /// The minters' looks see nothing.
    is_blind: bool,
}

impl Course {
    async fn on(store: Store, is_blind: bool) -> Self {
        let world = store.world(GRACE).await;
        let pace = store.pace(&world);
        Self { world, pace, is_blind }
    }

    /// A minter's use cases.
    fn tokens(&self, dice: Dice) -> Arc<TokensUseCases> {
        let dawdler: Arc<dyn Meddler> = Arc::new(Dawdler {
            dice: Mutex::new(dice),
            pace: self.pace.clone(),
        });
        let mut ports = meddled(&self.world.ports, &dawdler);
        if self.is_blind {
            ports.lock_statuses = Arc::new(Blind);
        }
        self.world.wired(&ports)
    }
}

async fn no_path_mints_once_a_lock_was_answered_and_nothing_of_before_lives_on(store: Store) {
    let mut tally = Tally::of("c4 lock against mint", store);
    let course = Course::on(store, false).await;
    let [mut before, mut overtaken, mut late] = [0; 3];
    for _ in 0..rounds(store, 60) {
        let mut dice = tally.dice();
        let unlocks = dice.below(4) == 0;
        let (held, attempts) = race(&course, &mut dice, unlocks).await;
        for attempt in &attempts {
            match (attempt.is_late, &attempt.outcome) {
                (true, _) => late += 1,
                (false, Ok(_)) => before += 1,
                (false, Err(_)) => overtaken += 1,
            }
        }
        tally.add(judge(&course.world, &held, attempts, unlocks).await);
    }
    println!(
        "c4 ({store}): {before} mints succeeded, {overtaken} were overtaken by the lock, {late} began after its answer"
    );
    tally.end();
}

async fn a_mint_that_does_not_see_the_lock_is_caught(store: Store) {
    let course = Course::on(store, true).await;
    let mut dice = Dice(seed());
    let mut races = 0;
    loop {
        let (held, attempts) = race(&course, &mut dice, false).await;
        let judgement = judge(&course.world, &held, attempts, false).await;
        if judgement.is_err_and(|failure| failure.ends_with(MINTED_LATE)) {
            break;
        }
        races += 1;
        assert!(races < 1_000, "nothing was caught");
    }
}

async fn held(world: &World) -> Held {
    let user = world.user().await;
    let tokens = renew(&world.tokens, by_identity_provider(&user)).await.unwrap();
    let holder = world.caller_of(&tokens);
    Held {
        changed: change_app(&world.tokens, &holder).await.unwrap(),
        holder,
        refresh_token: tokens.refresh_token.unwrap(),
        validation_token: world.validation_token(&user).await,
        user,
    }
}

async fn race(course: &Course, dice: &mut Dice, unlocks: bool) -> (Held, Vec<Attempt>) {
    let (world, pace) = (&course.world, &course.pace);
    let held = held(world).await;
    let barrier = Arc::new(Barrier::new(MINTERS + 1));
    let answered = Arc::new(AtomicBool::new(false));
    let minters: Vec<_> = (0..MINTERS)
        .map(|_| {
            let (held, barrier, answered) = (held.clone(), barrier.clone(), answered.clone());
            let (tokens, pace) = (course.tokens(Dice(dice.roll())), pace.clone());
            let (path, patience) = (PATHS[dice.below(PATHS.len())], dice.below(60));
            on_a_thread(move || async move {
                barrier.wait().await;
                pace.give_way(patience).await;
                let is_late = answered.load(Ordering::SeqCst);
                let outcome = mint(&tokens, path, &held).await;
                Attempt { path, is_late, outcome }
            })
        })
        .collect();
    let patience = dice.below(60);
    barrier.wait().await;
    pace.give_way(patience).await;
    world.lock(&held.user).await;
    answered.store(true, Ordering::SeqCst);
    if unlocks {
        pace.give_way(dice.below(20)).await;
        world.unlock(&held.user).await;
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

async fn judge(world: &World, held: &Held, attempts: Vec<Attempt>, unlocks: bool) -> Result<(), String> {
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
        return nothing_of_before_lives(world, held).await;
    }
    let mut minted: Vec<_> = attempts
        .into_iter()
        .filter_map(|attempt| attempt.outcome.ok()?)
        .collect();
    minted.extend(held.tokens());
    let alive = world.renewable_tokens(&held.user).await.len();
    hold(alive == 0, || format!("{alive} refresh tokens alive after the lock"))?;
    nothing_renews(world, &minted, "while locked").await?;
    world.unlock(&held.user).await;
    let alive = world.renewable_tokens(&held.user).await.len();
    hold(alive == 0, || format!("{alive} sessions alive after lock and unlock"))?;
    nothing_renews(world, &minted, "after lock and unlock").await?;
    let branched = renew_as(&world.tokens, &held.holder, by_identity_provider(&held.user)).await;
    let changed = change_app(&world.tokens, &held.holder).await;
    hold(
        branched.is_err() && changed.is_err(),
        || "an access token of before branched after lock and unlock",
    )
}

async fn nothing_renews(world: &World, minted: &[String], when: &str) -> Result<(), String> {
    for token in minted {
        let renewed = world.renew(token).await;
        let is_refused = matches!(renewed, Err(TokenError::CredentialLocked | TokenError::TokenNotValid));
        hold(is_refused, || format!("{when}: {renewed:?}"))?;
    }
    Ok(())
}

/// What was born before the lock is dead, whatever began after the unlock.
async fn nothing_of_before_lives(world: &World, held: &Held) -> Result<(), String> {
    for token in world.renewable_tokens(&held.user).await {
        let epoch = world.family_of(&token).await.origin.epoch;
        hold(epoch == 1, || {
            format!("a session of epoch {epoch} is alive after lock and unlock")
        })?;
    }
    nothing_renews(world, &held.tokens(), "after lock and unlock").await
}
