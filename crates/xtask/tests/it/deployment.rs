//! The secrets of the images and of docker-compose.yml: each is mounted only where it is needed, and no published file
//! contains a secret.

use std::fs;
use std::path::{Path, PathBuf};

use crate::assert_no_violations;
use crate::checkout::{display_path, read, root};

/// The secrets of a deployment: the setting that names the file, the only service that reads it, and the job that
/// creates it.
const SECRETS: [(&str, &str, &str); 3] = [
    ("AUTHME__KEYS__DIRECTORY", "tokens", "init"),
    ("AUTHME__SECRETS__REFRESH_FILE", "tokens", "init"),
    ("AUTHME__SECRETS__CODES_FILE", "factors", "init"),
];

/// The only file of the checkout that an image may contain.
const INIT: &str = "deploy/init.sh";

/// Commands that register a client or a user, or create a secret for one.
const REGISTRATION_COMMANDS: [&str; 5] = [
    "client add",
    "client set",
    "rotate-secret",
    "identity add",
    "identity import",
];

/// Words in scripts and settings that contain `secret` and are not secrets.
const HARMLESS_WORDS: [&str; 3] = ["secret", "secrets", "rotate-secret"];

fn compose() -> String {
    read(&root().join("docker-compose.yml"))
}

/// Returns the services of a compose file, each with its lines: keys with an indentation of two spaces under
/// `services:`.
fn services(compose: &str) -> Vec<(String, Vec<&str>)> {
    let mut services: Vec<(String, Vec<&str>)> = Vec::new();
    let inside = compose.lines().skip_while(|line| *line != "services:").skip(1);
    for line in inside.take_while(|line| line.is_empty() || line.starts_with(' ') || line.starts_with('#')) {
        let name = line.strip_prefix("  ").and_then(|rest| rest.strip_suffix(':'));
        if let Some(name) = name.filter(|name| !name.starts_with([' ', '#'])) {
            services.push((name.to_owned(), Vec::new()));
        } else if let Some((_, lines)) = services.last_mut() {
            lines.push(line);
        }
    }
    services
}

/// Returns the mounts of a service in their short form, `source:target` or `source:target:ro`.
fn mounts(lines: &[&str]) -> Vec<String> {
    let words = lines
        .iter()
        .flat_map(|line| line.split([' ', '"', '\'', ',', '[', ']']));
    words
        .filter(|word| word.split(':').nth(1).is_some_and(|place| place.starts_with('/')) && !word.contains("://"))
        .map(str::to_owned)
        .collect()
}

fn setting<'a>(lines: &[&'a str], name: &str) -> Option<&'a str> {
    let value = |line: &'a str| line.trim().strip_prefix(name)?.strip_prefix(": ");
    lines.iter().find_map(|line| value(line))
}

/// Returns every mount that gives a secret to a service other than its owner, and every owner without its mount.
fn misplaced_secrets(compose: &str) -> Vec<String> {
    let services = services(compose);
    let mut violations = Vec::new();
    for (name, owner, creator) in SECRETS {
        let Some((_, lines)) = services.iter().find(|(service, _)| service == owner) else {
            violations.push(format!("there is no service {owner}"));
            continue;
        };
        let mounts_of_owner = mounts(lines);
        let secret_mount = setting(lines, name).and_then(|path| {
            let holds = |mount: &&String| {
                let place = mount.split(':').nth(1).unwrap_or_default();
                Path::new(path).starts_with(place)
            };
            mounts_of_owner.iter().find(holds)
        });
        let Some(mount) = secret_mount else {
            violations.push(format!("{owner} mounts no volume with its {name}"));
            continue;
        };
        if !mount.ends_with(":ro") {
            violations.push(format!("{owner} can write to {mount}"));
        }
        let volume = mount.split(':').next().unwrap_or_default();
        for (service, lines) in services
            .iter()
            .filter(|(service, _)| service != owner && service != creator)
        {
            let has_short_form = mounts(lines)
                .iter()
                .any(|mount| mount.split(':').next() == Some(volume));
            let has_long_form = setting(lines, "source") == Some(volume) || setting(lines, "- source") == Some(volume);
            if has_short_form || has_long_form {
                violations.push(format!("{service} mounts {volume}, which has {name} of {owner}"));
            }
        }
    }
    violations
}

#[test]
fn secrets_are_mounted_only_into_their_owner() {
    let compose = compose();
    assert_no_violations(
        "Give each secret of docker-compose.yml a volume of its own, and mount it, read-only, into the one service that \
         needs it:",
        &misplaced_secrets(&compose),
    );
    let shared: Vec<String> = compose
        .lines()
        .take_while(|line| *line != "services:")
        .filter(|line| line.trim_start().starts_with("volumes:"))
        .map(str::to_owned)
        .collect();
    assert_no_violations(
        "Remove this mount from the settings that all services of docker-compose.yml share:",
        &shared,
    );
}

#[test]
fn additional_mounts_of_secrets_are_reported() {
    let compose = compose();
    assert!(misplaced_secrets(&compose).is_empty());
    for (service, mount) in [
        ("factors", "signing:/elsewhere:ro"),
        ("credential-lock", "codes:/var/lib/authme/codes"),
    ] {
        let changed = compose.replace(
            &format!("\n  {service}:\n"),
            &format!("\n  {service}:\n    volumes: [\"{mount}\"]\n"),
        );
        let reported = misplaced_secrets(&changed);
        assert!(
            reported.iter().all(|violation| violation.starts_with(service)),
            "{reported:?}"
        );
        assert!(!reported.is_empty(), "{service} {mount}");
    }
    let long = compose.replace(
        "\n  factors:\n",
        "\n  factors:\n    volumes:\n      - type: volume\n        source: signing\n",
    );
    assert!(!misplaced_secrets(&long).is_empty());
}

/// Returns the files of the checkout that the stages after the build stage copy into an image.
fn files_in_images(dockerfile: &str) -> Vec<String> {
    let after_build = dockerfile.lines().skip_while(|line| !line.contains(" AS run"));
    let copies = after_build.filter_map(|line| line.trim().strip_prefix("COPY "));
    let own = copies.filter(|copy| !copy.contains("--from="));
    own.flat_map(|copy| {
        let mut words: Vec<String> = copy.split(' ').map(str::to_owned).collect();
        // The last word is the target.
        words.pop();
        words.retain(|word| !word.starts_with("--"));
        words
    })
    .collect()
}

#[test]
fn images_contain_no_registration_commands() {
    let dockerfile = read(&root().join("deploy/Dockerfile"));
    assert_eq!(
        files_in_images(&dockerfile),
        [INIT],
        "an image contains another file of this checkout"
    );
    let init = read(&root().join(INIT));
    let mut violations: Vec<String> = REGISTRATION_COMMANDS
        .iter()
        .filter(|command| init.contains(**command))
        .map(|command| format!("{INIT} runs `{command}`"))
        .collect();
    violations.extend(
        dockerfile
            .contains("laptop")
            .then(|| "deploy/Dockerfile names deploy/laptop".to_owned()),
    );
    let ignored = read(&root().join(".dockerignore"));
    violations.extend(
        ignored
            .contains("laptop")
            .then(|| ".dockerignore admits deploy/laptop".to_owned()),
    );
    assert_no_violations(
        "An image is for every deployment. Put what only a laptop needs into deploy/laptop, which docker-compose.yml mounts:",
        &violations,
    );
}

/// Returns the words of a script, a Dockerfile or a compose file that are secrets or have the form of one.
fn literal_secrets(text: &str) -> Vec<String> {
    let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
    let words = lines.flat_map(|line| line.split([' ', '"', '\'', ',', ';', '(', ')']));
    words.filter(|word| is_secret(word)).map(str::to_owned).collect()
}

fn is_secret(word: &str) -> bool {
    let digits = word.split(|c: char| !c.is_ascii_hexdigit()).map(str::len).max();
    let is_random_value = digits >= Some(32) && !word.contains("sha256:");
    let is_in_uri = word
        .split_once("://")
        .is_some_and(|(_, rest)| rest.split('/').next().is_some_and(|host| host.contains('@')));
    let lower = word.to_ascii_lowercase();
    let is_named_like_one = lower.contains("secret") || lower.contains("password");
    let is_path = word.contains('/');
    let is_setting = word.starts_with("AUTHME__") && word.trim_end_matches(':').ends_with("_FILE");
    let is_named_secret = is_named_like_one && !is_path && !is_setting && !HARMLESS_WORDS.contains(&lower.as_str());
    is_random_value || is_in_uri || is_named_secret
}

/// Returns every file under a folder, at any depth.
fn files_under(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder)
        .expect("the folder can be read")
        .map(|entry| entry.expect("an entry").path());
    let mut files = Vec::new();
    for path in entries {
        if path.is_dir() {
            files.extend(files_under(&path));
        } else {
            files.push(path);
        }
    }
    files
}

#[test]
fn deployment_files_contain_no_secret() {
    let mut files = files_under(&root().join("deploy"));
    files.push(root().join("docker-compose.yml"));
    assert!(files.len() >= 4, "the files were not found: {files:?}");
    let mut violations = Vec::new();
    for file in files {
        let found = literal_secrets(&read(&file));
        violations.extend(found.into_iter().map(|word| format!("{}: {word}", display_path(&file))));
    }
    assert_no_violations(
        "Every reader of this repository knows this value. Generate it by `authme client add` or from /dev/urandom into a file of \
         mode 0600:",
        &violations,
    );
}

#[test]
fn literal_secrets_are_recognized() {
    for written in [
        r#"printf '%s' "$id-secret-of-this-laptop" > "$data/x""#,
        r#"authme client add "$id" --secret-file "$data/x""#,
        "      POSTGRES_PASSWORD: hunter2",
        "      URI: mongodb://authme:hunter2@mongodb/",
        "printf 5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e > x",
    ] {
        assert!(!literal_secrets(written).is_empty(), "{written}");
    }
    for harmless in [
        "# the secret-of-nobody",
        r#"authme client rotate-secret "$id" > "$file.draft""#,
        r#"echo "client $id: its secret is in $file""#,
        "      AUTHME__SECRETS__CODES_FILE: /var/lib/authme/codes/codes.key",
        "      URI: mongodb://mongodb:27017/?replicaSet=rs0",
        "FROM image@sha256:5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e",
        "--id 5efd263cbe2d398bb00b97ea",
    ] {
        assert_eq!(literal_secrets(harmless), [""; 0], "{harmless}");
    }
}
