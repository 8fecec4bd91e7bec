use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use adapter_delivery::{
    DeliverySettings, MailRoute, Secret, SmsGatewaySettings, SmtpLogin, SmtpSettings, TextMessageRoute, open,
};
use ports::factors::CodeDelivery as _;

use crate::journal;
use crate::messages::{
    API_KEY, CODE, NUMBER, SECRETS, SIGNING_KEY, WRONG_PASSWORD, address, error_chain, mail, text_message,
};

pub(crate) async fn every_code_is_written_as_a_line() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("outgoing-codes.jsonl");
    let sender = open(DeliverySettings::local(file.clone())).unwrap();
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let (mail, text_message) = (mail(), text_message());
    for message in [&mail, &text_message] {
        sender.deliver(message).await.unwrap();
    }
    let content = fs::read_to_string(&file).unwrap();
    let lines: Vec<serde_json::Value> = content
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 2);
    for (line, message, contact_type, to) in [
        (&lines[0], &mail, "EMAIL", address(&mail)),
        (&lines[1], &text_message, "MOBILE", NUMBER),
    ] {
        assert_eq!(line["challengeId"], message.challenge.as_str());
        assert_eq!(line["contactType"], contact_type);
        assert_eq!(line["to"], to);
        assert_eq!(line["code"], CODE);
        assert!(line["text"].as_str().unwrap().contains(CODE));
    }
    assert_eq!(lines[0]["subject"], "O seu código de confirmação");
    assert!(lines[1].get("subject").is_none());
}

/// Checks the `Debug` output of messages, settings and senders, and the log.
pub(crate) async fn errors_and_logs_contain_no_secret() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("codes.jsonl");
    let sender = open(DeliverySettings::local(file.clone())).unwrap();
    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();
    for message in [mail(), text_message()] {
        let causes = error_chain(&sender, &message).await;
        assert_eq!(causes[1], "the file cannot be written");
        let log = journal::contents();
        let lines: Vec<_> = log
            .lines()
            .filter(|line| line.contains(message.challenge.as_str()))
            .collect();
        // Three attempts and the final failure.
        assert_eq!(lines.len(), 4, "{lines:?}");
        assert!(
            lines
                .iter()
                .all(|line| line.contains("WARN") && line.contains("Is a directory")),
            "{lines:?}"
        );
        let output = format!("{message:?} {sender:?}");
        assert!(!SECRETS.iter().any(|secret| output.contains(secret)), "{output}");
    }
    let mut smtp = SmtpSettings::new("localhost", "no-reply@auth.example");
    smtp.login = Some(SmtpLogin {
        user: "authme".to_owned(),
        password: Secret::new(WRONG_PASSWORD),
    });
    let mut gateway = SmsGatewaySettings::new("https://sms.example", Secret::new(SIGNING_KEY));
    gateway.header = Some(("X-Api-Key".to_owned(), Secret::new(API_KEY)));
    let settings = DeliverySettings::new(MailRoute::Smtp(smtp), TextMessageRoute::Gateway(gateway));
    let output = format!("{settings:?} {:?}", open(settings.clone()).unwrap());
    assert!(!SECRETS.iter().any(|secret| output.contains(secret)), "{output}");
    journal::assert_no_secret().unwrap();
}
