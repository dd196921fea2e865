//! The privacy settings of presence: friends are notified when a change shows or hides the online status.

use shared::domain::{
    relationships::access::Audience,
    users::{profile::ProfileChange, settings::SettingsChange},
};

use crate::{
    backend::TestBackend,
    presence::{connect, friends, notified, pause},
    raw::set_audience,
};

#[tokio::test(start_paused = true)]
async fn friends_are_notified_when_a_setting_shows_or_hides_the_online_status() {
    let backend = TestBackend::new();
    let (ana, _) = friends(&backend).await;
    connect(&backend, ana, 1).await;
    assert_eq!(notified(&backend), [true]);
    let set_and_notify = async |audience| {
        set_audience(&backend, ana, "online_shown_to", audience).await;
        backend.app.push.notify_presence_settings(ana, backend.app.now()).await.unwrap();
        notified(&backend)
    };
    assert_eq!(set_and_notify("nobody").await, [false]);
    assert_eq!(set_and_notify("everyone").await, [true]);
    assert_eq!(
        set_and_notify("friends").await,
        [true],
        "the call that made the previous change may have been aborted"
    );
}

#[tokio::test(start_paused = true)]
async fn a_user_who_hides_their_status_while_coming_online_is_hidden() {
    for (hide_delay, connect_delay) in (0..8).flat_map(|hide| (0..8).map(move |connect| (hide, connect))) {
        let backend = TestBackend::new();
        let (ana, _) = friends(&backend).await;
        let hide = async {
            pause(hide_delay * 500).await;
            let settings =
                SettingsChange { online_shown_to: Some(Audience::Nobody), ..SettingsChange::default() };
            let change = ProfileChange { settings, ..ProfileChange::default() };
            backend.app.change_profile(ana, &change).await.unwrap();
        };
        let come_online = async {
            pause(connect_delay * 500).await;
            connect(&backend, ana, 1).await;
        };
        tokio::join!(hide, come_online);
        assert_eq!(notified(&backend).last(), Some(&false), "{hide_delay}, {connect_delay}");
    }
}
