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

fn described(operation: OperationDoc) -> OperationDoc {
    operation
        .parameter(ParameterIn::Path, "factorId", true, "The contact")
        .answers_empty(204, "The contact is gone")
        .error(400, "An id cannot be read")
        .error(404, "The user is not known, or has no such contact")
        .error(422, "The contact is a credential; nothing is changed")
        .store_errors()
}

pub(crate) fn describe(operation: OperationDoc) -> OperationDoc {
    let operation = operation
        .operation("factors", "removeContact", "Remove a user's contact")
        .requires::<ManageContacts>()
        .parameter(ParameterIn::Path, "id", true, "The user");
    described(operation)
}

pub(crate) fn describe_own(operation: OperationDoc) -> OperationDoc {
    let operation = operation.operation("factors", "removeOwnContact", "Remove one's own contact");
    described(operation.requires::<ManageOwnContacts>())
}
