//! What must not come in through the libraries. deny.toml holds the longer list; this holds without cargo-deny.

use toml::Value;

use crate::checkout::{cargo, manifest, members};
use crate::none_break;

#[test]
fn http2_stays_off() {
    let root = manifest("Cargo.toml");
    let actix = root["workspace"]["dependencies"]["actix-web"]
        .as_table()
        .expect("actix-web has settings");
    let features = actix.get("features").and_then(Value::as_array);
    let mut offenders = Vec::new();
    if features
        .into_iter()
        .flatten()
        .any(|feature| feature.as_str() == Some("http2"))
    {
        offenders.push("Cargo.toml turns it on".to_owned());
    }
    if actix.get("default-features").and_then(Value::as_bool) != Some(false) {
        offenders.push("Cargo.toml leaves actix-web's default features on, and it is one of them".to_owned());
    }
    for member in members() {
        for dependency in &member.dependencies {
            if dependency.name.starts_with("actix-") && dependency.features.iter().any(|feature| feature == "http2") {
                offenders.push(format!("{} turns it on by {}", member.name, dependency.name));
            }
        }
    }
    none_break(
        "actix-web's `http2` brings h2 0.3 (RUSTSEC-2026-0258). Let the ingress speak HTTP/2:",
        &offenders,
    );
}

/// Of what is compiled, and not of the lock file: that one also lists what a feature nobody turns on would bring.
#[test]
fn there_is_one_provider_of_cryptography() {
    let tree = cargo(&[
        "tree",
        "--workspace",
        "--edges",
        "normal,build",
        "--prefix",
        "none",
        "--format",
        "{p}",
    ]);
    assert!(
        tree.lines().any(|line| line.starts_with("aws-lc-rs ")),
        "the tree was not understood"
    );
    let mut second: Vec<_> = tree
        .lines()
        .filter_map(|line| line.split(' ').next())
        .filter(|name| ["rsa", "openssl-sys", "ring"].contains(name))
        .map(str::to_owned)
        .collect();
    second.sort();
    second.dedup();
    none_break(
        "aws-lc-rs is the one provider. `cargo tree --workspace -i <name>` shows who brings another; choose that \
         library's aws-lc feature:",
        &second,
    );
}

#[test]
fn kafka_speaks_tls_only_when_asked() {
    let kafka = manifest("crates/adapter-kafka/Cargo.toml");
    let features = kafka["features"].as_table().expect("adapter-kafka has features");
    let by_default = features.get("default").and_then(Value::as_array);
    assert!(
        by_default.is_none_or(Vec::is_empty),
        "kafka-tls would be on: {by_default:?}"
    );
    let rdkafka = &manifest("Cargo.toml")["workspace"]["dependencies"]["rdkafka"];
    assert_eq!(rdkafka["default-features"].as_bool(), Some(false));
    let with = rdkafka["features"].as_array().expect("rdkafka has features");
    assert!(with.iter().all(|feature| feature.as_str() != Some("ssl")), "{with:?}");
}
