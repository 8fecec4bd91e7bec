use std::net::IpAddr;

use actix_web::http::StatusCode;
use actix_web::http::header::CACHE_CONTROL;
use actix_web::{HttpRequest, HttpResponse, web};
use domain::contact::Email;
use domain::ids::{BusinessId, ClientId};
use domain::tokens::permissions::HandOver;
use serde::{Deserialize, Serialize};
use use_cases::tokens::{HandOff, HandleAuthRequest, Tokens};
use utoipa::ToSchema;
use utoipa::openapi::path::ParameterIn;

use super::refusals::problem;
use crate::authorised::Authorised;
use crate::body::{self, Body};
use crate::endpoints::Described;
use crate::peer::TrustedProxies;
use crate::problem::{Code, ErrorResponse, Problem};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct HandleAuthQuery {
    client_id: Option<String>,
}

/// What a SAML integration says of a user it has verified.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = HandleAuthRequest)]
struct HandleAuthBody {
    #[schema(required, example = "my-email@email.com")]
    email: Option<String>,
    #[schema(required, example = json!(["IDC_GERENCIADOR_MANAGER"]))]
    groups: Option<Vec<String>>,
    #[schema(example = "Full Name Test")]
    full_name: Option<String>,
    #[schema(example = "60773aa94a50c11cfe00314d")]
    business_id: Option<String>,
    /// Accepted as documented; nothing here uses it.
    #[schema(example = "ABC1234")]
    #[serde(rename = "mainframeLogon")]
    _mainframe_logon: Option<String>,
    /// Origin address, when the caller knows it better than the connection does.
    ip: Option<String>,
}

/// The ticket for the target application.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct HandleAuthResponse {
    validation_token: String,
    origin_client_id: String,
    user_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    ip: Option<String>,
}

impl From<HandOff> for HandleAuthResponse {
    fn from(hand_off: HandOff) -> Self {
        Self {
            validation_token: hand_off.validation_token.reveal().to_owned(),
            origin_client_id: hand_off.origin_client.to_string(),
            user_id: hand_off.user.to_string(),
            ip: hand_off.ip.map(|ip| ip.to_string()),
        }
    }
}

fn target(request: &HttpRequest) -> Result<ClientId, Problem> {
    let query: HandleAuthQuery = body::query(request)?;
    let id = query
        .client_id
        .filter(|id| !id.is_empty())
        .ok_or_else(|| Problem::missing("clientId"))?;
    ClientId::parse(id).map_err(|malformed| Problem::malformed_field("clientId", malformed.to_string()))
}

fn email(text: Option<String>) -> Result<Email, Problem> {
    let text = text.ok_or_else(|| Problem::missing("email"))?;
    Email::parse(&text).map_err(|malformed| {
        let error = ErrorResponse::new(Code::NotAnEmail, format!("email is {malformed}")).at("email");
        Problem::many(StatusCode::BAD_REQUEST, vec![error])
    })
}

fn given_address(text: Option<String>) -> Result<Option<IpAddr>, Problem> {
    let parse = |text: String| {
        text.parse()
            .map_err(|_| Problem::malformed_field("ip", "ip is not an address"))
    };
    text.filter(|text| !text.is_empty()).map(parse).transpose()
}

pub(crate) async fn handle(
    authorised: Authorised<HandOver>,
    request: HttpRequest,
    body: Body,
    tokens: web::Data<Tokens>,
    proxies: web::Data<TrustedProxies>,
) -> Result<HttpResponse, Problem> {
    let target_client = target(&request)?;
    let body: HandleAuthBody = body.json()?;
    let malformed_business =
        |malformed: domain::ids::MalformedId| Problem::malformed_field("businessId", malformed.to_string());
    let asked = HandleAuthRequest {
        origin_client: authorised.caller.client.clone(),
        target_client,
        email: email(body.email)?,
        groups: body.groups.ok_or_else(|| Problem::missing("groups"))?,
        full_name: body.full_name,
        business: body
            .business_id
            .filter(|id| !id.is_empty())
            .map(BusinessId::parse)
            .transpose()
            .map_err(malformed_business)?,
        ip: given_address(body.ip)?.or_else(|| proxies.caller_address(&request)),
    };
    let minted = tokens.handle_auth.run(asked).await.map_err(problem)?;
    let response = HandleAuthResponse::from(minted.into_inner());
    Ok(HttpResponse::Ok()
        .insert_header((CACHE_CONTROL, "no-store"))
        .json(response))
}

pub(crate) fn describe(operation: Described) -> Described {
    operation
        .operation("tokens", "handleAuth", "Hand a user over from a SAML integration")
        .requires::<HandOver>()
        .parameter(ParameterIn::Query, "clientId", true, "The application the user goes to")
        .json_body::<HandleAuthBody>(true)
        .answers_json::<HandleAuthResponse>(200, "A validation token for that application")
        .error(
            412,
            "User, client, business or group is not in a state that allows it, or the credential is locked",
        )
        .body_errors()
        .store_errors()
}
