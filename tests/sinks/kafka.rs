//! Kafka, against librdkafka's own mock cluster: it speaks the protocol and keeps what is produced, in one process with
//! the client. No Kafka broker runs here.

use std::collections::BTreeMap;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::message::{Headers, Message};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use serde_json::{Value, json};

use crate::certificates::door;
use crate::conformance::{conform, is_awaited};
use crate::far_side::{FarSide, Record};
use crate::services::Services;
use crate::stills::{carries, check, picture, submit, with_still};
use crate::store_support::event;
use crate::{Pipeline, mistakes};

const TOPIC: &str = "city.events";
const PARTITIONS: i32 = 3;
const BROKERS: i32 = 3;

struct Kafka(MockCluster<'static, DefaultProducerContext>);

impl Kafka {
    fn new() -> Self {
        Self::of(PARTITIONS)
    }

    fn of(partitions: i32) -> Self {
        let cluster = MockCluster::new(BROKERS).unwrap();
        cluster.create_topic(TOPIC, partitions, BROKERS).unwrap();
        Self(cluster)
    }

    fn bodies(&self) -> Vec<Value> {
        self.messages().into_iter().map(|(_, _, body)| body).collect()
    }

    /// Every message, a partition after the other, in the order of its offsets.
    fn messages(&self) -> Vec<(i32, Vec<u8>, Value)> {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", self.0.bootstrap_servers())
            .set("group.id", "test")
            .set("enable.auto.commit", "false")
            .create()
            .unwrap();
        let metadata = consumer.fetch_metadata(Some(TOPIC), Duration::from_secs(10)).unwrap();
        let mut found = Vec::new();
        for partition in 0..metadata.topics()[0].partitions().len() as i32 {
            let (low, high) = consumer.fetch_watermarks(TOPIC, partition, Duration::from_secs(10)).unwrap();
            let mut assignment = TopicPartitionList::new();
            assignment.add_partition_offset(TOPIC, partition, Offset::Offset(low)).unwrap();
            consumer.assign(&assignment).unwrap();
            let mut next = low;
            while next < high {
                let message = consumer.poll(Duration::from_secs(10)).expect("a message").unwrap();
                assert_eq!(message.partition(), partition);
                next = message.offset() + 1;
                let header = message.headers().unwrap().iter().find(|h| h.key == "content-type").unwrap();
                assert_eq!(header.value, Some(&b"application/cloudevents+json"[..]));
                let body = serde_json::from_slice(message.payload().unwrap()).unwrap();
                found.push((partition, message.key().unwrap().to_vec(), body));
            }
        }
        found
    }
}

impl FarSide for Kafka {
    fn kind(&self) -> &'static str {
        "kafka"
    }
    fn params(&self) -> Value {
        json!({"brokers": self.0.bootstrap_servers(), "topic": TOPIC})
    }
    fn received(&self) -> Vec<Record> {
        self.messages().iter().map(|(_, _, body)| Record::of_cloud_event(body)).collect()
    }
    fn stop(&mut self) {
        (1..=BROKERS).for_each(|broker| self.0.broker_down(broker).unwrap());
    }
    fn start(&mut self) {
        (1..=BROKERS).for_each(|broker| self.0.broker_up(broker).unwrap());
    }
}

#[test]
fn kafka_conforms() {
    conform(Kafka::new());
}

#[test]
fn a_cluster_that_is_away_at_the_start_gets_all_of_it_later() {
    is_awaited(Kafka::new(), "127.0.0.1");
}

#[test]
fn kafka_carries_stills() {
    let far = Kafka::new();
    carries("kafka", far.params(), &|| far.bodies());
}

#[test]
fn a_still_that_the_cluster_finds_too_large_is_left_out() {
    let far = Kafka::of(1);
    let mut params = far.params();
    params["inline_still_kib"] = 100.into();
    // The event before it goes alone; the message with the picture is the second request.
    let refused = [RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR, RDKafkaRespErr::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE];
    far.0.request_errors(RDKafkaApiKey::Produce, &refused);
    let pipeline = Pipeline::start("kafka", &params);
    pipeline.store.put_still("a.1.jpg", &picture(240, 180)).unwrap();
    submit(&pipeline, vec![event("a", 0), with_still(1), event("a", 2)]);
    pipeline.wait_for_delivered(3);
    check(&far.bodies(), &[None, Some(Err("not_taken".to_owned())), None]);
    assert_eq!(pipeline.status().rejected, 0, "no dead letter for a picture");
}

/// librdkafka's own limit of a message is 1,000,000 bytes: it is raised by what `inline_still_kib` needs.
#[test]
fn a_still_above_the_clients_own_limit_is_carried() {
    let far = Kafka::of(1);
    let mut params = far.params();
    params["inline_still_kib"] = 1000.into();
    let still = picture(1200, 950);
    assert!((800 << 10..1000 << 10).contains(&still.len()), "{}", still.len());
    let pipeline = Pipeline::start("kafka", &params);
    pipeline.store.put_still("a.0.jpg", &still).unwrap();
    submit(&pipeline, vec![with_still(0)]);
    pipeline.wait_for_delivered(1);
    check(&far.bodies(), &[Some(Ok(still))]);
}

#[test]
fn a_bad_certificate_is_refused_and_the_reason_said() {
    // librdkafka does not say what is wrong with a certificate; the good one tells that it is the date and the name.
    for (certificate, is_bad) in [("expired", true), ("elsewhere", true), ("server", false)] {
        let services = Services::showing(certificate, &["mosquitto"]);
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let port = door(&services, certificate, &runtime);
        let brokers = format!("localhost:{port}");
        let params = json!({"brokers": brokers, "tls": true, "ca_file": services.pem("ca.pem")});
        let pipeline = Pipeline::start("kafka", &params);
        pipeline.submit("a", 0..1);
        let reason = pipeline.wait_for_retry();
        assert_eq!(reason.contains("certificate verify failed"), is_bad, "{certificate}: {reason}");
        assert_eq!((pipeline.status().delivered, pipeline.status().backlog), (0, 1));
    }
}

#[test]
fn a_camera_stays_in_one_partition() {
    let far = Kafka::new();
    let pipeline = Pipeline::start("kafka", &far.params());
    for camera in ["north", "south", "west", "east"] {
        pipeline.submit(camera, 0..10);
    }
    pipeline.wait_for_delivered(40);
    let mut partitions: BTreeMap<Vec<u8>, i32> = BTreeMap::new();
    for (partition, key, body) in far.messages() {
        assert_eq!(key, body["partitionkey"].as_str().unwrap().as_bytes());
        assert_eq!(*partitions.entry(key).or_insert(partition), partition);
    }
    assert_eq!(partitions.len(), 4);
}

#[test]
fn what_the_cluster_refuses_becomes_a_dead_letter() {
    let far = Kafka::new();
    far.0.request_errors(RDKafkaApiKey::Produce, &[RDKafkaRespErr::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE]);
    let pipeline = Pipeline::start("kafka", &far.params());
    pipeline.submit("a", 0..1);
    pipeline.wait_for("refused", |status| status.rejected == 1);
    let letters = pipeline.store.reader().unwrap().dead_letters("test", 10).unwrap();
    let code = RDKafkaErrorCode::MessageSizeTooLarge.to_string();
    assert!(letters[0].reason.contains("size") || letters[0].reason.contains(&code), "{}", letters[0].reason);
}

#[test]
fn bad_parameters_are_all_named() {
    let params = json!({"brokers": "h", "topic": "a b", "username": "u", "mechanism": "PLAIN", "ca_file": "x"});
    let found = mistakes("kafka", &params);
    for hint in ["`brokers` cannot be", "`topic` cannot be", "in the clear", "`ca_file` would be ignored"] {
        assert!(found.iter().any(|mistake| mistake.contains(hint)), "{hint}: {found:?}");
    }
}
