//! Triggers a run at a fake of Adobe, waits for its end, and prints how it ended. To begin your own program with it, copy it, and
//! run `cargo add scheduled-runs --features testing` and `cargo add tokio --features macros,rt-multi-thread`.

use std::io::{Write as _, stdout};
use std::time::Duration;

use scheduled_runs::testing::adobe::FakeAdobe;
use scheduled_runs::{Result, RunProviderExt as _, adobe};

#[tokio::main]
async fn main() -> Result<()> {
    let fake = FakeAdobe::start().await; // your account is `adobe::Client::builder()`
    let client = fake.client_builder().build()?;
    let run = client.trigger(&adobe::target("nightly-orders")).await?;
    // Unlike `println!`, this does not panic if nobody reads the output any more, as after `| head -1`.
    writeln!(stdout(), "run: {run}").ok();
    let done = client.wait(&run).every(Duration::from_secs(1)).await?;
    writeln!(stdout(), "ended: {}", done.phase).ok();
    if let Some(why) = done.failure {
        writeln!(stdout(), "because: {why}").ok();
    }
    Ok(())
}
