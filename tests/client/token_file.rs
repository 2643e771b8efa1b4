//! A token in a file that somebody else renews.
#![cfg(feature = "foundry")]

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use scheduled_runs::client::TokenFile;
use scheduled_runs::testing::{ManualClock, ScriptedTransport};
use scheduled_runs::{ErrorKind, Phase, Result, RunProviderExt as _, foundry};

const BUILD: &str = r#"{"rid":"ri.foundry.main.build.1"}"#;

/// A file that is removed at the end.
struct File(PathBuf);

impl File {
    fn of(name: &str, text: &str) -> Self {
        let name = format!("scheduled_runs_{}_{name}", std::process::id());
        let file = Self(std::env::temp_dir().join(name));
        file.write(text);
        file
    }

    fn write(&self, text: &str) {
        fs::write(&self.0, text).unwrap();
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

struct Subject {
    file: File,
    script: ScriptedTransport,
    clock: ManualClock,
    client: foundry::Client,
}

fn built(file: &File, script: &ScriptedTransport, clock: &ManualClock) -> Result<foundry::Client> {
    foundry::Client::builder()
        .hostname("example.palantirfoundry.com")
        .credential(TokenFile::new(&file.0, foundry::UserToken::new))
        .transport(script.clone())
        .clock(clock.clone())
        .build()
}

impl Subject {
    fn new(name: &str) -> Self {
        let (file, script) = (File::of(name, "canary-1\n"), ScriptedTransport::default());
        let clock = ManualClock::new();
        let client = built(&file, &script, &clock).unwrap();
        Self { file, script, clock, client }
    }

    /// The tokens of the requests that a call makes, and how it ends.
    async fn call(&self) -> (Vec<String>, Option<ErrorKind>) {
        let before = self.script.sent().len();
        let result = self.client.send(foundry::GetBuild::new("ri.foundry.main.build.1")).await;
        let error = result.err();
        if let Some(error) = &error {
            let shown = format!("{error} {error:?} {}", error.report());
            assert!(!shown.contains("canary"), "{shown}");
        }
        let sent = self.script.sent().split_off(before);
        let token = |request: &scheduled_runs::client::ApiRequest| {
            let value = request.headers()["authorization"].to_str().unwrap().to_owned();
            value.strip_prefix("Bearer ").unwrap().to_owned()
        };
        (sent.iter().map(token).collect(), error.map(|error| error.kind()))
    }
}

#[tokio::test]
async fn a_token_that_changes_is_used_a_second_later() {
    let subject = Subject::new("changes");
    (0..4).for_each(|_| subject.script.respond(200, BUILD));
    assert_eq!(subject.call().await, (vec!["canary-1".into()], None));
    subject.file.write("canary-2");
    assert_eq!(subject.call().await.0, ["canary-1"], "the file is read once a second at most");
    subject.clock.advance(Duration::from_secs(1));
    assert_eq!(subject.call().await.0, ["canary-2"]);
    subject.file.write("canary-3\r\n");
    subject.clock.advance(Duration::from_secs(1));
    assert_eq!(subject.call().await.0, ["canary-3"]);
    assert!(!format!("{:?}", subject.client).contains("canary"));
}

#[tokio::test]
async fn a_refused_token_is_read_again_at_once_and_retried_if_it_has_changed() {
    let subject = Subject::new("refused");
    subject.script.respond(200, BUILD);
    subject.call().await;
    subject.file.write("canary-2");
    subject.script.respond(401, "");
    subject.script.respond(200, BUILD);
    assert_eq!(subject.call().await, (vec!["canary-1".into(), "canary-2".into()], None));
    // Nobody has renewed it: the same token is not sent again.
    subject.script.respond(401, "");
    assert_eq!(subject.call().await, (vec!["canary-2".into()], Some(ErrorKind::Auth)));
}

#[tokio::test]
async fn a_file_that_is_gone_or_half_written_leaves_the_last_token() {
    let subject = Subject::new("gone");
    subject.script.respond(200, BUILD);
    subject.call().await;
    for text in ["", "\n", "Bearer canary-2", "canary\n2"] {
        subject.file.write(text);
        subject.clock.advance(Duration::from_secs(1));
        subject.script.respond(200, BUILD);
        assert_eq!(subject.call().await, (vec!["canary-1".into()], None), "{text:?}");
    }
    fs::remove_file(&subject.file.0).unwrap();
    subject.clock.advance(Duration::from_secs(1));
    subject.script.respond(200, BUILD);
    assert_eq!(subject.call().await, (vec!["canary-1".into()], None));
    // The last token is refused: the error says that there is no file.
    subject.script.respond(401, "");
    let request = foundry::GetBuild::new("ri.foundry.main.build.1");
    let error = subject.client.send(request).await.unwrap_err();
    assert!(error.report().contains("cannot be read: entity not found"), "{}", error.report());
    // The file is back with the same token: the vendor alone refuses it, and nothing else is wrong.
    subject.file.write("canary-1");
    subject.clock.advance(Duration::from_secs(1));
    subject.script.respond(401, "");
    let request = foundry::GetBuild::new("ri.foundry.main.build.1");
    let error = subject.client.send(request).await.unwrap_err();
    assert!(!error.report().contains("cannot be read"), "{}", error.report());
    subject.file.write("canary-2");
    subject.clock.advance(Duration::from_secs(1));
    subject.script.respond(200, BUILD);
    assert_eq!(subject.call().await.0, ["canary-2"]);
}

#[tokio::test]
async fn a_wait_goes_on_while_the_token_in_the_file_is_stale() {
    let subject = Subject::new("stale");
    let run = foundry::target("ri.scheduler.main.schedule.1").run("ri.scheduler.main.run.1");
    let listed = |result: &str| {
        format!(
            r#"{{"data":[{{"rid":"ri.scheduler.main.run.1","scheduleRid":"ri.scheduler.main.schedule.1","result":{result}}}]}}"#
        )
    };
    subject.script.respond(200, listed("null"));
    subject.script.respond(401, "");
    subject.script.respond(200, listed(r#"{"type":"ignored"}"#));
    let done = subject.client.wait(&run).await.unwrap();
    assert_eq!((done.phase, subject.script.sent().len()), (Phase::Skipped, 3));

    // A token that may not do it is not stale.
    subject.script.respond(200, listed("null"));
    subject.script.respond(403, "");
    assert_eq!(subject.client.wait(&run).await.unwrap_err().kind(), ErrorKind::Denied);
    assert_eq!(subject.script.sent().len(), 5);
}

#[test]
fn a_token_of_64_kib_is_read_and_a_debug_print_shows_only_its_file() {
    let (script, clock) = (ScriptedTransport::default(), ManualClock::new());
    let file = File::of("long", &"canary__".repeat(8 * 1024));
    built(&file, &script, &clock).unwrap();
    file.write(&"canary__".repeat(8 * 1024 + 1));
    assert_eq!(built(&file, &script, &clock).unwrap_err().kind(), ErrorKind::Config);
    let shown = format!("{:?}", TokenFile::new(&file.0, foundry::UserToken::new));
    assert!(shown.contains(file.0.to_str().unwrap()) && !shown.contains("canary"), "{shown}");
}

#[test]
fn a_client_is_not_built_without_a_token() {
    let (script, clock) = (ScriptedTransport::default(), ManualClock::new());
    let file = File::of("missing", "");
    for (text, says) in [
        (Some(String::new()), "token is empty"),
        (Some("Bearer canary".to_owned()), "without the word Bearer"),
        (Some("canary".repeat(20_000)), "cannot be read: file too large"),
        (None, "cannot be read: entity not found"),
    ] {
        match text {
            Some(text) => file.write(&text),
            None => fs::remove_file(&file.0).unwrap(),
        }
        let error = built(&file, &script, &clock).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        let shown = format!("{error} {error:?}");
        assert!(shown.contains(says) && !shown.contains("canary"), "{shown}");
    }
}
