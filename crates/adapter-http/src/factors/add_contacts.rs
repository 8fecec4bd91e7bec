use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use domain::caller::Call;
use domain::factors::ContactDraft;
use domain::factors::permissions::{AddContacts, AddOwnContacts};
use domain::ids::UserId;
use serde::Deserialize;
use use_cases::factors::{FactorsUseCases, ItemOutcome};
use utoipa::ToSchema;
use utoipa::openapi::path::ParameterIn;

use super::contact_request::ContactRequest;
use super::problems::{code_and_field, problem};
use crate::authorised::{Authorised, user_in_path};
use crate::body::{Body, Object};
use crate::endpoints::OperationDoc;
use crate::problem::{ErrorResponse, Problem};

/// How many contacts one request may bring.
const MAX_ITEMS: usize = 10;

pub(super) const ITEMS: &str = "authenticationFactors";

/// Contacts to add.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct AddContactsRequest {
    #[schema(required, value_type = Vec<ContactRequest>, min_items = 1, max_items = 10)]
    authentication_factors: Option<Vec<Object<ContactRequest>>>,
}

fn read(body: &Body) -> Result<Vec<ContactDraft>, Problem> {
    let request: AddContactsRequest = body.json()?;
    let items = request.authentication_factors.ok_or_else(|| Problem::missing(ITEMS))?;
    if items.is_empty() || items.len() > MAX_ITEMS {
        return Err(Problem::malformed_field(
            ITEMS,
            format!("{ITEMS} holds 1 to {MAX_ITEMS} items"),
        ));
    }
    items
        .into_iter()
        .enumerate()
        .map(|(index, Object(item))| item.into_draft(&format!("{ITEMS}[{index}]")))
        .collect()
}

fn failed_items(outcomes: &[ItemOutcome]) -> Vec<ErrorResponse> {
    let failed = outcomes
        .iter()
        .enumerate()
        .filter_map(|(index, item)| Some((index, &item.id, item.result.err()?)));
    failed
        .map(|(index, id, refusal)| {
            let (code, field) = code_and_field(refusal);
            let field = if field == ITEMS {
                ITEMS.to_owned()
            } else {
                format!("{ITEMS}[{index}].{field}")
            };
            ErrorResponse::new(code, refusal.to_string())
                .at(field)
                .of_item(id.as_str(), StatusCode::UNPROCESSABLE_ENTITY)
        })
        .collect()
}

fn answer(outcomes: &[ItemOutcome]) -> Result<HttpResponse, Problem> {
    let errors = failed_items(outcomes);
    if errors.is_empty() {
        Ok(HttpResponse::Created().finish())
    } else if errors.len() < outcomes.len() {
        Ok(HttpResponse::MultiStatus().json(errors))
    } else {
        Err(Problem::many(StatusCode::UNPROCESSABLE_ENTITY, errors))
    }
}

async fn add(call: &Call, user: &UserId, body: &Body, factors: &FactorsUseCases) -> Result<HttpResponse, Problem> {
    let drafts = read(body)?;
    let outcomes = factors.add_contacts.run(call, user, &drafts).await.map_err(problem)?;
    answer(&outcomes)
}

pub(crate) async fn handle(
    authorised: Authorised<AddContacts>,
    request: HttpRequest,
    body: Body,
    factors: web::Data<FactorsUseCases>,
) -> Result<HttpResponse, Problem> {
    add(&authorised.call, &user_in_path(&request)?, &body, &factors).await
}

pub(crate) async fn handle_own(
    authorised: Authorised<AddOwnContacts>,
    body: Body,
    factors: web::Data<FactorsUseCases>,
) -> Result<HttpResponse, Problem> {
    add(&authorised.call, authorised.user()?, &body, &factors).await
}

fn described(operation: OperationDoc) -> OperationDoc {
    operation
        .json_body::<AddContactsRequest>(true)
        .answers_empty(201, "Every contact is stored")
        .answers_array::<ErrorResponse>(207, "Some are stored; those that are not, with the reason")
        .error(404, "The user is not known")
        .error(422, "None is stored, with the reason for each")
        .body_errors()
        .store_errors()
}

pub(crate) fn describe(operation: OperationDoc) -> OperationDoc {
    let operation = operation
        .operation("factors", "addContacts", "Add alternative contacts to a user")
        .requires::<AddContacts>()
        .parameter(ParameterIn::Path, "id", true, "The user");
    described(operation)
}

pub(crate) fn describe_own(operation: OperationDoc) -> OperationDoc {
    let operation = operation.operation("factors", "addOwnContacts", "Add alternative contacts to oneself");
    described(operation.requires::<AddOwnContacts>())
}
