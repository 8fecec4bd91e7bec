use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use domain::contact::Email;
use domain::group::{MAX_ASSERTED_GROUPS, MAX_GROUP_NAME_BYTES};
use domain::ids::BusinessId;
use domain::tokens::permissions::HandleAuth;
use domain::tokens::{Assertion, AssertionId};
use serde::Deserialize;
use use_cases::tokens::{HandleAuthRequest, TokensUseCases};
use utoipa::ToSchema;
use utoipa::openapi::path::ParameterIn;

use super::problems::problem;
use super::validation_token_response::{ValidationTokenResponse, parse_target, respond, user_address};
use crate::authorised::Authorised;
use crate::body::{self, Body};
use crate::endpoints::OperationDoc;
use crate::peer::TrustedProxies;
use crate::problem::{Code, ErrorResponse, Problem};

const GROUPS: &str = "groups";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct HandleAuthQuery {
    client_id: Option<String>,
}

/// A user whom a SAML integration has authenticated.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = HandleAuthRequest)]
struct HandleAuthBody {
    /// The e-mail address that the user logs in with.
    #[schema(required, example = "my-email@email.com")]
    email: Option<String>,
    /// The groups of the user: at most 200 names of at most 256 bytes. Groups that are unknown, or that the caller may
    /// not assert, are left out.
    #[schema(required, max_items = 200, example = json!(["IDC_GERENCIADOR_MANAGER"]))]
    groups: Option<Vec<String>>,
    /// The name of the user, stored when the user is created.
    #[schema(example = "Full Name Test")]
    full_name: Option<String>,
    /// The business that the session acts for.
    #[schema(example = "60773aa94a50c11cfe00314d")]
    business_id: Option<String>,
    /// Accepted but not used.
    #[schema(example = "ABC1234")]
    #[serde(rename = "mainframeLogon")]
    _mainframe_logon: Option<String>,
    /// The id of the assertion that the integration verified, such as `ID` of the SAML assertion: 1 to 256 bytes. The
    /// caller gets one validation token for it.
    #[schema(
        min_length = 1,
        max_length = 256,
        example = "_d71a3a8e9fcc45c9e9d248ef7049393fc8f04e5f75"
    )]
    assertion_id: Option<String>,
    /// The time from which the assertion is not valid: RFC 3339, at most 24 hours ahead.
    #[schema(format = DateTime, example = "2026-11-28T12:05:00Z")]
    not_on_or_after: Option<String>,
    /// The IP address of the user. The default is the address that the request comes from.
    ip: Option<String>,
}

fn parse_email(text: Option<String>) -> Result<Email, Problem> {
    let text = text.ok_or_else(|| Problem::missing("email"))?;
    Email::parse(&text).map_err(|error| {
        let error = ErrorResponse::new(Code::NotAnEmail, format!("email is {error}")).at("email");
        Problem::with_errors(StatusCode::BAD_REQUEST, vec![error])
    })
}

fn parse_groups(names: Option<Vec<String>>) -> Result<Vec<String>, Problem> {
    let names = names.ok_or_else(|| Problem::missing(GROUPS))?;
    if names.len() > MAX_ASSERTED_GROUPS {
        let message = format!("{GROUPS} must have at most {MAX_ASSERTED_GROUPS} names");
        return Err(Problem::malformed_field(GROUPS, message));
    }
    match names.iter().position(|name| name.len() > MAX_GROUP_NAME_BYTES) {
        Some(index) => {
            let field = format!("{GROUPS}[{index}]");
            let message = format!("{field} must have at most {MAX_GROUP_NAME_BYTES} bytes");
            Err(Problem::malformed_field(field, message))
        }
        None => Ok(names),
    }
}

fn parse_assertion(id: Option<String>, end: Option<String>) -> Result<Assertion, Problem> {
    let id = id.map(AssertionId::parse).transpose();
    let end = end.map(|end| end.parse()).transpose();
    Ok(Assertion {
        id: id.map_err(|error| Problem::malformed_field("assertionId", format!("assertionId must have {error}")))?,
        not_on_or_after: end
            .map_err(|_| Problem::malformed_field("notOnOrAfter", "notOnOrAfter must be a time as in RFC 3339"))?,
    })
}

pub(crate) async fn handle(
    authorised: Authorised<HandleAuth>,
    request: HttpRequest,
    body: Body,
    tokens: web::Data<TokensUseCases>,
    proxies: web::Data<TrustedProxies>,
) -> Result<HttpResponse, Problem> {
    let query: HandleAuthQuery = body::query(&request)?;
    let target_client = parse_target("clientId", query.client_id)?;
    authorised.record_object("client", target_client.as_str());
    let body: HandleAuthBody = body.json()?;
    let business_problem = |error: domain::ids::MalformedId| Problem::malformed_field("businessId", error.to_string());
    let login = HandleAuthRequest {
        target_client,
        email: parse_email(body.email)?,
        groups: parse_groups(body.groups)?,
        full_name: body.full_name,
        business: body
            .business_id
            .filter(|id| !id.is_empty())
            .map(BusinessId::parse)
            .transpose()
            .map_err(business_problem)?,
        ip: user_address(body.ip, &request, &proxies)?,
        assertion: parse_assertion(body.assertion_id, body.not_on_or_after)?,
    };
    let minted = tokens.handle_auth.run(&authorised.call, login).await.map_err(problem)?;
    Ok(respond(&authorised, StatusCode::OK, minted))
}

pub(crate) fn describe(operation: OperationDoc) -> OperationDoc {
    operation
        .operation("tokens", "handleAuth", "Log a user in with SAML")
        .description(
            "Starts the login of a user whom a SAML integration has authenticated. Issues a validation token \
             that the target application can use once, within 60 seconds by default, in `renewToken`. An \
             unknown e-mail \
             address creates the user if the target client is registered for that. With `assertionId`, one \
             assertion gets one validation token: a second request with it is refused with status 401 and code \
             20, as is an assertion after its `notOnOrAfter`. Then the user logs in again.",
        )
        .requires::<HandleAuth>()
        .parameter(
            ParameterIn::Query,
            "clientId",
            true,
            "The client id of the target application",
        )
        .json_body::<HandleAuthBody>(true)
        .json_response::<ValidationTokenResponse>(200, "A validation token for the target application")
        .error(
            412,
            "The user does not exist or is locked, the target client cannot be used, the business is not \
             linked to the user, or a required group is unknown or may not be asserted",
        )
        .body_errors()
        .store_errors()
}
