use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use domain::tokens::permissions::ChangeApp;
use serde::Deserialize;
use use_cases::tokens::{ChangeAppRequest, TokensUseCases};
use utoipa::ToSchema;
use utoipa::openapi::path::ParameterIn;

use super::problems::problem;
use super::validation_token_response::{ValidationTokenResponse, parse_target, respond, user_address};
use crate::authorised::Authorised;
use crate::body::{self, Body};
use crate::endpoints::OperationDoc;
use crate::peer::TrustedProxies;
use crate::problem::Problem;

const TARGET: &str = "targetClientId";

/// The maximum length of a device id, in characters. The id is not used; the limit keeps clients from relying on longer
/// ones.
const MAX_DEVICE_ID_LENGTH: usize = 200;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ChangeAppQuery {
    target_client_id: Option<String>,
}

/// The user's device, as the application knows it.
#[derive(Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ChangeAppRequest)]
struct ChangeAppBody {
    /// Accepted but not used.
    #[schema(max_length = 200)]
    device_id: Option<String>,
    /// The IP address of the user. The default is the address that the request comes from.
    ip: Option<String>,
}

fn read(request: &HttpRequest, body: &Body, proxies: &TrustedProxies) -> Result<ChangeAppRequest, Problem> {
    let query: ChangeAppQuery = body::query(request)?;
    let target_client = parse_target(TARGET, query.target_client_id)?;
    let body: ChangeAppBody = if body.is_empty() {
        ChangeAppBody::default()
    } else {
        body.json()?
    };
    if body
        .device_id
        .is_some_and(|id| id.chars().nth(MAX_DEVICE_ID_LENGTH).is_some())
    {
        let message = format!("deviceId must have at most {MAX_DEVICE_ID_LENGTH} characters");
        return Err(Problem::malformed_field("deviceId", message));
    }
    Ok(ChangeAppRequest {
        target_client,
        ip: user_address(body.ip, request, proxies)?,
    })
}

pub(crate) async fn handle(
    authorised: Authorised<ChangeApp>,
    request: HttpRequest,
    body: Body,
    tokens: web::Data<TokensUseCases>,
    proxies: web::Data<TrustedProxies>,
) -> Result<HttpResponse, Problem> {
    let change = read(&request, &body, &proxies)?;
    authorised.record_object("client", change.target_client.as_str());
    let minted = tokens.change_app.run(&authorised.call, change).await.map_err(problem)?;
    Ok(respond(&authorised, StatusCode::CREATED, minted))
}

fn describe_shared(operation: OperationDoc, id: &str) -> OperationDoc {
    operation
        .operation("tokens", id, "Issue a validation token for another application")
        .description(
            "Takes the calling user to another application without a new login. Issues a validation token that the \
             target application can use once, within 60 seconds by default, in `renewToken`. The session that \
             this starts \
             is revoked together with the caller's session.",
        )
        .requires::<ChangeApp>()
        .parameter(
            ParameterIn::Query,
            TARGET,
            true,
            "The client id of the target application",
        )
        .json_body::<ChangeAppBody>(false)
        .json_response::<ValidationTokenResponse>(201, "A validation token for the target application")
        .error(
            412,
            "The user does not exist or is locked, the target client cannot be used, or the business is not \
             linked to the user",
        )
        .body_errors()
        .store_errors()
}

pub(crate) fn describe(operation: OperationDoc) -> OperationDoc {
    describe_shared(operation, "changeApp")
}

pub(crate) fn describe_own(operation: OperationDoc) -> OperationDoc {
    describe_shared(operation, "changeOwnApp")
}
