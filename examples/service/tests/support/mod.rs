//! The service as a process, as its users have it.
#![allow(dead_code, reason = "each test uses a part of it")]

use std::path::Path;
use std::process::Stdio;

use reqwest::{Client, Method, RequestBuilder};
use run_service::demo::variables;
use scheduled_runs::testing::adobe::FakeAdobe;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

pub struct Service {
    pub process: Child,
    pub url: String,
    client: Client,
}

impl Service {
    pub async fn start(fake: &FakeAdobe, table: &Path) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_run_service"))
            .args(["--serve", "127.0.0.1:0", "--table"])
            .arg(table)
            .envs(variables(fake))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut output = BufReader::new(process.stdout.take().unwrap()).lines();
        let line = output.next_line().await.unwrap().expect("the service has ended");
        let url = line.strip_prefix("serving at ").unwrap().to_owned();
        Self { process, url, client: Client::new() }
    }

    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.url))
    }

    /// Starts a run of a target, or asks again.
    pub fn post(&self, key: &str, target: &str) -> RequestBuilder {
        let path = format!("/targets/{target}/runs");
        self.request(Method::POST, &path).header("idempotency-key", key)
    }

    pub async fn get(&self, path: &str) -> (u16, Value) {
        read(self.request(Method::GET, path)).await
    }

    /// Asks until the run of this key is no longer in one of these states.
    pub async fn wait(&self, key: &str, passing: &[&str]) -> Value {
        for _ in 0..1200 {
            let (_, status) = self.get(&format!("/runs/{key}")).await;
            if !passing.contains(&status["state"].as_str().unwrap()) {
                return status;
            }
            pause(50).await;
        }
        panic!("the run of {key} does not end")
    }
}

/// The status and the body.
pub async fn read(request: RequestBuilder) -> (u16, Value) {
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    (status, response.json().await.unwrap())
}

#[allow(clippy::disallowed_methods, reason = "another process lives in real time")]
pub async fn pause(milliseconds: u64) {
    tokio::time::sleep(std::time::Duration::from_millis(milliseconds)).await;
}

/// The target as it stands in a path.
pub fn segment(fake: &FakeAdobe, schedule: &str) -> String {
    fake.client_builder().build().unwrap().target(schedule).path_segment()
}

/// A folder of its own for each test.
pub fn folder(name: &str) -> std::path::PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join(format!("{name}-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    folder
}
