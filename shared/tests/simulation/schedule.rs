//! One schedule: its steps under faults, then the end without them, and the check.

use std::{collections::BTreeMap, rc::Rc, time::Duration};

use serde_json::{Value, json};
use tokio::{
    sync::mpsc::unbounded_channel,
    task::{LocalSet, yield_now},
    time::sleep,
};

use crate::{
    checks::Fresh,
    clients::Which,
    cloud::Cloud,
    gateway::Rest,
    ledger::{number, text},
    plan::{Plan, Rates},
    trace::Trace,
    world::World,
};

/// How a schedule ended.
pub struct Outcome {
    /// What did not hold.
    pub broken: Vec<(&'static str, String)>,
    /// What happened, if it was to be kept.
    pub trace: String,
    pub steps: u64,
    pub sends: u64,
    pub tries: u64,
    pub calls: u64,
    /// How often each fault happened.
    pub faults: BTreeMap<&'static str, u64>,
}

/// Runs the schedule of a seed.
pub fn run(seed: u64, is_traced: bool) -> Outcome {
    // The jitter of clients and of the SDK is drawn from the thread's generator.
    fastrand::seed(seed);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    LocalSet::new().block_on(&runtime.unwrap(), play(seed, is_traced))
}

async fn play(seed: u64, is_traced: bool) -> Outcome {
    let (plan, rng) = Plan::of(seed);
    let trace = Trace::new(is_traced);
    trace.note(|| format!("{plan:?}"));
    let cloud = Cloud::new(seed, Rates::default(), trace.clone());
    let world = World::new(plan, rng, cloud).await;
    let (inbox, mut events) = unbounded_channel();
    world.cloud.state().lines.set_inbox(inbox);
    let router = {
        let world = world.clone();
        tokio::task::spawn_local(async move {
            while let Some(event) = events.recv().await {
                world.on_event(event);
            }
        })
    };
    world.cloud.set_rates(world.plan.rates.clone());
    for d in 0..world.devices.len() {
        world.come_online(d);
    }
    for _ in 0..world.plan.steps {
        if world.plan.has_long_waits && world.rng.borrow_mut().u32(..20) == 0 {
            world.lie_idle().await;
        }
        let pause = world.pause();
        sleep(pause).await;
        world.act();
    }
    world.cloud.set_rates(Rates::default());
    trace.note(|| "no more faults".to_owned());
    if world.plan.is_reliable() {
        world.check_live().await;
    }
    let fresh = world.come_to_rest().await;
    world.check_all(&fresh);
    world.check_people(&fresh).await;
    router.abort();
    yield_now().await;
    world.outcome()
}

impl World {
    fn pause(&self) -> Duration {
        let mut rng = self.rng.borrow_mut();
        let usual = rng.u64(..=self.plan.pause);
        Duration::from_millis(if rng.u32(..12) == 0 { rng.u64(..4000) } else { usual })
    }

    /// Everyone goes home for days, and some come back. Records that have expired may be gone by then, or not.
    async fn lie_idle(self: &Rc<Self>) {
        for d in 0..self.devices.len() {
            self.devices[d].borrow_mut().wants_live = false;
            self.go_offline(d);
        }
        self.settled().await;
        let hours = self.rng.borrow_mut().u64(1..=45 * 24);
        self.cloud.trace.note(|| format!("{hours} hours pass"));
        sleep(Duration::from_secs(hours * 3600)).await;
        if self.rng.borrow_mut().bool() {
            self.cloud.collect_expired();
        }
        for d in 0..self.devices.len() {
            if self.rng.borrow_mut().bool() {
                self.devices[d].borrow_mut().wants_live = true;
                self.come_online(d);
            }
        }
    }

    /// Whoever was connected all the time needs nothing but what was pushed.
    async fn check_live(self: &Rc<Self>) {
        self.settled().await;
        sleep(Duration::from_secs(30)).await;
        self.settled().await;
        let fresh = self.load_all().await;
        self.check_clients(&fresh, Which::Live);
    }

    /// Everyone visits, connects and catches up, every outbox is emptied; then what each person is shown.
    async fn come_to_rest(self: &Rc<Self>) -> Vec<Fresh> {
        self.end_blocks().await;
        self.visit().await;
        for round in 0..2 {
            for d in 0..self.devices.len() {
                self.devices[d].borrow_mut().wants_live = true;
                self.come_online(d);
                if round > 0 {
                    self.catch_up(d);
                }
            }
            self.settled().await;
            // What is still on its way arrives.
            sleep(Duration::from_secs(30)).await;
            self.settled().await;
        }
        self.load_all().await
    }

    async fn load_all(self: &Rc<Self>) -> Vec<Fresh> {
        let mut fresh = Vec::new();
        for person in 0..self.people.len() {
            fresh.push(self.load(person).await);
        }
        fresh
    }

    async fn load(self: &Rc<Self>, person: usize) -> Fresh {
        let limit = self.rng.borrow_mut().u64(1..=100);
        let rooms = self.list_rooms(person, Some(limit)).await.unwrap_or_default();
        let (mut messages, mut reactions) = (BTreeMap::new(), BTreeMap::new());
        let (mut whole, mut pins) = (Vec::new(), Vec::new());
        for room in &rooms {
            let (mut log, mut before) = (BTreeMap::new(), number(&room["seq"]) + 1);
            loop {
                let page = self.history(person, text(&room["id"]), ("before_seq", before), limit).await;
                let page = page.unwrap_or_default();
                let Some(oldest) = page.last() else { break };
                before = number(&oldest["seq"]);
                log.extend(page.into_iter().map(|message| (number(&message["seq"]), message)));
            }
            let id = text(&room["id"]).to_owned();
            if self.rng.borrow_mut().u32(..3) == 0 {
                let at = |route| Rest::new(route).at("room_id", &id);
                let shown = self.call(person, at("GET /api/v1/chat/rooms/{room_id}")).await;
                whole.extend(shown.map(|reply| reply.body));
                let listed = self.call(person, at("GET /api/v1/chat/rooms/{room_id}/pins")).await;
                pins.extend(listed.map(|reply| (id.clone(), reply.body.as_array().unwrap().clone())));
            }
            for (seq, message) in &log {
                if message["reactions"] != json!([]) {
                    let listed = self.list_reactions(person, message).await;
                    reactions.insert((id.clone(), *seq), listed);
                }
            }
            messages.insert(id, log);
        }
        let rooms = rooms.into_iter().map(|room| (text(&room["id"]).to_owned(), room)).collect();
        Fresh { rooms, messages, whole, pins, reactions }
    }

    async fn list_reactions(self: &Rc<Self>, person: usize, message: &Value) -> Vec<Value> {
        let route = "GET /api/v1/chat/rooms/{room_id}/messages/{message_id}/reactions";
        let rest = Rest::new(route).at("room_id", text(&message["chat_room_id"]));
        let reply = self.call(person, rest.at("message_id", text(&message["id"]))).await;
        reply.and_then(|reply| reply.body.as_array().cloned()).unwrap_or_default()
    }

    fn outcome(&self) -> Outcome {
        let ledger = self.ledger.borrow();
        let state = self.cloud.state();
        Outcome {
            broken: ledger.broken.clone(),
            trace: self.cloud.trace.text(),
            steps: self.plan.steps as u64,
            sends: ledger.sent.len() as u64,
            tries: ledger.tries,
            calls: state.calls,
            faults: state.faults.clone(),
        }
    }
}
