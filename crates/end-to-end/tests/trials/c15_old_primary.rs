//! C15: an old primary that was cut off, and knows nothing of it yet, goes on beside a new one. A user is locked on the new
//! one; then a replica of `tokens` that reaches only the old one is asked to mint.

use std::io;

use end_to_end::{Answer, Caller, Options, Request, Servers, Service};
use mongodb_proxy::{OldPrimary, Seen, address_of, through};
use serde_json::json;

use crate::Outcome;
use crate::stage::{Clients, Stage, email, patiently};
use crate::tally::{Tally, end, hold, rounds};

/// Each path once.
const ROUNDS: usize = 1;

/// A way to a token, and whether its write matches something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Path {
    /// By the current refresh token: the rotation matches.
    Renewing,
    /// By the token before the current one: there is nothing to write.
    Repeating,
    /// By a token that another replica rotated before, which shows only after the rotation here did not match.
    Overtaken,
    /// Without remembering: the closing matches.
    Forgetting,
    /// By the token that closed its session before: the closing does not match.
    ForgettingAgain,
    ByValidationToken,
    /// By a validation token that was used before, which does not show yet.
    ByUsedValidationToken,
    ByChangeAppToken,
    ByIdentityProvider,
    /// Without remembering: there is nothing to write.
    ByIdentityProviderOnce,
    /// By the user's own access token.
    FromASession,
    FromASessionOnce,
    HandleAuth,
    ChangeApp,
}

const PATHS: [Path; 14] = [
    Path::Renewing,
    Path::Repeating,
    Path::Overtaken,
    Path::Forgetting,
    Path::ForgettingAgain,
    Path::ByValidationToken,
    Path::ByUsedValidationToken,
    Path::ByChangeAppToken,
    Path::ByIdentityProvider,
    Path::ByIdentityProviderOnce,
    Path::FromASession,
    Path::FromASessionOnce,
    Path::HandleAuth,
    Path::ChangeApp,
];

struct Trial {
    primary: OldPrimary,
    /// At a replica of `tokens` that reaches only the old primary; the lock service reaches the new one.
    here: Clients,
    /// At another replica, which reaches the new primary.
    there: Clients,
}

/// What the user holds before the lock.
struct Held {
    user: String,
    bearer: String,
    refresh: String,
    validation: String,
}

pub(crate) async fn mints_nothing_after_a_lock(servers: Servers) -> Outcome {
    let rounds = rounds(ROUNDS);
    let stage = Stage::new(&servers).await;
    let mut users = stage.users(rounds * PATHS.len() + 1).await;
    let server = address_of(&servers.mongodb_uri)?;
    let primary = OldPrimary::before(server, stage.installation.database()).await?;
    let beside_the_old = Options::default().mongodb_uri(through(&servers.mongodb_uri, primary.address()));
    let _here = stage.start(Service::Tokens, beside_the_old).await;
    let there = stage.start(Service::Tokens, Options::replica()).await;
    let locking = stage.start(Service::CredentialLock, Options::default()).await;
    let here = stage.clients().await;
    let trial = Trial {
        there: here.at(Caller::new(there.base_url(), there.base_url(), locking.base_url())),
        here,
        primary,
    };
    let mut tally = Tally::of("c15");
    for _ in 0..rounds {
        for path in PATHS {
            let user = users.pop().expect("users enough");
            let (answer, seen) = trial.mint_beside_the_old(path, user).await?;
            tally.add(judged(path, &answer, seen));
        }
    }
    // What no server does, and no trial may let pass.
    trial.primary.break_linearizable_reads();
    let user = users.pop().expect("users enough");
    let (answer, seen) = trial.mint_beside_the_old(Path::ForgettingAgain, user).await?;
    let caught = judged(Path::ForgettingAgain, &answer, seen);
    tally.add(hold(caught.is_err_and(|failure| failure.contains(MINTED)), || {
        format!("a look that is answered from the past is not caught: {answer:?}")
    }));
    end(vec![tally])
}

impl Trial {
    /// What a mint beside the old primary comes to when it begins after the lock was answered.
    async fn mint_beside_the_old(&self, path: Path, user: String) -> io::Result<(Answer, Seen)> {
        let held = self.held(path, user).await;
        let past = self.primary.present().await?;
        match path {
            Path::Overtaken => self.renewed_there(&held.refresh, true).await,
            Path::ByUsedValidationToken => self.renewed_there(&held.validation, true).await,
            _ => {}
        }
        self.primary.cut_off_since(past).await?;
        let lock = || self.there.caller.lock(&self.there.desk, &held.user);
        patiently(lock).await.with_status(204);
        let answer = self.mint(path, &held).answer().await;
        let seen = self.primary.rejoin().await?;
        Ok((answer, seen))
    }

    /// A session of the user and a validation token, and what was done with them before.
    async fn held(&self, path: Path, user: String) -> Held {
        let session = patiently(|| self.there.session(&user, true)).await.with_status(200);
        let (bearer, refresh) = (session.text("accessToken"), session.text("refreshToken"));
        match path {
            Path::Repeating => self.renewed_there(&refresh, true).await,
            Path::ForgettingAgain => self.renewed_there(&refresh, false).await,
            _ => {}
        }
        let validation = match path {
            Path::ByChangeAppToken => self.there.caller.change_app(&bearer, &self.there.cast.portal.id),
            _ => hand_off(&self.there, &user),
        };
        Held {
            validation: validation.answer().await.text("validationToken"),
            bearer,
            refresh,
            user,
        }
    }

    async fn renewed_there(&self, token: &str, remember: bool) {
        let renew = || self.there.caller.renew(&self.there.portal, token, remember);
        patiently(renew).await.with_status(200);
    }

    fn mint(&self, path: Path, held: &Held) -> Request {
        let Clients {
            caller, cast, portal, ..
        } = &self.here;
        let by_token = |token: &str, remember| caller.renew(portal, token, remember);
        let by_user = |remember| {
            let query = [
                ("userId", held.user.as_str()),
                ("clientId", &cast.portal.id),
                ("remember-me", remember),
            ];
            caller.renew_with(&held.bearer, &query)
        };
        match path {
            Path::Renewing | Path::Repeating | Path::Overtaken => by_token(&held.refresh, true),
            Path::Forgetting | Path::ForgettingAgain => by_token(&held.refresh, false),
            Path::ByValidationToken | Path::ByUsedValidationToken | Path::ByChangeAppToken => {
                by_token(&held.validation, true)
            }
            Path::ByIdentityProvider => self.here.session(&held.user, true),
            Path::ByIdentityProviderOnce => self.here.session(&held.user, false),
            Path::FromASession => by_user("true"),
            Path::FromASessionOnce => by_user("false"),
            Path::HandleAuth => hand_off(&self.here, &held.user),
            Path::ChangeApp => caller.change_app(&held.bearer, &cast.portal.id),
        }
    }
}

fn hand_off(at: &Clients, user: &str) -> Request {
    let body = json!({"email": email(user), "groups": []});
    at.caller.hand_off(&at.gateway, &at.cast.portal.id, &body)
}

const MINTED: &str = "minted after the lock was answered";

fn judged(path: Path, answer: &Answer, seen: Seen) -> Result<(), String> {
    hold(answer.status >= 300, || format!("{path:?} {MINTED}: {}", answer.status))?;
    hold([401, 412, 503].contains(&answer.status), || {
        format!("{path:?} was answered {} {}", answer.status, answer.body)
    })?;
    let was_in_the_way = match path {
        Path::Renewing | Path::Forgetting => seen.unacknowledged_writes > 0,
        Path::Overtaken | Path::ForgettingAgain => seen.unmatched_writes > 0 && seen.linearizable_reads > 0,
        _ => seen.unacknowledged_writes + seen.linearizable_reads > 0,
    };
    hold(was_in_the_way, || {
        format!("{path:?} was not refused because of the old primary: {seen:?}")
    })
}
