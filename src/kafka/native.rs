//! Taking records in batches, which rdkafka does not wrap: the only file with `unsafe`.
//!
//! Partition queues are forwarded to one queue of ours and read with `rd_kafka_consume_batch_queue`. Rebalances, errors and
//! logs stay on the consumer's own queue, which `BaseConsumer::poll` serves: read from there in batches, a rebalance
//! would be answered by librdkafka itself, with an empty assignment.
#![allow(unsafe_code)]

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{CStr, CString};
use std::marker::PhantomData;
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::types::RDKafkaErrorCode;
use rdkafka_sys as sys;

use super::context::{Context, TopicPartition};
use crate::model::Timestamp;

/// The queue all partitions are forwarded to. Lives on one thread: it holds raw pointers and is not `Send`.
pub(super) struct DataQueue {
    queue: NonNull<sys::rd_kafka_queue_t>,
    /// Messages taken from the queue; those from `cursor` on are ours to destroy.
    taken: Vec<*mut sys::rd_kafka_message_t>,
    cursor: usize,
    /// Keeps the client alive for as long as its queue and its messages.
    consumer: Arc<BaseConsumer<Context>>,
}

impl DataQueue {
    /// `None` when librdkafka has no memory for a queue.
    pub(super) fn new(consumer: Arc<BaseConsumer<Context>>, capacity: usize) -> Option<Self> {
        // SAFETY: the client pointer is valid while `consumer` lives, and we keep it.
        let queue = NonNull::new(unsafe { sys::rd_kafka_queue_new(consumer.client().native_ptr()) })?;
        Some(Self { queue, taken: Vec::with_capacity(capacity.max(1)), cursor: 0, consumer })
    }

    /// Routes a partition's records here. What waits in the partition's queue comes along. Idempotent.
    pub(super) fn forward(&self, topic: &str, partition: i32) {
        let Ok(topic) = CString::new(topic) else { return };
        // SAFETY: client and topic name are valid for the call; the returned handle is checked, used while both queues live,
        // and destroyed once. The forwarding itself is kept by librdkafka, which counts references to our queue.
        unsafe {
            let queue = sys::rd_kafka_queue_get_partition(self.consumer.client().native_ptr(), topic.as_ptr(), partition);
            if !queue.is_null() {
                sys::rd_kafka_queue_forward(queue, self.queue.as_ptr());
                sys::rd_kafka_queue_destroy(queue);
            }
        }
    }

    /// The next record or partition event: one already taken, or, after waiting at most `wait` for the first, one of
    /// those that are there.
    pub(super) fn next(&mut self, wait: Duration) -> Option<Delivery<'_>> {
        if self.cursor == self.taken.len() && !self.refill(wait) {
            return None;
        }
        let message = *self.taken.get(self.cursor)?;
        self.cursor += 1;
        // SAFETY: librdkafka hands out valid messages and owns nothing of them any more; with the cursor past it, this
        // one belongs to the delivery alone.
        NonNull::new(message).map(|message| Delivery { message, _queue: PhantomData })
    }

    /// True when a record was taken already and waits for nothing.
    pub(super) fn has_taken(&self) -> bool {
        self.cursor < self.taken.len()
    }

    /// Waits for the first, then takes what is there. The call blocks until the buffer is full or the time is up, hence two.
    fn refill(&mut self, wait: Duration) -> bool {
        self.taken.clear();
        self.cursor = 0;
        let wait_ms = i32::try_from(wait.as_millis()).unwrap_or(i32::MAX);
        if self.take(wait_ms, 1) {
            let room = self.taken.capacity() - self.taken.len();
            self.take(0, room);
        }
        !self.taken.is_empty()
    }

    /// Appends up to `limit` messages, which must fit the buffer's spare capacity.
    fn take(&mut self, wait_ms: i32, limit: usize) -> bool {
        let limit = limit.min(self.taken.capacity() - self.taken.len());
        if limit == 0 {
            return false;
        }
        let length = self.taken.len();
        // SAFETY: the spare capacity holds at least `limit` pointers; librdkafka writes the first `count` of them, which is what
        // the length grows by. The queue is alive.
        unsafe {
            let count = sys::rd_kafka_consume_batch_queue(self.queue.as_ptr(), wait_ms, self.taken.as_mut_ptr().add(length), limit);
            let count = usize::try_from(count).unwrap_or(0).min(limit);
            self.taken.set_len(length + count);
            count > 0
        }
    }

    /// Drops what was taken and not looked at: it will be read again.
    pub(super) fn discard(&mut self) {
        for message in self.taken.drain(..).skip(self.cursor) {
            // SAFETY: messages from the cursor on were not handed to a delivery, so each is destroyed once.
            unsafe { sys::rd_kafka_message_destroy(message) };
        }
        self.cursor = 0;
    }

    /// The same for records of some partitions only.
    pub(super) fn discard_if(&mut self, is_meant: impl Fn(&str, i32) -> bool) {
        let waiting: Vec<_> = self.taken.drain(..).skip(std::mem::take(&mut self.cursor)).collect();
        for message in waiting {
            let Some(valid) = NonNull::new(message) else { continue };
            let delivery = Delivery { message: valid, _queue: PhantomData };
            if is_meant(&delivery.topic(), delivery.partition()) {
                drop(delivery);
            } else {
                // Goes back: whoever takes it next destroys it.
                std::mem::forget(delivery);
                self.taken.push(message);
            }
        }
    }

    /// (first, one past the last) offset of a partition as the last fetch saw them.
    pub(super) fn watermarks(&self, topic: &str, partition: i32) -> Option<(i64, i64)> {
        let topic = CString::new(topic).ok()?;
        let (mut low, mut high) = (-1, -1);
        // SAFETY: client, name and the two integers are valid for the call; it looks into memory only.
        let code = unsafe {
            sys::rd_kafka_get_watermark_offsets(self.consumer.client().native_ptr(), topic.as_ptr(), partition, &mut low, &mut high)
        };
        (code == sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR && high >= 0).then_some((low, high))
    }
}

/// Id of one life of a topic as Kafka's tools print it: a topic made anew has another one.
pub(super) type TopicId = Arc<str>;

/// What a cluster lets us do with a topic or a group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Granted {
    pub(super) read: bool,
    pub(super) describe_configs: bool,
}

/// A topic as the cluster describes it.
#[derive(Clone, Debug, Default)]
pub(super) struct TopicDescription {
    /// `None` for one that has none, as before Kafka 2.8.
    pub(super) id: Option<TopicId>,
    /// `None` where it was not asked, or the cluster does not tell, as before Kafka 2.3.
    pub(super) granted: Option<Granted>,
    pub(super) partitions: usize,
}

/// A consumer group as the cluster describes it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct GroupDescription {
    /// `None` where the cluster does not tell.
    pub(super) granted: Option<Granted>,
    pub(super) members: usize,
}

/// Questions of the admin interface that rdkafka does not wrap.
pub(super) struct Admin<'c>(pub(super) &'c Arc<BaseConsumer<Context>>);

impl Admin<'_> {
    /// Asks for descriptions of the topics; with `permissions`, what we may do with each.
    pub(super) fn topics(&self, topics: &BTreeSet<String>, permissions: bool, wait: Duration) -> Pending {
        let names: Vec<CString> = topics.iter().filter_map(|topic| CString::new(topic.as_str()).ok()).collect();
        let mut pointers: Vec<*const std::ffi::c_char> = names.iter().map(|name| name.as_ptr()).collect();
        self.ask(sys::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBETOPICS, permissions, wait, |client, options, queue| {
            // SAFETY: the names are C strings that outlive the calls, which copy them; client, options and queue are valid (the
            // promise of `ask`); the collection is made and destroyed here.
            unsafe {
                let collection = sys::rd_kafka_TopicCollection_of_topic_names(pointers.as_mut_ptr(), pointers.len());
                sys::rd_kafka_DescribeTopics(client, collection, options, queue);
                sys::rd_kafka_TopicCollection_destroy(collection);
            }
        })
    }

    /// What the cluster says of a consumer group, which need not be there, or the cluster's error.
    pub(super) fn group(&self, group: &str, wait: Duration) -> Result<GroupDescription, RDKafkaErrorCode> {
        let Ok(name) = CString::new(group) else { return Ok(GroupDescription::default()) };
        let operation = sys::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBECONSUMERGROUPS;
        let answer = self.ask(operation, true, wait, |client, options, queue| {
            let mut names = [name.as_ptr()];
            // SAFETY: as above: the name outlives the call, which copies it, and the rest is valid.
            unsafe { sys::rd_kafka_DescribeConsumerGroups(client, names.as_mut_ptr(), names.len(), options, queue) };
        });
        let Some(answer) = answer.wait(wait) else { return Err(RDKafkaErrorCode::OperationTimedOut) };
        // SAFETY: the event is valid, and what is read from it lives as long; of the one group asked for there is at most one description.
        unsafe {
            let event = answer.0.as_ptr();
            let result = sys::rd_kafka_event_DescribeConsumerGroups_result(event);
            let mut count = 0;
            let descriptions =
                if result.is_null() { ptr::null_mut() } else { sys::rd_kafka_DescribeConsumerGroups_result_groups(result, &mut count) };
            if descriptions.is_null() || count == 0 {
                return Err(sys::rd_kafka_event_error(event).into());
            }
            let description = *descriptions;
            let error = sys::rd_kafka_ConsumerGroupDescription_error(description);
            let code = if error.is_null() { sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR } else { sys::rd_kafka_error_code(error) };
            if code != sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
                return Err(code.into());
            }
            let mut operations = 0;
            let first = sys::rd_kafka_ConsumerGroupDescription_authorized_operations(description, &mut operations);
            let members = sys::rd_kafka_ConsumerGroupDescription_member_count(description);
            Ok(GroupDescription { granted: granted(first, operations), members })
        }
    }

    /// Asks one question: `send` is given the client, options and the queue for the answer, all valid for the call. The client gives
    /// up after `wait`.
    fn ask(
        &self,
        operation: sys::rd_kafka_admin_op_t,
        permissions: bool,
        wait: Duration,
        send: impl FnOnce(*mut sys::rd_kafka_t, *const sys::rd_kafka_AdminOptions_t, *mut sys::rd_kafka_queue_t),
    ) -> Pending {
        let client = self.0.client().native_ptr();
        let wait_ms = i32::try_from(wait.as_millis()).unwrap_or(i32::MAX);
        // SAFETY: the client lives as long as the borrow of it; options are made and destroyed here, the queue is destroyed by its
        // owner; librdkafka's `new` functions do not return null for these arguments.
        unsafe {
            let queue = sys::rd_kafka_queue_new(client);
            let options = sys::rd_kafka_AdminOptions_new(client, operation);
            sys::rd_kafka_AdminOptions_set_request_timeout(options, wait_ms, ptr::null_mut(), 0);
            if permissions {
                let refused = sys::rd_kafka_AdminOptions_set_include_authorized_operations(options, 1);
                if !refused.is_null() {
                    sys::rd_kafka_error_destroy(refused);
                }
            }
            send(client, options, queue);
            sys::rd_kafka_AdminOptions_destroy(options);
            Pending { queue, _client: Arc::clone(self.0) }
        }
    }
}

/// A question on its way. Dropped, its answer is not wanted any more.
pub(super) struct Pending {
    queue: *mut sys::rd_kafka_queue_t,
    _client: Arc<BaseConsumer<Context>>,
}

impl Pending {
    /// Waits for the answer; `None` while there is none.
    fn wait(&self, wait: Duration) -> Option<Answer> {
        let wait_ms = i32::try_from(wait.as_millis()).unwrap_or(i32::MAX);
        // SAFETY: the queue is ours and lives as long; the event, if there is one, is handed to us alone.
        NonNull::new(unsafe { sys::rd_kafka_queue_poll(self.queue, wait_ms) }).map(Answer)
    }

    /// What the cluster said of topics, by name; topics with an error are left out. `None` while there is no answer.
    pub(super) fn topics(&self, wait: Duration) -> Option<BTreeMap<String, TopicDescription>> {
        let answer = self.wait(wait)?;
        let mut found = BTreeMap::new();
        // SAFETY: the event is valid. The result is null for an event of another kind; the array it names has `count` valid
        // descriptions, whose names are C strings and whose ids may be null. All of them live as long as the event.
        unsafe {
            let result = sys::rd_kafka_event_DescribeTopics_result(answer.0.as_ptr());
            let mut count = 0;
            let descriptions =
                if result.is_null() { ptr::null_mut() } else { sys::rd_kafka_DescribeTopics_result_topics(result, &mut count) };
            for index in 0..count {
                let description = *descriptions.add(index);
                let id = sys::rd_kafka_TopicDescription_topic_id(description);
                let error = sys::rd_kafka_error_code(sys::rd_kafka_TopicDescription_error(description));
                if id.is_null() || error != sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
                    continue;
                }
                let halves = [sys::rd_kafka_Uuid_most_significant_bits(id), sys::rd_kafka_Uuid_least_significant_bits(id)];
                let mut operations = 0;
                let first = sys::rd_kafka_TopicDescription_authorized_operations(description, &mut operations);
                let mut partitions = 0;
                sys::rd_kafka_TopicDescription_partitions(description, &mut partitions);
                let topic = TopicDescription { id: topic_id(halves), granted: granted(first, operations), partitions };
                let name = CStr::from_ptr(sys::rd_kafka_TopicDescription_name(description));
                found.insert(name.to_string_lossy().into_owned(), topic);
            }
        }
        Some(found)
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        // SAFETY: made by `ask` and destroyed here once, while the client lives.
        unsafe { sys::rd_kafka_queue_destroy(self.queue) };
    }
}

/// The answer to a question of the admin interface.
struct Answer(NonNull<sys::rd_kafka_event_t>);

impl Drop for Answer {
    fn drop(&mut self) {
        // SAFETY: librdkafka handed the event to us alone.
        unsafe { sys::rd_kafka_event_destroy(self.0.as_ptr()) };
    }
}

/// `None` for a null list: the cluster was not asked or does not tell.
///
/// # Safety
/// `first` is null or the first of `count` operations.
unsafe fn granted(first: *const sys::rd_kafka_AclOperation_t, count: usize) -> Option<Granted> {
    use sys::rd_kafka_AclOperation_t as Operation;
    if first.is_null() {
        return None;
    }
    // SAFETY: the caller's promise.
    let operations = unsafe { std::slice::from_raw_parts(first, count) };
    let has = |wanted| operations.iter().any(|operation| *operation as u32 == wanted as u32);
    Some(Granted {
        read: has(Operation::RD_KAFKA_ACL_OPERATION_READ),
        describe_configs: has(Operation::RD_KAFKA_ACL_OPERATION_DESCRIBE_CONFIGS),
    })
}

/// The name librdkafka and Kafka's documentation give an error.
pub(super) fn error_name(code: RDKafkaErrorCode) -> &'static str {
    let Ok(code) = sys::rd_kafka_resp_err_t::try_from(code as i32) else { return "" };
    // SAFETY: librdkafka returns a static C string for every code.
    unsafe { CStr::from_ptr(sys::rd_kafka_err2name(code)) }.to_str().unwrap_or_default()
}

/// What librdkafka says of an error in general.
pub(super) fn error_text(code: RDKafkaErrorCode) -> &'static str {
    let Ok(code) = sys::rd_kafka_resp_err_t::try_from(code as i32) else { return "" };
    // SAFETY: as above.
    unsafe { CStr::from_ptr(sys::rd_kafka_err2str(code)) }.to_str().unwrap_or_default()
}

/// `None` for the id of a broker that gives topics none: all zeros.
fn topic_id(halves: [i64; 2]) -> Option<TopicId> {
    let bytes = halves.map(i64::to_be_bytes).concat();
    bytes.iter().any(|byte| *byte != 0).then(|| BASE64_URL_SAFE_NO_PAD.encode(bytes).into())
}

impl Drop for DataQueue {
    fn drop(&mut self) {
        self.discard();
        // SAFETY: created by `new`, destroyed here once; the client outlives it through `consumer`.
        unsafe { sys::rd_kafka_queue_destroy(self.queue.as_ptr()) };
    }
}

/// A record, or what librdkafka says of a partition in its place. Destroyed on drop.
pub(super) struct Delivery<'q> {
    message: NonNull<sys::rd_kafka_message_t>,
    _queue: PhantomData<&'q mut DataQueue>,
}

/// What a delivery holds besides records.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum PartitionEvent {
    /// Read to the end; the delivery's offset is the next one.
    End,
    /// The broker does not have the offset any more, or not yet.
    OutOfRange,
    Failed(RDKafkaErrorCode, String),
}

impl Delivery<'_> {
    fn raw(&self) -> &sys::rd_kafka_message_t {
        // SAFETY: valid and not shared until drop.
        unsafe { self.message.as_ref() }
    }

    /// Identifies the topic among the messages alive at this moment; 0 for none.
    pub(super) fn topic_handle(&self) -> usize {
        self.raw().rkt.addr()
    }

    pub(super) fn topic(&self) -> String {
        let topic = self.raw().rkt;
        if topic.is_null() {
            return String::new();
        }
        // SAFETY: the message holds a reference to its topic; the name is a C string that lives as long.
        unsafe { CStr::from_ptr(sys::rd_kafka_topic_name(topic)) }.to_string_lossy().into_owned()
    }

    pub(super) fn partition(&self) -> i32 {
        self.raw().partition
    }

    pub(super) fn name(&self) -> TopicPartition {
        (self.topic(), self.partition())
    }

    pub(super) fn offset(&self) -> i64 {
        self.raw().offset
    }

    /// `None` for a record.
    pub(super) fn event(&self) -> Option<PartitionEvent> {
        use sys::rd_kafka_resp_err_t as Code;
        match self.raw().err {
            Code::RD_KAFKA_RESP_ERR_NO_ERROR => None,
            Code::RD_KAFKA_RESP_ERR__PARTITION_EOF => Some(PartitionEvent::End),
            Code::RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET | Code::RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE => Some(PartitionEvent::OutOfRange),
            code => Some(PartitionEvent::Failed(code.into(), self.error_text())),
        }
    }

    fn error_text(&self) -> String {
        // SAFETY: the message is valid; librdkafka returns null or a C string that lives as long as it.
        let text = unsafe { sys::rd_kafka_message_errstr(self.message.as_ptr()) };
        if text.is_null() {
            return String::new();
        }
        // SAFETY: not null, see above.
        unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
    }

    pub(super) fn key(&self) -> Option<&[u8]> {
        bytes(self.raw().key.cast(), self.raw().key_len)
    }

    pub(super) fn value(&self) -> Option<&[u8]> {
        bytes(self.raw().payload.cast(), self.raw().len)
    }

    pub(super) fn timestamp(&self) -> Option<Timestamp> {
        let mut kind = sys::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
        // SAFETY: the message and the out parameter are valid for the call.
        let millis = unsafe { sys::rd_kafka_message_timestamp(self.message.as_ptr(), &mut kind) };
        (kind != sys::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE && millis >= 0).then(|| Timestamp::from_millis(millis))
    }

    /// Calls `each` with every header in order; names are text by Kafka's rule, what is not is replaced.
    pub(super) fn for_each_header(&self, mut each: impl FnMut(&str, Option<&[u8]>)) {
        let mut headers = ptr::null_mut();
        // SAFETY: the message is valid; on success `headers` belongs to it and lives as long.
        let code = unsafe { sys::rd_kafka_message_headers(self.message.as_ptr(), &mut headers) };
        if code != sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
            return;
        }
        for index in 0.. {
            let (mut name, mut value, mut length) = (ptr::null(), ptr::null(), 0);
            // SAFETY: `headers` is valid, see above; past the last index the call returns an error and writes nothing.
            let code = unsafe { sys::rd_kafka_header_get_all(headers, index, &mut name, &mut value, &mut length) };
            if code != sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR || name.is_null() {
                return;
            }
            // SAFETY: a C string that lives as long as the message.
            let name = unsafe { CStr::from_ptr(name) }.to_string_lossy();
            each(&name, bytes(value.cast(), length));
        }
    }
}

impl Drop for Delivery<'_> {
    fn drop(&mut self) {
        // SAFETY: this delivery alone owns the message.
        unsafe { sys::rd_kafka_message_destroy(self.message.as_ptr()) };
    }
}

/// Bytes of a message; null is "no value", which differs from an empty one. The lifetime is that of the message's borrow.
fn bytes<'m>(start: *const u8, length: usize) -> Option<&'m [u8]> {
    // SAFETY: librdkafka gives null or `length` readable bytes that live as long as the message; callers above tie the slice to
    // a borrow of it.
    (!start.is_null()).then(|| unsafe { std::slice::from_raw_parts(start, length) })
}
