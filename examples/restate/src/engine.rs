//! The engine: a Restate server on this machine, in a process of its own, with its data in a folder.
//!
//! It listens on 127.0.0.1 only and sends no telemetry. It does ask GitHub for its newest version, which cannot be turned off; without a
//! connection to GitHub it works as well.

use std::env::consts::{ARCH, OS};
use std::error::Error;
use std::fs::{self, File};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use restate_sdk::ingress::{Client, RequestExecutor};
use scheduled_runs::client::{Clock as _, SystemClock};
use serde_json::{Value, json};
use tokio::process::Child;

pub(crate) type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

const VERSION: &str = "1.7.12";

/// Finds the server's program: the one that `RESTATE_SERVER` names, or the one of the npm package, which is downloaded once
/// (80 MB) to a folder below the target folder.
pub(crate) fn find() -> Result<PathBuf> {
    if let Some(program) = std::env::var_os("RESTATE_SERVER") {
        return Ok(program.into());
    }
    let target = match std::env::var_os("CARGO_TARGET_DIR") {
        Some(folder) => folder.into(),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("target"),
    };
    let folder = target.join(format!("restate-server-{VERSION}"));
    if !folder.exists() {
        let system = if OS == "macos" { "darwin" } else { OS };
        let arch = if ARCH == "aarch64" { "arm64" } else { "x64" };
        let package = format!("@restatedev/restate-server-{system}-{arch}@{VERSION}");
        say!("Downloading {package} from npm.");
        // The folder gets its name last, so that it is complete.
        let part = target.join(format!("restate-server-{}", std::process::id()));
        fs::create_dir_all(&part)?;
        let script = format!("npm pack --silent {package} && tar -xzf *.tgz && rm *.tgz");
        let output = Command::new("sh").args(["-c", &script]).current_dir(&part).output()?;
        if !output.status.success() {
            fs::remove_dir_all(part)?;
            let why = String::from_utf8_lossy(&output.stderr);
            return Err(why.trim().replace('\n', " ").into());
        }
        fs::rename(part, &folder)?;
    }
    Ok(folder.join("package/bin/restate-server"))
}

/// A running server. It is killed when it is dropped.
#[derive(Debug)]
pub(crate) struct Engine {
    program: PathBuf,
    folder: PathBuf,
    ports: [u16; 3],
    process: Child,
    http: Http,
}

impl Engine {
    pub(crate) async fn start(program: PathBuf, folder: PathBuf) -> Result<Self> {
        let ports = free_ports()?;
        let process = spawn(&program, &folder, ports)?;
        let http = Http(reqwest::Client::builder().no_proxy().build()?);
        let mut engine = Self { program, folder, ports, process, http };
        engine.become_ready().await?;
        Ok(engine)
    }

    /// Kills the server and starts it anew on the same data.
    pub(crate) async fn kill_and_restart(&mut self) -> Result<()> {
        self.process.kill().await?;
        self.process = spawn(&self.program, &self.folder, self.ports)?;
        self.become_ready().await
    }

    async fn become_ready(&mut self) -> Result<()> {
        let [ingress, admin, _] = self.ports;
        let mut left = vec![format!("{ingress}/restate/health"), format!("{admin}/health")];
        while let Some(path) = left.last() {
            if let Some(status) = self.process.try_wait()? {
                return Err(format!("the server ended: {status}").into());
            }
            match self.http.0.get(format!("http://127.0.0.1:{path}")).send().await {
                Ok(response) if response.status().is_success() => drop(left.pop()),
                _ => SystemClock::default().sleep(Duration::from_millis(100)).await,
            }
        }
        Ok(())
    }

    /// Makes the services at this URL known to the engine.
    pub(crate) async fn register(&self, url: &str) -> Result<()> {
        self.admin(Method::POST, "deployments", &json!({ "uri": url })).await.map(drop)
    }

    /// Administrates the engine.
    pub(crate) async fn admin(&self, method: Method, path: &str, body: &Value) -> Result<Value> {
        let url = format!("http://127.0.0.1:{}/{path}", self.ports[1]);
        let request = self.http.0.request(method, url).header("accept", "application/json");
        let response = request.json(body).send().await?;
        let (status, text) = (response.status(), response.text().await?);
        if !status.is_success() {
            return Err(format!("the engine answered {status} to /{path}: {text}").into());
        }
        Ok(if text.is_empty() { Value::Null } else { serde_json::from_str(&text)? })
    }

    /// A client of the engine's services.
    pub(crate) fn client(&self) -> Result<Client<Http>> {
        let url = format!("http://127.0.0.1:{}", self.ports[0]).parse()?;
        Ok(Client::new(url, self.http.clone())?)
    }
}

/// Ports that are free now: for the services' callers, for administration, for other servers.
fn free_ports() -> Result<[u16; 3]> {
    let bind = || TcpListener::bind("127.0.0.1:0");
    let sockets = [bind()?, bind()?, bind()?];
    let [a, b, c] = sockets.each_ref().map(TcpListener::local_addr);
    Ok([a?.port(), b?.port(), c?.port()])
}

fn spawn(program: &Path, folder: &Path, [ingress, admin, node]: [u16; 3]) -> Result<Child> {
    fs::create_dir_all(folder)?;
    let log = File::options().create(true).append(true).open(folder.join("server.log"))?;
    let process = tokio::process::Command::new(program)
        .args(["--no-logo", "--node-name", "example"])
        .env("RESTATE_BASE_DIR", folder)
        .env("RESTATE_DISABLE_TELEMETRY", "true")
        .env("RESTATE_LISTEN_MODE", "tcp")
        .env("RESTATE_BIND_IP", "127.0.0.1")
        .env("RESTATE_ADVERTISED_HOST", "127.0.0.1")
        .env("RESTATE_BIND_PORT", node.to_string())
        .env("RESTATE_INGRESS__BIND_PORT", ingress.to_string())
        .env("RESTATE_ADMIN__BIND_PORT", admin.to_string())
        // The least that works: it starts faster and uses less memory.
        .env("RESTATE_DEFAULT_NUM_PARTITIONS", "1")
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .kill_on_drop(true)
        .spawn();
    Ok(process.map_err(|why| format!("{}: {why}", program.display()))?)
}

/// Sends requests of the SDK's clients. The SDK has this as a feature, which also brings TLS.
#[derive(Clone, Debug)]
pub(crate) struct Http(reqwest::Client);

impl RequestExecutor for Http {
    type Error = reqwest::Error;

    async fn execute(
        &self,
        request: http::Request<Bytes>,
    ) -> reqwest::Result<http::Response<Bytes>> {
        let mut response = self.0.execute(request.try_into()?).await?;
        let mut answer = http::Response::new(Bytes::new());
        *answer.status_mut() = response.status();
        *answer.headers_mut() = std::mem::take(response.headers_mut());
        *answer.body_mut() = response.bytes().await?;
        Ok(answer)
    }
}
