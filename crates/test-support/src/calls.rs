//! Calls of the use cases, by clients and users that [`TestApp`](crate::TestApp) creates.

use std::sync::Arc;

use domain::caller::{Call, Caller, CallingUser, Cause, RequestContext};
use domain::client::{Client, Visibility};
use domain::contact::{ContactType, Email};
use domain::factors::{ContactDraft, MobileDraft};
use domain::group::ANY_GROUP;
use domain::ids::{ContactId, FamilyId, UserId};
use domain::sessions::{AccessToken, AccessTokenSubject};
use domain::time::Timestamp;
use domain::tokens::Assertion;
use use_cases::sessions::{IssuedTokens, TokenError};
use use_cases::tokens::{ExpectedSubject, HandleAuthRequest, RenewTokenRequest, RenewalGrant, TokensUseCases};

use crate::fixtures::client_id;

/// The default client of the tests, set up for every flow.
pub const PORTAL: &str = "portal";

/// Returns a client that is set up for every flow.
pub fn client(id: &str) -> Client {
    Client {
        accepts_saml: true,
        is_identity_provider: true,
        creates_users: true,
        roles: vec!["CLI-1STPARTY".to_owned()],
        visibility: Visibility::Unrestricted,
        allows_administration: true,
        assertable_groups: vec![ANY_GROUP.to_owned()],
        ..Client::new(client_id(id))
    }
}

/// Returns the draft of a mobile number: nine digits, the first of them 9.
pub fn mobile(id: &str, number: &str) -> ContactDraft {
    ContactDraft {
        id: ContactId::parse(id).unwrap(),
        contact_type: ContactType::Mobile,
        email: None,
        mobile: Some(MobileDraft {
            region_code: Some("55".to_owned()),
            area_code: Some("11".to_owned()),
            phone_number: Some(number.to_owned()),
        }),
        tags: Vec::new(),
    }
}

/// Returns a call of the user at the portal, with a token of epoch 0.
pub fn user_at_the_portal(user: &UserId) -> Call {
    call(Caller {
        user: Some(CallingUser {
            id: user.clone(),
            business: None,
            session: None,
            epoch: 0,
            sessions_version: 0,
        }),
        ..Caller::clone(&caller(PORTAL))
    })
}

/// Returns a call of a client on its own.
pub fn caller(client: &str) -> Call {
    call(Caller {
        client: client_id(client),
        client_epoch: 0,
        user: None,
        roles: Vec::new(),
        scopes: Vec::new(),
        expires_at: Timestamp::MAX,
    })
}

/// The id of every request.
pub const REQUEST: &str = "request-1";

pub fn call(caller: Caller) -> Call {
    Call {
        caller: Arc::new(caller),
        request: RequestContext {
            id: REQUEST.into(),
            address: None,
        },
    }
}

pub fn by_token(token: &str, remember: bool) -> RenewTokenRequest {
    let grant = RenewalGrant::Token {
        token: token.to_owned(),
        expected: ExpectedSubject::default(),
    };
    RenewTokenRequest {
        grant,
        is_remembered: remember,
    }
}

pub fn by_identity_provider(user: &UserId) -> RenewTokenRequest {
    let grant = RenewalGrant::IdentityProvider {
        client: client_id(PORTAL),
        user: user.clone(),
    };
    RenewTokenRequest {
        grant,
        is_remembered: true,
    }
}

pub fn saml_login(address: &str) -> HandleAuthRequest {
    HandleAuthRequest {
        target_client: client_id(PORTAL),
        email: Email::parse(address).unwrap(),
        groups: Vec::new(),
        full_name: None,
        business: None,
        ip: None,
        assertion: Assertion::default(),
    }
}

pub fn address_of(user: &UserId) -> String {
    format!("{user}@example.com")
}

/// Renews as the portal on its own.
pub async fn renew(tokens: &TokensUseCases, request: RenewTokenRequest) -> Result<IssuedTokens, TokenError> {
    renew_as(tokens, &caller(PORTAL), request).await
}

pub async fn renew_as(
    tokens: &TokensUseCases,
    caller: &Call,
    request: RenewTokenRequest,
) -> Result<IssuedTokens, TokenError> {
    Ok(tokens.renew_token.run(caller, request).await?.into_inner())
}

/// Ends all sessions of the user, except the kept one.
pub async fn end_sessions(tokens: &TokensUseCases, user: &UserId, kept: Option<(FamilyId, u64)>) {
    let call = caller("desk");
    let ended = tokens.end_sessions.run(Cause::Call(&call), user, kept);
    ended.await.unwrap();
}

/// Returns the call that the holder of the access token would make.
pub fn holder_of(token: AccessToken) -> Call {
    let user = match token.subject {
        AccessTokenSubject::Client => None,
        AccessTokenSubject::User {
            id,
            business,
            session,
            epoch,
            sessions_version,
        } => Some(CallingUser {
            id,
            business,
            session,
            epoch,
            sessions_version,
        }),
    };
    call(Caller {
        client: token.client,
        client_epoch: token.client_epoch,
        user,
        roles: token.roles,
        scopes: token.scopes,
        expires_at: token.expires_at,
    })
}
