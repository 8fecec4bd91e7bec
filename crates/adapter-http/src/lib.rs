//! AuthMe's documented HTTP API on actix-web. The only adapter that knows the use cases.

mod admitted;
mod authorised;
mod body;
mod cloud_event;
mod credential_lock;
mod deadline;
mod docs;
mod endpoints;
mod events;
mod factors;
mod health;
mod login_guard;
mod management;
mod observe;
mod peer;
mod problem;
mod server;
mod tokens;

pub use authorised::Gatekeeper;
pub use cloud_event::CloudEventMessage;
pub use endpoints::Description;
pub use login_guard::LoginGuardSettings;
pub use management::Management;
pub use peer::TrustedProxies;
pub use server::{Api, ApiSettings, description, serve};
