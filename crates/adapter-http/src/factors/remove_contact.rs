use actix_web::{HttpRequest, HttpResponse, web};
use domain::caller::Call;
use domain::factors::permissions::{ManageContacts, ManageOwnContacts};
use domain::ids::UserId;
use use_cases::factors::FactorsUseCases;
use utoipa::openapi::path::ParameterIn;

use super::problems::problem;
use crate::authorised::{Authorised, contact_in_path, user_in_path};
use crate::endpoints::OperationDoc;
use crate::problem::Problem;

const DESCRIPTION: &str =
    "Removes an alternative contact. If it was the default, the main contact becomes the default again.";

async fn remove(
    call: &Call,
    user: &UserId,
    request: &HttpRequest,
    factors: &FactorsUseCases,
) -> Result<HttpResponse, Problem> {
    let contact = contact_in_path(request)?;
    factors
        .remove_contact
        .run(call, user, &contact)
        .await
        .map_err(problem)?;
    Ok(HttpResponse::NoContent().finish())
}

pub(crate) async fn handle(
    authorised: Authorised<ManageContacts>,
    request: HttpRequest,
    factors: web::Data<FactorsUseCases>,
) -> Result<HttpResponse, Problem> {
    remove(&authorised.call, &user_in_path(&request)?, &request, &factors).await
}

pub(crate) async fn handle_own(
    authorised: Authorised<ManageOwnContacts>,
    request: HttpRequest,
    factors: web::Data<FactorsUseCases>,
) -> Result<HttpResponse, Problem> {
    remove(&authorised.call, authorised.user()?, &request, &factors).await
}

fn describe_shared(operation: OperationDoc) -> OperationDoc {
    operation
        .parameter(ParameterIn::Path, "factorId", true, "The contact id")
        .empty_response(204, "The contact is removed")
        .error(400, "An id is malformed")
        .error(
            404,
            "The user or the contact does not exist, or the contact is hidden from this client",
        )
        .error(422, "The user logs in with the contact; nothing is changed")
        .store_errors()
}

pub(crate) fn describe(operation: OperationDoc) -> OperationDoc {
    let operation = operation
        .operation("factors", "removeContact", "Remove a user's contact")
        .description(DESCRIPTION)
        .requires::<ManageContacts>()
        .parameter(ParameterIn::Path, "id", true, "The user id");
    describe_shared(operation)
}

pub(crate) fn describe_own(operation: OperationDoc) -> OperationDoc {
    let operation = operation.operation("factors", "removeOwnContact", "Remove a contact of the calling user");
    let operation = operation.description(DESCRIPTION);
    describe_shared(operation.requires::<ManageOwnContacts>())
}
