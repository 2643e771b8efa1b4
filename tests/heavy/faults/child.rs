//! One test in a process of its own: for what a process has only once, its environment and its memory.

use std::process::Stdio;

use tokio::process::Command;

/// Runs this test, which is ignored otherwise, with these variables and no others. Its output, if it succeeds.
pub(crate) async fn run(name: &str, variables: &[(&str, String)]) -> String {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--ignored", "--nocapture", "--test-threads=1"])
        .env_clear()
        .envs(variables.iter().map(|(variable, value)| (variable, value)))
        .env("FAULTS_CHILD", "1")
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .unwrap();
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8(text).unwrap();
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
    text
}

/// Whether this process is such a child: whoever asks for all ignored tests is none.
pub(crate) fn is_one() -> bool {
    std::env::var_os("FAULTS_CHILD").is_some()
}
