//! The functions' endpoints in this process, called as their binaries call them.

use futures::future::BoxFuture;
use lambda_http::{Body, Request, Response};
use serde_json::Value;
use shared::{
    App,
    serve::{
        Endpoint,
        events::{ScheduledEvent, SocketEvent},
        http, schedule, socket,
    },
    wire::socket::Event,
};

mod functions;

/// Handles an HTTP API request with the function of this name.
pub async fn call_http(app: &App, function: &str, request: Request) -> Response<Body> {
    match function {
        "chat-add-participant" => {
            boxed_http(app, functions::chat_add_participant::add_participant, request).await
        }
        "chat-add-reaction" => boxed_http(app, functions::chat_add_reaction::add_reaction, request).await,
        "chat-create-room" => boxed_http(app, functions::chat_create_room::create_room, request).await,
        "chat-delete-message" => {
            boxed_http(app, functions::chat_delete_message::delete_message, request).await
        }
        "chat-delete-room" => boxed_http(app, functions::chat_delete_room::delete_room, request).await,
        "chat-edit-message" => boxed_http(app, functions::chat_edit_message::edit_message, request).await,
        "chat-get-message" => boxed_http(app, functions::chat_get_message::get_message, request).await,
        "chat-get-room" => boxed_http(app, functions::chat_get_room::get_room, request).await,
        "chat-list-messages" => boxed_http(app, functions::chat_list_messages::list_messages, request).await,
        "chat-list-pins" => boxed_http(app, functions::chat_list_pins::list_pins, request).await,
        "chat-list-reactions" => {
            boxed_http(app, functions::chat_list_reactions::list_reactions, request).await
        }
        "chat-list-rooms" => boxed_http(app, functions::chat_list_rooms::list_rooms, request).await,
        "chat-mark-read" => boxed_http(app, functions::chat_mark_read::mark_read, request).await,
        "chat-pin-message" => boxed_http(app, functions::chat_pin_message::pin_message, request).await,
        "chat-remove-participant" => {
            boxed_http(app, functions::chat_remove_participant::remove_participant, request).await
        }
        "chat-remove-reaction" => {
            boxed_http(app, functions::chat_remove_reaction::remove_reaction, request).await
        }
        "chat-send-message" => boxed_http(app, functions::chat_send_message::send_message, request).await,
        "chat-sync" => boxed_http(app, functions::chat_sync::sync, request).await,
        "chat-unpin-message" => boxed_http(app, functions::chat_unpin_message::unpin_message, request).await,
        "chat-update-room" => boxed_http(app, functions::chat_update_room::update_room, request).await,
        "chat-update-room-settings" => {
            boxed_http(app, functions::chat_update_room_settings::update_room_settings, request).await
        }
        "devices-list" => boxed_http(app, functions::devices_list::list, request).await,
        "devices-register" => boxed_http(app, functions::devices_register::register, request).await,
        "devices-sign-out" => boxed_http(app, functions::devices_sign_out::sign_out, request).await,
        "friends-block-user" => boxed_http(app, functions::friends_block_user::block_user, request).await,
        "friends-cancel-request" => {
            boxed_http(app, functions::friends_cancel_request::cancel_request, request).await
        }
        "friends-list" => boxed_http(app, functions::friends_list::list, request).await,
        "friends-list-blocks" => boxed_http(app, functions::friends_list_blocks::list_blocks, request).await,
        "friends-list-mutual" => boxed_http(app, functions::friends_list_mutual::list_mutual, request).await,
        "friends-list-requests" => {
            boxed_http(app, functions::friends_list_requests::list_requests, request).await
        }
        "friends-list-suggestions" => {
            boxed_http(app, functions::friends_list_suggestions::list_suggestions, request).await
        }
        "friends-remove-friend" => {
            boxed_http(app, functions::friends_remove_friend::remove_friend, request).await
        }
        "friends-respond-to-request" => {
            boxed_http(app, functions::friends_respond_to_request::respond_to_request, request).await
        }
        "friends-search-users" => {
            boxed_http(app, functions::friends_search_users::search_users, request).await
        }
        "friends-send-request" => {
            boxed_http(app, functions::friends_send_request::send_request, request).await
        }
        "friends-unblock-user" => {
            boxed_http(app, functions::friends_unblock_user::unblock_user, request).await
        }
        "http-unknown" => boxed_http(app, functions::http_unknown::unknown, request).await,
        "reports-create" => boxed_http(app, functions::reports_create::create, request).await,
        "users-delete-me" => boxed_http(app, functions::users_delete_me::delete_me, request).await,
        "users-get" => boxed_http(app, functions::users_get::get, request).await,
        "users-get-me" => boxed_http(app, functions::users_get_me::get_me, request).await,
        "users-update-me" => boxed_http(app, functions::users_update_me::update_me, request).await,
        other => panic!("{other} is not a function of the HTTP API"),
    }
}

/// Handles a WebSocket API event with the function of this name.
pub async fn call_socket(app: &App, function: &str, event: SocketEvent) -> Value {
    match function {
        "socket-connect" => boxed_socket(app, functions::socket_connect::connect, event).await,
        "socket-disconnect" => boxed_socket(app, functions::socket_disconnect::disconnect, event).await,
        "socket-hello" => boxed_socket(app, functions::socket_hello::hello, event).await,
        "socket-message-delivered" => {
            boxed_socket(app, functions::socket_message_delivered::message_delivered, event).await
        }
        "socket-message-read" => boxed_socket(app, functions::socket_message_read::message_read, event).await,
        "socket-ping" => boxed_socket(app, functions::socket_ping::ping, event).await,
        "socket-send-message" => boxed_socket(app, functions::socket_send_message::send_message, event).await,
        "socket-typing-start" => boxed_socket(app, functions::socket_typing_start::typing_start, event).await,
        "socket-typing-stop" => boxed_socket(app, functions::socket_typing_stop::typing_stop, event).await,
        "socket-unknown" => boxed_socket(app, functions::socket_unknown::unknown, event).await,
        other => panic!("{other} is not a function of the WebSocket API"),
    }
}

/// Handles a scheduled event with the function of this name.
pub async fn call_scheduled(
    app: &App,
    function: &str,
    event: &ScheduledEvent,
) -> Result<(), schedule::Failure> {
    match function {
        "maintenance-complete-deletions" => {
            let endpoint = functions::maintenance_complete_deletions::complete_deletions;
            schedule::answer(app, &endpoint, event, "scheduled").await
        }
        other => panic!("{other} is not a scheduled function"),
    }
}

/// Boxes the call: in an unoptimised build, the frame of the `match` would hold the futures of all its arms.
fn boxed_http<A: 'static, E>(app: &App, endpoint: E, request: Request) -> BoxFuture<'_, Response<Body>>
where
    E: Endpoint<http::HttpCall, A, Reply: http::HttpReply>,
{
    Box::pin(async move { http::answer(app, &endpoint, request).await })
}

fn boxed_socket<A: 'static, E>(app: &App, endpoint: E, event: SocketEvent) -> BoxFuture<'_, Value>
where
    E: Endpoint<socket::SocketCall, A, Reply = Option<Event>>,
{
    Box::pin(async move { socket::answer(app, &endpoint, event, "socket").await })
}
