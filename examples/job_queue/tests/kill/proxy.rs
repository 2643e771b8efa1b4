//! A proxy that delays what comes back: then there is time to kill a worker between what it has done and what it knows.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;

/// The longest delays, in milliseconds. One answer in eight is rare.
#[derive(Clone, Copy)]
pub struct Delays {
    pub request: u64,
    pub usual: u64,
    pub rare: u64,
}

/// Starts a proxy in front of this address, and returns its own.
pub async fn start(upstream: SocketAddr, delays: Delays) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(async move {
                // A worker that is killed breaks connections.
                if let Ok(server) = TcpStream::connect(upstream).await {
                    client.set_nodelay(true).unwrap();
                    server.set_nodelay(true).unwrap();
                    let (from_client, to_client) = client.into_split();
                    let (from_server, to_server) = server.into_split();
                    tokio::spawn(copy(from_client, to_server, move || {
                        fastrand::u64(..=delays.request)
                    }));
                    tokio::spawn(copy(from_server, to_client, move || match fastrand::u8(..8) {
                        0 => fastrand::u64(..=delays.rare),
                        _ => fastrand::u64(..=delays.usual),
                    }));
                }
            });
        }
    });
    address
}

/// Copies until one side closes. What was read is written, even if the reader of the other direction is gone.
async fn copy(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, delay: impl Fn() -> u64) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        sleep(Duration::from_millis(delay())).await;
        if to.write_all(&buffer[..length]).await.is_err() {
            break;
        }
    }
}
