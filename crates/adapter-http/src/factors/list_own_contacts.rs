use actix_web::http::StatusCode;
use actix_web::http::header::CACHE_CONTROL;
use actix_web::{HttpResponse, web};
use domain::contact::ContactValue;
use domain::factors::permissions::ListOwnContacts;
use domain::factors::{MARKED_RESOURCES, OwnContact};
use serde::Serialize;
use use_cases::factors::{Factors, ListOwnContactsError};
use utoipa::ToSchema;

use crate::authorised::Authorised;
use crate::endpoints::Described;
use crate::problem::{Code, Problem};

/// A contact, masked.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = AuthenticationFactor)]
struct OwnContactResponse {
    #[schema(example = "5efd263cbe2d398bb00b97ea")]
    id: String,
    #[schema(example = "EMAIL")]
    contact_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "ex***le@br.e*******.com")]
    email: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mobile: Option<MaskedMobileResponse>,
    #[schema(example = json!(["MARKED_RESOURCES"]))]
    tags: Vec<&'static str>,
    /// The user logs in with it.
    credential: bool,
    /// It is picked first; exactly one contact of a user is.
    default: bool,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = UserObfuscatedMobile)]
struct MaskedMobileResponse {
    #[schema(example = "55")]
    region_code: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "11")]
    area_code: Option<String>,
    #[schema(example = "*****2222")]
    phone_number: String,
}

impl From<OwnContact> for OwnContactResponse {
    fn from(contact: OwnContact) -> Self {
        let (email, mobile) = match &contact.value {
            ContactValue::Email(email) => (Some(email.masked()), None),
            ContactValue::Mobile(mobile) => {
                let masked = MaskedMobileResponse {
                    region_code: mobile.region().to_owned(),
                    area_code: mobile.area().map(str::to_owned),
                    phone_number: mobile.masked_number(),
                };
                (None, Some(masked))
            }
        };
        Self {
            id: contact.id.to_string(),
            contact_type: contact.value.contact_type().as_str(),
            email,
            mobile,
            tags: if contact.marked {
                vec![MARKED_RESOURCES]
            } else {
                Vec::new()
            },
            credential: contact.credential,
            default: contact.default,
        }
    }
}

pub(crate) async fn handle(
    authorised: Authorised<ListOwnContacts>,
    factors: web::Data<Factors>,
) -> Result<HttpResponse, Problem> {
    let user = authorised.user()?;
    let contacts = factors
        .list_own_contacts
        .run(&authorised.caller.client, user)
        .await
        .map_err(|error| match error {
            ListOwnContactsError::UserNotFound => {
                Problem::new(StatusCode::NOT_FOUND, Code::UserNotFound, "the user has no record")
            }
            ListOwnContactsError::Store(failure) => failure.into(),
        })?;
    let contacts: Vec<OwnContactResponse> = contacts.into_iter().map(OwnContactResponse::from).collect();
    Ok(HttpResponse::Ok()
        .insert_header((CACHE_CONTROL, "no-store"))
        .json(contacts))
}

pub(crate) fn describe(operation: Described) -> Described {
    operation
        .operation(
            "factors",
            "listOwnContacts",
            "Retrieve the caller's authentication factors, masked",
        )
        .requires::<ListOwnContacts>()
        .answers_array::<OwnContactResponse>(200, "What the client's setting shows; main contacts first")
        .error(404, "The user has no record")
        .store_errors()
}
