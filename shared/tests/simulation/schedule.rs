//! Runs one schedule: its steps under injected faults, then convergence without faults, then the checks.

use std::{collections::BTreeMap, panic::AssertUnwindSafe, rc::Rc, time::Duration};

use futures::FutureExt;
use serde_json::{Value, json};
use shared::domain::rooms::SHOWN_MEMBERS;
use tokio::{
    sync::mpsc::unbounded_channel,
    task::{LocalSet, yield_now},
    time::sleep,
};

use crate::{
    aws::SimulatedAws,
    checks::FreshLoad,
    client_checks::{ClientSelection, without_presence},
    gateway::HttpRequest,
    observations::{number, text},
    plan::{FaultRates, Plan},
    simulation::Simulation,
    trace::{Trace, Tracing},
    values::longest_text,
};

/// The maximum number of participants that a list of rooms shows per room.
const MAX_SHOWN: usize = SHOWN_MEMBERS + 1;

/// The result of a schedule.
#[derive(Default)]
pub struct ScheduleResult {
    /// Each violated property, with a description.
    pub violations: Vec<(&'static str, String)>,
    /// The recorded trace; empty if the schedule is not traced.
    pub trace: String,
    /// The recorded trace of each client; empty if they are not traced.
    pub clients: Vec<Value>,
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

/// Runs the schedule of a seed, and records what is asked.
pub fn run(seed: u64, tracing: Tracing) -> ScheduleResult {
    // Clients and the SDK draw their retry jitter from the thread's generator.
    fastrand::seed(seed);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    LocalSet::new().block_on(&runtime.unwrap(), async {
        let trace = Trace::new(tracing == Tracing::Log);
        let finished = AssertUnwindSafe(run_schedule(seed, trace.clone(), tracing)).catch_unwind().await;
        finished.unwrap_or_else(|_| ScheduleResult {
            violations: vec![("no panic", "the schedule panicked, see above".to_owned())],
            trace: trace.text(),
            ..ScheduleResult::default()
        })
    })
}

async fn run_schedule(seed: u64, trace: Trace, tracing: Tracing) -> ScheduleResult {
    let (plan, rng) = Plan::from_seed(seed);
    trace.record(|| format!("{plan:?}"));
    let aws = SimulatedAws::new(seed, FaultRates::default(), trace.clone());
    let simulation = Simulation::new(plan, rng, aws, tracing).await;
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
    for step in 0..simulation.plan.steps {
        if simulation.plan.has_large_backlog && step == simulation.plan.steps / 2 {
            simulation.miss_many_messages().await;
        }
        if simulation.plan.has_large_group() && step % 10 == 5 {
            simulation.all_but_one_read();
        }
        if simulation.plan.has_idle_periods && simulation.rng.borrow_mut().u32(..20) == 0 {
            simulation.idle_for_days().await;
        }
        if simulation.plan.has_short_tokens && simulation.rng.borrow_mut().u32(..12) == 0 {
            let quiet = simulation.rng.borrow_mut().u64(30..200);
            sleep(Duration::from_secs(quiet)).await;
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
    if simulation.plan.has_account_deletion {
        simulation.delete_account_and_return().await;
    }
    router.abort();
    yield_now().await;
    ScheduleResult { clients: simulation.client_traces(seed), ..simulation.result() }
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

    /// Disconnects the devices of user 1 while user 0 sends more than fits into one page of a sync.
    async fn miss_many_messages(self: &Rc<Self>) {
        /// The largest messages, so that the rooms together exceed the size of a page, and none does alone.
        const MESSAGES_PER_ROOM: usize = 36;
        let devices_of =
            |user| (0..self.devices.len()).filter(move |d| self.devices[*d].borrow().user == user);
        self.wait_until_idle().await;
        for d in devices_of(1) {
            self.devices[d].borrow_mut().should_connect = false;
            self.go_offline(d);
        }
        let sender = devices_of(0).next().unwrap();
        let rooms: Vec<String> = self.devices[sender].borrow().local_rooms().keys().cloned().collect();
        for room in rooms {
            for _ in 0..MESSAGES_PER_ROOM {
                let label = format!("long {}", self.observed.borrow().sent.len());
                self.queue_text(sender, &room, &longest_text(&label, '🏋'));
            }
        }
        self.wait_until_idle().await;
        for d in devices_of(1) {
            self.devices[d].borrow_mut().should_connect = true;
            self.go_online(d);
        }
    }

    /// All members read the group except the last one, whom a list of rooms does not show.
    fn all_but_one_read(self: &Rc<Self>) {
        for d in 0..self.devices.len() {
            if self.devices[d].borrow().user < self.plan.initial_members - 1 {
                self.mark_read(d, &self.rooms[0]);
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
        // A client may have reconnected meanwhile, and be syncing.
        self.wait_until_idle().await;
        fresh
    }

    async fn load(self: &Rc<Self>, user: usize) -> FreshLoad {
        let limit = self.rng.borrow_mut().u64(1..=100);
        let mut rooms = self.list_rooms(user, Some(limit)).await.unwrap_or_default();
        for room in &mut rooms {
            self.show_all_participants(user, room).await;
        }
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

    /// Replaces a large group in a list of rooms, which shows some participants, by the one with all of them.
    async fn show_all_participants(self: &Rc<Self>, user: usize, listed: &mut Value) {
        let shown = listed["participants"].as_array().unwrap().clone();
        if listed["participant_count"] == shown.len() {
            return;
        }
        let request =
            HttpRequest::new("GET /api/v1/chat/rooms/{room_id}").path("room_id", text(&listed["id"]));
        let Some(mut room) = self.call(user, request).await.map(|response| response.body) else { return };
        without_presence(&mut room);
        let (is_first, all) = (shown.len() == MAX_SHOWN, room["participants"].as_array().unwrap());
        let me = self.users[user].id.as_str();
        let first = all.iter().filter(|participant| participant["user_id"] != me).take(MAX_SHOWN - 1);
        if !is_first || !shown.iter().eq(first.chain(all.last())) {
            let detail = format!("{me} is shown {shown:?} in a list, of {all:?}");
            self.report_violation("consistent responses", detail);
        }
        room["last_message"] = listed["last_message"].take();
        *listed = room;
    }

    async fn list_reactions(self: &Rc<Self>, user: usize, message: &Value) -> Vec<Value> {
        let route = "GET /api/v1/chat/rooms/{room_id}/messages/{message_id}/reactions";
        let request = HttpRequest::new(route).path("room_id", text(&message["chat_room_id"]));
        let response = self.call(user, request.path("message_id", text(&message["id"]))).await;
        response.and_then(|response| response.body.as_array().cloned()).unwrap_or_default()
    }

    fn client_traces(&self, seed: u64) -> Vec<Value> {
        let devices = self.devices.iter().map(|device| device.borrow());
        devices
            .filter_map(|device| {
                let (me, name) = (&self.users[device.user].id, &device.name);
                let events = device.replica.events()?;
                Some(json!({"seed": seed, "device": name, "me": me, "events": events}))
            })
            .collect()
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
            clients: Vec::new(),
            faults: state.fault_counts.clone(),
        }
    }
}
