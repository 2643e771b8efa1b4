//! A server on loopback that responds at once with prepared bytes. It runs in another process than the measured code.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use crate::shapes::{PageOf, Shape};

/// Starts the server. Returns its URL, to which [`Site::url`] adds a path.
pub(crate) fn start() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let made = Arc::new(Mutex::new(HashMap::new()));
    thread::spawn(move || {
        for stream in listener.incoming().map(Result::unwrap) {
            let made = Arc::clone(&made);
            thread::spawn(move || serve(&stream, &made));
        }
    });
    format!("http://{address}")
}

/// The list that the first segment of a path names: `/SHAPE-SIZE-TOTAL-DELAY/…`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Site {
    pub(crate) shape: Shape,
    /// Runs of a page.
    pub(crate) size: usize,
    /// Runs of the whole list.
    pub(crate) total: usize,
    /// Milliseconds before the response.
    pub(crate) delay: u64,
}

impl Site {
    pub(crate) fn url(self, server: &str) -> String {
        let Self { shape, size, total, delay } = self;
        format!("{server}/{}-{size}-{total}-{delay}", shape.name())
    }

    fn of(path: &str) -> Self {
        let mut parts = path.split('/').nth(1).unwrap().split('-');
        let shape = Shape::named(parts.next().unwrap());
        let mut number = || parts.next().unwrap().parse().unwrap();
        Self { shape, size: number(), total: number(), delay: number() as u64 }
    }
}

type Made = Mutex<HashMap<(Site, usize), Arc<[u8]>>>;

fn serve(mut stream: &TcpStream, made: &Made) {
    stream.set_nodelay(true).unwrap();
    let (mut head, mut piece) = (Vec::new(), [0; 16 * 1024]);
    loop {
        let end = loop {
            if let Some(end) = head.windows(4).position(|end| end == b"\r\n\r\n") {
                break end;
            }
            match stream.read(&mut piece) {
                Ok(0) | Err(_) => return,
                Ok(read) => head.extend_from_slice(&piece[..read]),
            }
        };
        let target = String::from_utf8_lossy(&head[..end]);
        let target = target.split(' ').nth(1).unwrap().to_owned();
        head.drain(..end + 4);
        let site = Site::of(&target);
        let first = site.shape.first_of(&target);
        thread::sleep(Duration::from_millis(site.delay));
        let bytes = match made.lock().unwrap().get(&(site, first)) {
            Some(bytes) => Arc::clone(bytes),
            None => response(site, first).into(),
        };
        if first == 0 {
            // Later pages are requested only once.
            made.lock().unwrap().entry((site, first)).or_insert_with(|| Arc::clone(&bytes));
        }
        if stream.write_all(&bytes).is_err() {
            return;
        }
    }
}

fn response(site: Site, first: usize) -> Vec<u8> {
    let body = site.shape.body(&PageOf { first, size: site.size, total: site.total });
    format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ndate: Sun, 01 Mar 2026 12:00:00 GMT\r\n\
         x-request-id: 4d64cd49-0b41-4c6a-9f7c-2d0a6c7b5e11\r\ncache-control: no-store\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}
