//! One-time codes by mail, by text message or into a file. No other crate names `lettre`.
//!
//! A message is tried up to three times with the same code, all tries within one time limit: whoever is slow has it once,
//! and only what failed before is tried again. Whoever receives it knows a repeat by the challenge: it is in the
//! `Message-ID` of a mail and is the `Idempotency-Key` of a request to a gateway.

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

pub use code_sender::{CodeSender, open};
pub use config::DeliveryConfig;
pub use error::OpenError;
pub use settings::{
    DeliverySettings, MailRoute, Secret, SmsGatewaySettings, SmtpLogin, SmtpSecurity, SmtpSettings, TextMessageRoute,
    TextsSettings,
};
pub use templates::TemplateError;
