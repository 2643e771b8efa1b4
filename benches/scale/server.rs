//! A server on loopback with lists of any length. It runs in another process than the measured code.

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

/// The vendor that the server imitates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Vendor {
    ArcGis,
    Mode,
    Foundry,
    Adobe,
}

impl Vendor {
    pub(crate) fn named(name: &str) -> Self {
        let all = [Self::ArcGis, Self::Mode, Self::Foundry, Self::Adobe];
        all.into_iter().find(|vendor| format!("{vendor:?}") == name).unwrap()
    }
}

/// A list, as the first segment of a path names it: `/VENDOR-TOTAL-SIZE-DELAY/…`.
#[derive(Clone, Copy)]
pub(crate) struct List {
    pub(crate) vendor: Vendor,
    /// Runs of the whole list.
    pub(crate) total: usize,
    /// Runs of a page.
    pub(crate) size: usize,
    /// Milliseconds before the response.
    pub(crate) delay: u64,
}

impl List {
    pub(crate) fn url(self, server: &str) -> String {
        let Self { vendor, total, size, delay } = self;
        format!("{server}/{vendor:?}-{total}-{size}-{delay}")
    }

    fn of(path: &str) -> Self {
        let mut parts = path.split('/').nth(1).unwrap().split('-');
        let vendor = Vendor::named(parts.next().unwrap());
        let mut number = || parts.next().unwrap().parse().unwrap();
        Self { vendor, total: number(), size: number(), delay: number() as u64 }
    }

    /// The page that this path names, or one run of Adobe's.
    fn body(self, path: &str) -> String {
        let Self { vendor, total, size, .. } = self;
        let parameter = |name| {
            let (_, value) = path.split_once(name)?;
            value.split('&').next()?.parse::<usize>().ok()
        };
        let first = match vendor {
            Vendor::ArcGis => parameter("start=").unwrap_or(0),
            Vendor::Mode => (parameter("page=").unwrap_or(1) - 1) * size,
            Vendor::Foundry => parameter("pageToken=").unwrap_or(0),
            Vendor::Adobe if !path.contains('?') => return self.items(0..1),
            Vendor::Adobe => 0,
        };
        let end = (first + size).min(total);
        let items = self.items(first..end);
        match vendor {
            Vendor::ArcGis => {
                let next = if end < total { end } else { 0 };
                format!(
                    r#"{{"result":[{items}],"total":{total},"num":{size},"start":{first},"nextStart":{next}}}"#
                )
            }
            Vendor::Mode => {
                let (page, pages) = (first / size + 1, total.div_ceil(size));
                format!(
                    r#"{{"pagination":{{"page":{page},"per_page":{size},"count":{size},"total_pages":{pages},"total_count":{total}}},"_links":{{}},"_embedded":{{"report_runs":[{items}]}}}}"#
                )
            }
            Vendor::Foundry if end < total => {
                format!(r#"{{"data":[{items}],"nextPageToken":"{end}"}}"#)
            }
            Vendor::Foundry => format!(r#"{{"data":[{items}]}}"#),
            Vendor::Adobe => {
                format!(r#"{{"runsSchedules":[{items}],"_page":{{"count":{size}}},"_links":{{}}}}"#)
            }
        }
    }

    fn items(self, numbers: std::ops::Range<usize>) -> String {
        let mut items = String::with_capacity(numbers.len() * 600);
        for number in numbers {
            if !items.is_empty() {
                items.push(',');
            }
            self.item(&mut items, number).unwrap();
        }
        items
    }

    fn item(self, text: &mut String, number: usize) -> std::fmt::Result {
        let (hour, minute) = (number / 60 % 24, number % 60);
        let time = format!("2026-03-01T{hour:02}:{minute:02}:17.362Z");
        match self.vendor {
            Vendor::ArcGis => write!(
                text,
                r#"{{"result":"Done.","task":{{"id":"t1","type":"BACKUP","taskTitle":"backup","cronExpression":"0 0 * * * ?","active":true,"created":"Mar 1, 2026, 3:00:17 AM","lastStart":"Mar 1, 2026, 3:00:00 AM","maxOccurrences":-1}},"created":"Mar 1, 2026, 3:00:31 AM","modified":"Mar 1, 2026, 3:00:31 AM","runId":"{number:032}","url":"","status":"succeeded"}}"#
            ),
            Vendor::Mode => write!(
                text,
                r#"{{"token":"{number:012}","state":"succeeded","parameters":{{"region":"north"}},"created_at":"{time}","updated_at":"{time}","completed_at":"{time}","python_state":"none","is_latest_report_run":false,"_links":{{"executed_by":{{"href":"/api/jane"}},"query_runs":{{"href":"/api/acme/reports/r1/runs/{number:012}/query_runs"}},"report":{{"href":"/api/acme/reports/r1"}},"self":{{"href":"/api/acme/reports/r1/runs/{number:012}"}}}}}}"#
            ),
            Vendor::Foundry => write!(
                text,
                r#"{{"rid":"ri.scheduler.main.run.6b2d4f60-11aa-4c52-9a4e-{number:012}","scheduleRid":"ri.scheduler.main.schedule.0c9a3c0e-7a53-4a57-8a1a-5d0f6f1b2c3d","scheduleVersionRid":"ri.scheduler.main.schedule-version.9e8d7c6b-5a49-4838-a7b6-c5d4e3f2a1b0","createdTime":"{time}","createdBy":"5b6f7e8d-1c2b-4a39-8877-665544332211","result":{{"type":"submitted","buildRid":"ri.foundry.main.build.2f3e4d5c-6b7a-4899-a8b7-{number:012}"}}}}"#
            ),
            Vendor::Adobe => write!(
                text,
                r#"{{"state":"IN_PROGRESS","version":1,"id":"run-{number}","externalTrigger":"false","created":"{time}","_links":{{"self":{{"href":"https://platform.adobe.io/data/foundation/query/schedules/nightly/runs/run-{number}","method":"GET"}}}}}}"#
            ),
        }
    }
}

/// Starts the server. Returns its URL, to which [`List::url`] adds a path.
pub(crate) fn start() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().map(Result::unwrap) {
            thread::spawn(move || serve(&stream));
        }
    });
    format!("http://{address}")
}

fn serve(mut stream: &TcpStream) {
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
        let path = String::from_utf8_lossy(&head[..end]).split(' ').nth(1).unwrap().to_owned();
        head.drain(..end + 4);
        let list = List::of(&path);
        thread::sleep(Duration::from_millis(list.delay));
        let body = list.body(&path);
        let response = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        if stream.write_all(response.as_bytes()).is_err() {
            return;
        }
    }
}
