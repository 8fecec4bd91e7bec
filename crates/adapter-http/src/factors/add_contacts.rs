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

use super::contact_request::{ContactRequest, ITEMS};
use super::problems::{code_and_field, problem};
use crate::authorised::{Authorised, user_in_path};
use crate::body::{Body, Object};
use crate::endpoints::OperationDoc;
use crate::problem::{ErrorResponse, Problem};

/// The maximum number of contacts in one request: as many as a user may have.
const MAX_ITEMS: usize = 10;

const DESCRIPTION: &str = "Adds the contacts one by one, in order. A contact that breaks a rule does not keep the \
                           others from being stored. A contact that is already stored with the same id and value \
                           succeeds and changes nothing. One malformed item fails the whole request with 400.";

/// Contacts to add.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct AddContactsRequest {
    /// The contacts, added in this order.
    #[schema(required, value_type = Vec<ContactRequest>, min_items = 1, max_items = 10)]
    authentication_factors: Option<Vec<Object<ContactRequest>>>,
}

fn read(body: &Body) -> Result<Vec<ContactDraft>, Problem> {
    let request: AddContactsRequest = body.json()?;
    let items = request.authentication_factors.ok_or_else(|| Problem::missing(ITEMS))?;
    if items.is_empty() || items.len() > MAX_ITEMS {
        return Err(Problem::malformed_field(
            ITEMS,
            format!("{ITEMS} must have 1 to {MAX_ITEMS} items"),
        ));
    }
    items
        .into_iter()
        .enumerate()
        .map(|(index, Object(item))| item.into_draft(&format!("{ITEMS}[{index}]")))
        .collect()
}

/// Returns an error for each contact that was not stored, with the index and id of the contact.
fn item_errors(outcomes: &[ItemOutcome]) -> Vec<ErrorResponse> {
    let failed = outcomes
        .iter()
        .enumerate()
        .filter_map(|(index, item)| Some((index, &item.id, item.result.err()?)));
    failed
        .map(|(index, id, violation)| {
            let (code, field) = code_and_field(violation);
            let field = if field == ITEMS {
                ITEMS.to_owned()
            } else {
                format!("{ITEMS}[{index}].{field}")
            };
            ErrorResponse::new(code, violation.to_string())
                .at(field)
                .for_item(id.as_str(), StatusCode::UNPROCESSABLE_ENTITY)
        })
        .collect()
}

fn respond(outcomes: &[ItemOutcome]) -> Result<HttpResponse, Problem> {
    let errors = item_errors(outcomes);
    if errors.is_empty() {
        Ok(HttpResponse::Created().finish())
    } else if errors.len() < outcomes.len() {
        Ok(HttpResponse::MultiStatus().json(errors))
    } else {
        Err(Problem::with_errors(StatusCode::UNPROCESSABLE_ENTITY, errors))
    }
}

async fn add(call: &Call, user: &UserId, body: &Body, factors: &FactorsUseCases) -> Result<HttpResponse, Problem> {
    let drafts = read(body)?;
    let outcomes = factors.add_contacts.run(call, user, &drafts).await.map_err(problem)?;
    respond(&outcomes)
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

fn describe_shared(operation: OperationDoc) -> OperationDoc {
    operation
        .json_body::<AddContactsRequest>(true)
        .empty_response(201, "All contacts are stored")
        .array_response::<ErrorResponse>(
            207,
            "Some contacts are stored; the body has an error for each of the others",
        )
        .error(404, "The user does not exist")
        .error(422, "No contact is stored; the body has an error for each of them")
        .body_errors()
        .store_errors()
}

pub(crate) fn describe(operation: OperationDoc) -> OperationDoc {
    let operation = operation
        .operation("factors", "addContacts", "Add alternative contacts to a user")
        .description(DESCRIPTION)
        .requires::<AddContacts>()
        .parameter(ParameterIn::Path, "id", true, "The user id");
    describe_shared(operation)
}

pub(crate) fn describe_own(operation: OperationDoc) -> OperationDoc {
    let operation = operation.operation(
        "factors",
        "addOwnContacts",
        "Add alternative contacts to the calling user",
    );
    let operation = operation.description(DESCRIPTION);
    describe_shared(operation.requires::<AddOwnContacts>())
}
