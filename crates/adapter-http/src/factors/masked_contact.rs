use domain::contact::ContactValue;
use serde::Serialize;
use utoipa::ToSchema;

/// The masked value of a contact, in the field of its type.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct MaskedContact {
    #[schema(example = "EMAIL")]
    contact_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "ex***le@br.e*******.com")]
    email: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mobile: Option<MaskedMobileResponse>,
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

impl From<&ContactValue> for MaskedContact {
    fn from(value: &ContactValue) -> Self {
        let (email, mobile) = match value {
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
            contact_type: value.contact_type().as_str(),
            email,
            mobile,
        }
    }
}
