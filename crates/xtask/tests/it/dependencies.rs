//! Features and libraries that no dependency may bring. deny.toml has a longer list, but needs cargo-deny.

use toml::Value;

use crate::assert_no_violations;
use crate::checkout::{cargo, manifest, members};

#[test]
fn http2_is_not_enabled() {
    let root = manifest("Cargo.toml");
    let actix = root["workspace"]["dependencies"]["actix-web"]
        .as_table()
        .expect("actix-web has settings");
    let features = actix.get("features").and_then(Value::as_array);
    let mut violations = Vec::new();
    if features
        .into_iter()
        .flatten()
        .any(|feature| feature.as_str() == Some("http2"))
    {
        violations.push("Cargo.toml enables it".to_owned());
    }
    if actix.get("default-features").and_then(Value::as_bool) != Some(false) {
        violations.push("Cargo.toml leaves the default features of actix-web enabled, which include it".to_owned());
    }
    for member in members() {
        for dependency in &member.dependencies {
            if dependency.name.starts_with("actix-") && dependency.features.iter().any(|feature| feature == "http2") {
                violations.push(format!("{} enables it through {}", member.name, dependency.name));
            }
        }
    }
    assert_no_violations(
        "The feature `http2` of actix-web brings h2 0.3 (RUSTSEC-2026-0258). Leave HTTP/2 to the ingress and disable it:",
        &violations,
    );
}

/// Reads the tree of compiled crates, because the lock file also lists the dependencies of features that no crate
/// enables.
#[test]
fn aws_lc_is_the_only_cryptography_provider() {
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
        "the tree has an unknown form"
    );
    let mut other_providers: Vec<_> = tree
        .lines()
        .filter_map(|line| line.split(' ').next())
        .filter(|name| ["rsa", "openssl-sys", "ring"].contains(name))
        .map(str::to_owned)
        .collect();
    other_providers.sort();
    other_providers.dedup();
    assert_no_violations(
        "aws-lc-rs is the only provider. `cargo tree --workspace -i <name>` shows the library that brings another; choose \
         the aws-lc feature of that library:",
        &other_providers,
    );
}

#[test]
fn kafka_tls_is_disabled_by_default() {
    let kafka = manifest("crates/adapter-kafka/Cargo.toml");
    let features = kafka["features"].as_table().expect("adapter-kafka has features");
    let default_features = features.get("default").and_then(Value::as_array);
    assert!(
        default_features.is_none_or(Vec::is_empty),
        "kafka-tls is enabled: {default_features:?}"
    );
    let rdkafka = &manifest("Cargo.toml")["workspace"]["dependencies"]["rdkafka"];
    assert_eq!(rdkafka["default-features"].as_bool(), Some(false));
    let enabled = rdkafka["features"].as_array().expect("rdkafka has features");
    assert!(
        enabled.iter().all(|feature| feature.as_str() != Some("ssl")),
        "{enabled:?}"
    );
}
