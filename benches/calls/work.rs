//! Makes one kind of call many times, in a separate process that prints the cost.

use std::hint::black_box;
use std::time::Instant;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, HOST, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response};
use http_body_util::{BodyExt as _, Empty};
use hyper_util::rt::TokioIo;
use scheduled_runs::client::{
    Api, ApiRequest, Bearer, BodyLimits, Endpoint, Limits, PagedEndpoint, Transport, TransportError,
};
use scheduled_runs::{Client, ClientBuilder, Page, adobe, arcgis, foundry, mode, supermetrics};
use serde_json::Value;

use crate::shapes::{
    AdobeRuns, ArcGisRuns, FoundryRuns, FullRuns, List, ModeList, PageOf, Shape, SupermetricsRuns,
};

const TOKEN: &str = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJzZXJ2aWNlIn0.c2lnbmF0dXJl";
const AGENT: &str = "my-program/1.0";

/// Who makes the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    /// reqwest and `.json()`, written by hand: the others are compared to this.
    Reqwest,
    /// `client.send(request)`.
    Send,
    /// The same with `on_drift`, which decodes each response twice.
    Drift,
    /// `client.items(request)`, to the end of the page.
    Items,
    /// hyper on an open connection, and `from_slice`: the minimum.
    Hyper,
    /// reqwest, a `serde_json::Value`, and the type made from it.
    Value,
}

impl Who {
    pub(crate) const LIST: [Self; 5] =
        [Self::Reqwest, Self::Send, Self::Items, Self::Hyper, Self::Value];

    pub(crate) fn named(name: &str) -> Self {
        Self::LIST.into_iter().chain([Self::Drift]).find(|who| format!("{who:?}") == name).unwrap()
    }
}

/// Which call is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// A list of a vendor's runs, as this crate's types.
    List(Shape),
    /// Adobe's runs as the caller's own type with every member, including links.
    Full,
    /// One run, as a wait polls it.
    Status,
    /// The same with a transport that has the response already.
    Core,
    /// The same without limits, retries and redaction: it makes the request with the same headers, sends it and decodes the response.
    Bare,
}

/// Makes the calls of one case: [`WARM`] calls that do not count, then `calls`.
pub(crate) struct Work {
    pub(crate) what: What,
    pub(crate) who: Who,
    pub(crate) url: String,
    pub(crate) calls: usize,
}

/// What the calls cost.
pub(crate) struct Cost {
    pub(crate) allocations: f64,
    pub(crate) median_us: f64,
}

const WARM: usize = 3;

impl Work {
    pub(crate) fn run(&self) -> Cost {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(self.of_shape())
    }

    async fn of_shape(&self) -> Cost {
        let url = &self.url;
        match self.what {
            What::List(Shape::Adobe) => {
                let builder = adobe_builder(url);
                let watched = self.who == Who::Drift;
                let builder = if watched { builder.on_drift(|_| ()) } else { builder };
                self.list::<_, AdobeRuns>(
                    builder.build().unwrap(),
                    adobe::ListRuns::new("nightly").limit(5000),
                    "/schedules/nightly/runs?orderby=%2Bcreated&limit=5000",
                )
                .await
            }
            What::List(Shape::Foundry) => {
                let rid = "ri.scheduler.main.schedule.1";
                let path = "/v2/orchestration/schedules/ri.scheduler.main.schedule.1/runs";
                self.list::<_, FoundryRuns>(
                    client(foundry::Client::builder(), url),
                    foundry::ListScheduleRuns::new(rid),
                    path,
                )
                .await
            }
            What::List(Shape::Mode) => {
                let builder = mode::Client::builder().workspace("acme");
                self.list::<_, ModeList>(
                    client(builder, &format!("{url}/acme")),
                    mode::ListReportRuns::new("f2lkg3hwjj9a"),
                    "/reports/f2lkg3hwjj9a/runs",
                )
                .await
            }
            What::List(Shape::ArcGis) => {
                self.list::<_, ArcGisRuns>(
                    client(arcgis::Client::builder(), url),
                    arcgis::ListTaskRuns::new("t1"),
                    "/admin/system/tasks/t1/runs?f=json",
                )
                .await
            }
            What::List(_) => {
                self.list::<_, SupermetricsRuns>(
                    client(supermetrics::Client::builder(), url),
                    supermetrics::ListHistory::new().limit(1000),
                    "/query/history?json=%7B%22offset%22%3A0%2C%22limit%22%3A1000%7D",
                )
                .await
            }
            What::Full => {
                let path = "/schedules/nightly/runs?orderby=%2Bcreated&limit=5000";
                if self.who != Who::Send {
                    return self.by_hand::<FullRuns>(path).await;
                }
                let client = adobe_client(url);
                self.times(async || {
                    let list = adobe::ListRuns::new("nightly").limit(5000);
                    client.send_as::<_, FullRuns>(list).await.unwrap().count()
                })
                .await
            }
            What::Status => {
                if self.who != Who::Send {
                    return self.by_hand::<adobe::Run>("/schedules/nightly/runs/c2No").await;
                }
                let client = adobe_client(url);
                self.times(async || {
                    client.send(adobe::GetRun::new("nightly", "c2No")).await.unwrap().count()
                })
                .await
            }
            What::Core | What::Bare => self.alone().await,
        }
    }

    /// Calls without a network.
    async fn alone(&self) -> Cost {
        let builder = adobe_builder("https://host/status-1-1-0").transport(Canned::new());
        let client = builder.build().unwrap();
        if self.what == What::Core {
            return self
                .times(async || {
                    client.send(adobe::GetRun::new("nightly", "c2No")).await.unwrap().count()
                })
                .await;
        }
        let (canned, base) = (Canned::new(), client.base_url());
        let response = client.send(adobe::GetRun::new("nightly", "c2No")).await.unwrap();
        let others = [(USER_AGENT.as_str(), AGENT), (AUTHORIZATION.as_str(), TOKEN)];
        let headers: Vec<(HeaderName, HeaderValue)> = self
            .headers()
            .chain(others)
            .map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value)))
            .collect();
        self.times(async || {
            let request = adobe::GetRun::new("nightly", "c2No");
            let outgoing = request.to_request(base).unwrap();
            let mut sent = HeaderMap::with_capacity(6);
            for (name, value) in &headers {
                sent.insert(name.clone(), value.clone());
            }
            let received = canned.respond(outgoing).await;
            assert!(received.status().is_success());
            let run = request.decode(response.meta(), received.body()).unwrap();
            drop((black_box(sent), received));
            run.count()
        })
        .await
    }

    async fn list<E, L>(&self, client: Client<E::Api>, request: E, path: &str) -> Cost
    where
        E: PagedEndpoint<Output = Page<<E as PagedEndpoint>::Item>>,
        L: List,
    {
        match self.who {
            Who::Send | Who::Drift => {
                self.times(async || client.send(request.clone()).await.unwrap().items.len()).await
            }
            Who::Items => {
                self.times(async || {
                    let mut items = client.items(request.clone());
                    let mut count = 0;
                    while let Some(item) = items.next().await {
                        black_box(item.unwrap());
                        count += 1;
                    }
                    count
                })
                .await
            }
            Who::Reqwest | Who::Hyper | Who::Value => self.by_hand::<L>(path).await,
        }
    }

    async fn by_hand<L: List>(&self, path: &str) -> Cost {
        let base = &self.url;
        if self.who == Who::Hyper {
            let host = base.strip_prefix("http://").unwrap();
            let (host, prefix) = host.split_once('/').unwrap();
            let stream = tokio::net::TcpStream::connect(host).await.unwrap();
            let (sender, connection) =
                hyper::client::conn::http1::handshake::<_, Empty<Bytes>>(TokioIo::new(stream))
                    .await
                    .unwrap();
            tokio::spawn(connection);
            let sender = tokio::sync::Mutex::new(sender);
            return self
                .times(async || {
                    let mut request = hyper::Request::get(format!("/{prefix}{path}"))
                        .header(HOST, host)
                        .header(USER_AGENT, AGENT)
                        .header(AUTHORIZATION, format!("Bearer {TOKEN}"));
                    for (name, value) in self.headers() {
                        request = request.header(name, value);
                    }
                    let request = request.body(Empty::<Bytes>::new()).unwrap();
                    let response = sender.lock().await.send_request(request).await.unwrap();
                    assert!(response.status().is_success());
                    let body = response.into_body().collect().await.unwrap().to_bytes();
                    serde_json::from_slice::<L>(&body).unwrap().count()
                })
                .await;
        }
        let client =
            reqwest::Client::builder().user_agent(AGENT).no_proxy().no_gzip().build().unwrap();
        self.times(async || {
            let mut request = client.get(format!("{base}{path}")).bearer_auth(TOKEN);
            for (name, value) in self.headers() {
                request = request.header(name, value);
            }
            let response = request.send().await.unwrap().error_for_status().unwrap();
            if self.who == Who::Value {
                let value: Value = response.json().await.unwrap();
                return serde_json::from_value::<L>(value).unwrap().count();
            }
            response.json::<L>().await.unwrap().count()
        })
        .await
    }

    /// The headers that the vendor requires besides the token: the same as this crate sends.
    fn headers(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        let adobe = !matches!(self.what, What::List(shape) if shape != Shape::Adobe);
        let others = [
            ("x-api-key", "key"),
            ("x-gw-ims-org-id", "0123@AdobeOrg"),
            ("x-sandbox-name", "prod"),
        ];
        std::iter::once((ACCEPT.as_str(), "application/json"))
            .chain(others.into_iter().filter(move |_| adobe))
    }

    async fn times(&self, mut call: impl AsyncFnMut() -> usize) -> Cost {
        let mut times = Vec::with_capacity(self.calls.max(1));
        for _ in 0..WARM {
            black_box(call().await);
        }
        let before = crate::allocations();
        for _ in 0..self.calls {
            let begun = Instant::now();
            black_box(call().await);
            times.push(begun.elapsed());
        }
        let allocations = crate::allocations() - before;
        times.sort_unstable();
        let median = times.get(times.len() / 2).copied().unwrap_or_default();
        Cost {
            allocations: allocations as f64 / self.calls.max(1) as f64,
            median_us: median.as_secs_f64() * 1e6,
        }
    }
}

pub(crate) fn client<A: Api>(builder: ClientBuilder<A>, url: &str) -> Client<A> {
    // Otherwise the calls would wait for the vendors' rate limits.
    let limits = Limits::default().paced(false);
    builder.base_url(url).credential(Bearer::new(TOKEN)).limits(limits).build().unwrap()
}

fn adobe_builder(url: &str) -> ClientBuilder<adobe::Adobe> {
    let credential = adobe::AccessToken::new("key", TOKEN);
    let builder = adobe::Client::builder().org_id("0123@AdobeOrg").sandbox("prod");
    builder.credential(credential).base_url(url).user_agent(AGENT)
}

fn adobe_client(url: &str) -> adobe::Client {
    adobe_builder(url).build().unwrap()
}

/// A transport that has its response already.
#[derive(Debug)]
struct Canned {
    headers: HeaderMap,
    body: Bytes,
}

impl Canned {
    fn new() -> Self {
        let headers = [
            ("content-type", "application/json"),
            ("date", "Sun, 01 Mar 2026 12:00:00 GMT"),
            ("x-request-id", "4d64cd49"),
        ];
        let headers =
            headers.map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value)));
        Self {
            headers: headers.into_iter().collect(),
            body: Shape::Status.body(&PageOf { first: 0, size: 1, total: 1 }).into(),
        }
    }

    async fn respond(&self, request: ApiRequest) -> Response<Bytes> {
        assert_eq!(request.method(), Method::GET);
        // As with a network, the response is not there at once.
        tokio::task::yield_now().await;
        let mut response = Response::new(self.body.clone());
        response.headers_mut().clone_from(&self.headers);
        response
    }
}

#[async_trait::async_trait]
impl Transport for Canned {
    async fn send(
        &self,
        request: ApiRequest,
        _: BodyLimits,
    ) -> Result<Response<Bytes>, TransportError> {
        Ok(self.respond(request).await)
    }
}
