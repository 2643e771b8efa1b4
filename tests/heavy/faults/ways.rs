//! The ways in which vendors' credentials travel: the same faults must not show any of them.

use std::error::Error as StdError;
use std::fmt::Debug;
use std::pin::Pin;

use scheduled_runs::client::{Api, Endpoint, ReqwestTransport};
use scheduled_runs::testing::ManualClock;
use scheduled_runs::{ClientBuilder, Error, adobe, arcgis, foundry, mode, supermetrics};

use crate::server::{Seen, Server};
use crate::{KEY, ORG, TOKEN};

/// One call of one vendor's client.
#[derive(Clone, Debug, Default)]
pub(crate) struct Setup {
    pub(crate) base_url: String,
    /// Whether to start something instead of reading.
    pub(crate) trigger: bool,
    pub(crate) transport: Option<ReqwestTransport>,
}

impl Setup {
    pub(crate) fn of(server: &Server, trigger: bool) -> Self {
        Self { base_url: server.url(), trigger, ..Self::default() }
    }

    pub(crate) fn over(self, transport: &ReqwestTransport) -> Self {
        Self { transport: Some(transport.clone()), ..self }
    }
}

/// What came of it.
pub(crate) struct Called {
    pub(crate) failed: Option<Error>,
    /// The client, as it prints.
    client: String,
    secrets: &'static [&'static str],
}

impl Called {
    /// No secret of this vendor is in anything that is printed, in whichever form it travels.
    #[track_caller]
    pub(crate) fn assert_no_secret(&self) {
        let mut printed = vec![self.client.clone()];
        if let Some(error) = &self.failed {
            crate::assert_no_canary(error, &self.client);
            printed.extend([error.report(), error.to_string(), format!("{error:?}")]);
            let mut cause = StdError::source(error);
            while let Some(source) = cause {
                printed.extend([source.to_string(), format!("{source:?}")]);
                cause = source.source();
            }
        }
        for text in printed {
            assert!(!holds_secret(&text, self.secrets), "a secret is shown: {text}");
        }
    }
}

pub(crate) fn holds_secret(text: &str, secrets: &[&str]) -> bool {
    text.to_lowercase().contains("canary") || secrets.iter().any(|secret| text.contains(secret))
}

/// One way for a credential to travel.
pub(crate) struct Way {
    pub(crate) name: &'static str,
    /// What stands on the wire, in the head or in the body of a request: whoever reads it can call.
    pub(crate) secrets: &'static [&'static str],
    /// Whether a trigger carries its secret in the URL, and whether in the body.
    pub(crate) places: [bool; 2],
    call: fn(Setup) -> Pin<Box<dyn Future<Output = Called> + Send>>,
}

impl Way {
    pub(crate) async fn call(&self, setup: Setup) -> Called {
        let called = (self.call)(setup).await;
        Called { secrets: self.secrets, ..called }
    }

    /// Every secret is in this request.
    #[track_caller]
    pub(crate) fn assert_carried(&self, seen: &Seen, trigger: bool) {
        let whole = format!("{}{}", seen.head, String::from_utf8_lossy(&seen.body));
        for secret in self.secrets {
            assert!(whole.contains(secret), "{}: {secret} is not in {whole}", self.name);
        }
        if trigger {
            let secret = self.secrets[0];
            let body = String::from_utf8_lossy(&seen.body);
            let places = [seen.target().contains(secret), body.contains(secret)];
            assert_eq!(places, self.places, "{}", self.name);
        }
    }
}

async fn call<A: Api>(
    setup: Setup,
    builder: ClientBuilder<A>,
    read: impl Endpoint<Api = A>,
    trigger: impl Endpoint<Api = A>,
) -> Called {
    let mut builder = builder.base_url(setup.base_url).clock(ManualClock::new());
    if let Some(transport) = setup.transport {
        builder = builder.transport(transport);
    }
    let client = builder.build().unwrap();
    let failed = if setup.trigger {
        client.send(trigger).await.err()
    } else {
        client.send(read).await.err()
    };
    Called { failed, client: format!("{client:?} {client:#?}"), secrets: &[] }
}

/// The vendor's clients know of no other ways.
pub(crate) const WAYS: [Way; 7] = [
    Way {
        name: "Adobe's three headers",
        secrets: &[TOKEN, KEY, ORG],
        places: [false, false],
        call: |setup| {
            let builder = adobe::Client::builder().org_id(ORG).sandbox("dev");
            let builder = builder.credential(adobe::AccessToken::new(KEY, TOKEN));
            let (read, trigger) = (crate::read(), crate::trigger());
            Box::pin(call(setup, builder, read, trigger))
        },
    },
    Way {
        name: "ArcGIS's header and, in the body of a trigger, `token`",
        secrets: &["canary-arcgis-7c1e"],
        places: [false, true],
        call: |setup| {
            let token = arcgis::ReadyToken::new("canary-arcgis-7c1e");
            let nightly = arcgis::CronSchedule::daily(4, 0).unwrap();
            Box::pin(call(
                setup,
                arcgis::Client::builder().credential(token),
                arcgis::ListTasks::new(),
                arcgis::CreateTask::new("CreateBackup", nightly),
            ))
        },
    },
    Way {
        name: "Foundry's bearer token",
        secrets: &["canary-foundry-3b9d"],
        places: [false, false],
        call: |setup| {
            let token = foundry::UserToken::new("canary-foundry-3b9d");
            let schedule = "ri.scheduler.main.schedule.1";
            Box::pin(call(
                setup,
                foundry::Client::builder().credential(token),
                foundry::GetSchedule::new(schedule),
                foundry::RunSchedule::new(schedule),
            ))
        },
    },
    Way {
        name: "Mode's token and secret in `Basic`",
        // "canary-id:canary-secret" in base 64.
        secrets: &["Y2FuYXJ5LWlkOmNhbmFyeS1zZWNyZXQ="],
        places: [false, false],
        call: |setup| {
            let token = mode::ApiToken::new("canary-id", "canary-secret");
            // The workspace is a part of the base URL.
            let setup = Setup { base_url: setup.base_url + "/initech", ..setup };
            Box::pin(call(
                setup,
                mode::Client::builder().workspace("initech").credential(token),
                mode::GetReportRun::new("r1", "n1"),
                mode::CreateReportRun::new("r1"),
            ))
        },
    },
    Way {
        name: "Supermetrics' key in the header",
        secrets: &["canary_super_1f4a"],
        places: [false, false],
        call: |setup| super_call(setup, supermetrics::ApiKey::new("canary_super_1f4a"), true),
    },
    Way {
        name: "Supermetrics' key in `json=`",
        secrets: &["canary_super_1f4a"],
        places: [true, false],
        call: |setup| {
            let key = supermetrics::ApiKey::new("canary_super_1f4a").in_parameters();
            super_call(setup, key, false)
        },
    },
    Way {
        name: "Supermetrics' key in a JSON body",
        secrets: &["canary_super_1f4a"],
        places: [false, true],
        call: |setup| {
            let key = supermetrics::ApiKey::new("canary_super_1f4a").in_parameters();
            super_call(setup, key, true)
        },
    },
];

fn super_call(
    setup: Setup,
    key: supermetrics::ApiKey,
    post: bool,
) -> Pin<Box<dyn Future<Output = Called> + Send>> {
    let query = supermetrics::Query::new("GAWA").fields(["date"]).start_date("2026-02-01");
    let start = supermetrics::StartQuery::new(query);
    let builder = supermetrics::Client::builder().credential(key);
    let start = if post { start.post() } else { start };
    Box::pin(call(setup, builder, supermetrics::GetQueryStatus::new("s1"), start))
}
