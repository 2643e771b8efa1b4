//! The tasks of the service. One task for each target starts its runs, one after the other; one task waits for all runs.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use scheduled_runs::run::{FinishedWait, Prepared};
use scheduled_runs::{
    Delivery, Error, RunProvider, RunProviderExt as _, RunRef, RunSnapshot, StartIntent,
    Target,
};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::BoxError;
use crate::store::{Outcome, Row, Store};

/// All times that matter. The defaults are for production.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// How long after its preparation a start may be sent.
    pub lease: Duration,
    /// How long a start may take to arrive at the vendor; then it has arrived, or never will.
    pub arrival: Duration,
    /// How far the clocks of the service and the vendor may differ.
    pub skew: Duration,
    /// How long the vendor may take to show a new run.
    pub grace: Duration,
    /// Between two polls of the runs.
    pub poll: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            lease: Duration::from_mins(1),
            arrival: Duration::from_secs(30),
            skew: Duration::from_secs(30),
            grace: Duration::from_mins(1),
            poll: Duration::from_secs(15),
        }
    }
}

impl Timing {
    /// For a fake on this machine.
    pub fn short() -> Self {
        Self {
            lease: Duration::from_millis(1500),
            arrival: Duration::from_secs(1),
            skew: Duration::from_millis(100),
            grace: Duration::from_millis(500),
            poll: Duration::from_secs(1),
        }
    }
}

/// Who else wants to know what happens to runs.
pub trait Observer: Send + Sync + 'static {
    /// A run was polled.
    fn polled(&self, run: &RunSnapshot);
    /// The wait for a run has ended.
    fn ended(&self, wait: &FinishedWait<'_>);
}

/// The runs of the service. Clones share them.
#[derive(Clone)]
pub struct Runs {
    provider: Arc<dyn RunProvider>,
    store: Store,
    timing: Timing,
    /// What was seen last of the runs that have not ended.
    seen: Arc<Mutex<HashMap<RunRef, RunSnapshot>>>,
    /// To the task of each target.
    starting: Arc<Mutex<HashMap<Target, UnboundedSender<String>>>>,
    /// To the task that waits.
    started: UnboundedSender<RunRef>,
}

impl Runs {
    /// Begins to wait, and continues with every row that is not finished.
    pub async fn resume(
        provider: Arc<dyn RunProvider>,
        store: Store,
        timing: Timing,
        observer: impl Observer,
    ) -> Result<Self, BoxError> {
        let (started, joining) = unbounded_channel();
        let (seen, starting) = (Arc::default(), Arc::default());
        let runs = Self { provider, store, timing, seen, starting, started };
        tokio::spawn(runs.clone().wait(joining, observer));
        for row in runs.store.open_rows().await? {
            match row.run {
                Some(run) => runs.started.send(run)?,
                None => runs.queue(&row)?,
            }
        }
        Ok(runs)
    }

    pub fn provider(&self) -> &dyn RunProvider {
        &*self.provider
    }

    /// What was seen last of a run that has not ended.
    pub fn last_seen(&self, run: &RunRef) -> Option<RunSnapshot> {
        lock(&self.seen).get(run).cloned()
    }

    pub async fn find(&self, key: &str) -> Result<Option<Row>, BoxError> {
        self.store.find(key).await
    }

    /// The row of this key, and whether it is new: then its run will be started. It does not matter whether the caller waits for the
    /// result: a task of its own does the work.
    pub async fn request(
        &self,
        key: &str,
        target: &Target,
    ) -> Result<(Row, bool), BoxError> {
        let (runs, key, target) = (self.clone(), key.to_owned(), target.clone());
        let request = tokio::spawn(async move {
            let (row, is_new) = runs.store.insert(&key, &target).await?;
            // A row that is not new may have met a failure of the table. It does no harm to take it twice.
            if row.run.is_none() && row.outcome.is_none() {
                runs.queue(&row)?;
            }
            Ok((row, is_new))
        });
        request.await?
    }

    /// Gives the row to the task of its target. Where the vendor chooses the ids of runs, two starts of one target at a time cannot
    /// be told apart. A task stays as long as the process: a service has few targets.
    fn queue(&self, row: &Row) -> Result<(), BoxError> {
        let mut starting = lock(&self.starting);
        let queue = starting.entry(row.target.clone()).or_insert_with(|| {
            let (sender, mut keys) = unbounded_channel::<String>();
            let runs = self.clone();
            tokio::spawn(async move {
                while let Some(key) = keys.recv().await {
                    if let Err(error) = runs.start(&key).await {
                        tracing::error!(
                            key,
                            error,
                            "a run was not started; the next request or a restart tries again"
                        );
                    }
                }
            });
            sender
        });
        Ok(queue.send(row.key.clone())?)
    }

    /// Starts the run of a row, exactly once: first it finds out what became of an earlier start. A start that has failed for certain
    /// is not tried again: a caller who wants that sends another key.
    async fn start(&self, key: &str) -> Result<(), BoxError> {
        loop {
            let Some(row) = self.store.find(key).await? else { return Ok(()) };
            if row.run.is_some() || row.outcome.is_some() {
                return Ok(());
            }
            if let Some(line) = &row.intent {
                match self.recover(&row.target, line).await? {
                    Ok(Some(run)) => {
                        self.save(key, line, run).await?;
                        continue;
                    }
                    Ok(None) => {}
                    // What became of the start stays open.
                    Err(error) => return self.give_up(key, Some(line), &error).await,
                }
            }
            let others = self.store.runs(&row.target).await?;
            let prepared = match self.prepare(&row.target, others).await {
                Ok(prepared) => prepared,
                Err(error) => {
                    return self.give_up(key, row.intent.as_deref(), &error).await;
                }
            };
            let line = prepared.intent().to_string();
            if !self.store.replace_intent(&row, &line).await? {
                continue;
            }
            match prepared.start().await {
                Ok(run) => self.save(key, &line, run).await?,
                // The next round finds out from the intent what became of it.
                Err(error) if error.may_have_run() => {}
                // The process was held up so long that the lease was over.
                Err(error) if error.lease_is_over() => {}
                Err(error) => return self.give_up(key, Some(&line), &error).await,
            }
        }
    }

    async fn prepare(
        &self,
        target: &Target,
        others: Vec<RunRef>,
    ) -> scheduled_runs::Result<Prepared<'_, dyn RunProvider>> {
        let Timing { lease, arrival, skew, grace, .. } = self.timing;
        let prepare = self.provider().prepare(target).lease(lease).arrival(arrival);
        prepare.clock_skew(skew).grace(grace).excluding(others).await
    }

    /// What became of an intent. It sleeps until that is decided, however long the vendor cannot be reached.
    async fn recover(
        &self,
        target: &Target,
        line: &str,
    ) -> Result<scheduled_runs::Result<Option<RunRef>>, BoxError> {
        let intent: StartIntent = line.parse()?;
        let others = self.store.runs(target).await?;
        Ok(self.provider().recover(&intent).excluding(others).forever().decide().await)
    }

    /// If the run belongs to another row, the next round looks for the right one.
    async fn save(&self, key: &str, intent: &str, run: RunRef) -> Result<(), BoxError> {
        if self.store.save_run(key, intent, &run).await? {
            self.started.send(run)?;
        }
        Ok(())
    }

    async fn give_up(
        &self,
        key: &str,
        intent: Option<&str>,
        error: &Error,
    ) -> Result<(), BoxError> {
        self.store.end_start(key, intent, &Outcome::failed(error)).await?;
        Ok(())
    }

    /// Waits for all runs, those that were there and those that join.
    async fn wait(self, mut joining: UnboundedReceiver<RunRef>, observer: impl Observer) {
        let joining = stream::poll_fn(move |context| joining.poll_recv(context));
        let wait = self.provider().wait_all([]).joined_by(joining).forever();
        let wait = wait.every(self.timing.poll).appears_within(self.timing.grace);
        let wait = wait.on_update(|run| {
            observer.polled(run);
            lock(&self.seen).insert(run.run.clone(), run.clone());
        });
        let mut ends = wait.on_end(|wait| observer.ended(wait)).ends();
        while let Some(end) = ends.next().await {
            let (run, outcome) = match end {
                Ok(snapshot) => (snapshot.run.clone(), Outcome::Ended { snapshot }),
                Err(error) => match error.run() {
                    // The run was started, whatever is wrong with it now.
                    Some(run) => (
                        run.clone(),
                        Outcome::failed(&error.clone().after_trigger(Delivery::Answered)),
                    ),
                    None => continue,
                },
            };
            match self.store.end_run(&run, &outcome).await {
                Ok(_) => drop(lock(&self.seen).remove(&run)),
                Err(error) => {
                    tracing::error!(%run, error, "an end was not saved; a restart saves it");
                }
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
