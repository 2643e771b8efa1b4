//! A Postgres of its own, in a temporary folder. It stops when it is dropped.

use std::net::SocketAddr;
use std::os::unix::fs::{MetadataExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use std::{env, fs};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sqlx::{Connection as _, PgConnection};
use tokio::time::sleep;

pub struct Postgres {
    server: Child,
    folder: PathBuf,
    pub address: SocketAddr,
}

impl Postgres {
    /// Or else why there is none.
    pub async fn start() -> Result<Self, String> {
        let folder = env::temp_dir().join(format!("job_queue_postgres_{}", std::process::id()));
        fs::create_dir(&folder).map_err(|error| format!("no temporary folder: {error}"))?;
        let started = Self::start_in(folder.clone()).await;
        if started.is_err() {
            let _ = fs::remove_dir_all(&folder);
        }
        started
    }

    async fn start_in(folder: PathBuf) -> Result<Self, String> {
        let (initdb, postgres) = (program("initdb")?, program("postgres")?);
        // Postgres refuses to run as root.
        let user = if fs::metadata("/proc/self").is_ok_and(|me| me.uid() == 0) {
            let (user, group) = other_user()?;
            chown(&folder, Some(user), Some(group)).map_err(|error| error.to_string())?;
            Some((user, group))
        } else {
            None
        };
        let command = |program: &Path| {
            let mut command = Command::new(program);
            command.arg("-D").arg(folder.join("data")).current_dir(&folder);
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            if let Some((user, group)) = user {
                command.gid(group).uid(user);
            }
            command
        };
        let arguments = ["--auth=trust", "--username=postgres", "--no-sync", "--encoding=UTF8"];
        match command(&initdb).args(arguments).status() {
            Ok(status) if status.success() => {}
            failed => return Err(format!("initdb fails: {failed:?}")),
        }
        let free =
            std::net::TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr());
        let address = free.map_err(|error| error.to_string())?;
        let port = address.port().to_string();
        let server = command(&postgres)
            .args(["-h", "127.0.0.1", "-p", &port, "-F", "-c", "max_connections=300", "-k"])
            .arg(&folder)
            .spawn()
            .map_err(|error| format!("postgres does not start: {error}"))?;
        let server = Self { server, folder, address };
        for _ in 0..300 {
            if PgConnection::connect(&url(address, "postgres")).await.is_ok() {
                return Ok(server);
            }
            sleep(Duration::from_millis(100)).await;
        }
        Err("postgres does not answer".to_owned())
    }

    pub async fn create_database(&self, name: &'static str) {
        let mut connection = PgConnection::connect(&url(self.address, "postgres")).await.unwrap();
        let sql = sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"));
        sqlx::query(sql).execute(&mut connection).await.unwrap();
    }
}

/// The address may be that of a proxy.
pub fn url(address: SocketAddr, database: &str) -> String {
    format!("postgres://postgres@{address}/{database}")
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // "Fast": it breaks the connections, and stops in good order.
        let _ = kill(Pid::from_raw(self.server.id().cast_signed()), Signal::SIGINT);
        let _ = self.server.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn program(name: &str) -> Result<PathBuf, String> {
    let debian = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut folders: Vec<_> = debian.map(|version| version.path().join("bin")).collect();
    folders.sort();
    let path = env::var_os("PATH").unwrap_or_default();
    let all = env::split_paths(&path).chain(folders.into_iter().rev());
    let mut found = all.map(|folder| folder.join(name)).filter(|file| file.is_file());
    found.next().ok_or_else(|| format!("there is no {name} here"))
}

/// User and group that a server may run as.
fn other_user() -> Result<(u32, u32), String> {
    let users = fs::read_to_string("/etc/passwd").map_err(|error| error.to_string())?;
    let find = |name: &str| {
        let line = users.lines().find(|line| line.split(':').next() == Some(name))?;
        let mut fields = line.split(':').skip(2).map(str::parse);
        Some((fields.next()?.ok()?, fields.next()?.ok()?))
    };
    find("postgres").or_else(|| find("nobody")).ok_or_else(|| "root, and no other user".to_owned())
}
