//! What the images and docker-compose.yml give away: each secret is where it is needed and nowhere else, and none stands in
//! a file that is published.

use std::fs;
use std::path::{Path, PathBuf};

use crate::checkout::{read, root, shown};
use crate::none_break;

/// A secret of a deployment: the setting that names it, the one service that has it, and the job that makes it.
const SECRETS: [(&str, &str, &str); 3] = [
    ("AUTHME__KEYS__DIRECTORY", "tokens", "init"),
    ("AUTHME__SECRETS__REFRESH_FILE", "tokens", "init"),
    ("AUTHME__SECRETS__CODES_FILE", "factors", "init"),
];

/// The one file of this folder that an image may hold.
const INIT: &str = "deploy/init.sh";

/// Commands that register somebody, or make a secret of one who is registered.
const REGISTERING: [&str; 5] = [
    "client add",
    "client set",
    "rotate-secret",
    "identity add",
    "identity import",
];

/// Words of scripts and settings that speak of a secret and are none.
const NO_SECRET: [&str; 3] = ["secret", "secrets", "rotate-secret"];

fn compose() -> String {
    read(&root().join("docker-compose.yml"))
}

/// The services of a compose file, each with its lines: keys of two spaces under `services:`.
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

/// The mounts of a service in their short form, `what:where` or `what:where:ro`.
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

/// Where a secret is kept, and who mounts it other than who needs it; or why that cannot be said.
fn misplaced(compose: &str) -> Vec<String> {
    let services = services(compose);
    let mut offenders = Vec::new();
    for (name, owner, maker) in SECRETS {
        let Some((_, lines)) = services.iter().find(|(service, _)| service == owner) else {
            offenders.push(format!("there is no service {owner}"));
            continue;
        };
        let mounts_of_owner = mounts(lines);
        let held = setting(lines, name).and_then(|path| {
            let holds = |mount: &&String| {
                let place = mount.split(':').nth(1).unwrap_or_default();
                Path::new(path).starts_with(place)
            };
            mounts_of_owner.iter().find(holds)
        });
        let Some(mount) = held else {
            offenders.push(format!("{owner} mounts nothing that holds its {name}"));
            continue;
        };
        if !mount.ends_with(":ro") {
            offenders.push(format!("{owner} may change {mount}"));
        }
        let volume = mount.split(':').next().unwrap_or_default();
        for (service, lines) in services
            .iter()
            .filter(|(service, _)| service != owner && service != maker)
        {
            let short = mounts(lines)
                .iter()
                .any(|mount| mount.split(':').next() == Some(volume));
            let long = setting(lines, "source") == Some(volume) || setting(lines, "- source") == Some(volume);
            if short || long {
                offenders.push(format!("{service} mounts {volume}, which holds {name} of {owner}"));
            }
        }
    }
    offenders
}

#[test]
fn a_secret_is_mounted_where_it_is_needed_and_nowhere_else() {
    let compose = compose();
    none_break(
        "Give each secret of docker-compose.yml a volume of its own, and mount it, read-only, into the one service that \
         needs it:",
        &misplaced(&compose),
    );
    let shared: Vec<String> = compose
        .lines()
        .take_while(|line| *line != "services:")
        .filter(|line| line.trim_start().starts_with("volumes:"))
        .map(str::to_owned)
        .collect();
    none_break("What services share in docker-compose.yml mounts nothing:", &shared);
}

#[test]
fn a_mount_too_many_is_seen() {
    let compose = compose();
    assert!(misplaced(&compose).is_empty());
    for (service, mount) in [
        ("factors", "signing:/elsewhere:ro"),
        ("credential-lock", "codes:/var/lib/authme/codes"),
    ] {
        let stolen = compose.replace(
            &format!("\n  {service}:\n"),
            &format!("\n  {service}:\n    volumes: [\"{mount}\"]\n"),
        );
        let seen = misplaced(&stolen);
        assert!(seen.iter().all(|offender| offender.starts_with(service)), "{seen:?}");
        assert!(!seen.is_empty(), "{service} {mount}");
    }
    let long = compose.replace(
        "\n  factors:\n",
        "\n  factors:\n    volumes:\n      - type: volume\n        source: signing\n",
    );
    assert!(!misplaced(&long).is_empty());
}

/// The files of the checkout that the stages after the build take in.
fn copied_into_images(dockerfile: &str) -> Vec<String> {
    let after_build = dockerfile.lines().skip_while(|line| !line.contains(" AS run"));
    let copies = after_build.filter_map(|line| line.trim().strip_prefix("COPY "));
    let own = copies.filter(|copy| !copy.contains("--from="));
    own.flat_map(|copy| {
        let mut words: Vec<String> = copy.split(' ').map(str::to_owned).collect();
        // The last is where they go to.
        words.pop();
        words.retain(|word| !word.starts_with("--"));
        words
    })
    .collect()
}

#[test]
fn an_image_registers_nobody() {
    let dockerfile = read(&root().join("deploy/Dockerfile"));
    assert_eq!(
        copied_into_images(&dockerfile),
        [INIT],
        "an image takes in more than that of this checkout"
    );
    let init = read(&root().join(INIT));
    let mut offenders: Vec<String> = REGISTERING
        .iter()
        .filter(|command| init.contains(**command))
        .map(|command| format!("{INIT} says `{command}`"))
        .collect();
    offenders.extend(
        dockerfile
            .contains("laptop")
            .then(|| "deploy/Dockerfile names deploy/laptop".to_owned()),
    );
    let ignored = read(&root().join(".dockerignore"));
    offenders.extend(
        ignored
            .contains("laptop")
            .then(|| ".dockerignore lets deploy/laptop in".to_owned()),
    );
    none_break(
        "An image is for every deployment. What a laptop needs is in deploy/laptop, which compose mounts:",
        &offenders,
    );
}

/// The words of a script, a Dockerfile or a compose file that are secrets, or look like one.
fn literal_secrets(text: &str) -> Vec<String> {
    let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
    let words = lines.flat_map(|line| line.split([' ', '"', '\'', ',', ';', '(', ')']));
    words.filter(|word| is_secret(word)).map(str::to_owned).collect()
}

fn is_secret(word: &str) -> bool {
    let digits = word.split(|c: char| !c.is_ascii_hexdigit()).map(str::len).max();
    let drawn_elsewhere = digits >= Some(32) && !word.contains("sha256:");
    let in_uri = word
        .split_once("://")
        .is_some_and(|(_, rest)| rest.split('/').next().is_some_and(|host| host.contains('@')));
    let lower = word.to_ascii_lowercase();
    let speaks = lower.contains("secret") || lower.contains("password");
    let is_path = word.contains('/');
    let is_setting = word.starts_with("AUTHME__") && word.trim_end_matches(':').ends_with("_FILE");
    let named = speaks && !is_path && !is_setting && !NO_SECRET.contains(&lower.as_str());
    drawn_elsewhere || in_uri || named
}

/// Every file below a folder of the checkout.
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
fn no_secret_is_written_down() {
    let mut files = files_under(&root().join("deploy"));
    files.push(root().join("docker-compose.yml"));
    assert!(files.len() >= 4, "the files were not found: {files:?}");
    let mut offenders = Vec::new();
    for file in files {
        let found = literal_secrets(&read(&file));
        offenders.extend(found.into_iter().map(|word| format!("{}: {word}", shown(&file))));
    }
    none_break(
        "Whoever reads this repository knows it. Let `authme client add` or /dev/urandom draw it, into a file of mode 0600:",
        &offenders,
    );
}

#[test]
fn a_secret_is_known_when_it_is_seen() {
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
