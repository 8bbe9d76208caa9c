//! Vantage: camera URLs in, durable traffic events out.
//!
//! A frame flows one way through the modules, and a module uses only the ones above it in this
//! list (`tests/layering.rs` keeps it so):
//!
//! | layer | modules | what they hold |
//! |---|---|---|
//! | 0 | [`base`] | errors, ids, time, secrets, the stop token |
//! | 1 | [`scene`], [`media`] | geometry, detections, tracks, observations, events: plain values; containers and codecs |
//! | 2 | [`config`], [`frame`], [`incident`] | the checked pipeline file; pictures, the ring, tensors, stills; which events are one incident |
//! | 3 | [`source`], [`infer`], [`track`], [`rule`], [`learn`], [`store`], [`tracklog`], [`sink`], [`contract`], [`document`], [`warehouse`], [`probe`], [`serve`], [`eval`] | the parts, which never use each other |
//! | 4 | [`pipeline`], [`pull`], [`export`], [`access`] | the wiring: cameras, lanes, tails, reload, stop; models from the catalogue; files for others; users and their rights |
//! | 5 | [`ops`] | metrics, health |
//! | 6 | [`web`] | the HTTP port: the API and the operations centre's page |
//! | 7 | [`cli`] | commands |
//!
//! `ARCHITECTURE.md` tells the same as a story.

pub mod access;
pub mod base;
pub mod cli;
pub mod config;
pub mod contract;
pub mod document;
pub mod eval;
pub mod export;
pub mod frame;
pub mod incident;
pub mod infer;
pub mod learn;
pub mod media;
pub mod ops;
pub mod pipeline;
pub mod probe;
pub mod pull;
pub mod rule;
pub mod scene;
pub mod serve;
pub mod sink;
pub mod source;
pub mod store;
pub mod track;
pub mod tracklog;
pub mod warehouse;
pub mod web;
