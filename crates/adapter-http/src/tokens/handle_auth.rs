use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use domain::contact::Email;
use domain::group::{LONGEST_NAME, MOST_ASSERTED};
use domain::ids::BusinessId;
use domain::tokens::permissions::HandOver;
use serde::Deserialize;
use use_cases::tokens::{HandleAuthRequest, TokensUseCases};
use utoipa::ToSchema;
use utoipa::openapi::path::ParameterIn;

use super::problems::problem;
use super::validation_token_response::{ValidationTokenResponse, address, answer, target};
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

/// What a SAML integration says of a user it has verified.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = HandleAuthRequest)]
struct HandleAuthBody {
    #[schema(required, example = "my-email@email.com")]
    email: Option<String>,
    /// At most 200, each of at most 256 bytes. Those that the caller may not assert are left out.
    #[schema(required, max_items = 200, example = json!(["IDC_GERENCIADOR_MANAGER"]))]
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

fn email(text: Option<String>) -> Result<Email, Problem> {
    let text = text.ok_or_else(|| Problem::missing("email"))?;
    Email::parse(&text).map_err(|malformed| {
        let error = ErrorResponse::new(Code::NotAnEmail, format!("email is {malformed}")).at("email");
        Problem::many(StatusCode::BAD_REQUEST, vec![error])
    })
}

fn groups(names: Option<Vec<String>>) -> Result<Vec<String>, Problem> {
    let names = names.ok_or_else(|| Problem::missing(GROUPS))?;
    if names.len() > MOST_ASSERTED {
        let message = format!("{GROUPS} holds at most {MOST_ASSERTED} names");
        return Err(Problem::malformed_field(GROUPS, message));
    }
    match names.iter().position(|name| name.len() > LONGEST_NAME) {
        Some(index) => {
            let field = format!("{GROUPS}[{index}]");
            let message = format!("{field} is longer than {LONGEST_NAME} bytes");
            Err(Problem::malformed_field(field, message))
        }
        None => Ok(names),
    }
}

pub(crate) async fn handle(
    authorised: Authorised<HandOver>,
    request: HttpRequest,
    body: Body,
    tokens: web::Data<TokensUseCases>,
    proxies: web::Data<TrustedProxies>,
) -> Result<HttpResponse, Problem> {
    let query: HandleAuthQuery = body::query(&request)?;
    let target_client = target("clientId", query.client_id)?;
    authorised.concerns("client", target_client.as_str());
    let body: HandleAuthBody = body.json()?;
    let malformed_business =
        |malformed: domain::ids::MalformedId| Problem::malformed_field("businessId", malformed.to_string());
    let asked = HandleAuthRequest {
        target_client,
        email: email(body.email)?,
        groups: groups(body.groups)?,
        full_name: body.full_name,
        business: body
            .business_id
            .filter(|id| !id.is_empty())
            .map(BusinessId::parse)
            .transpose()
            .map_err(malformed_business)?,
        ip: address(body.ip, &request, &proxies)?,
    };
    let minted = tokens.handle_auth.run(&authorised.call, asked).await.map_err(problem)?;
    Ok(answer(&authorised, StatusCode::OK, minted))
}

pub(crate) fn describe(operation: OperationDoc) -> OperationDoc {
    operation
        .operation("tokens", "handleAuth", "Hand a user over from a SAML integration")
        .requires::<HandOver>()
        .parameter(ParameterIn::Query, "clientId", true, "The application the user goes to")
        .json_body::<HandleAuthBody>(true)
        .answers_json::<ValidationTokenResponse>(200, "A validation token for that application")
        .error(
            412,
            "User, client, business or group is not in a state that allows it, or the credential is locked",
        )
        .body_errors()
        .store_errors()
}
