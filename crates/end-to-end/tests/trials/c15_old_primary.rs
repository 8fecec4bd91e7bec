//! C15: an old primary is partitioned from its replica set and does not know it. A user is locked on the new primary;
//! then a client asks a replica of `tokens` that reaches only the old primary to mint.

use std::io;

use end_to_end::{Caller, Options, Request, Response, Servers, Service};
use serde_json::json;
use test_servers::mongodb_proxy::{OldPrimary, PartitionStats, resolve_host, via_proxy};

use crate::Outcome;
use crate::setup::{Clients, Setup, email, send_with_retries};
use crate::summary::{Summary, check, finish, rounds};

/// The default number of rounds. A round tries each path once.
const ROUNDS: usize = 1;

/// An operation that mints a token, and whether its write matches a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Path {
    /// The current refresh token: the rotation matches.
    Renewing,
    /// The token before the current one: there is nothing to write.
    Repeating,
    /// A token that another replica has rotated. The old primary shows this only when the rotation does not match.
    Overtaken,
    /// The current refresh token without `remember-me`: the close matches.
    Forgetting,
    /// The token that has closed its session: the close does not match.
    ForgettingAgain,
    ByValidationToken,
    /// A used validation token. The old primary does not show that it is used.
    ByUsedValidationToken,
    /// A validation token that was used before the old primary was cut off.
    RedeemingAgain,
    ByChangeAppToken,
    ByIdentityProvider,
    /// The same without `remember-me`: there is nothing to write.
    ByIdentityProviderOnce,
    /// The user's own access token.
    FromASession,
    FromASessionOnce,
    HandleAuth,
    ChangeApp,
}

const PATHS: [Path; 15] = [
    Path::Renewing,
    Path::Repeating,
    Path::Overtaken,
    Path::Forgetting,
    Path::ForgettingAgain,
    Path::ByValidationToken,
    Path::ByUsedValidationToken,
    Path::RedeemingAgain,
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
    /// Clients of a replica of `tokens` that reaches only the old primary. The lock service reaches the new one.
    here: Clients,
    /// Clients of another replica of `tokens`, which reaches the new primary.
    there: Clients,
}

/// The tokens of the user before the lock.
struct UserTokens {
    user: String,
    bearer: String,
    refresh: String,
    validation: String,
}

pub(crate) async fn mints_nothing_after_a_lock(servers: Servers) -> Outcome {
    let rounds = rounds(ROUNDS);
    let setup = Setup::new(&servers).await;
    let mut users = setup.register_users(rounds * PATHS.len() + 1).await;
    let server = resolve_host(&servers.mongodb_uri)?;
    let primary = OldPrimary::before(server, setup.installation.database()).await?;
    let on_old_primary = Options::default().mongodb_uri(via_proxy(&servers.mongodb_uri, primary.address()));
    let _here = setup.start(Service::Tokens, on_old_primary).await;
    let there = setup.start(Service::Tokens, Options::replica()).await;
    let credential_lock = setup.start(Service::CredentialLock, Options::default()).await;
    let here = setup.clients().await;
    let trial = Trial {
        there: here.at(Caller::new(
            there.base_url(),
            there.base_url(),
            credential_lock.base_url(),
        )),
        here,
        primary,
    };
    let mut summary = Summary::new("c15");
    for _ in 0..rounds {
        for path in PATHS {
            let user = users.pop().expect("enough users");
            let (response, stats) = trial.mint_on_old_primary(path, user).await?;
            summary.add(verify(path, &response, stats));
        }
    }
    // The control: with linearizable reads that return old data, the verification has to fail.
    trial.primary.break_linearizable_reads();
    let user = users.pop().expect("enough users");
    let (response, stats) = trial.mint_on_old_primary(Path::ForgettingAgain, user).await?;
    let verdict = verify(Path::ForgettingAgain, &response, stats);
    summary.add(check(verdict.is_err_and(|failure| failure.contains(MINTED)), || {
        format!("a linearizable read of old data was not detected: {response:?}")
    }));
    finish(vec![summary])
}

impl Trial {
    /// Requests a token from the replica on the old primary after the lock was acknowledged. Returns the response and
    /// the counts of commands that reached the old primary.
    async fn mint_on_old_primary(&self, path: Path, user: String) -> io::Result<(Response, PartitionStats)> {
        let tokens = self.prepare_tokens(path, user).await;
        let snapshot = self.primary.snapshot().await?;
        match path {
            Path::Overtaken => self.renew_there(&tokens.refresh, true).await,
            Path::ByUsedValidationToken => self.renew_there(&tokens.validation, true).await,
            _ => {}
        }
        self.primary.partition_at(snapshot).await?;
        let lock = || self.there.caller.lock(&self.there.desk, &tokens.user);
        send_with_retries(lock).await.expect_status(204);
        let response = self.mint(path, &tokens).send().await;
        let stats = self.primary.rejoin().await?;
        Ok((response, stats))
    }

    /// Creates the tokens of the user, and uses the ones that the path requires to be used.
    async fn prepare_tokens(&self, path: Path, user: String) -> UserTokens {
        let session = send_with_retries(|| self.there.session_request(&user, true))
            .await
            .expect_status(200);
        let (bearer, refresh) = (session.text("accessToken"), session.text("refreshToken"));
        match path {
            Path::Repeating => self.renew_there(&refresh, true).await,
            Path::ForgettingAgain => self.renew_there(&refresh, false).await,
            _ => {}
        }
        let validation = match path {
            Path::ByChangeAppToken => self.there.caller.change_app(&bearer, &self.there.fixtures.portal.id),
            _ => handle_auth(&self.there, &user),
        };
        let validation = validation.send().await.text("validationToken");
        if path == Path::RedeemingAgain {
            self.renew_there(&validation, true).await;
        }
        UserTokens {
            user,
            bearer,
            refresh,
            validation,
        }
    }

    async fn renew_there(&self, token: &str, remember_me: bool) {
        let renew = || self.there.caller.renew(&self.there.portal, token, remember_me);
        send_with_retries(renew).await.expect_status(200);
    }

    fn mint(&self, path: Path, tokens: &UserTokens) -> Request {
        let Clients {
            caller,
            fixtures,
            portal,
            ..
        } = &self.here;
        let by_token = |token: &str, remember_me| caller.renew(portal, token, remember_me);
        let by_user = |remember_me| {
            let query = [
                ("userId", tokens.user.as_str()),
                ("clientId", &fixtures.portal.id),
                ("remember-me", remember_me),
            ];
            caller.renew_with(&tokens.bearer, &query)
        };
        match path {
            Path::Renewing | Path::Repeating | Path::Overtaken => by_token(&tokens.refresh, true),
            Path::Forgetting | Path::ForgettingAgain => by_token(&tokens.refresh, false),
            Path::ByValidationToken | Path::ByUsedValidationToken | Path::RedeemingAgain | Path::ByChangeAppToken => {
                by_token(&tokens.validation, true)
            }
            Path::ByIdentityProvider => self.here.session_request(&tokens.user, true),
            Path::ByIdentityProviderOnce => self.here.session_request(&tokens.user, false),
            Path::FromASession => by_user("true"),
            Path::FromASessionOnce => by_user("false"),
            Path::HandleAuth => handle_auth(&self.here, &tokens.user),
            Path::ChangeApp => caller.change_app(&tokens.bearer, &fixtures.portal.id),
        }
    }
}

fn handle_auth(at: &Clients, user: &str) -> Request {
    let body = json!({"email": email(user), "groups": []});
    at.caller.handle_auth(&at.gateway, &at.fixtures.portal.id, &body)
}

const MINTED: &str = "minted after the lock was acknowledged";

fn verify(path: Path, response: &Response, stats: PartitionStats) -> Result<(), String> {
    check(response.status >= 300, || {
        format!("{path:?} {MINTED}: {}", response.status)
    })?;
    check([401, 412, 503].contains(&response.status), || {
        format!("{path:?} returned {} {}", response.status, response.body)
    })?;
    let was_relevant = match path {
        Path::Renewing | Path::Forgetting => stats.unacknowledged_writes > 0,
        Path::Overtaken | Path::ForgettingAgain => stats.unmatched_writes > 0 && stats.linearizable_reads > 0,
        _ => stats.unacknowledged_writes + stats.linearizable_reads > 0,
    };
    check(was_relevant, || {
        format!("{path:?} was rejected for another reason than the old primary: {stats:?}")
    })
}
