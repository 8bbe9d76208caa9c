//! The whole program, run as its users run it: real clips, real RTSP, the tiny model, the real binary.
// Tests panic when something is wrong, and wait by the real clock.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods)]

#[path = "../support/clips.rs"]
mod clips;
#[path = "../support/http_camera.rs"]
mod http_camera;
#[path = "../support/listener.rs"]
mod listener;
#[path = "../support/ports.rs"]
mod ports;
#[path = "../support/rtsp_server.rs"]
mod rtsp_server;
#[path = "../support/servers.rs"]
mod servers;
#[path = "../support/tcp_proxy.rs"]
mod tcp_proxy;
#[path = "../support/tls_door.rs"]
mod tls_door;

mod bad_input;
mod bench;
mod cameras;
mod city;
mod evidence;
mod live;
mod program;
mod replay;
mod shared_events;
mod shared_footage;
mod speeds;
mod stored_tracks;
