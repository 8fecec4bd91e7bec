use actix_web::http::StatusCode;
use actix_web::http::header::CACHE_CONTROL;
use actix_web::{HttpResponse, web};
use domain::factors::permissions::ListOwnContacts;
use domain::factors::{MARKED_RESOURCES, OwnContact};
use serde::Serialize;
use use_cases::factors::{FactorsUseCases, ListOwnContactsError};
use utoipa::ToSchema;

use super::masked_contact::MaskedContact;
use crate::authorised::Authorised;
use crate::endpoints::OperationDoc;
use crate::problem::{Code, Problem};

/// A contact, masked.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = AuthenticationFactor)]
struct OwnContactResponse {
    #[schema(example = "5efd263cbe2d398bb00b97ea")]
    id: String,
    #[serde(flatten)]
    value: MaskedContact,
    #[schema(example = json!(["MARKED_RESOURCES"]))]
    tags: Vec<&'static str>,
    /// True if the user logs in with the contact.
    credential: bool,
    /// True if the contact is the default. Every user has exactly one default contact.
    default: bool,
}

impl From<OwnContact> for OwnContactResponse {
    fn from(contact: OwnContact) -> Self {
        Self {
            id: contact.id.to_string(),
            value: MaskedContact::from(&contact.value),
            tags: if contact.is_marked {
                vec![MARKED_RESOURCES]
            } else {
                Vec::new()
            },
            credential: contact.is_credential,
            default: contact.is_default,
        }
    }
}

pub(crate) async fn handle(
    authorised: Authorised<ListOwnContacts>,
    factors: web::Data<FactorsUseCases>,
) -> Result<HttpResponse, Problem> {
    let user = authorised.calling_user()?;
    let contacts = factors
        .list_own_contacts
        .run(&authorised.call.client, user)
        .await
        .map_err(|error| match error {
            ListOwnContactsError::UserNotFound => {
                Problem::new(StatusCode::NOT_FOUND, Code::UserNotFound, "the user is not known")
            }
            ListOwnContactsError::Store(error) => error.into(),
        })?;
    let contacts: Vec<OwnContactResponse> = contacts.into_iter().map(OwnContactResponse::from).collect();
    Ok(HttpResponse::Ok()
        .insert_header((CACHE_CONTROL, "no-store"))
        .json(contacts))
}

pub(crate) fn describe(operation: OperationDoc) -> OperationDoc {
    operation
        .operation("factors", "listOwnContacts", "List the calling user's contacts, masked")
        .description(
            "Returns the contacts that the client's visibility setting shows. The contacts that the user logs in with \
             come first. Only the signature and the times of the token are checked, so a token of a session that \
             has ended is also accepted.",
        )
        .requires::<ListOwnContacts>()
        .array_response::<OwnContactResponse>(200, "The visible contacts")
        .error(404, "The user does not exist")
        .store_errors()
}
