use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use domain::tokens::permissions::ChangeApp;
use serde::Deserialize;
use use_cases::tokens::{ChangeAppRequest, TokensUseCases};
use utoipa::ToSchema;
use utoipa::openapi::path::ParameterIn;

use super::problems::problem;
use super::validation_token_response::{ValidationTokenResponse, address, answer, target};
use crate::authorised::Authorised;
use crate::body::{self, Body};
use crate::endpoints::OperationDoc;
use crate::peer::TrustedProxies;
use crate::problem::Problem;

const TARGET: &str = "targetClientId";

/// Longest device id, in characters.
const LONGEST_DEVICE_ID: usize = 200;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ChangeAppQuery {
    target_client_id: Option<String>,
}

/// What the application knows of the user's device.
#[derive(Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ChangeAppRequest)]
struct ChangeAppBody {
    /// Accepted as documented; nothing here uses it.
    #[schema(max_length = 200)]
    device_id: Option<String>,
    /// The user's address, when the caller knows it better than the connection does.
    ip: Option<String>,
}

fn read(request: &HttpRequest, body: &Body, proxies: &TrustedProxies) -> Result<ChangeAppRequest, Problem> {
    let query: ChangeAppQuery = body::query(request)?;
    let target_client = target(TARGET, query.target_client_id)?;
    let body: ChangeAppBody = if body.is_empty() {
        ChangeAppBody::default()
    } else {
        body.json()?
    };
    if body
        .device_id
        .is_some_and(|id| id.chars().nth(LONGEST_DEVICE_ID).is_some())
    {
        let message = format!("deviceId has at most {LONGEST_DEVICE_ID} characters");
        return Err(Problem::malformed_field("deviceId", message));
    }
    Ok(ChangeAppRequest {
        target_client,
        ip: address(body.ip, request, proxies)?,
    })
}

pub(crate) async fn handle(
    authorised: Authorised<ChangeApp>,
    request: HttpRequest,
    body: Body,
    tokens: web::Data<TokensUseCases>,
    proxies: web::Data<TrustedProxies>,
) -> Result<HttpResponse, Problem> {
    let asked = read(&request, &body, &proxies)?;
    authorised.concerns("client", asked.target_client.as_str());
    let minted = tokens.change_app.run(&authorised.call, asked).await.map_err(problem)?;
    Ok(answer(&authorised, StatusCode::CREATED, minted))
}

fn described(operation: OperationDoc, id: &str) -> OperationDoc {
    operation
        .operation("tokens", id, "Take the calling user to another application")
        .requires::<ChangeApp>()
        .parameter(ParameterIn::Query, TARGET, true, "The application the user goes to")
        .json_body::<ChangeAppBody>(false)
        .answers_json::<ValidationTokenResponse>(
            201,
            "A validation token for that application; the session made with it ends with the caller's",
        )
        .error(
            412,
            "User, client or business is not in a state that allows it, or the credential is locked",
        )
        .body_errors()
        .store_errors()
}

pub(crate) fn describe(operation: OperationDoc) -> OperationDoc {
    described(operation, "changeApp")
}

pub(crate) fn describe_own(operation: OperationDoc) -> OperationDoc {
    described(operation, "changeOwnApp")
}
