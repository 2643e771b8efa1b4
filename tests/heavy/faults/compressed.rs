//! Compressed answers, asked for and not: rows 25 and 26.

use std::io::Write as _;

use flate2::write::GzEncoder;
use flate2::{Compress, Compression, FlushCompress};
use scheduled_runs::client::{Limits, ReqwestTransport};
use scheduled_runs::{ClientBuilder, ErrorKind, adobe};

use crate::server::{Answer, Server, Then};
use crate::{
    RUNS, assert_both_fail, assert_both_fail_with, assert_no_canary, builder, child, client_of,
    read,
};

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::best());
    packed.write_all(bytes).unwrap();
    packed.finish().unwrap()
}

/// An answer whose body is said to be packed with gzip.
fn packed(status: &str, body: &[u8]) -> Answer {
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-encoding: gzip\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    Answer::new([head.as_bytes(), body].concat(), Then::Keep)
}

/// A client that asks for gzip and unpacks it, which takes a transport with a builder of one's own.
fn unpacking() -> ClientBuilder<adobe::Adobe> {
    let http = || reqwest::Client::builder().no_proxy().gzip(true);
    builder().transport(ReqwestTransport::from_builder(http).unwrap())
}

#[tokio::test]
async fn fault_25_a_packed_answer_that_is_cut_or_broken_is_a_broken_connection() {
    let whole = gzip(RUNS.as_bytes());
    let changed = |place: usize| {
        let mut bytes = whole.clone();
        bytes[place] ^= 0xff;
        bytes
    };
    let end = whole.len();
    for (what, body) in [
        ("cut in the middle", whole[..end / 2].to_vec()),
        ("without its last byte", whole[..end - 1].to_vec()),
        ("without its checksum", whole[..end - 8].to_vec()),
        ("not gzip at all", RUNS.as_bytes().to_vec()),
        ("broken in the middle", changed(end / 2)),
        ("with another checksum", changed(end - 6)),
        ("with another length", changed(end - 2)),
    ] {
        let answer = packed("200 OK", &body);
        let errors =
            assert_both_fail_with(unpacking, answer, ErrorKind::Interrupted, 3, true).await;
        assert!(errors.iter().all(|error| error.status().unwrap() == 200), "{what}");
    }

    let server = Server::start([packed("200 OK", &whole)]).await;
    let client = unpacking().base_url(server.url()).build().unwrap();
    assert_eq!(client.send(read()).await.unwrap().items.len(), 2);
    assert!(server.requests()[0].head.contains("accept-encoding: gzip\r\n"));
}

#[tokio::test]
async fn fault_25_an_answer_that_is_packed_although_nobody_asked_for_it_is_said_to_be() {
    for body in [gzip(RUNS.as_bytes()), gzip(RUNS.as_bytes())[..9].to_vec(), RUNS.into()] {
        let answer = packed("200 OK", &body);
        let kind = ErrorKind::UnexpectedContent;
        for error in assert_both_fail(answer, Limits::default(), kind, 1, true).await {
            assert!(error.to_string().contains("compressed (gzip)"), "{error}");
            assert_eq!(error.body(), &body[..], "whoever can unpack it has it");
        }
    }
    // It was asked not to be, whatever features of reqwest are on.
    let server = Server::start([Answer::json("200 OK\r\ncontent-encoding: identity", RUNS)]).await;
    assert_eq!(client_of(&server).send(read()).await.unwrap().items.len(), 2);
    assert!(server.requests()[0].head.contains("accept-encoding: identity\r\n"));
}

#[tokio::test]
async fn fault_25_a_failure_is_told_by_its_status_although_its_body_is_packed() {
    let body = gzip(br#"{"message":"canary"}"#);
    let busy = packed("503 Busy", &body);
    assert_both_fail(busy, Limits::default(), ErrorKind::Server, 3, true).await;
    let denied = packed("403 Forbidden", &body);
    assert_both_fail(denied, Limits::default(), ErrorKind::Denied, 1, false).await;
    // Nothing is nothing, packed or not.
    let server = Server::start([packed("204 No Content", b"")]).await;
    let client = client_of(&server);
    client.raw(http::Method::DELETE, &["schedules", "a"]).send().await.unwrap();
}

const CAP: usize = 8 << 20;

/// A gigabyte of blanks as about a megabyte, of which only the checksum is missing.
fn bomb() -> Answer {
    // After a full flush nothing refers to what came before: the same bytes can come again.
    let blanks = vec![b' '; 1 << 20];
    let (mut packer, mut block) =
        (Compress::new(Compression::best(), false), Vec::with_capacity(1 << 16));
    packer.compress_vec(&blanks, &mut block, FlushCompress::Full).unwrap();
    assert_eq!(packer.total_in(), 1 << 20);
    // The head of a gzip file: deflate, no name, no time.
    let head = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 2, 255];
    packed("200 OK", &[&head[..], &block.repeat(1 << 10)].concat())
}

#[tokio::test]
async fn fault_26_an_answer_that_unpacks_to_more_than_the_cap_is_cut_off() {
    let limits = || Limits::default().max_body(1 << 20);
    let client = || unpacking().limits(limits());
    let bomb = bomb();
    assert_both_fail_with(client, bomb.clone(), ErrorKind::TooLarge, 1, true).await;
    // Who does not unpack has nothing to fear.
    let kind = ErrorKind::UnexpectedContent;
    assert_both_fail(bomb, Limits::default(), kind, 1, true).await;
    // Short of the cap, and longer than it when it is packed no more.
    let exact = format!("{RUNS}{}", " ".repeat((1 << 20) - RUNS.len()));
    let server = Server::start([packed("200 OK", &gzip(exact.as_bytes()))]).await;
    let fits = client().base_url(server.url()).build().unwrap();
    assert_eq!(fits.send(read()).await.unwrap().items.len(), 2);
    let over = packed("200 OK", &gzip(format!("{exact} ").as_bytes()));
    assert_both_fail_with(client, over, ErrorKind::TooLarge, 1, true).await;
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn fault_26_what_unpacks_to_more_than_the_cap_takes_no_more_memory_than_the_cap() {
    child::run("compressed::memory_of_a_bomb", &[]).await;
}

/// The most memory that this process ever had, in bytes.
#[cfg(target_os = "linux")]
fn peak() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().trim().parse::<usize>().unwrap() << 10
}

#[cfg(target_os = "linux")]
#[tokio::test]
#[ignore = "measures its own process: run by fault_26"]
async fn memory_of_a_bomb() {
    if !child::is_one() {
        return;
    }
    let server = Server::start([packed("200 OK", &gzip(RUNS.as_bytes())), bomb()]).await;
    let limits = Limits::default().max_body(CAP);
    let client = unpacking().base_url(server.url()).limits(limits).build().unwrap();
    client.send(read()).await.unwrap();
    let before = peak();
    let error = client.send(read()).await.unwrap_err();
    assert_eq!((error.kind(), server.requests().len()), (ErrorKind::TooLarge, 2));
    let grown = peak() - before;
    assert!(grown <= CAP + (1 << 20), "{grown} bytes");
    assert_no_canary(&error, &client);
}
