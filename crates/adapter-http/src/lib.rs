//! AuthMe's documented HTTP API on actix-web. The only adapter that knows the use cases.

mod acceptor;
mod admitted;
mod audit;
mod authorised;
mod body;
mod budget;
mod cloud_event;
mod connection;
mod connection_limits;
mod credential_lock;
mod deadline;
mod description;
mod docs;
mod endpoints;
mod events;
mod factors;
mod health;
mod login_guard;
mod management;
mod observe;
mod observed;
mod path;
mod peer;
mod problem;
mod request_limits;
mod server;
mod tokens;

pub use authorised::Authenticator;
pub use cloud_event::CloudEventMessage;
pub use connection_limits::ConnectionSettings;
pub use description::Description;
pub use login_guard::LoginGuardSettings;
pub use management::Management;
pub use peer::TrustedProxies;
pub use request_limits::RequestLimitSettings;
pub use server::{Api, ApiSettings, description, serve};
