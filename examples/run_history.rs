//! Lists the last runs of a target, and draws them over time: how long each took, in a colour that shows how it ended.
//!
//! `cargo run --example run_history [-- VENDOR | VENDOR:TARGET]` writes an SVG, and prints its path and a small table. Without the
//! vendor's environment variables it shows the runs of a month on a fake. The lists of most vendors have the times when a run began
//! and ended; at the other vendors the program fetches each run. A run without these times is a mark on the time axis.

mod shared;
#[path = "shared/vendors.rs"]
#[allow(dead_code, reason = "other examples use the rest of it")]
mod vendors;

use std::future::ready;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures_util::{StreamExt as _, TryStreamExt as _};
use indicatif::{ProgressBar, ProgressStyle};
use plotters::prelude::*;
use scheduled_runs::{Phase, Result, RunProvider, RunProviderExt, RunSnapshot, Target};

use shared::arguments::Arguments;
use shared::output::{say, short};
use shared::progress::{UNKNOWN, took};
use shared::{failed, mistake};
use vendors::{Connected, connect, name, parse};

/// The most runs that are drawn.
const RUNS: usize = 60;

/// The most runs in the table.
const ROWS: usize = 12;

const USAGE: &str = "\
usage: run_history [--out FILE] [VENDOR | VENDOR:TARGET]

  --out FILE  the picture; by default run_history.svg in the
              system's temporary folder
  VENDOR      adobe (default), arcgis, foundry, mode,
              supermetrics or supermetrics-transfers
  TARGET      whose runs, as a `Target` prints it

Uses your account if the vendor's environment variables are
set, and a fake of the vendor otherwise. It prints the names
of the variables.";

#[tokio::main]
async fn main() -> ExitCode {
    let (mut vendor, mut out) = (None, std::env::temp_dir().join("run_history.svg"));
    let mut arguments = Arguments::new(USAGE);
    while let Some(argument) = arguments.take() {
        match &*argument {
            "--out" => out = arguments.value("--out", "a file").into(),
            _ => arguments.only(&mut vendor, argument),
        }
    }
    match show(vendor.as_deref().unwrap_or("adobe"), &out).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&error),
    }
}

async fn show(argument: &str, out: &Path) -> Result<()> {
    let (vendor, named) = parse(argument)?;
    let with_history = named.is_none();
    let Connected { provider, mut target, fake } = connect(&vendor, named).await?;
    if let Some(fake) = fake.as_ref().filter(|_| with_history) {
        target = fake.with_history();
    }
    let runs = list(&provider, &target).await?;
    let runs = with_times(&provider, runs).await;
    if runs.is_empty() {
        say!("\n{} has no runs yet.", short(&target.to_string()));
        return Ok(());
    }

    table(&target, &runs);
    let title: String = target.to_string().chars().take(80).collect();
    let picture = draw(&title, &runs).map_err(|error| mistake(error.to_string()))?;
    std::fs::write(out, picture)
        .map_err(|error| mistake(format!("cannot write {}", out.display())).with_source(error))?;
    say!("\n{} runs are drawn in {}", runs.len(), out.display());
    Ok(())
}

/// The newest runs with a date of creation, newest first.
async fn list(provider: &Arc<dyn RunProvider>, target: &Target) -> Result<Vec<RunSnapshot>> {
    let dated = provider.runs(target).try_filter(|run| ready(run.created.is_some()));
    dated.take(RUNS).try_collect().await
}

/// Fetches each finished run whose duration is not known, and each failed run whose reason is not known. If the vendor does not
/// report times even then, the other durations are not fetched.
async fn with_times(
    provider: &Arc<dyn RunProvider>,
    mut runs: Vec<RunSnapshot>,
) -> Vec<RunSnapshot> {
    let style = "  {spinner} fetching runs [{bar:20}] {pos} of {len}";
    let bar = ProgressBar::new(runs.len() as u64);
    bar.set_style(
        ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar()),
    );
    let mut reports_times = true;
    for run in &mut runs {
        let unexplained = run.phase == Phase::Failed && run.failure.is_none();
        let untimed =
            run.phase.is_terminal() && run.phase != Phase::Skipped && duration(run).is_none();
        if (untimed && reports_times) || unexplained {
            // A run that can no longer be fetched stays as the list had it.
            let fetched = provider.snapshot(&run.run).await.ok();
            let fetched = fetched.filter(|fetched| fetched.phase == run.phase);
            reports_times &= fetched.as_ref().is_some_and(|fetched| duration(fetched).is_some());
            if let Some(mut fetched) = fetched {
                fetched.created = fetched.created.or(run.created);
                *run = fetched;
            }
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    runs
}

/// From the start of the run, or from its creation if the vendor does not report its start.
fn duration(run: &RunSnapshot) -> Option<Duration> {
    (run.finished? - run.started.or(run.created)?).to_std().ok()
}

fn table(target: &Target, runs: &[RunSnapshot]) {
    say!("\nThe last runs of {}", short(&target.to_string()));
    say!("  {:<16}  {:<10}  {:>8}  reason", "created", "phase", "took");
    for run in runs.iter().take(ROWS) {
        let created = run.created.map(|time| time.format("%Y-%m-%d %H:%M").to_string());
        let created = created.as_deref().unwrap_or(UNKNOWN);
        let why = run.failure.as_ref().map(ToString::to_string).unwrap_or_default();
        say!("  {created:<16}  {:<10}  {:>8}  {why}", run.phase, took(duration(run)));
    }
    if let Some(more) = runs.len().checked_sub(ROWS + 1) {
        say!("  and {} earlier runs", more + 1);
    }
    if runs.iter().take(ROWS).any(|run| duration(run).is_none()) {
        let vendor = name(target.vendor().as_str());
        say!(
            "  {UNKNOWN} instead of a duration: the run has not ended or was skipped, or {vendor} does not report its times."
        );
    }
}

/// The phases as they are drawn.
const PHASES: [(Phase, RGBColor); 7] = [
    (Phase::Succeeded, RGBColor(0x2b, 0x8a, 0x5e)),
    (Phase::Failed, RGBColor(0xc9, 0x30, 0x3e)),
    (Phase::Cancelled, RGBColor(0xd9, 0x82, 0x1a)),
    (Phase::Skipped, RGBColor(0x8a, 0x93, 0xa0)),
    (Phase::Running, RGBColor(0x2f, 0x6f, 0xb3)),
    (Phase::Queued, RGBColor(0x7f, 0xb0, 0xe0)),
    (Phase::Unknown, RGBColor(0x7a, 0x4f, 0xa3)),
];

const GRID: RGBColor = RGBColor(0xe4, 0xe7, 0xeb);
const INK: RGBColor = RGBColor(0x33, 0x3b, 0x45);

/// The error of drawing a picture in memory.
type Fault = DrawingAreaErrorKind<std::io::Error>;

fn draw(title: &str, runs: &[RunSnapshot]) -> std::result::Result<String, Fault> {
    let dots: Vec<Dot> = runs.iter().filter_map(Dot::new).collect();
    let times = dots.iter().map(|dot| dot.at);
    let (first, last) = (times.clone().min().unwrap_or_default(), times.max().unwrap_or_default());
    let margin = ((last - first) / 40).max(60);
    let longest = dots.iter().filter_map(|dot| dot.took).fold(0.0, f64::max);
    let (unit, seconds) = unit(longest);
    let height = if longest > 0.0 { longest / seconds * 1.3 } else { 1.0 };
    let days = (first - margin..last + margin).with_key_points(ticks(first, last));

    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, (960, if longest > 0.0 { 420 } else { 200 }))
            .into_drawing_area();
        area.fill(&WHITE)?;
        let area = area.margin(12, 12, 12, 24);
        let mut chart = ChartBuilder::on(&area)
            .caption(title, ("sans-serif", 19).into_font().color(&INK))
            .x_label_area_size(34)
            .y_label_area_size(if longest > 0.0 { 52 } else { 20 })
            .build_cartesian_2d(days, 0.0..height)?;
        let text = ("sans-serif", 13).into_font().color(&INK);
        let date = |at: &i64| tick(*at, last - first);
        let number = |value: &f64| value.to_string();
        let mut mesh = chart.configure_mesh();
        mesh.axis_style(GRID).bold_line_style(GRID).light_line_style(TRANSPARENT);
        mesh.label_style(text.clone()).axis_desc_style(text.clone());
        mesh.x_label_formatter(&date);
        if longest > 0.0 {
            mesh.y_desc(unit).y_labels(8).y_label_formatter(&number);
        } else {
            // No durations are known: draw marks on the time axis.
            mesh.disable_y_axis().disable_y_mesh();
        }
        mesh.draw()?;

        for (phase, colour) in PHASES {
            let dots: Vec<_> = dots.iter().filter(|dot| dot.phase == phase).collect();
            if dots.is_empty() {
                continue;
            }
            // A run without a duration is on the time axis, or above it if no run has one.
            let low = if longest > 0.0 { 0.0 } else { 0.25 };
            let height = move |dot: &Dot| dot.took.map_or(low, |took| took / seconds);
            chart.draw_series(dots.iter().map(|dot| {
                PathElement::new(
                    [(dot.at, 0.0), (dot.at, height(dot))],
                    colour.mix(0.45).stroke_width(2),
                )
            }))?;
            let label = format!("{phase} ({})", dots.len());
            chart
                .draw_series(dots.iter().map(|dot| mark(phase, colour, (dot.at, height(dot)))))?
                .label(label)
                .legend(move |(x, y)| mark(phase, colour, (x + 12, y)));
        }
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::UpperLeft)
            .background_style(WHITE.mix(0.85))
            .border_style(GRID)
            .label_font(text)
            .draw()?;
        area.present()?;
    }
    Ok(svg)
}

/// One run in the picture: its time in seconds since 1970, and its duration in seconds.
struct Dot {
    at: i64,
    took: Option<f64>,
    phase: Phase,
}

impl Dot {
    fn new(run: &RunSnapshot) -> Option<Self> {
        let took = duration(run).map(|took| took.as_secs_f64());
        Some(Self { at: run.created?.timestamp(), took, phase: run.phase })
    }
}

/// Size and filling differ too, for people who do not see all colours.
fn mark<At>(phase: Phase, colour: RGBColor, at: At) -> Circle<At, i32> {
    match phase {
        Phase::Succeeded => Circle::new(at, 4, colour.filled()),
        Phase::Failed => Circle::new(at, 7, colour.filled()),
        _ => Circle::new(at, 6, colour.stroke_width(3)),
    }
}

/// The unit of the time axis for this many seconds, and how many seconds it has.
fn unit(longest: f64) -> (&'static str, f64) {
    match longest {
        ..180.0 => ("seconds", 1.0),
        ..10800.0 => ("minutes", 60.0),
        _ => ("hours", 3600.0),
    }
}

/// At most eight ticks, at round times.
fn ticks(first: i64, last: i64) -> Vec<i64> {
    let hours = [1, 2, 3, 6, 12, 24, 48, 96, 168, 336, 720, 2160, 8760];
    let steps = hours.map(|hours| hours * 3600);
    let step = steps.into_iter().find(|step| (last - first) / step < 8).unwrap_or(last - first + 1);
    let begin = first - first.rem_euclid(step) + step;
    (begin..=last).step_by(usize::try_from(step).unwrap_or(1)).collect()
}

fn tick(at: i64, span: i64) -> String {
    let time = DateTime::<Utc>::from_timestamp(at, 0).unwrap_or_default();
    let days = 2 * 86_400;
    time.format(if span > days { "%-d %b" } else { "%-d %b %H:%M" }).to_string()
}
