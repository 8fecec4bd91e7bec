use actix_web::{HttpRequest, HttpResponse, web};
use domain::caller::Call;
use domain::factors::permissions::{ManageContacts, ManageOwnContacts};
use domain::ids::UserId;
use use_cases::factors::{ContactChange, FactorsUseCases};
use utoipa::openapi::path::ParameterIn;

use super::contact_request::{PatchRequest, ReplacementRequest};
use super::problems::problem;
use crate::authorised::{Authorised, contact_in_path, user_in_path};
use crate::body::Body;
use crate::endpoints::OperationDoc;
use crate::problem::Problem;

async fn change(
    call: &Call,
    user: &UserId,
    change: &ContactChange,
    factors: &FactorsUseCases,
) -> Result<HttpResponse, Problem> {
    factors.change_contact.run(call, user, change).await.map_err(problem)?;
    Ok(HttpResponse::NoContent().finish())
}

pub(crate) async fn handle(
    authorised: Authorised<ManageContacts>,
    request: HttpRequest,
    body: Body,
    factors: web::Data<FactorsUseCases>,
) -> Result<HttpResponse, Problem> {
    let (user, contact) = (user_in_path(&request)?, contact_in_path(&request)?);
    let patch = ContactChange::Patch(contact, body.merge_patch::<PatchRequest>()?.into());
    change(&authorised.call, &user, &patch, &factors).await
}

pub(crate) async fn handle_own(
    authorised: Authorised<ManageOwnContacts>,
    request: HttpRequest,
    body: Body,
    factors: web::Data<FactorsUseCases>,
) -> Result<HttpResponse, Problem> {
    let contact = contact_in_path(&request)?;
    let whole = ContactChange::Whole(body.json::<ReplacementRequest>()?.into_draft(&contact)?);
    change(&authorised.call, authorised.user()?, &whole, &factors).await
}

fn described(operation: OperationDoc) -> OperationDoc {
    operation
        .parameter(ParameterIn::Path, "factorId", true, "The contact")
        .answers_empty(204, "The contact is as asked")
        .error(404, "The user is not known, or has no such contact")
        .error(422, "A rule is broken; nothing is changed")
        .body_errors()
        .store_errors()
}

pub(crate) fn describe(operation: OperationDoc) -> OperationDoc {
    let operation = operation
        .operation("factors", "patchContact", "Change parts of a user's contact")
        .requires::<ManageContacts>()
        .merge_patch_body::<PatchRequest>()
        .parameter(ParameterIn::Path, "id", true, "The user");
    described(operation)
}

pub(crate) fn describe_own(operation: OperationDoc) -> OperationDoc {
    let operation = operation
        .operation("factors", "changeOwnContact", "Change one's own contact")
        .requires::<ManageOwnContacts>()
        .json_body::<ReplacementRequest>(true);
    described(operation)
}
