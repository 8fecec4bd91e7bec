//! C9: the server is killed under load, again and again, over one folder. What it has acknowledged is there afterwards.

use std::fs;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::Context as _;

use super::dice::Dice;
use super::events::{Histories, Log};
use super::figures::Figures;
use super::installation::{Installation, Server};
use super::ledger::{Chains, Contacts, Locks, Work};
use super::load::Load;
use super::torn;

const LOCK_WORKERS: u64 = 3;
const CHAIN_WORKERS: u64 = 3;
const CONTACT_WORKERS: u64 = 2;

/// Users who are locked and unlocked by one worker.
const LOCKED_USERS: u64 = 20;

/// Users who get contacts from one worker in one round.
const CONTACT_USERS: u64 = 50;

/// Contacts of one worker: numbers that no other uses.
const CONTACTS: u64 = 1_000_000;

/// The claims of a dead relay end in five seconds; then every event comes.
const EVENTS_COME_WITHIN: Duration = Duration::from_secs(20);

/// Longest life of a server under load, in milliseconds.
const LIFE: u64 = 1_500;

/// What was found wrong, by round.
#[derive(Default)]
struct Findings {
    kills: u32,
    bad_kills: u32,
    torn: u32,
    bad_torn: u32,
    acknowledged: u32,
}

/// Everything that outlives a server.
struct Trial {
    installation: Installation,
    dice: Dice,
    works: Vec<Box<dyn Work>>,
    /// Contacts of rounds before.
    past: Vec<Box<dyn Work>>,
    expected: Histories,
    log: Log,
}

pub(super) fn run(rounds: usize, seed: Option<u64>) -> anyhow::Result<Vec<Figures>> {
    let seed = seed.unwrap_or_else(Dice::seed);
    println!("c9: seed {seed}");
    let mut trial = Trial::new(seed)?;
    let folder = trial.installation.folder().to_owned();
    let mut findings = Findings::default();
    for round in 0..rounds as u64 {
        let wrong = trial.round(round, &mut findings);
        let wrong = wrong.with_context(|| format!("round {round}, seed {seed}"))?;
        findings.kills += 1;
        findings.bad_kills += u32::from(tell(&folder, &format!("round {round}"), &wrong)?);
    }
    let wrong = trial.end()?;
    findings.bad_kills += u32::from(tell(&folder, "at the end", &wrong)?);
    println!(
        "c9: {} writes acknowledged, {} events in the log",
        findings.acknowledged,
        trial.log.len()
    );
    let figures = |name: &str, trials, failures| Figures {
        name: name.to_owned(),
        trials,
        failures,
    };
    Ok(vec![
        figures("c9 kill", findings.kills, findings.bad_kills),
        figures("c9 torn log", findings.torn, findings.bad_torn),
    ])
}

/// Tells what is wrong, and keeps the folder; whether anything is.
fn tell(folder: &Path, when: &str, wrong: &[String]) -> anyhow::Result<bool> {
    if wrong.is_empty() {
        return Ok(false);
    }
    fs::write(folder.join("failed"), "")?;
    eprintln!("{when}: {} things are wrong, see {}", wrong.len(), folder.display());
    for wrong in wrong.iter().take(5) {
        eprintln!("  {wrong}");
    }
    Ok(true)
}

fn users(kind: &str, count: u64) -> Vec<String> {
    (0..count).map(|number| format!("{kind}-{number}")).collect()
}

impl Trial {
    fn new(seed: u64) -> anyhow::Result<Self> {
        let installation = Installation::new("c9")?;
        let mut works: Vec<Box<dyn Work>> = Vec::new();
        for worker in 0..LOCK_WORKERS {
            let users = users(&format!("locked-{worker}"), LOCKED_USERS);
            installation.import(&users)?;
            works.push(Box::new(Locks::of(&users)));
        }
        for user in users("renewing", CHAIN_WORKERS) {
            installation.import(std::slice::from_ref(&user))?;
            works.push(Box::new(Chains::of(&user)));
        }
        Ok(Self {
            installation,
            dice: Dice::of(seed),
            works,
            past: Vec::new(),
            expected: Histories::default(),
            log: Log::default(),
        })
    }

    /// Starts a server, loads it, tears a copy of its files, kills it, starts another and looks; what is wrong.
    fn round(&mut self, round: u64, findings: &mut Findings) -> anyhow::Result<Vec<String>> {
        let mut works = std::mem::take(&mut self.works);
        let lasting = works.len();
        for worker in 0..CONTACT_WORKERS {
            let users = users(&format!("contacted-{round}-{worker}"), CONTACT_USERS);
            self.installation.import(&users)?;
            let first = (round * CONTACT_WORKERS + worker) * CONTACTS;
            works.push(Box::new(Contacts::of(&users, first)));
        }
        let server = self.installation.serve()?;
        let load = Load::begin(&self.installation, &server, works, &mut self.dice)?;
        self.let_it_live();
        let torn = torn::tear(&self.installation, &server, &mut self.dice)?;
        self.let_it_live();
        server.kill()?;
        let outcome = load.end()?;
        let wrong_copy = torn.judge(&self.installation)?;
        findings.torn += 1;
        findings.bad_torn += u32::from(tell(self.installation.folder(), "a torn copy", &wrong_copy)?);
        findings.acknowledged += outcome.acknowledged;
        let mut wrong = outcome.wrong;
        self.works = outcome.works;
        let server = self.installation.serve()?;
        // Every other time it is killed again before the claims of the dead relay have ended.
        wrong.extend(self.look(&server, round % 2 == 1)?);
        self.past.extend(self.works.split_off(lasting));
        server.kill()?;
        Ok(wrong)
    }

    /// The moment of a kill is a matter of chance.
    fn let_it_live(&mut self) {
        sleep(Duration::from_millis(self.dice.below(LIFE / 2)));
    }

    /// Compares a server with the ledgers, and its log with what must be there by now or, when it is awaited, soon.
    fn look(&mut self, server: &Server, awaits_events: bool) -> anyhow::Result<Vec<String>> {
        let mut connection = self.installation.connect(server)?;
        let mut wrong = Vec::new();
        // Sessions first: what was not acknowledged is told again only for a while.
        for work in self.works.iter_mut().rev() {
            wrong.extend(work.verify(&mut connection)?);
            work.expect(&mut self.expected);
        }
        let begun = Instant::now();
        loop {
            wrong.extend(self.log.follow(&mut connection)?);
            let missing = self.log.missing(&self.expected);
            if missing.is_empty() || !awaits_events {
                break;
            }
            if begun.elapsed() > EVENTS_COME_WITHIN {
                wrong.extend(missing);
                break;
            }
            sleep(Duration::from_millis(50));
        }
        wrong.extend(self.log.surplus(&self.expected));
        Ok(wrong)
    }

    /// After the last kill: everything of all rounds, and the whole log once more.
    fn end(&mut self) -> anyhow::Result<Vec<String>> {
        let server = self.installation.serve()?;
        self.works.append(&mut self.past);
        let mut wrong = self.look(&server, true)?;
        let mut again = Log::default();
        wrong.extend(again.follow(&mut self.installation.connect(&server)?)?);
        if !again.is_like(&self.log) {
            wrong.push("the log reads otherwise than before".to_owned());
        }
        server.kill()?;
        let integrity = torn::integrity(&self.installation.data())?;
        if integrity != "ok" {
            wrong.push(format!("integrity_check: {integrity}"));
        }
        Ok(wrong)
    }
}
