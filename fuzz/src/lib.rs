//! Parses contacts like adapter-http. Its parsers are private, so their sources are compiled in.

#[path = "../../crates/adapter-http/src/body.rs"]
#[expect(dead_code, reason = "the targets parse bodies without a request")]
mod body;
#[path = "../../crates/adapter-http/src/factors/contact_request.rs"]
#[expect(dead_code, reason = "the targets send no responses")]
mod contact_request;
#[path = "../../crates/adapter-http/src/problem.rs"]
#[expect(dead_code, reason = "the targets send no responses")]
mod problem;

use domain::factors::{ContactDraft, ContactPatch};
use domain::ids::ContactId;

use body::Object;
use contact_request::{ContactRequest, PatchRequest, ReplacementRequest};

/// Parses a contact to add.
pub fn parse_contact(json: &str) -> Option<ContactDraft> {
    let Object(request) = serde_json::from_str::<Object<ContactRequest>>(json).ok()?;
    request.into_draft("item").ok()
}

/// Parses the replacement of a contact.
pub fn parse_replacement(json: &str, contact: &ContactId) -> Option<ContactDraft> {
    let Object(request) = serde_json::from_str::<Object<ReplacementRequest>>(json).ok()?;
    request.into_draft(contact).ok()
}

/// Parses a merge patch of a contact.
pub fn parse_patch(json: &str) -> Option<ContactPatch> {
    let Object(request) = serde_json::from_str::<Object<PatchRequest>>(json).ok()?;
    Some(request.into())
}
