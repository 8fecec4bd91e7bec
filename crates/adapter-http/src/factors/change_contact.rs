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
    let replacement = ContactChange::Whole(body.json::<ReplacementRequest>()?.into_draft(&contact)?);
    change(&authorised.call, authorised.user()?, &replacement, &factors).await
}

fn describe_shared(operation: OperationDoc) -> OperationDoc {
    operation
        .parameter(ParameterIn::Path, "factorId", true, "The contact id")
        .empty_response(204, "The contact is changed")
        .error(
            404,
            "The user or the contact does not exist, or the contact is hidden from this client",
        )
        .error(422, "The change breaks a rule; nothing is changed")
        .body_errors()
        .store_errors()
}

pub(crate) fn describe(operation: OperationDoc) -> OperationDoc {
    let operation = operation
        .operation("factors", "patchContact", "Change parts of a user's contact")
        .description(
            "Applies a JSON merge patch (RFC 7396): an absent member stays, and `null` removes a member. If the user \
             logs in with the contact, only `default` can be patched. Removing `default` makes the main contact \
             the default again.",
        )
        .requires::<ManageContacts>()
        .merge_patch_body::<PatchRequest>()
        .parameter(ParameterIn::Path, "id", true, "The user id");
    describe_shared(operation)
}

pub(crate) fn describe_own(operation: OperationDoc) -> OperationDoc {
    let operation = operation
        .operation("factors", "changeOwnContact", "Replace a contact of the calling user")
        .description(
            "Replaces the contact. Omitted tags are removed. A code that was sent to the contact \
             before the change is no longer accepted.",
        )
        .requires::<ManageOwnContacts>()
        .json_body::<ReplacementRequest>(true);
    describe_shared(operation)
}
