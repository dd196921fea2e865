//! Runs one schedule: its steps under injected faults, then convergence without faults, then the checks.

use std::{collections::BTreeMap, rc::Rc, time::Duration};

use serde_json::{Value, json};
use tokio::{
    sync::mpsc::unbounded_channel,
    task::{LocalSet, yield_now},
    time::sleep,
};

use crate::{
    aws::SimulatedAws,
    checks::FreshLoad,
    client_checks::ClientSelection,
    gateway::HttpRequest,
    observations::{number, text},
    plan::{FaultRates, Plan},
    simulation::Simulation,
    trace::Trace,
};

/// The result of a schedule.
pub struct ScheduleResult {
    /// Each violated property, with a description.
    pub violations: Vec<(&'static str, String)>,
    /// The recorded trace; empty if the schedule is not traced.
    pub trace: String,
    pub steps: u64,
    /// The number of messages sent.
    pub sends: u64,
    /// The number of attempts to send them.
    pub attempts: u64,
    /// The number of calls to the table.
    pub calls: u64,
    /// The number of injected faults, by name.
    pub faults: BTreeMap<&'static str, u64>,
}

/// Runs the schedule of a seed, and records its trace if asked.
pub fn run(seed: u64, is_traced: bool) -> ScheduleResult {
    // Clients and the SDK draw their retry jitter from the thread's generator.
    fastrand::seed(seed);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    LocalSet::new().block_on(&runtime.unwrap(), run_schedule(seed, is_traced))
}

async fn run_schedule(seed: u64, is_traced: bool) -> ScheduleResult {
    let (plan, rng) = Plan::from_seed(seed);
    let trace = Trace::new(is_traced);
    trace.record(|| format!("{plan:?}"));
    let aws = SimulatedAws::new(seed, FaultRates::default(), trace.clone());
    let simulation = Simulation::new(plan, rng, aws).await;
    let (inbox, mut events) = unbounded_channel();
    simulation.aws.state().connections.set_inbox(inbox);
    let router = {
        let simulation = simulation.clone();
        tokio::task::spawn_local(async move {
            while let Some(event) = events.recv().await {
                simulation.on_event(event);
            }
        })
    };
    simulation.aws.set_fault_rates(simulation.plan.fault_rates.clone());
    for d in 0..simulation.devices.len() {
        simulation.go_online(d);
    }
    for _ in 0..simulation.plan.steps {
        if simulation.plan.has_idle_periods && simulation.rng.borrow_mut().u32(..20) == 0 {
            simulation.idle_for_days().await;
        }
        let pause = simulation.pause();
        sleep(pause).await;
        simulation.step();
    }
    simulation.aws.set_fault_rates(FaultRates::default());
    trace.record(|| "fault injection ends".to_owned());
    if simulation.plan.is_reliable() {
        simulation.check_connected_clients().await;
    }
    let fresh = simulation.converge().await;
    simulation.check_all(&fresh);
    simulation.check_users(&fresh).await;
    router.abort();
    yield_now().await;
    simulation.result()
}

impl Simulation {
    fn pause(&self) -> Duration {
        let mut rng = self.rng.borrow_mut();
        let usual = rng.u64(..=self.plan.max_pause);
        Duration::from_millis(if rng.u32(..12) == 0 { rng.u64(..4000) } else { usual })
    }

    /// Disconnects every device for up to 45 days, then reconnects some. TTL may have deleted expired items.
    async fn idle_for_days(self: &Rc<Self>) {
        for d in 0..self.devices.len() {
            self.devices[d].borrow_mut().should_connect = false;
            self.go_offline(d);
        }
        self.wait_until_idle().await;
        let hours = self.rng.borrow_mut().u64(1..=45 * 24);
        self.aws.trace.record(|| format!("{hours} hours pass"));
        sleep(Duration::from_secs(hours * 3600)).await;
        if self.rng.borrow_mut().bool() {
            self.aws.delete_expired();
        }
        for d in 0..self.devices.len() {
            if self.rng.borrow_mut().bool() {
                self.devices[d].borrow_mut().should_connect = true;
                self.go_online(d);
            }
        }
    }

    /// Checks that clients that stayed connected are up to date from pushes alone.
    async fn check_connected_clients(self: &Rc<Self>) {
        self.wait_until_idle().await;
        sleep(Duration::from_secs(30)).await;
        self.wait_until_idle().await;
        let fresh = self.load_all().await;
        self.check_clients(&fresh, ClientSelection::Connected);
    }

    /// Ends all blocks, completes renames, reconnects and syncs every device, and waits until every outbox is
    /// empty. Returns what each user then sees.
    async fn converge(self: &Rc<Self>) -> Vec<FreshLoad> {
        self.end_blocks().await;
        self.complete_renames().await;
        for round in 0..2 {
            for d in 0..self.devices.len() {
                self.devices[d].borrow_mut().should_connect = true;
                self.go_online(d);
                if round > 0 {
                    self.catch_up(d);
                }
            }
            self.wait_until_idle().await;
            // Late calls may still take effect.
            sleep(Duration::from_secs(30)).await;
            self.wait_until_idle().await;
        }
        self.load_all().await
    }

    async fn load_all(self: &Rc<Self>) -> Vec<FreshLoad> {
        let mut fresh = Vec::new();
        for user in 0..self.users.len() {
            fresh.push(self.load(user).await);
        }
        fresh
    }

    async fn load(self: &Rc<Self>, user: usize) -> FreshLoad {
        let limit = self.rng.borrow_mut().u64(1..=100);
        let rooms = self.list_rooms(user, Some(limit)).await.unwrap_or_default();
        let (mut messages, mut reactions) = (BTreeMap::new(), BTreeMap::new());
        let (mut room_details, mut pins) = (Vec::new(), Vec::new());
        for room in &rooms {
            let (mut log, mut before) = (BTreeMap::new(), number(&room["seq"]) + 1);
            loop {
                let page = self.history(user, text(&room["id"]), ("before_seq", before), limit).await;
                let page = page.unwrap_or_default();
                let Some(oldest) = page.last() else { break };
                before = number(&oldest["seq"]);
                log.extend(page.into_iter().map(|message| (number(&message["seq"]), message)));
            }
            let id = text(&room["id"]).to_owned();
            if self.rng.borrow_mut().u32(..3) == 0 {
                let room_request = |route| HttpRequest::new(route).path("room_id", &id);
                let shown = self.call(user, room_request("GET /api/v1/chat/rooms/{room_id}")).await;
                room_details.extend(shown.map(|response| response.body));
                let listed = self.call(user, room_request("GET /api/v1/chat/rooms/{room_id}/pins")).await;
                pins.extend(listed.map(|response| (id.clone(), response.body.as_array().unwrap().clone())));
            }
            for (seq, message) in &log {
                if message["reactions"] != json!([]) {
                    let listed = self.list_reactions(user, message).await;
                    reactions.insert((id.clone(), *seq), listed);
                }
            }
            messages.insert(id, log);
        }
        let rooms = rooms.into_iter().map(|room| (text(&room["id"]).to_owned(), room)).collect();
        FreshLoad { rooms, messages, room_details, pins, reactions }
    }

    async fn list_reactions(self: &Rc<Self>, user: usize, message: &Value) -> Vec<Value> {
        let route = "GET /api/v1/chat/rooms/{room_id}/messages/{message_id}/reactions";
        let request = HttpRequest::new(route).path("room_id", text(&message["chat_room_id"]));
        let response = self.call(user, request.path("message_id", text(&message["id"]))).await;
        response.and_then(|response| response.body.as_array().cloned()).unwrap_or_default()
    }

    fn result(&self) -> ScheduleResult {
        let observed = self.observed.borrow();
        let state = self.aws.state();
        ScheduleResult {
            violations: observed.violations.clone(),
            trace: self.aws.trace.text(),
            steps: self.plan.steps as u64,
            sends: observed.sent.len() as u64,
            attempts: observed.attempts,
            calls: state.calls,
            faults: state.fault_counts.clone(),
        }
    }
}
