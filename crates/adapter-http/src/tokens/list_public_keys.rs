use actix_web::http::header::CACHE_CONTROL;
use actix_web::{HttpResponse, web};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::time::Timestamp;
use ports::tokens::PublicKey;
use serde::Serialize;
use use_cases::tokens::TokensUseCases;
use utoipa::ToSchema;

use crate::endpoints::OperationDoc;

/// A JWK set (RFC 7517 section 5).
#[derive(Serialize, ToSchema)]
struct KeySetResponse {
    keys: Vec<KeyResponse>,
}

/// An RSA public key (RFC 7518 section 6.3.1). `retired_at` is an additional member, as RFC 7517 section 4 allows.
#[derive(Serialize, ToSchema)]
struct KeyResponse {
    kty: &'static str,
    #[serde(rename = "use")]
    usage: &'static str,
    alg: &'static str,
    kid: String,
    n: String,
    e: String,
    /// The time at which the key was retired, in Unix seconds. Reject a token under this key whose `iat` is not
    /// earlier. Absent while the key may sign.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = 1_767_225_600)]
    retired_at: Option<i64>,
}

impl From<PublicKey> for KeyResponse {
    fn from(key: PublicKey) -> Self {
        Self {
            kty: "RSA",
            usage: "sig",
            alg: "RS512",
            kid: key.id,
            n: URL_SAFE_NO_PAD.encode(key.modulus),
            e: URL_SAFE_NO_PAD.encode(key.exponent),
            retired_at: key.retired_at.map(ceil_to_second),
        }
    }
}

/// Rounds up to whole seconds, the unit of `iat`. A token with an `iat` before `at` also has an `iat` before the
/// result, so a verifier that compares with the published second accepts it.
fn ceil_to_second(at: Timestamp) -> i64 {
    at.as_second() + i64::from(at.subsec_nanosecond() > 0)
}

pub(crate) async fn handle(
    tokens: web::Data<TokensUseCases>,
    settings: web::Data<super::TokensApiSettings>,
) -> HttpResponse {
    let keys = tokens
        .list_public_keys
        .run()
        .into_iter()
        .map(KeyResponse::from)
        .collect();
    let max_age = format!("public, max-age={}", settings.key_set_cache_time.as_secs());
    HttpResponse::Ok()
        .insert_header((CACHE_CONTROL, max_age))
        .json(KeySetResponse { keys })
}

fn describe_shared(operation: OperationDoc, id: &str) -> OperationDoc {
    operation
        .operation("tokens", id, "List the public keys that verify access tokens")
        .description(
            "Returns every key that may still verify a token, and the next signing key before it signs. Cache the \
             set no longer than the `max-age` of the response.",
        )
        .json_response::<KeySetResponse>(200, "A JWK set (RFC 7517)")
}

pub(crate) fn describe(operation: OperationDoc) -> OperationDoc {
    describe_shared(operation, "listPublicKeys")
}

pub(crate) fn describe_well_known(operation: OperationDoc) -> OperationDoc {
    describe_shared(operation, "listPublicKeysWellKnown")
}
