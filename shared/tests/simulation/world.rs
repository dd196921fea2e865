//! The people of one schedule, their devices and rooms, and what is known of what they did.

use std::{
    cell::{Cell, RefCell},
    future::Future,
    panic::AssertUnwindSafe,
    rc::Rc,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use aws_smithy_async::time::TimeSource;
use fastrand::Rng;
use futures::FutureExt;
use jsonwebtoken::{EncodingKey, Header, encode};
use serde_json::json;
use shared::{
    App,
    clock::{Clock, Timestamp},
    config::Config,
    domain::{
        rooms::{RoomKind, new_room::NewRoom},
        users::profile::TokenProfile,
    },
    id::{RoomId, UserId},
    push::Push,
    store::Store,
};
use tokio::{sync::Notify, time::timeout};
use uuid::Uuid;

use crate::{
    cloud::Cloud,
    device::Device,
    ledger::Ledger,
    network::{self, TABLE},
    plan::Plan,
};

const SECRET: &str = "a secret for tests, of more than 32 bytes";
/// How people are called at first.
pub const NAMES: [&str; 4] = ["ana", "ben", "cleo", "dev"];

/// A person.
pub struct Person {
    /// Their username at first.
    pub name: String,
    /// Their id.
    pub id: String,
    token: RefCell<(u64, String)>,
}

/// One schedule's people, and what they did.
pub struct World {
    pub plan: Plan,
    pub cloud: Cloud,
    pub app: App,
    pub people: Vec<Person>,
    pub devices: Vec<RefCell<Device>>,
    /// The group, then the direct room.
    pub rooms: Vec<String>,
    pub ledger: RefCell<Ledger>,
    pub rng: RefCell<Rng>,
    tasks: Cell<usize>,
    idle: Notify,
}

/// Wall-clock time for the SDK.
#[derive(Debug)]
struct Virtual(tokio::time::Instant);

impl TimeSource for Virtual {
    fn now(&self) -> std::time::SystemTime {
        std::time::UNIX_EPOCH + std::time::Duration::from_millis(crate::cloud::START) + self.0.elapsed()
    }
}

fn app(cloud: &Cloud) -> App {
    // A region for each schedule: schedules that run side by side share no budget of retries.
    static REGIONS: AtomicU64 = AtomicU64::new(0);
    let region = format!("region-{}", REGIONS.fetch_add(1, Ordering::Relaxed));
    let time = Virtual(tokio::time::Instant::now());
    let aws = network::sdk(cloud.clone(), &region).into_builder().time_source(time).build();
    let variable = |name: &str| {
        match name {
        "TABLE_NAME" => Some(TABLE.to_owned()),
        "SOCKET_ENDPOINT" => Some("https://sockets.example/live".to_owned()),
        "JWT_SECRET" => Some(SECRET.to_owned()),
        // Looked at in every call, and never reached.
        "RATE_LIMITS" => {
            Some("messages=100000/60s,searches=100000/60s,frames=100000/60s,changes=100000/60s,requests=100000/60s,rooms=100000/60s".to_owned())
        }
        _ => None,
    }
    };
    let config = Config::from_lookup(variable).unwrap();
    let store = Store::new(aws_sdk_dynamodb::Client::new(&aws), TABLE.to_owned());
    let push = Push::from_config(&aws, config.socket_endpoint.as_deref(), store.clone());
    let clock = {
        let cloud = cloud.clone();
        Clock::from_fn(move || timestamp(cloud.now()))
    };
    App::new(config, clock, store, push)
}

fn timestamp(milliseconds: u64) -> Timestamp {
    Timestamp::from_milliseconds(i64::try_from(milliseconds).unwrap()).unwrap()
}

impl World {
    /// People, a group of them all, and a direct room of the first two.
    pub async fn new(plan: Plan, rng: Rng, cloud: Cloud) -> Rc<Self> {
        let app = app(&cloud);
        let (mut people, mut devices) = (Vec::new(), Vec::new());
        let mut ids = Vec::new();
        for (n, count) in plan.devices.iter().enumerate() {
            let (name, id) = (NAMES[n].to_owned(), Uuid::from_u128(0xa000 + n as u128));
            let newcomer = TokenProfile { username: Some(name.clone()), ..TokenProfile::default() };
            app.store.profile_or_new(id.into(), &newcomer, app.now()).await.unwrap();
            for device in 1..=*count {
                devices.push(RefCell::new(Device::new(n, &id.to_string(), format!("{name}-{device}"))));
            }
            ids.push(UserId::from(id));
            people.push(Person { name, id: id.to_string(), token: RefCell::default() });
        }
        let group = RoomId::from(Uuid::from_u128(0xb000));
        let direct = RoomId::direct(ids[0], ids[1]);
        let foundings = [
            (group, RoomKind::Group, Some("gym".to_owned()), &ids[..plan.founders]),
            (direct, RoomKind::Direct, None, &ids[..2]),
        ];
        let profiles = app.store.profiles(&ids).await.unwrap();
        for (id, kind, name, members) in foundings {
            let people = members.iter().copied().collect();
            let new_room = NewRoom { id, kind, name, creator: ids[0], members: people };
            app.store.create_room(&new_room, profiles.clone(), app.now()).await.unwrap().unwrap();
        }
        let rooms = vec![group.to_string(), direct.to_string()];
        let ledger = RefCell::new(Ledger::default());
        Rc::new(Self {
            plan,
            cloud,
            app,
            people,
            devices,
            rooms,
            ledger,
            rng: RefCell::new(rng),
            tasks: Cell::new(0),
            idle: Notify::new(),
        })
    }

    /// Runs something beside everything else.
    pub fn spawn(self: &Rc<Self>, work: impl Future<Output = ()> + 'static) {
        let world = self.clone();
        self.tasks.set(self.tasks.get() + 1);
        tokio::task::spawn_local(async move {
            if AssertUnwindSafe(work).catch_unwind().await.is_err() {
                world.broken("no panic", "see above");
            }
            world.tasks.set(world.tasks.get() - 1);
            if world.tasks.get() == 0 {
                world.idle.notify_one();
            }
        });
    }

    /// Waits until nothing runs any more.
    pub async fn settled(&self) {
        /// Longer than anything may take: where half of all calls fail, what needs ten of them is tried for hours.
        const LIMIT: Duration = Duration::from_hours(3);
        let settling = async {
            while self.tasks.get() > 0 {
                self.idle.notified().await;
            }
        };
        if timeout(LIMIT, settling).await.is_err() {
            self.broken("progress", "something never ends");
        }
    }

    /// A token that is good for an hour at least.
    pub fn token(&self, person: usize) -> String {
        let (now, person) = (self.cloud.now() / 1000, &self.people[person]);
        let mut token = person.token.borrow_mut();
        if token.0 < now + 2 * 3600 {
            let expires = now + 4 * 3600;
            let claims = json!({"sub": person.id, "username": person.name, "exp": expires});
            let key = EncodingKey::from_secret(SECRET.as_bytes());
            *token = (expires, encode(&Header::default(), &claims, &key).unwrap());
        }
        token.1.clone()
    }

    /// A property does not hold.
    pub fn broken(&self, property: &'static str, detail: impl Into<String>) {
        let detail = detail.into();
        self.cloud.trace.note(|| format!("BROKEN {property}: {detail}"));
        self.ledger.borrow_mut().broken.push((property, detail));
    }

    /// The room's name in the trace.
    pub fn room_name(&self, room: &str) -> &'static str {
        if self.rooms[0] == room { "group" } else { "direct" }
    }
}
