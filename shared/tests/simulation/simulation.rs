//! The state of one schedule: users, devices and rooms, the app under test, and what the clients observed.

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, HashMap},
    future::Future,
    panic::AssertUnwindSafe,
    rc::Rc,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use aws_smithy_async::time::TimeSource;
use fastrand::Rng;
use futures::FutureExt;
use shared::{
    App,
    clock::{Clock, Timestamp},
    config::Config,
    domain::{
        rooms::{
            RoomKind,
            new_room::{Invitee, NewRoom},
        },
        users::profile::TokenProfile,
    },
    id::{RoomId, UserId},
    push::Push,
    store::Store,
};
use tokio::{sync::Notify, time::timeout};
use uuid::Uuid;

use crate::{
    account_deletion,
    aws::SimulatedAws,
    device::Device,
    network::{self, TABLE},
    observations::Observations,
    plan::Plan,
    rate_limits,
    rooms::Origin,
    tokens::Token,
    trace::Tracing,
};

/// The secret that signs tokens.
pub const SECRET: &str = "a secret for tests, of more than 32 bytes";
/// The initial usernames.
pub const USERNAMES: [&str; 12] =
    ["ana", "ben", "cleo", "dev", "elif", "finn", "gus", "hana", "ivo", "jana", "kim", "leo"];

/// A simulated user.
pub struct User {
    /// The initial username.
    pub name: String,
    /// The user id.
    pub id: String,
    pub token: RefCell<Token>,
    /// Whether the user has deleted the account.
    pub is_deleted: Cell<bool>,
}

/// One schedule. Methods take a user as an index into `users`, and a device as an index `d` into `devices`.
pub struct Simulation {
    pub plan: Plan,
    pub aws: SimulatedAws,
    pub app: App,
    pub users: Vec<User>,
    pub devices: Vec<RefCell<Device>>,
    /// The group and the direct room that exist from the start.
    pub rooms: Vec<String>,
    /// How each known room came into being.
    pub origins: RefCell<BTreeMap<String, Origin>>,
    pub observed: RefCell<Observations>,
    pub rng: RefCell<Rng>,
    /// The time of the last request to create a room, in milliseconds since 1970.
    pub last_created_at: Cell<u64>,
    tasks: Cell<usize>,
    /// Notified when the last task ends.
    idle: Notify,
}

/// The SDK's wall clock, driven by Tokio's paused clock.
#[derive(Debug)]
struct VirtualTime(tokio::time::Instant);

impl TimeSource for VirtualTime {
    fn now(&self) -> std::time::SystemTime {
        std::time::UNIX_EPOCH + std::time::Duration::from_millis(crate::aws::START) + self.0.elapsed()
    }
}

fn app(aws: &SimulatedAws, plan: &Plan) -> App {
    // Clients of one region share a retry budget, so schedules that run in parallel use different regions.
    static REGIONS: AtomicU64 = AtomicU64::new(0);
    let region = format!("region-{}", REGIONS.fetch_add(1, Ordering::Relaxed));
    let time = VirtualTime(tokio::time::Instant::now());
    let sdk_config = network::sdk(aws.clone(), &region).into_builder().time_source(time).build();
    let variable = |name: &str| match name {
        "TABLE_NAME" => Some(TABLE.to_owned()),
        "SOCKET_ENDPOINT" => Some("https://sockets.example/live".to_owned()),
        "JWT_SECRET" => Some(SECRET.to_owned()),
        "RATE_LIMITS" => Some(rate_limits::configuration(plan)),
        _ => None,
    };
    let config = Config::from_lookup(variable).unwrap();
    let store = Store::new(aws_sdk_dynamodb::Client::new(&sdk_config), TABLE.to_owned());
    let push = Push::from_config(&sdk_config, config.socket_endpoint.as_deref(), store.clone());
    let clock = {
        let aws = aws.clone();
        Clock::from_fn(move || timestamp(aws.now()))
    };
    App::new(config, clock, store, push)
}

fn timestamp(milliseconds: u64) -> Timestamp {
    Timestamp::from_milliseconds(i64::try_from(milliseconds).unwrap()).unwrap()
}

impl Simulation {
    /// Creates the users, a group of the initial members, and a direct room of users 0 and 1.
    pub async fn new(plan: Plan, rng: Rng, aws: SimulatedAws, tracing: Tracing) -> Rc<Self> {
        let app = app(&aws, &plan);
        let (mut users, mut devices) = (Vec::new(), Vec::new());
        let mut ids = Vec::new();
        for (n, count) in plan.devices.iter().enumerate() {
            let (name, id) = (USERNAMES[n].to_owned(), Uuid::from_u128(0xa000 + n as u128));
            let token_profile = TokenProfile { username: Some(name.clone()), ..TokenProfile::default() };
            app.store.profile_or_new(id.into(), &token_profile, app.now()).await.unwrap();
            for device in 1..=*count {
                let name = format!("{name}-{device}");
                devices.push(RefCell::new(Device::new(n, &id.to_string(), name, tracing)));
            }
            ids.push(UserId::from(id));
            users.push(User {
                name,
                id: id.to_string(),
                token: RefCell::default(),
                is_deleted: Cell::new(false),
            });
        }
        let group = RoomId::from(Uuid::from_u128(0xb000));
        let direct = RoomId::direct(ids[0], ids[1]);
        let new_rooms = [
            (group, RoomKind::Group, Some("gym".to_owned()), &ids[..plan.initial_members]),
            (direct, RoomKind::Direct, None, &ids[..2]),
        ];
        let profiles = app.store.profiles(&ids).await.unwrap();
        let invitees: HashMap<UserId, Invitee> =
            profiles.into_iter().map(|(user, profile)| (user, Invitee::uncounted(profile))).collect();
        for (id, kind, name, members) in new_rooms {
            let members = members.iter().copied().collect();
            let new_room = NewRoom { id, kind, name, creator: ids[0], members, client_id: None };
            let check = || async { Ok(invitees.clone()) };
            app.store.create_room(&new_room, app.now(), check).await.unwrap().unwrap();
        }
        let rooms = vec![group.to_string(), direct.to_string()];
        let origins = [(&rooms[0], true, plan.initial_members), (&rooms[1], false, 2)];
        let origins =
            origins.map(|(room, is_group, members)| (room.clone(), Origin::initial(is_group, members)));
        let observed = RefCell::new(Observations::default());
        Rc::new(Self {
            plan,
            aws,
            app,
            users,
            devices,
            rooms,
            origins: RefCell::new(origins.into()),
            observed,
            rng: RefCell::new(rng),
            last_created_at: Cell::new(0),
            tasks: Cell::new(0),
            idle: Notify::new(),
        })
    }

    /// Runs a task concurrently. `wait_until_idle` waits for it.
    pub fn spawn(self: &Rc<Self>, work: impl Future<Output = ()> + 'static) {
        let simulation = self.clone();
        self.tasks.set(self.tasks.get() + 1);
        tokio::task::spawn_local(async move {
            if AssertUnwindSafe(work).catch_unwind().await.is_err() {
                simulation.report_violation("no panic", "a task panicked, see above");
            }
            simulation.tasks.set(simulation.tasks.get() - 1);
            if simulation.tasks.get() == 0 {
                simulation.idle.notify_one();
            }
        });
    }

    /// Waits until all tasks have ended.
    pub async fn wait_until_idle(&self) {
        /// Longer than any task: if half of all calls fail, an operation of ten calls is retried for hours.
        const LIMIT: Duration = Duration::from_hours(3);
        let until_idle = async {
            while self.tasks.get() > 0 {
                self.idle.notified().await;
            }
        };
        if timeout(LIMIT, until_idle).await.is_err() {
            self.report_violation("every request completes", "a task does not end");
        }
    }

    /// Records that a property is violated.
    pub fn report_violation(&self, property: &'static str, detail: impl Into<String>) {
        // The other checks do not know that an account can be deleted.
        let has_deleted_account = self.users.iter().any(|user| user.is_deleted.get());
        let is_checked =
            [account_deletion::PROPERTY, "every request completes", "no panic"].contains(&property);
        if has_deleted_account && !is_checked {
            return;
        }
        let detail = detail.into();
        self.aws.trace.record(|| format!("VIOLATION {property}: {detail}"));
        self.observed.borrow_mut().violations.push((property, detail));
    }

    /// The name of a room in the trace and in violations.
    pub fn room_name<'a>(&self, room: &'a str) -> &'a str {
        match &*self.rooms {
            [group, _] if group == room => "group",
            [_, direct] if direct == room => "direct",
            _ => room,
        }
    }
}
