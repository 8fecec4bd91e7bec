//! One-time codes by mail, by text message or into a file. No other crate names `lettre`.
//!
//! A message is sent in up to three attempts with the same code, and one time limit covers all of them. An
//! attempt that fails with a transient error is repeated. An attempt without an answer uses up the limit, so a slow
//! server gets the message once. A receiver recognizes a repeat by the challenge id, which is part of the `Message-ID`
//! of a mail and is the `Idempotency-Key` of a request to a gateway.

mod code_sender;
mod config;
mod error;
mod file_sink;
#[cfg(test)]
mod fixtures;
mod settings;
mod sms_gateway;
mod smtp;
mod templates;
mod texts;
mod transport;

pub use code_sender::{CodeSender, open};
pub use config::{DeliveryConfig, DeliverySection, SmsSection, SmtpSection};
pub use error::OpenError;
pub use settings::{
    DeliverySettings, MailRoute, Secret, SmsGatewaySettings, SmtpLogin, SmtpSecurity, SmtpSettings, TextMessageRoute,
    TextsSettings,
};
pub use templates::TemplateError;
