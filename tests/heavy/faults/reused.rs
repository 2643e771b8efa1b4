//! Servers that make a connection useless as soon as it is idle: row 73.

use std::time::Duration;

use http::Method;
use scheduled_runs::adobe::TriggerRun;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::{assert_no_canary, builder};

/// What the server does after it has responded.
#[derive(Clone, Copy, Debug)]
enum After {
    /// Closes the connection a millisecond later.
    Closes,
    /// Sends a second response that nobody asked for.
    RespondsAgain,
}

/// Each response names the schedule of its request.
fn response(name: &str) -> String {
    let body = format!(r#"{{"message":"{name}","statusCode":202}}"#);
    format!("HTTP/1.1 202 Accepted\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

async fn serve(mut stream: TcpStream, after: After) -> std::io::Result<()> {
    let mut read = Vec::new();
    loop {
        while !read.windows(4).any(|end| end == b"\r\n\r\n") {
            if stream.read_buf(&mut read).await? == 0 {
                return Ok(());
            }
        }
        let head = String::from_utf8_lossy(&read).into_owned();
        read.clear();
        let name = head.split('/').nth(2).unwrap_or_default();
        stream.write_all(response(name).as_bytes()).await?;
        match after {
            After::Closes => {
                tokio::time::sleep(Duration::from_millis(1)).await;
                return stream.shutdown().await;
            }
            After::RespondsAgain => {
                tokio::time::sleep(Duration::from_micros(200)).await;
                stream.write_all(response("nobody").as_bytes()).await?;
            }
        }
    }
}

async fn server(after: After) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, after));
        }
    });
    base
}

#[tokio::test]
async fn fault_73_triggers_meet_no_connection_that_was_closed_and_no_response_of_another_one() {
    for after in [After::Closes, After::RespondsAgain] {
        let client = builder().base_url(server(after).await).build().unwrap();
        for number in 0..100 {
            // Leaves a connection behind that is about to be useless.
            let read = client.raw(Method::GET, &["schedules", "read"]).send_as::<Value>().await;
            drop(read);
            let name = format!("n{number}");
            let accepted = client.send(TriggerRun::new(&*name)).await.unwrap_or_else(|error| {
                assert_no_canary(&error, &client);
                panic!("{after:?}: {}", error.report())
            });
            assert_eq!(accepted.message.as_deref(), Some(&*name), "{after:?}");
            assert_eq!(accepted.meta().attempts.len(), 1, "{after:?}");
        }
    }
}
