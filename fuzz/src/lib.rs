//! Reads contacts as adapter-http does. What reads them is private there, so its sources are compiled in.

#[path = "../../crates/adapter-http/src/body.rs"]
#[expect(dead_code, reason = "bodies are read without a request here")]
mod body;
#[path = "../../crates/adapter-http/src/factors/contact_request.rs"]
mod contact_request;
#[path = "../../crates/adapter-http/src/problem.rs"]
#[expect(dead_code, reason = "nobody is answered here")]
mod problem;

use domain::factors::{ContactDraft, ContactPatch};
use domain::ids::ContactId;

use body::Object;
use contact_request::{ContactRequest, PatchRequest, ReplacementRequest};

/// A contact to add.
pub fn added(json: &str) -> Option<ContactDraft> {
    let Object(request) = serde_json::from_str::<Object<ContactRequest>>(json).ok()?;
    request.into_draft("item").ok()
}

/// What a contact is to be.
pub fn replaced(json: &str, contact: &ContactId) -> Option<ContactDraft> {
    let Object(request) = serde_json::from_str::<Object<ReplacementRequest>>(json).ok()?;
    request.into_draft(contact).ok()
}

/// What of a contact is to be other.
pub fn patched(json: &str) -> Option<ContactPatch> {
    let Object(request) = serde_json::from_str::<Object<PatchRequest>>(json).ok()?;
    Some(request.into())
}
